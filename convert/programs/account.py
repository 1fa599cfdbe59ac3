"""Checks that a program uses every tensor of the checkpoint, and has one for every weight."""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.convert.programs.payload import DescribedTensors
from sdcoreml.ground.errors import BadInputError

_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})


def account(
    component: str,
    declared: Mapping[str, tuple[int, ...]],
    tensors: DescribedTensors,
    ignored: tuple[str, ...] = (),
) -> None:
    """Compare the tensors that a program declares with those that the checkpoint holds.

    Args:
        component: the component being built, for the message.
        declared: maps a tensor's name to the shape that the program gives it.
        tensors: the tensors of the checkpoint.
        ignored: names, or prefixes of names, of tensors that this program does not use.

    Raises:
        BadInputError: tensors are missing, unused, or of another shape or type; all are listed.
    """
    present = tensors.names()
    known = frozenset(present)
    faults = [
        *(
            f"missing {name} {_text(shape)}"
            for name, shape in declared.items()
            if name not in known
        ),
        *(f"unused {name}" for name in present if name not in declared and not _is(name, ignored)),
        *filter(None, (_misfit(n, s, tensors) for n, s in declared.items() if n in known)),
    ]
    if faults:
        raise BadInputError(
            f"{len(faults)} tensors do not fit its config.json: {'; '.join(faults)}",
            where=component,
            remedy="use the config.json and the weights of the same model",
        )


def _is(name: str, ignored: tuple[str, ...]) -> bool:
    return name.startswith(ignored) if ignored else False


def _misfit(name: str, shape: tuple[int, ...], tensors: DescribedTensors) -> str | None:
    """Describe the fault of a tensor's type or shape, or return `None`; sizes of 1 do not count."""
    found = tensors.info(name)
    if _text(_core(found.shape)) != _text(_core(shape)):
        return f"{name} is {_text(found.shape)}, expected {_text(_core(shape))}"
    if found.dtype not in _FLOATS:
        return f"{name} is of type {found.dtype}, expected one of {', '.join(sorted(_FLOATS))}"
    return None


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
