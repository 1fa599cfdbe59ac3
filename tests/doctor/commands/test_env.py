from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.env import describe_proof
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.touched import is_untouched
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.evidence import Evidence, append_evidence
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.former import make_former
from tests.envs.kept.test_store import finished
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain, wheel
from tests.lockfiles.test_evidence import PROOF
from tests.schemas import read_as

EARLIER = Evidence(
    when="2026-11-24T00:00:00+00:00",
    target="linux-x86_64",
    system="Linux",
    cpu="x",
    python="3.10.10",
    lock="earlier",
    seal="5ea1",
    ran="make inside",
    result="passed",
)


STEP = "- "


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the options of `env` that build a tiny toolchain from wheels of this test."""
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    name = toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "wheels"))
    monkeypatch.setenv("TOOLCHAIN", name)
    return ["--python", str(PYTHON), "--find-links", str(tmp_path / "wheels")]


def site(tmp_path: Path) -> Path:
    return site_packages(tmp_path / "envs" / "tiny")


def test_env_alone_builds(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", *words]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(
        rf"tiny: {tmp_path}/envs/[0-9a-f]{{16}}, Python [\d.]+, 30 files, \d+ kB\n"
        r"seal [0-9a-f]{64}\n",
        out,
    )
    steps = [line for line in err.splitlines() if line.startswith("- ")]
    assert steps[0] == "- examine this machine"
    assert steps[3] == "- install 2 locked packages"
    assert steps[-1] == "- hash every file and seal"
    assert main(["env", "build", *words]) == 0
    assert capsys.readouterr() == (out, "")


def test_where_no_python_can_be_had_light_is_offered_if_it_can_be_built_here(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(PYTHON.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    file = tmp_path / "tiny" / "toolchain.toml"
    file.write_text(file.read_text().replace(">=3.10", "==3.9.99"))
    assert main(["env", *words[2:], "--no-provision"]) == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith(f"error: no Python {VERSION} found on this machine; ")
    assert "can be built here, with `sdcoreml env --toolchain light`" in err


def test_options_before_the_action_count_as_well(words: list[str], tmp_path: Path) -> None:
    assert main(["env", *words, "build"]) == 0
    assert store.current("tiny", tmp_path / "envs") is not None


def test_which_prints_the_python(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "which"]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/envs/tiny: no environment built; run `sdcoreml env`\n"
    )
    main(["env", *words])
    capsys.readouterr()
    assert main(["env", "which"]) == 0
    assert Path(capsys.readouterr().out.strip()).name == "python"


def test_verify_says_what_is_not_as_sealed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    capsys.readouterr()
    assert main(["env", "verify", "--full"]) == 0
    assert "30 files as sealed (every byte), seal " in capsys.readouterr().out
    (site(tmp_path) / "one.py").unlink()
    (site(tmp_path) / "evil.pth").write_text("")
    assert main(["env", "verify"]) == 1
    out, err = capsys.readouterr()
    assert [line.rpartition("/")[2] for line in out.splitlines()] == [
        "evil.pth: not part of it (nobody)",
        "one.py: missing (one)",
    ]
    assert err.startswith(f"error: {tmp_path}/envs/")
    assert "2 of 30 files differ from the seal" in err
    for number in range(20):
        (site(tmp_path) / f"evil{number}.pth").touch()
    assert main(["env", "verify"]) == 1
    assert capsys.readouterr().out.splitlines()[20:] == ["... and 2 more (--json lists all)"]


def test_files_that_were_merely_touched_are_read_once(words: list[str], tmp_path: Path) -> None:
    """As after a restored backup, whose files are newer than the seal."""
    main(["env", *words])
    made = store.current("tiny", tmp_path / "envs")
    assert made is not None
    file = site(tmp_path) / "one.py"
    for _ in range(2):
        time.sleep(0.1)
        file.chmod(file.stat().st_mode)
        assert not is_untouched(made)
        time.sleep(0.1)
        assert main(["env", "verify", "--full"]) == 0
        assert is_untouched(made)


def test_verify_as_json(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    (site(tmp_path) / "one.py").unlink()
    capsys.readouterr()
    assert main(["env", "verify", "--json"]) == 1
    told = read_as("env-verify", capsys.readouterr().out)
    assert (told["schema"], told["files"], len(told["seal"])) == (1, 30, 64)
    (fault,) = told["faults"]
    assert (fault["what"], fault["owner"]) == ("missing", "one")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--toolchain", "testde"], 2, "no toolchain named 'testde'"),
        (["--toolchain", "/nowhere/at/all"], 1, "/nowhere/at/all/toolchain.toml: no such file"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", *words]) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1


def test_an_unfit_python_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", *words, "--python", "/nowhere/python"]) == 1
    *steps, error = capsys.readouterr().err.splitlines()
    assert steps == ["- examine this machine"]
    assert error.startswith(
        "error: /nowhere/python: cannot be run as a Python; `sdcoreml env --prov"
    )


def test_repair_puts_right_what_verify_found(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    (site(tmp_path) / "one.py").unlink()
    (site(tmp_path) / "evil.pth").write_text("")
    capsys.readouterr()
    assert main(["env", "repair", *words[2:]]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "- compare every byte with the seal",
        "- restore one from the cache or the index",
    ]
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == ["restored", "removed", "tiny:"]
    assert "1 restored, 1 removed; as sealed, seal " in lines[-1]
    assert main(["env", "verify", "--full"]) == 0


def test_the_store_is_listed_rolled_back_and_collected(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "list"]) == 0
    assert capsys.readouterr().out.startswith("no environment is built in ")
    assert main(["env", "rollback"]) == 1
    assert "no earlier environment to go back to" in capsys.readouterr().err
    main(["env", *words])
    main(["env", *words, "--fresh"])
    (environments_folder() / "mine").symlink_to((environments_folder() / "tiny").readlink())
    main(["env", *words, "--fresh"])
    capsys.readouterr()
    assert main(["env", "list", "--json"]) == 0
    told = read_as("env-list", capsys.readouterr().out)
    assert told["schema"] == 1
    rows = told["environments"]
    assert [row["links"] for row in rows] == [[], ["mine", "tiny~"], ["tiny"]]
    assert len({row["seal"] for row in rows}) == 1
    assert main(["env", "list"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("(gc removes it)")
    before = sorted(environments_folder().iterdir())
    assert main(["env", "gc", "--dry-run"]) == 0
    listed, summary = capsys.readouterr().out.splitlines()
    assert listed.startswith(rows[0]["path"])
    assert re.fullmatch(r"1 environment would be removed, \d+ kB", summary)
    assert sorted(environments_folder().iterdir()) == before
    assert main(["env", "gc"]) == 0
    assert re.fullmatch(r"1 environment removed, \d+ kB\n", capsys.readouterr().out)
    assert main(["env", "gc"]) == 0
    assert capsys.readouterr().out == f"{environments_folder()}: nothing to remove\n"
    assert main(["env", "rollback"]) == 0
    assert "is in use again" in capsys.readouterr().out


def test_a_damaged_earlier_one_is_not_gone_back_to(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    (site(tmp_path) / "one.py").unlink()
    main(["env", *words, "--fresh"])
    now = store.current("tiny", tmp_path / "envs")
    assert main(["env", "rollback"]) == 1
    assert "the earlier environment is damaged: " in capsys.readouterr().err
    assert store.current("tiny", tmp_path / "envs") == now


def test_run_without_a_command_is_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    capsys.readouterr()
    assert main(["env", "run", "--"]) == 1
    assert capsys.readouterr().err.startswith("error: env run: no command;")


def test_run_becomes_the_command(words: list[str], tmp_path: Path) -> None:
    main(["env", *words])
    command = [sys.executable, "-m", "sdcoreml", "env", "run", "--", "one"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"one runs in {(tmp_path / 'envs/tiny').resolve()}\n"


def test_lock_compiles_and_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # pip-tools keeps a cache there
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    locked = standard_wheels(tmp_path / "wheels")
    name = toolchain(tmp_path / "tiny", locked)
    place = ["--toolchain", name, "--find-links", str(tmp_path / "wheels")]
    text = (tmp_path / "tiny/toolchain.toml").read_text()
    text = re.sub(r"supported = .*", 'supported = ["linux-x86_64"]', text)
    (tmp_path / "tiny/toolchain.toml").write_text(text + '[refused]\nplan9-mips = "no"\n')
    assert main(["env", "lock", *place]) == 0
    assert capsys.readouterr().out.endswith("tiny: locked\n")
    assert main(["env", "lock", *place]) == 0
    assert capsys.readouterr().out == "tiny: nothing moved\n"
    assert main(["env", "lock", "--offline", "--toolchain", name]) == 0
    assert capsys.readouterr().out == (
        "tiny on linux-x86_64: 2 packages, a wheel for each, 0 bytes\n"
        "tiny on plan9-mips: refused: no\n"
        "tiny: no second opinion was taken: --offline\n"
    )
    (written,) = (tmp_path / "tiny").glob("environment.*.yml")
    current = written.read_text()
    written.write_text("name: other\n")
    assert main(["env", "lock", "--offline", "--toolchain", name]) == 1
    assert "is not what the toolchain says" in capsys.readouterr().err
    written.write_text(current)
    assert main(["env", "lock", "--check", *place]) == 0
    *_, opinion, last = capsys.readouterr().out.splitlines()
    assert last == "tiny: the locks are what the pins resolve to"
    assert re.fullmatch(r"tiny on linux-x86_64: pip-tools .* agrees on all 2 versions", opinion)
    wheel(tmp_path / "wheels", "two", "2.2", {"two/__init__.py": ""})
    (tmp_path / "tiny/toolchain.toml").write_text(text.replace("2.1", "2.2"))
    assert main(["env", "lock", "--check", *place]) == 1
    assert "two is 2.1, pinned is 2.2" in capsys.readouterr().err
    assert main(["env", "lock", *place]) == 0


def test_evidence_is_listed_and_a_damaged_environment_proves_nothing(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    append_evidence(load_toolchain(f"{tmp_path}/tiny/"), EARLIER)
    capsys.readouterr()
    assert main(["env", "evidence"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f": {EARLIER.ran}: {EARLIER.figures()}")
    (site(tmp_path) / "one.py").unlink()
    assert main(["env", "evidence", "--prove"]) == 1
    assert "; only a sound environment proves something" in capsys.readouterr().err


def test_whether_it_is_what_was_proven_is_said(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    made = store.current("tiny", tmp_path / "envs")
    assert made is not None
    tiny = load_toolchain(f"{tmp_path}/tiny/")
    python, lock = made.interpreter.version, made.lock_digest
    earlier = replace(EARLIER, target=made.target, python=python, lock=lock)
    append_evidence(tiny, earlier)
    capsys.readouterr()
    main(["env", *words])
    assert capsys.readouterr().out.splitlines()[-1] == (
        "warning: what was proven is sealed 5ea1; same lock, other bytes:"
        " `sdcoreml explain ENV007` says more"
    )
    append_evidence(tiny, replace(earlier, seal=made.seal, tests=7))
    main(["env", *words])
    assert capsys.readouterr().out.splitlines()[-1] == "proven on 2026-11-24: 7 tests (Linux, x)"


def test_only_what_was_looked_at_now_is_called_proven(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    made = store.current("tiny", tmp_path / "envs")
    assert made is not None
    python, lock = made.interpreter.version, made.lock_digest
    earlier = replace(EARLIER, target=made.target, python=python, lock=lock, seal=made.seal)
    append_evidence(load_toolchain(f"{tmp_path}/tiny/"), replace(earlier, tests=7))
    (site(tmp_path) / "one.py").write_text("")
    capsys.readouterr()
    assert main(["env", *words]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "proven on 2026-11-24: 7 tests (Linux, x)"
    assert "warning: 1 path is not as sealed, first lib/python" in err
    assert "restore one from the cache or the index" in err
    assert (site(tmp_path) / "one.py").read_text() != ""


def test_a_repair_that_fails_leads_to_a_new_build(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    before = (tmp_path / "envs/tiny").resolve()
    (before / "sealed/files.tsv").write_text("nothing\n")
    capsys.readouterr()
    assert main(["env", "repair", *words[2:]]) == 1
    assert "`sdcoreml env build --fresh" in capsys.readouterr().err
    assert main(["env", *words]) == 0
    assert "it is built anew" in capsys.readouterr().err
    after = (tmp_path / "envs/tiny").resolve()
    assert after != before
    assert main(["env", "verify", "--full"]) == 0
    assert main(["env", *words]) == 0, "and stays"
    assert (tmp_path / "envs/tiny").resolve() == after


def test_one_of_the_former_format_is_sealed_anew(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    made = store.current("tiny", tmp_path / "envs")
    assert made is not None
    make_former(made)
    capsys.readouterr()
    assert main(["env", "verify", "--full"]) == 0
    assert main(["env", *words]) == 0
    out, err = capsys.readouterr()
    assert f"was sealed in the format of before\n{STEP}compare every byte with that seal\n" in err
    assert f"seal {made.seal}" in out
    assert main(["env", "verify", "--full"]) == 0


def test_what_a_running_command_uses_is_not_collected(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["env", *words])
    used = (tmp_path / "envs/tiny").resolve()
    command = [sys.executable, "-m", "sdcoreml", "env", "run", "--", "python", "-c"]
    program = "print(flush=True); input()"
    with subprocess.Popen([*command, program], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        (tmp_path / "envs/tiny").unlink()
        capsys.readouterr()
        assert main(["env", "gc"]) == 0
        told = f"nothing to remove\n{used} stays: a running process uses it\n"
        assert capsys.readouterr().out.endswith(told)
        child.communicate(b"\n")
    assert main(["env", "gc"]) == 0
    assert not used.exists()


def test_without_provision_nothing_is_brought_and_strict_refuses_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(PYTHON.parent))
    monkeypatch.setattr("sdcoreml.envs.building.provision.PROVIDERS", None)
    locked = standard_wheels(tmp_path / "unbrought")
    name = toolchain(tmp_path / "other", locked, version="3.10.99")
    words = ["--no-provision", "--toolchain", name, "--find-links", str(tmp_path / "unbrought")]
    assert main(["env", *words, "--strict"]) == 1
    assert "stands in for the tested 3.10.99" in capsys.readouterr().err.splitlines()[-1]
    assert main(["env", *words]) == 0
    assert "(drift: tested with 3.10.99)" in capsys.readouterr().out


def test_how_an_environment_compares_with_what_was_proven(tmp_path: Path) -> None:
    made = finished(tmp_path / "one")  # its Python is 3.10.10, its lock 10cc, its seal 5ea1
    like = replace(PROOF, python="3.10.10")
    others = [replace(like, lock="0ff"), replace(like, target="macos-arm64"), PROOF]
    assert describe_proof(made, others) == ""
    assert describe_proof(made, [like, *others]) == (
        "proven on 2026-11-24: 12 passed (Linux 6.1, x86_64)"
    )
    assert describe_proof(made, [replace(like, seal="0dd"), *others]) == (
        "warning: what was proven is sealed 0dd; same lock, other bytes:"
        " `sdcoreml explain ENV007` says more"
    )
