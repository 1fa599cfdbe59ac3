"""Gives the compressed weights of a program one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.storage.package import OpenProgram


class Decompressed(Mapping[str, torch.Tensor]):
    """The compressed weights of a program, by the names of their tensors.

    Each is decompressed whenever it is asked for, since all together may not fit into memory.
    """

    def __init__(self, program: OpenProgram, accounted: Audit) -> None:
        self._run = Executable.of(program)
        self._constants = {item.tensor: name for name, item in accounted.compressed.items()}

    def __getitem__(self, tensor: str) -> torch.Tensor:
        return self._run.constant(self._constants[tensor])

    def __iter__(self) -> Iterator[str]:
        return iter(self._constants)

    def __len__(self) -> int:
        return len(self._constants)
