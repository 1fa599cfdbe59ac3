"""Runs a parsed ML Program on torch.

This is the reference for what a written program computes, on any system and with any toolchain. It
uses neither Core ML nor coremltools, only the values of `convert.spec.model`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from sdcoreml.convert.mil.arguments import CPU
from sdcoreml.convert.mil.attention import Attention, find_attention
from sdcoreml.convert.mil.frame import Frame, Observer, observe_nothing
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.spec.model import Function, Operation
from sdcoreml.convert.storage.elements import BlobStorage
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import ParityError, SdcoremlError

_FAILURES = (SdcoremlError, RuntimeError, IndexError, ValueError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """A function of a program together with its weights.

    `label` names it in errors, and `device` is where torch computes.
    """

    function: Function
    storage: BlobStorage
    label: str = "program"
    device: str = CPU

    @staticmethod
    def of(program: OpenProgram, device: str = CPU) -> Executable:
        """Return the function of an open package, named by its path in errors."""
        return Executable(
            function=program.function,
            storage=program.storage,
            label=os.fspath(program.path),
            device=device,
        )

    def run(
        self,
        feeds: Mapping[str, torch.Tensor],
        mode: Mode = Mode.FP32,
        observe: Observer = observe_nothing,
    ) -> dict[str, torch.Tensor]:
        """Compute the outputs for these inputs.

        A constant is read when an operation needs it and dropped after; any other value is kept
        until its last use.

        Args:
            feeds: each input by name, in its declared shape.
            mode: the precision to compute in.
            observe: called with each operation's results.

        Raises:
            ParityError: an operation fails, violates its declaration, or is the first whose result
                is not finite. The message names it.
            UnsupportedError: an operation, or one of its forms, is not implemented.
        """
        frame = Frame(self.function, self.storage, mode, self.device)
        uses = last_uses(self.function)
        found = find_attention(self.function) if observe is observe_nothing else []
        pieces = {one.numbers[-1]: one for one in found}
        waiting = {number: one.numbers[-1] for one in found for number in one.numbers[:-1]}
        for number, last in waiting.items():
            uses[last] = [*uses.get(last, ()), *uses.pop(number, ())]
        with torch.inference_mode(), _making_on(self.device):
            frame.feed({name: feed.to(self.device) for name, feed in feeds.items()})
            for number, operation in enumerate(self.function.block.operations):
                if number in waiting:
                    continue
                if number in pieces:
                    self._attend(frame, pieces[number])
                else:
                    self._step(frame, number, operation, observe)
                frame.release(uses.get(number, ()))
            return {name: frame.tensor(name) for name in self.function.block.outputs}

    def _attend(self, frame: Frame, attention: Attention) -> None:
        try:
            frame.attend(attention)
        except _FAILURES:  # one after the other, they say which of them it was
            for number, operation in zip(attention.numbers, attention.operations, strict=True):
                self._step(frame, number, operation, observe_nothing)

    def _step(self, frame: Frame, number: int, operation: Operation, observe: Observer) -> None:
        try:
            frame.step(operation, observe)
        except _FAILURES as error:
            raise self._locate_error(error, number, operation) from error

    def constant(self, name: str) -> torch.Tensor:
        """Return a constant of the program in float32, decompressed if needed.

        Raises:
            ParityError: there is no such constant, or it violates its declaration.
        """
        frame = Frame(self.function, self.storage, Mode.FP32)
        with torch.no_grad():
            for operation in self.function.block.operations:
                if operation.is_constant:
                    frame.step(operation, observe_nothing)
            return frame.tensor(name)

    def _locate_error(self, error: Exception, number: int, operation: Operation) -> SdcoremlError:
        """Return the error with the program and the operation that raised it in its message."""
        kind = type(error) if isinstance(error, SdcoremlError) else ParityError
        names = ", ".join(output.name for output in operation.outputs)
        reason = " ".join(str(error).split())
        return kind(f"{self.label}: operation {number}, {operation.type} -> {names}: {reason}")


def _making_on(device: str) -> AbstractContextManager[object]:
    """Let kernels make new tensors on a device; on the CPU, torch does so by itself, and faster."""
    return nullcontext() if device == CPU else torch.device(device)


def last_uses(function: Function) -> dict[int, list[str]]:
    """Map the index of each operation to the names that no later operation uses."""
    last: dict[str, int] = {}
    for number, operation in enumerate(function.block.operations):
        last.update((output.name, number) for output in operation.outputs)
        last.update((name, number) for name in operation.reads)
    uses: dict[int, list[str]] = {}
    for name, number in last.items():
        if name not in function.block.outputs:
            uses.setdefault(number, []).append(name)
    return uses
