"""What is said of a child process that died."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.commands.convert_crash import explain_crash
from sdcoreml.ground.errors import WorkerError
from sdcoreml.ground.exits import run_to_exit_code


def test_a_dead_childs_words_are_explained_after_the_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = "OSError: Error no file named diffusion_pytorch_model.bin found in directory unet."

    def dying() -> int:
        with explain_crash("light"):
            raise WorkerError("build: died", log=log)

    assert run_to_exit_code(dying) == WorkerError.exit_code
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert (first, second.split()[0]) == ("error: build: died", "cause")
