from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    Unknown,
)
from sdcoreml.doctor.core.tools import Git, Hub, XcodeFacts
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.doctor.gather.tools import git, hub, xcode


def answering(answers: Mapping[str, RunResult]) -> Probe:
    """Return a fake Mac, on which programs give these results by command line."""

    def run(argv: Sequence[str], /, *, seconds: float = 1.0) -> RunResult | Unknown:
        del seconds
        return answers.get(" ".join(argv), Unknown(reason=f"{argv[0]}: No such file or directory"))

    return Probe(
        system="Darwin", machine="arm64", environ={"PATH": ""}, root=Path("/nonexistent"), run=run
    )


def test_git_and_its_extension(tmp_path: Path) -> None:
    said = {"git --version": RunResult(code=0, out="git version 2.45.1")}
    (tmp_path / "git-lfs").touch(mode=0o755)
    developer = {"xcode-select -p": RunResult(code=0, out="/Library/Developer/CommandLineTools")}
    assert git(answering({**said, **developer})) == Git(version="2.45.1", lfs="")
    with_lfs = replace(answering({**said, **developer}), environ={"PATH": str(tmp_path)})
    assert git(with_lfs) == Git(version="2.45.1", lfs=str(tmp_path / "git-lfs"))


def test_a_git_that_does_not_answer_is_not_absent(tmp_path: Path) -> None:
    developer = {"xcode-select -p": RunResult(code=0, out="/Library/Developer/CommandLineTools")}
    silent = answering(developer)
    assert isinstance(git(silent), Absent), "there is none on PATH"
    (tmp_path / "git").touch(mode=0o755)
    assert isinstance(git(replace(silent, environ={"PATH": str(tmp_path)})), Unknown)


def test_the_stub_of_a_new_mac_is_not_started() -> None:
    # Running /usr/bin/git would open a window that offers to install the Command Line Tools.
    said = {"git --version": RunResult(code=0, out="git version 2.45.1")}
    assert isinstance(git(answering(said)), Absent)


def test_xcode_and_its_complaint() -> None:
    answers = {
        "xcode-select -p": RunResult(code=0, out="/Library/Developer/CommandLineTools"),
        "xcrun --find coremlcompiler": RunResult(
            code=72, err='xcrun: error: unable to find utility "x"'
        ),
    }
    assert xcode(answering(answers)) == XcodeFacts(
        developer="/Library/Developer/CommandLineTools",
        compiler="",
        complaint='xcrun: error: unable to find utility "x"',
        others=(),
    )


def test_xcode_is_absent_elsewhere() -> None:
    assert isinstance(xcode(Probe(system="Linux")), Absent)


def test_installed_but_unselected_xcode_is_found(tmp_path: Path) -> None:
    (tmp_path / "Applications/Xcode-beta.app").mkdir(parents=True)
    answers = {"xcrun --find coremlcompiler": RunResult(code=0, out="/x/coremlcompiler")}
    asked = answering(answers)
    facts = xcode(Probe(system="Darwin", environ={}, root=tmp_path, run=asked.run))
    assert isinstance(facts, XcodeFacts)
    assert facts.others == (str(tmp_path / "Applications/Xcode-beta.app"),)
    assert facts.compiler == "/x/coremlcompiler"


@pytest.mark.parametrize("stored", [True, False])
def test_hub_tells_that_there_is_a_token_and_never_which(tmp_path: Path, *, stored: bool) -> None:
    home = tmp_path / ".cache/huggingface"
    blobs = home / "hub/models--a--b/blobs"
    blobs.mkdir(parents=True)
    (blobs / "0123.incomplete").touch()
    if stored:
        (home / "token").write_text("hf_secret")
    certificates = tmp_path / "ca.pem"
    certificates.touch()
    proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    bundles = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    environ = {
        **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE"), "1"),
        **dict.fromkeys(proxies, "http://u:p@example.org"),
        "UV_OFFLINE": "0",
        **dict.fromkeys(bundles, str(certificates)),
    }
    facts = hub(Probe(environ=environ, home=tmp_path))
    assert facts == Hub(
        token=stored,
        offline=("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE"),
        proxies=proxies,
        certificates=bundles,
        cache=str(home / "hub"),
        incomplete=("models--a--b/blobs/0123.incomplete",),
        roots=True,
    )


def test_mirrors_in_force_and_who_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = tmp_path / "sdcoreml" / "config.toml"
    environ = {"PIP_INDEX_URL": "https://u:p@a.invalid/simple"}
    assert hub(Probe(environ=environ, home=tmp_path)).mirrors == (
        "index https://****@a.invalid/simple (by $PIP_INDEX_URL)",
    )
    own.parent.mkdir()
    own.write_text("[channel]\nurl = 'https://c.invalid/forge'\n")
    assert hub(Probe(environ={}, home=tmp_path)).mirrors == (
        f"channel https://c.invalid/forge (by [channel] of {own})",
    )
    own.write_text("[chanel]\n")
    assert "[chanel] is not known" in hub(Probe(environ={}, home=tmp_path)).mirror_fault


def test_no_certificates_to_trust(tmp_path: Path) -> None:
    environ = {"SSL_CERT_FILE": str(tmp_path / "none.pem"), "SSL_CERT_DIR": str(tmp_path)}
    assert not hub(Probe(environ=environ, home=tmp_path)).roots


def test_what_fails_says_why(tmp_path: Path) -> None:
    developer = {"xcode-select -p": RunResult(code=0, out="/Library/Developer/CommandLineTools")}
    for failed, reason in (
        (RunResult(code=69, err="agree to the licence"), "agree to the licence"),
        (RunResult(code=3, out="git version 2"), "git --version exits 3"),
    ):
        assert git(answering({**developer, "git --version": failed})) == Unknown(reason=reason)
    reason = "git: No such file or directory"
    assert git(answering(developer)) == Absent(reason=reason)
    (tmp_path / "git").touch(mode=0o755)
    there = replace(answering(developer), environ={"PATH": str(tmp_path)})
    assert git(there) == Unknown(reason=reason)
    assert xcode(answering({})) == Unknown(reason="xcrun: No such file or directory")
    assert xcode(Probe(system="Linux")) == Absent(reason="only macOS has Xcode")
