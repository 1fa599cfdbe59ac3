from __future__ import annotations

import subprocess
import sys

import pytest

from sdcoreml.ground.collector import OLD, YOUNG


@pytest.mark.parametrize(
    "main",
    [
        "from sdcoreml.doctor.cli import main; main(['--version'])",
        """from sdcoreml.convert.tasks.build import task
with contextlib.suppress(ValueError): task({}, print)""",
    ],
)
def test_the_tool_and_the_builder_look_for_cycles_rarely(main: str) -> None:
    code = f"import contextlib, gc, sys\n{main}\nsys.stderr.write(str(gc.get_threshold()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == str((YOUNG, OLD, OLD))


def test_what_is_there_is_not_looked_through_again() -> None:
    code = (
        "import gc\nfrom sdcoreml.ground.collector import collect_rarely\n"
        "before = gc.get_freeze_count()\ncollect_rarely()\n"
        "print(before, gc.get_freeze_count() > 1_000, gc.get_threshold())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 True (100000, 50, 50)\n"
