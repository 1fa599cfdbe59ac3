"""The action for GitHub: its form, and its steps with stand-ins for what the host brings."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.actions import ROOT, Ran, run

CONTENT: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = CONTENT["runs"]["steps"]
STAND_IN = f"""\
#!{sys.executable}
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ.get("SDCOREML_ENVS"), os.environ.get("TOOLCHAIN")]))
"""


@pytest.fixture
def action(tmp_path: Path) -> Path:
    """The action in a folder of its own, with a bootstrap that makes the stand-in."""
    folder = tmp_path / "an action"
    (folder / "envs").mkdir(parents=True)
    shutil.copy(ROOT / "action.yml", folder)
    for name in ("light", "tested", "host"):
        shutil.copytree(ROOT / "lockfiles" / name, folder / "lockfiles" / name)
    program = folder / ".venv/bin/sdcoreml"
    (folder / "stand-in").write_text(STAND_IN)
    bootstrap = folder / "envs/bootstrap.sh"
    bootstrap.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")/.."\nmkdir -p .venv/bin\ncp stand-in .venv/bin/sdcoreml\n'
        "chmod 755 .venv/bin/sdcoreml\n"
    )
    bootstrap.chmod(0o755)
    assert not program.exists()
    return folder


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


def said(ran: Ran) -> list[Any]:
    return [json.loads(line) for line in ran.text.splitlines()]


def key(ran: Ran) -> str:
    return next(iter(ran.keys.values()))


def test_it_builds_the_environment_then_examines_the_runner(action: Path, temp: Path) -> None:
    ran = run(action, temp, sys.executable)
    assert (ran.code, said(ran)) == (
        0,
        [
            [["env"], f"{temp}/sdcoreml/envs", "light"],
            [["doctor", "--github"], f"{temp}/sdcoreml/envs", "light"],
        ],
    )
    assert ran.outputs == {"environments": f"{temp}/sdcoreml/envs", "restored": ""}


def test_later_steps_find_the_program_and_nothing_else_of_it(action: Path, temp: Path) -> None:
    ran = run(action, temp, sys.executable, {"toolchain": "tested"})
    (first, *_) = ran.environ["PATH"].split(":")
    assert [path.name for path in Path(first).iterdir()] == ["sdcoreml"]
    assert (ran.environ["TOOLCHAIN"], ran.environ["SDCOREML_ENVS"]) == (
        "tested",
        f"{temp}/sdcoreml/envs",
    )


def test_what_is_kept_is_named_by_the_locks(action: Path, temp: Path) -> None:
    before = run(action, temp, sys.executable)
    assert list(before.keys) == [f"{temp}/sdcoreml/envs"]
    assert re.fullmatch(r"sdcoreml-Linux-X64-3\.10\.13-[0-9a-f]{64}", key(before))
    assert key(run(action, temp, sys.executable, {"toolchain": "tested"})) != key(before)
    with (action / "lockfiles/light/requirements.linux-x86_64.txt").open("a") as lock:
        lock.write("# changed\n")
    assert key(run(action, temp, sys.executable)) != key(before)


@pytest.mark.parametrize("name", ["own", "toolchains/own", "./toolchains/own/"])
def test_a_toolchain_of_one_s_own_holds_in_every_folder(
    action: Path, temp: Path, name: str
) -> None:
    own = temp / "toolchains/own"
    shutil.copytree(action / "lockfiles/light", own)
    ran = run(action, temp, sys.executable, {"toolchain": name})
    assert (ran.code, ran.environ["TOOLCHAIN"]) == (0, f"{own}/")


@pytest.mark.parametrize("name", ["nosuch", "", "$(touch x)", "host", "../an action"])
def test_another_toolchain_is_one_line(action: Path, temp: Path, name: str) -> None:
    ran = run(action, temp, sys.executable, {"toolchain": name})
    assert (ran.code, ran.text) == (
        2,
        f"::error::toolchain: {name} is neither light, tested, current nor a toolchain's folder\n",
    )
    assert not (temp / "x").exists()


def test_a_failure_of_the_bootstrap_ends_the_action(action: Path, temp: Path) -> None:
    (action / "envs/bootstrap.sh").write_text("#!/bin/sh\necho error: no network\nexit 1\n")
    ran = run(action, temp, sys.executable)
    assert (ran.code, ran.text) == (1, "error: no network\n")


def test_no_value_is_written_into_a_script() -> None:
    assert not [step["run"] for step in STEPS if "${{" in step.get("run", "")]


def test_actions_are_of_the_host_itself() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used == ["actions/setup-python@v5", "actions/cache@v4"]


def test_the_readme_says_that_it_has_not_run() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "**The action** (`action.yml`)" in readme
