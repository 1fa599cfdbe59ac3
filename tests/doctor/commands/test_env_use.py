"""What is listed, put back and removed, of environments that have only a record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.users import use
from tests.envs.kept.test_store import finished
from tests.schemas import read_as

SEAL = "5ea1" * 16


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/fancy")
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    monkeypatch.delenv("BACKEND", raising=False)
    return tmp_path


def two(root: Path) -> tuple[Path, Path]:
    """Write two environments, of which the second is in use."""
    made = [finished(root / name, SEAL).path for name in ("a" * 16, "b" * 16)]
    for path in made:
        store.swap("tested", path)
    return made[0], made[1]


def test_none_is_built(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "list"]) == 0
    assert capsys.readouterr().out == (
        f"no environment is built in {root}; `sdcoreml env` builds one\n"
    )
    assert main(["env", "rollback"]) == 1
    assert capsys.readouterr().err == (
        f"error: {root}/tested: there is no earlier environment to go back to\n"
    )
    assert main(["env", "gc"]) == 0
    assert capsys.readouterr().out == f"{root}: nothing to remove\n"


def test_environments_are_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two(root)
    finished(root / ("c" * 16), SEAL)
    assert main(["env", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    facts = "tested     venv  Python 3.10.10   99 bytes  2026-11-24 02:30  5ea15ea15ea15ea1"
    assert sorted(lines) == [
        f"{'a' * 16}   {facts}  tested~",
        f"{'b' * 16}   {facts}  tested",
        f"{'c' * 16}   {facts}  (gc removes it)",
    ]


def test_environments_are_listed_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = two(root)
    assert main(["env", "list", "--json"]) == 0
    told = read_as("env-list", capsys.readouterr().out)
    environments = {row.pop("path"): row for row in told.pop("environments")}
    assert told == {"schema": 1, "root": str(root)}
    row = {
        "toolchain": "tested",
        "backend": "venv",
        "python": "3.10.10",
        "drift": False,
        "size": 99,
        "built": "2026-11-24T02:30:00+00:00",
        "seal": SEAL,
    }
    assert environments == {
        str(first): {**row, "links": ["tested~"]},
        str(second): {**row, "links": ["tested"]},
    }


def test_what_nothing_keeps_is_removed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two(root)
    loose = finished(root / ("c" * 16), SEAL).path
    assert main(["env", "gc", "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        f"{loose}  99 bytes\n1 environment would be removed, 99 bytes\n"
    )
    assert loose.is_dir()
    assert main(["env", "gc"]) == 0
    assert capsys.readouterr().out == "1 environment removed, 99 bytes\n"
    assert not loose.exists()
    assert len(store.list_environments(root)) == 2


def test_what_somebody_uses_stays_and_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loose = finished(root / ("c" * 16), SEAL).path
    with use(loose):
        assert main(["env", "gc"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{root}: nothing to remove",
        f"{loose} stays: a running process uses it",
    ]
    assert loose.is_dir()


def test_a_damaged_earlier_one_is_not_used(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = two(root)
    assert main(["env", "rollback"]) == 1
    said = capsys.readouterr().err
    assert f"{first}/sealed/files.tsv: not a manifest" in said
    assert (root / "tested").resolve() == second


def test_its_python_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, second = two(root)
    assert main(["env", "which"]) == 0
    assert capsys.readouterr().out == f"{second}/bin/python\n"


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (["run", "--", "python", "-V"], ["python", "-V"]),
        (["run", "true", "--", "x"], ["true", "--", "x"]),
        (["shell"], ["/bin/fancy"]),
    ],
)
def test_this_process_becomes_the_command(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], ran: list[str]
) -> None:
    became: list[list[str]] = []

    def become(_: str, command: list[str], environ: dict[str, str]) -> None:
        became.append([environ["VIRTUAL_ENV"], *command])
        raise KeyboardInterrupt

    _, second = two(root)
    monkeypatch.setattr(os, "execvpe", become)
    assert main(["env", *words]) == 130
    assert became == [[str(second), *ran]]


def test_a_command_is_needed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two(root)
    assert main(["env", "run", "--"]) == 1
    assert capsys.readouterr().err.startswith("error: env run: no command; give one, as in ")


def test_an_earlier_one_that_was_touched_is_not_used(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two(root)
    (first / "one.py").write_text("1")
    manifest.write(manifest.take(first), first)
    (first / "one.py").unlink()
    assert main(["env", "rollback"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {first}: the earlier environment is damaged: ")
    assert said.endswith("; `sdcoreml env build --fresh` builds a new one")
    assert (root / "tested").resolve() == second
