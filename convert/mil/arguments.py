"""Holds the arguments of an operation: its tensors, and its parameters as Python values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.errors import ParityError

Argument: TypeAlias = "torch.Tensor | str | list[torch.Tensor]"
Result: TypeAlias = "torch.Tensor | Sequence[torch.Tensor]"

CPU = "cpu"
"""torch's name for the device that is always there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The arguments of one operation by name, in the precision that it computes in.

    `kinds` holds the declared element type of each tensor, independent of its torch type. Tensors
    are given on `device`; parameters stay where they were read.
    """

    values: Mapping[str, Argument]
    kinds: Mapping[str, DataType]
    device: str = CPU

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> torch.Tensor:
        """Return a required argument, which must be a tensor."""
        return self._tensor(name).to(self.device)

    def get(self, name: str) -> torch.Tensor | None:
        """Return the tensor of this name, or `None` if it is left out."""
        return self[name] if name in self.values else None

    def many(self, name: str) -> list[torch.Tensor]:
        """Return the tensors of a variadic argument."""
        value = self.values.get(name)
        if isinstance(value, list):
            return [one.to(self.device) for one in value]
        return [self[name]]

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string parameter."""
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise ParityError(f"argument {name} is missing or is not a string")
        return value

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """Return a parameter that is a list of integers or flags, flattened."""
        if name not in self.values and default is not None:
            return list(default)
        return [int(item) for item in self._tensor(name).reshape(-1).tolist()]

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a parameter that is one integer."""
        if name not in self.values and default is not None:
            return default
        return int(self._tensor(name).item())

    def number(self, name: str, default: float | None = None) -> float:
        """Return a parameter that is one real number."""
        if name not in self.values and default is not None:
            return default
        return float(self._tensor(name).item())

    def flag(self, name: str) -> bool:
        """Return a parameter that is true or false; false if left out."""
        return name in self.values and bool(self._tensor(name).item())

    def _tensor(self, name: str) -> torch.Tensor:
        value = self.values.get(name)
        if not isinstance(value, torch.Tensor):
            raise ParityError(f"argument {name} is missing or is not a tensor")
        return value


Kernel: TypeAlias = Callable[[Arguments], Result]
"""A function that computes an operation: it takes the arguments and returns the outputs."""
