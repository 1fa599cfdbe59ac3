"""Runs a model's own modules in the place of the programs that were made from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from sdcoreml.convert.drawing.programs import FolderPrograms, Shapes
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.wish import Original
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.references.modules import open_module
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.files import Document


class ModulePrograms:
    """The pinned modules with the model's weights; `originals` has them by program.

    They take what the programs take. A program without an original, such as a ControlNet's, is run
    itself. With `in_half`, every layer's result is rounded to half precision, as on a device that
    accumulates in float32: so much is lost without any conversion.
    """

    def __init__(
        self,
        programs: FolderPrograms,
        originals: Mapping[str, Original],
        *,
        in_half: bool = False,
    ) -> None:
        self._programs = programs
        self._originals = originals
        self._in_half = in_half
        self._modules: dict[str, torch.nn.Module] = {}

    def inputs(self, name: str) -> Shapes:
        """Return the inputs of the program and their shapes; none if there is no such program."""
        return self._programs.inputs(name)

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        """Compute what the program ought to compute."""
        if name not in self._originals:
            return self._programs.run(name, feeds)
        original = self._originals[name]
        tensors = {port: torch.from_numpy(value) for port, value in feeds.items()}
        with torch.inference_mode():
            outputs = reference(original.component).compute_expected(
                self._open(name, original),
                tensors,
                original.options,
                self._programs.outputs(name),
            )
        return {port: value.numpy() for port, value in outputs.items()}

    def _open(self, name: str, original: Original) -> torch.nn.Module:
        if name not in self._modules:
            config = read_object(Path(original.config), Document.CONFIG)
            module = open_module(
                lambda: reference(original.component).build(config),
                Path(original.weights),
                torch.float16 if self._in_half else torch.float32,
            )
            if self._in_half:
                _round_results(module)
            self._modules[name] = module
        return self._modules[name]


def _round_results(module: torch.nn.Module) -> None:
    """Round the result of every layer to half precision."""
    for layer in module.modules():
        if next(layer.children(), None) is None:
            layer.register_forward_hook(_round)


def _round(_: torch.nn.Module, __: object, result: object) -> object:
    if isinstance(result, torch.Tensor) and result.is_floating_point():
        return result.half().float()
    return result
