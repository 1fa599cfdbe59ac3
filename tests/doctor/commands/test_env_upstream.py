from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.upstream.store import Kept
from sdcoreml.ground.events import Emit
from sdcoreml.lockfiles.toolchain import Upstream, load_toolchain
from tests.upstreams import make_repository, make_toolchain


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.chdir(tmp_path)


def test_the_commit_is_obtained_found_and_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream = make_repository(tmp_path / "source")
    toolchain = make_toolchain(tmp_path / "tested", upstream)
    words = ["env", "upstream", "--toolchain", str(toolchain)]
    place = f"envs/upstream-{upstream.commit[:12]}"
    assert main([*words, "--from", "source"]) == 0
    said = capsys.readouterr()
    assert said.err == f"- write upstream-{upstream.commit[:12]}\n"
    first, second = said.out.splitlines()
    assert first == f"{place}: obtained, every file proved by its hash"
    assert second == f"commit {upstream.commit}"
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(f"{place}: as the commit has it, ")
    (tmp_path / place / "setup.py").unlink()
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(f"{place}: repaired, ")


def test_another_repository_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_repository(tmp_path / "source", {"a": "b"})
    assert main(["env", "upstream", "--from", "source"]) == 3
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines()[-1].startswith("error: source/.git/objects: has no commit c891f4357b22")
    assert main(["env", "upstream", "--from", "nowhere"]) == 3
    assert "nowhere: is not a git repository; give a clone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "source"),
    [((), ""), (("--from", "~/clone"), "/home/clone"), (("--from", "https://x/y"), "https://x/y")],
)
def test_a_source_is_a_folder_or_an_address(
    words: tuple[str, ...],
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[object] = []

    def obtain(upstream: Upstream, place: str, *, emit: Emit) -> Kept:
        del emit
        asked.append((upstream, place))
        return Kept(path=tmp_path / "kept", commit="c0ffee", was="obtained")

    monkeypatch.setenv("HOME", "/home")
    monkeypatch.setattr("sdcoreml.envs.upstream.store.obtain", obtain)
    assert main(["env", "upstream", "--toolchain", "tested", *words]) == 0
    assert asked == [(load_toolchain("tested").upstream, source)]
    said = "kept: obtained, every file proved by its hash\ncommit c0ffee\n"
    assert capsys.readouterr().out == said
