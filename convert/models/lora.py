"""Merges LoRAs into the weights that they were trained for, as these weights are written.

    W' = W + scale * alpha / rank * (up @ down)

This is computed in float32 and cast back to the type of W, some rows at a time. Sources: kohya's
scripts (`lora_down`, `lora_up`, `alpha`, and `lora_mid` for convolutions decomposed in three),
diffusers' own attention processors, PEFT (`lora_A`, `lora_B`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sdcoreml.convert.models import lycoris
from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan
from sdcoreml.convert.models.lycoris import Hadamard, Kronecker, Rows
from sdcoreml.convert.models.renames import UNET, period_numbering, rename, underscore
from sdcoreml.convert.weights.cast import cast_block
from sdcoreml.convert.weights.dtypes import FLOATS, FLOATS8, NUMPY
from sdcoreml.convert.weights.gather import read_floats
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo, take_rows
from sdcoreml.convert.weights.writer import Computed
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.places import expand_home

if TYPE_CHECKING:
    import numpy as np

ROLES: tuple[tuple[str, str], ...] = (
    (".lora_down.weight", "down"),
    (".lora_up.weight", "up"),
    (".lora_mid.weight", "mid"),
    (".lora_A.weight", "down"),
    (".lora_B.weight", "up"),
    (".lora_A.default.weight", "down"),
    (".lora_B.default.weight", "up"),
    (".lora_linear_layer.down.weight", "down"),
    (".lora_linear_layer.up.weight", "up"),
    (".lora.down.weight", "down"),
    (".lora.up.weight", "up"),
    ("_lora.down.weight", "down"),
    ("_lora.up.weight", "up"),
    *lycoris.ROLES,
    (".alpha", "alpha"),
)
"""Maps the end of a tensor's name to its role in the formula."""

COMPONENTS: tuple[tuple[str, str], ...] = (
    ("lora_unet_", "unet"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te_", "text_encoder"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("unet.", "unet"),
    ("base_model.model.", "unet"),
    ("", "unet"),
)
"""Maps the start of a tensor's name to the component that the LoRA changes."""

ALIASES: tuple[tuple[str, str], ...] = (
    ("_processor_", "_"),
    ("_self_attn_to_q", "_self_attn_q_proj"),
    ("_self_attn_to_k", "_self_attn_k_proj"),
    ("_self_attn_to_v", "_self_attn_v_proj"),
    ("_self_attn_to_out", "_self_attn_out_proj"),
)
"""Parts of the names that diffusers' attention processors use, and of the layers they change."""

OTHER_KINDS = re.compile(r"\.(hada_t[12]|lokr_t[12]|dora_scale|oft_blocks|diff)$")
MOST_UNKNOWN = 0.25
"""The largest ratio of unmatched to matched tensors; above it, the LoRA is for another model."""

ROWS_AT_ONCE = 4 << 20
"""The number of bytes of float32 rows that are in memory at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSource:
    """A LoRA file and the strength to merge it with."""

    path: Path
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The change that a LoRA makes to a tensor: `factor` * up @ down, with any `mid` between."""

    down: TensorInfo
    up: TensorInfo
    mid: TensorInfo | None
    factor: float

    def open(self) -> Rows:
        """Read the factors; return the function that computes rows of the change."""
        up, down = _factors(self)
        return lambda start, stop: up[start:stop] @ down


Change: TypeAlias = Delta | Hadamard | Kronecker


def parse_lora(text: str) -> LoraSource:
    """Parse `FILE` or `FILE:SCALE`. Raises `ValueError` for a scale that is not a finite number."""
    path, colon, scale = text.rpartition(":")
    if not colon or "/" in scale:
        return LoraSource(path=expand_home(text))
    try:
        factor = float(scale)
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor):
        raise ValueError(
            f"not a scale: {scale!r}; write FILE or FILE:SCALE, such as style.ckpt:0.8"
        )
    return LoraSource(path=expand_home(path), scale=factor)


def merge_loras(
    plan: FolderPlan,
    sources: Sequence[LoraSource],
    emit: Emit = silent,
    *,
    only_unet: bool = False,
) -> FolderPlan:
    """Return `plan` with every LoRA of `sources` merged into its components.

    A few tensors without a counterpart are skipped and named in a note. With `only_unet`, what
    is for text encoders is left to the app.

    Raises:
        BadInputError: a file is not a LoRA, one for another model, or has nothing for the UNet.
        UnsupportedError: a file has tensors of `OTHER_KINDS`, such as a DoRA's.
    """
    deltas: dict[tuple[str, str], list[Change]] = {}
    taken = {"unet": plan.parts["unet"]} if only_unet else plan.parts
    for source in sources:
        for target, delta in read_lora(source, taken, emit).items():
            deltas.setdefault(target, []).append(delta)
    parts = dict(plan.parts)
    for name, part in plan.parts.items():
        changed = {tensor: found for (at, tensor), found in deltas.items() if at == name}
        if changed:
            tensors = tuple(
                _merge_deltas(tensor, changed.get(tensor.name)) for tensor in part.tensors
            )
            parts[name] = replace(part, tensors=tensors, whole=None)
    return replace(plan, parts=parts)


def read_lora(
    source: LoraSource, parts: Mapping[str, ComponentFiles], emit: Emit = silent
) -> dict[tuple[str, str], Change]:
    """Read the LoRA's changes: (component, tensor) → change. Raises what `merge_loras` raises."""
    path = source.path
    groups: dict[tuple[str, str], dict[str, TensorInfo]] = {}
    unknown: list[str] = []
    is_unet, elsewhere = parts.keys() == {"unet"}, 0
    names = {component: _targets(part) for component, part in parts.items()}
    for tensor in open_checkpoint(path).tensors:
        if is_unet and _component_of(tensor.name)[1] != "unet":
            elsewhere += 1
            continue
        if found := OTHER_KINDS.search(tensor.name):
            raise UnsupportedError(
                f"it has tensors {found[1]!r}, so it is an adapter of another kind than LoRA",
                where=path,
                remedy="merge it with the program that made it",
            )
        target, role = _target_of(tensor.name, names, parts)
        if target is None:
            unknown.append(tensor.name)
        else:
            groups.setdefault(target, {})[role] = tensor
    if elsewhere:
        _tell_left(path, elsewhere, emit, is_all=not groups and not unknown)
    if unknown and len(unknown) <= MOST_UNKNOWN * sum(map(len, groups.values())):
        named = ", ".join(unknown)
        what = "tensors have no counterpart in the model and are skipped"
        text = f"{path.name}: {len(unknown)} {what}: {named}"
        emit(Event(kind="note", text=text))
    elif unknown:
        raise BadInputError(
            f"{len(unknown)} tensors have no counterpart in this model, such as {unknown[0]!r}",
            where=path,
            remedy="this LoRA was made for another model",
        )
    return {
        target: _delta(path, roles, source.scale, _shape(parts, target))
        for target, roles in groups.items()
        if roles.keys() != {"alpha"}
    }


def _tell_left(path: Path, count: int, emit: Emit, *, is_all: bool) -> None:
    """Say what is left to the app; raise `BadInputError` if that is all that the LoRA has."""
    if is_all:
        what = "this LoRA changes text encoders only, which are not converted here"
        raise BadInputError(what, where=path, remedy="leave it out, and load it in the app")
    what = f"{count} tensors for text encoders are" if count > 1 else "tensor for a text encoder is"
    emit(Event(kind="note", text=f"{path.name}: its {what} left to the app"))


def _targets(part: ComponentFiles) -> dict[str, str]:
    """Map the name of each layer, with underscores, to the name of its weight."""
    weights = [tensor.name for tensor in part.tensors if tensor.name.endswith(".weight")]
    return {name.removesuffix(".weight").replace(".", "_"): name for name in weights}


def _target_of(
    name: str, names: Mapping[str, Mapping[str, str]], parts: Mapping[str, ComponentFiles]
) -> tuple[tuple[str, str] | None, str]:
    role_end, role = next(((end, r) for end, r in ROLES if name.endswith(end)), ("", ""))
    if not role:
        return None, ""
    start, component = _component_of(name)
    known = names.get(component, {})
    layer = name.removeprefix(start).removesuffix(role_end).replace(".", "_")
    for candidate in _spellings(layer, component, parts):
        if candidate in known:
            return (component, known[candidate]), role
    return None, role


def _component_of(name: str) -> tuple[str, str]:
    """Return the start of a tensor's name, and the component that it means."""
    return next((start, part) for start, part in COMPONENTS if name.startswith(start))


def _spellings(layer: str, component: str, parts: Mapping[str, ComponentFiles]) -> Iterator[str]:
    for old, new in ALIASES:
        layer = layer.replace(old, new)
    yield layer
    yield f"{layer}_0"  # to_out is a list of one layer and a dropout
    if component == "unet":
        layers = parts[component].config.get("layers_per_block", 2)
        first = layers[0] if isinstance(layers, list) else layers
        numbering = period_numbering(from_plain(int, first, "layers_per_block") + 1)
        original = rename(f"{layer}_", underscore(UNET), numbering)
        if original:
            yield original.removesuffix("_")


def _shape(parts: Mapping[str, ComponentFiles], target: tuple[str, str]) -> tuple[int, ...]:
    component, name = target
    return next(t.shape for t in parts[component].tensors if t.name == name)


def _delta(
    path: Path, roles: Mapping[str, TensorInfo], scale: float, shape: tuple[int, ...]
) -> Change:
    if roles.keys() & {role for _, role in lycoris.ROLES}:
        return _lycoris(path, roles, scale, shape)
    missing = {"down", "up"} - roles.keys()
    any_name = next(iter(roles.values())).name
    if missing:
        raise BadInputError(
            f"{any_name!r} has no counterpart {missing.pop()!r}",
            where=path,
            remedy="download it again",
        )
    down, up, mid = roles["down"], roles["up"], roles.get("mid")
    rank = down.shape[0] if down.shape else 0
    alpha = _number(path, roles["alpha"]) if "alpha" in roles else rank
    inner = math.prod(down.shape[1:]) * (math.prod(mid.shape[2:]) if mid else 1)
    fits = rank and up.shape[:1] == shape[:1] and math.prod(up.shape) == shape[0] * rank
    if not fits or inner != math.prod(shape[1:]) or down.dtype not in FLOATS - FLOATS8:
        raise BadInputError(
            (
                f"{any_name!r} of shape {list(down.shape)} and {list(up.shape)} "
                f"does not fit a tensor of shape {list(shape)}"
            ),
            where=path,
            remedy="this LoRA was made for another model",
        )
    return Delta(down=down, up=up, mid=mid, factor=scale * alpha / rank)


def _lycoris(
    path: Path, roles: Mapping[str, TensorInfo], scale: float, shape: tuple[int, ...]
) -> Change:
    alpha = _number(path, roles["alpha"]) if "alpha" in roles else None
    found = lycoris.find_change(roles, shape, scale, alpha)
    are_floats = all(tensor.dtype in FLOATS - FLOATS8 for tensor in roles.values())
    if found is None or not are_floats:
        any_name = next(iter(roles.values())).name
        raise BadInputError(
            f"{any_name!r} and what belongs to it do not fit a tensor of shape {list(shape)}",
            where=path,
            remedy="this LoRA was made for another model",
        )
    return found


def _number(path: Path, tensor: TensorInfo) -> float:
    """Read the single number in a tensor; it must be finite, or it would spoil every weight."""
    is_known = tensor.dtype in {*NUMPY, "BF16"}
    values: list[float] = read_floats(tensor).reshape(-1).tolist() if is_known else []
    if len(values) != 1 or not math.isfinite(values[0]):
        raise BadInputError(
            f"{tensor.name!r} is not a single finite number", where=path, remedy="download it again"
        )
    return values[0]


def _merge_deltas(
    tensor: TensorInfo | Computed, deltas: Sequence[Change] | None
) -> TensorInfo | Computed:
    if deltas is None or isinstance(tensor, Computed):
        return tensor
    blocks = partial(_blocks, tensor, tuple(deltas))
    return Computed(name=tensor.name, dtype=tensor.dtype, shape=tensor.shape, blocks=blocks)


def _blocks(tensor: TensorInfo, deltas: Sequence[Change]) -> Iterator[memoryview]:
    """Yield the merged rows of `tensor`, in its own type."""
    changes = [delta.open() for delta in deltas]
    width = math.prod(tensor.shape[1:])
    step = max(1, ROWS_AT_ONCE // (4 * width))
    for start in range(0, tensor.shape[0], step):
        stop = min(start + step, tensor.shape[0])
        rows = read_floats(take_rows(tensor, start, stop, tensor.name)).reshape(stop - start, width)
        for change in changes:
            rows += change(start, stop)
        if tensor.dtype == "F32":
            yield rows.reshape(-1).data.cast("B")
        else:
            yield cast_block(rows.reshape(-1).data.cast("B"), "F32", tensor.dtype)[0]


def _factors(delta: Delta) -> tuple[np.ndarray, np.ndarray]:
    """Return two matrices whose product is the delta: (out, rank), scaled, and (rank, rest)."""
    import numpy as np

    down = read_floats(delta.down)
    up = read_floats(delta.up).reshape(delta.up.shape[0], -1) * np.float32(delta.factor)
    if delta.mid is not None:
        kernel = read_floats(delta.mid)
        down = np.einsum("rshw,si->rihw", kernel, down.reshape(down.shape[0], -1))
    return up, down.reshape(down.shape[0], -1)
