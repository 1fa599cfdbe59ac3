"""Loads a pinned module so that its weights take memory only while a layer computes.

A full UNet in float32 takes 3.4 GB. Here the parameters stay in the safetensors file, whose mapped
pages count as memory once they are read, so they are given back at once. Each layer gets its own,
widened, just before its `forward` and releases them right after. At other times, they are
placeholders on torch's `meta` device. These have the right type, because modules read their own
`dtype`, and no data, so that computing with one is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import BadInputError

_RENAMES = ("_convert_deprecated_attention_blocks", "_fix_state_dict_keys_on_load")
"""The names, old and new, of diffusers' function that converts VAE tensor names before 2023."""


def open_module(
    build: Callable[[], torch.nn.Module],
    weights: Path,
    rounding: torch.dtype,
    replaced: Mapping[str, torch.Tensor] | None = None,
    precision: torch.dtype = torch.float32,
) -> torch.nn.Module:
    """Open the module that `build` makes, with the weights of a safetensors file.

    Args:
        build: makes the module; it is called in a context where parameters take no memory.
        weights: a safetensors file with exactly the module's tensors.
        rounding: the type that weights are rounded to before they are widened to float32: float16
            for the reference of a half-precision program. The norms' epsilons are constants of that
            program too, so they are rounded with them (1e-5 becomes 1.0014e-5).
        replaced: maps names to tensors to use instead of the file's, such as the decompressed
            weights of a program; their shapes may differ, but not their numbers of elements.
        precision: the type that the module computes in.

    Raises:
        BadInputError: the file lacks tensors. All of them are listed.
    """
    import accelerate

    with accelerate.init_empty_weights(include_buffers=False):
        module = build()
    file = TensorFile.open(weights)
    unread = {name: _placeholder(file.info(name).shape, precision) for name in file.names()}
    owners = {id(tensor): name for name, tensor in unread.items()}
    state = {**unread, **_buffers(module, file)}
    for own in _RENAMES:
        getattr(module, own, lambda _: None)(state)
    result = module.load_state_dict(state, strict=False, assign=True)
    _demand_all(weights, result.missing_keys)
    names = {name: owners[id(tensor)] for name, tensor in state.items() if id(tensor) in owners}
    source = _Source(file=file, rounding=rounding, precision=precision, replaced=replaced or {})
    for path, layer in module.named_modules():
        _round_epsilon(layer, rounding)
        prefix = f"{path}." if path else ""
        _stream(layer, source, {name: names[f"{prefix}{name}"] for name in _own(layer)})
    return module.eval().requires_grad_(requires_grad=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the parameters of a module come from, and what they are rounded and widened to."""

    file: TensorFile
    rounding: torch.dtype
    precision: torch.dtype
    replaced: Mapping[str, torch.Tensor]

    def read(self, name: str, shape: torch.Size) -> torch.nn.Parameter:
        """Return a tensor of the file, in memory of its own."""
        found = self.replaced.get(name)
        if found is None:
            found = torch.from_numpy(self.file[name].copy())
        widened = found.reshape(shape).to(self.rounding).to(self.precision)
        return torch.nn.Parameter(widened, requires_grad=False)


def _placeholder(shape: Sequence[int], precision: torch.dtype) -> torch.nn.Parameter:
    empty = torch.empty(tuple(shape), dtype=precision, device="meta")
    return torch.nn.Parameter(empty, requires_grad=False)


def _buffers(module: torch.nn.Module, file: TensorFile) -> dict[str, torch.Tensor]:
    """Read the tensors of the file that are no parameters of the module."""
    wanted = (name for name, _ in module.named_buffers() if name in file)
    return {name: torch.from_numpy(file[name].copy()) for name in wanted}


def _own(layer: torch.nn.Module) -> list[str]:
    """Return the names of a layer's parameters, without those of layers in it."""
    return [name for name, _ in layer.named_parameters(recurse=False)]


def _demand_all(weights: Path, missing: list[str]) -> None:
    """Raise an error if the file lacks tensors; surplus ones are ignored, as the libraries do."""
    if missing:
        raise BadInputError(
            f"tensors are missing: {', '.join(missing)}",
            where=weights,
            remedy="use the weights and the config.json of the same model",
        )


def _round_epsilon(layer: torch.nn.Module, rounding: torch.dtype) -> None:
    """Round the epsilon of a norm: in MIL it has the type of the norm's input."""
    if isinstance(getattr(layer, "eps", None), float):
        layer.eps = torch.tensor(layer.eps).to(rounding).item()


def _stream(layer: torch.nn.Module, source: _Source, names: Mapping[str, str]) -> None:
    """Fill a layer's placeholders during its `forward`; `names` are those of the file's tensors."""
    if not names:
        return
    placeholders = dict(layer.named_parameters(recurse=False))

    def fill(layer: torch.nn.Module, _: tuple[object, ...]) -> None:
        for name, stored in names.items():
            setattr(layer, name, source.read(stored, placeholders[name].shape))
        source.file.release()

    def drop(layer: torch.nn.Module, _: tuple[object, ...], __: object) -> None:
        for name, placeholder in placeholders.items():
            setattr(layer, name, placeholder)

    layer.register_forward_pre_hook(fill)
    layer.register_forward_hook(drop)
