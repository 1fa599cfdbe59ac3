"""Loads a pinned module so that its weights take memory only while a layer computes.

A full UNet in float32 takes 3.4 GB. Here the parameters stay in the mapped safetensors file. Each
layer gets its own, widened, just before its `forward` and releases them right after. At other
times, they are placeholders on torch's `meta` device. These have the right type, because modules
read their own `dtype`, and no data, so that computing with one is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from sdcoreml.ground.errors import BadInputError

_RENAMES = ("_convert_deprecated_attention_blocks", "_fix_state_dict_keys_on_load")
"""The names, old and new, of diffusers' function that converts VAE tensor names before 2023."""
_NOT_WEIGHTS = ("position_ids",)  # older checkpoints have this buffer


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
    from safetensors.torch import load_file

    with accelerate.init_empty_weights(include_buffers=False):
        module = build()
    state = load_file(weights)
    for name, tensor in (replaced or {}).items():
        state[name] = tensor.reshape(state[name].shape)
    for own in _RENAMES:
        getattr(module, own, lambda _: None)(state)
    result = module.load_state_dict(state, strict=False, assign=True)
    _demand_all(weights, result.missing_keys)
    for layer in module.modules():
        _round_epsilon(layer, rounding)
        _stream(layer, rounding, precision)
    return module.eval().requires_grad_(requires_grad=False)


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


def _stream(layer: torch.nn.Module, rounding: torch.dtype, precision: torch.dtype) -> None:
    """Replace a layer's own parameters by placeholders that are filled during its `forward`."""
    stored = dict(layer.named_parameters(recurse=False))
    if not stored:
        return
    placeholders = {
        name: torch.nn.Parameter(
            torch.empty(tensor.shape, dtype=precision, device="meta"), requires_grad=False
        )
        for name, tensor in stored.items()
    }

    def fill(layer: torch.nn.Module, _: tuple[object, ...]) -> None:
        widened = {name: _widen(t, rounding, precision) for name, t in stored.items()}
        _replace(layer, widened)

    def drop(layer: torch.nn.Module, _: tuple[object, ...], __: object) -> None:
        _replace(layer, placeholders)

    _replace(layer, placeholders)
    layer.register_forward_pre_hook(fill)
    layer.register_forward_hook(drop)


def _widen(
    tensor: torch.Tensor, rounding: torch.dtype, precision: torch.dtype
) -> torch.nn.Parameter:
    return torch.nn.Parameter(tensor.detach().to(rounding).to(precision), requires_grad=False)


def _replace(layer: torch.nn.Module, parameters: Mapping[str, torch.nn.Parameter]) -> None:
    for name, parameter in parameters.items():
        setattr(layer, name, parameter)
