from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.kept.activate import activate, run
from sdcoreml.ground.errors import EnvError
from tests.envs.kept.test_store import finished

RUN = """\
import sys
from pathlib import Path
from sdcoreml.envs.kept import activate, store
from sdcoreml.ground.errors import EnvError
try:
    activate.run(store.read("tested", Path(sys.argv[1])), sys.argv[2:])
except EnvError as error:
    print(error)
"""


def test_commands_and_imports_come_from_the_environment(tmp_path: Path) -> None:
    made = finished(tmp_path / "one")
    user = {"PATH": "/usr/bin", "PYTHONPATH": "/mine", "PYTHONHOME": "/x", "EDITOR": "vi"}
    assert activate(made, user) == {
        "PATH": f"{made.path}/bin:/usr/bin",
        "EDITOR": "vi",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": str(made.path),
    }


def test_conda_s_own_variables_name_one_that_conda_s_packages_made(tmp_path: Path) -> None:
    made = replace(finished(tmp_path / "one"), conda="5ea1")
    assert activate(made, {"VIRTUAL_ENV": "/x", "CONDA_PREFIX": "/y"}) == {
        "PATH": f"{made.path}/bin:{os.defpath}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "CONDA_PREFIX": str(made.path),
        "CONDA_DEFAULT_ENV": made.name,
    }


def started(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, str(folder), *command],
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_exit_code_is_the_commands_own(tmp_path: Path) -> None:
    made = finished(tmp_path / "one")
    (made.path / "bin/hello").write_text("#!/bin/sh\necho $VIRTUAL_ENV $1; exit 7\n")
    (made.path / "bin/hello").chmod(0o755)
    done = started(made.path, "hello", "you")
    assert (done.returncode, done.stdout) == (7, f"{made.path} you\n")


def test_a_command_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    made = finished(tmp_path / "one")
    done = started(made.path, "no-such-command")
    assert done.stdout.startswith("no-such-command: No such file or directory; it is looked for in")
    assert done.stdout.count("\n") == 1
    with pytest.raises(EnvError) as caught:
        run(made, ["no-such-command"])
    assert str(caught.value) == (
        "no-such-command: No such file or directory; it is looked for in"
        f" {made.path}/bin and on PATH"
    )
