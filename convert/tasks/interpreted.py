"""Runs the compiled programs of a folder by the interpreter, as a pipeline needs them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import torch

from sdcoreml.convert.bundle.contract import COMPILED, chunk_paths
from sdcoreml.convert.drawing.programs import Shapes
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.mil.arguments import CPU
from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.tasks.preview import Size, shrink_program
from sdcoreml.ground.errors import UnableError


class InterpretedPrograms:
    """The programs at `places`, by name: a compiled model, or the two halves of one.

    Each is opened when it is first needed, and stays open until `stack` is closed. With a `size`,
    they are rewritten for latents of that size. They compute on `device`.
    """

    def __init__(
        self,
        places: Mapping[str, Packages],
        mode: Mode,
        stack: ExitStack,
        *,
        size: Size | None = None,
        device: str = CPU,
    ) -> None:
        self._places = places
        self._mode = mode
        self._stack = stack
        self._size = size
        self._device = device
        self._open: dict[str, Executable] = {}

    def inputs(self, name: str) -> Shapes:
        """Return the inputs of a program and their shapes; none if there is no such program."""
        if name not in self._places:
            return {}
        return self._executable(name).function.input_shapes

    def outputs(self, name: str) -> tuple[str, ...]:
        """Return the names of a program's outputs."""
        return self._executable(name).function.block.outputs

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        """Run a program."""
        tensors = {port: torch.from_numpy(value) for port, value in feeds.items()}
        outputs = self._executable(name).run(tensors, self._mode)
        return {port: value.float().cpu().numpy() for port, value in outputs.items()}

    def _executable(self, name: str) -> Executable:
        if name not in self._open:
            program = self._stack.enter_context(open_whole(self._places[name]))
            if self._size:
                program = shrink_program(program, self._size)
            self._open[name] = Executable.of(program, self._device)
        return self._open[name]


def places_in(folder: Path, programs: Mapping[str, bool]) -> dict[str, Packages]:
    """Return where compiled programs are in a folder; the value says if one is in two halves."""
    paths = {name: folder / f"{name}{COMPILED}" for name in programs}
    return {name: chunk_paths(path) if programs[name] else path for name, path in paths.items()}


def require_device(name: str) -> None:
    """Raise `UnableError` unless torch can compute on this device: `cpu`, `cuda` or `mps`."""
    usable = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if name in usable and not usable[name]():
        raise UnableError(
            f"torch {torch.__version__} finds no such device here",
            where=f"--device {name}",
            remedy="leave it out, to draw on the CPU",
        )
