"""Reads a component's config.json, and refuses options that are not implemented."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from sdcoreml.convert.models.alike import one_for_all
from sdcoreml.ground.codec import DecodeError, read_field
from sdcoreml.ground.errors import BadInputError, UnsupportedError

Config: TypeAlias = "Mapping[str, object]"
T = TypeVar("T")

_REMEDY = "take it from the model's source"

_DESCRIPTIVE = frozenset(
    {"architectures", "dtype", "model_type", "torch_dtype", "transformers_version"}
)
"""Options that only describe the file; since 4.56, transformers calls `torch_dtype` `dtype`."""

REASONS: Mapping[str, str] = {
    "addition_embed_type": "no app sends what it embeds",
    "class_embed_type": "no app sends a class",
    "encoder_hid_dim_type": "no app sends what it projects",
    "in_channels": "apps feed 4",
    "latent_channels": "apps sample 4",
    "num_class_embeds": "no app sends a class",
    "out_channels": "apps want 4",
    "time_cond_proj_dim": "a consistency model's guidance embedding; only ComfyUI's nodes feed one,"
    " of 256 numbers: --app comfyui",
}
"""The reasons for refusing options that the apps do not support."""


def refuse_unknown(
    component: str, config: Config, read: frozenset[str], accepted: Mapping[str, tuple[object, ...]]
) -> None:
    """Check every option of a config; an unknown one is accepted if null or false.

    Args:
        component: the component being built, for the message.
        config: the parsed config.json; names that begin with `_` are notes by the library that
            wrote it.
        read: options that the builder reads, whatever their value, or that concern training only.
        accepted: maps an option to the values that the builder implements.

    Raises:
        UnsupportedError: names every option that the builder does not implement, with its value.
    """
    faults = [
        f"{name}={value!r}{f' ({REASONS[name]})' if name in REASONS else ''}"
        for name, value in config.items()
        if not (
            name.startswith("_")
            or name in read
            or name in _DESCRIPTIVE
            or (name not in accepted and (value is None or value is False))
            or any(_is_same(value, good) for good in accepted.get(name, ()))
        )
    ]
    if faults:
        raise UnsupportedError(
            f"config.json has options that this converter does not implement: {', '.join(faults)}",
            where=component,
            remedy="convert a model without it",
        )


def _is_same(value: object, good: object) -> bool:
    """Whether `value` equals the implemented value `good`, stated once or for each block."""
    return any(type(one) is type(good) and one == good for one in (value, one_for_all(value)))


def require_divisible(component: str, name: str, parts: int, *widths: int) -> None:
    """Raise `BadInputError` unless every width is a multiple of `parts`, the option `name`."""
    if parts < 1:
        what = f"config.json has {name}={parts!r} for a width of {', '.join(map(str, widths))}"
    elif odd := [width for width in widths if width % parts]:
        what = f"config.json has {name}={parts}, which does not divide a width of {odd[0]}"
    else:
        return
    raise BadInputError(what, where=component, remedy=_REMEDY)


CREDIBLE: Mapping[str, tuple[float, float]] = {
    "block_out_channels": (1, 1 << 16),
    "eos_token_id": (0, 1 << 24),
    "freq_shift": (0, 1),
    "hidden_size": (1, 1 << 16),
    "intermediate_size": (1, 1 << 18),
    "layer_norm_eps": (0, 1),
    "layers_per_block": (1, 64),
    "max_position_embeddings": (1, 1 << 16),
    "norm_eps": (0, 1),
    "num_hidden_layers": (1, 64),
    "sample_size": (1, 1 << 14),
    "scaling_factor": (1e-6, 1e6),
    "shift_factor": (-1e3, 1e3),
    "transformer_layers_per_block": (0, 64),
    "vocab_size": (1, 1 << 24),
}
"""The smallest and largest accepted values of options.

The limits are far beyond those of any model, and keep a graph from taking hours or all memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReader:
    """Reads the options of a component's config.json, each as the type that its class takes."""

    component: str
    config: Config

    def require(self, *names: str) -> None:
        """Raise `BadInputError` if any of these options are absent, and name them all."""
        if absent := [name for name in names if name not in self.config]:
            raise BadInputError(
                f"config.json lacks {', '.join(absent)}", where=self.component, remedy=_REMEDY
            )

    def read(self, name: str, kind: type[T], default: T | None = None) -> T:
        """Read the value of an option; return `default` if it is absent.

        Raises:
            BadInputError: the value has another type, is larger than in any model, or is absent
                without a default.
        """
        try:
            value = read_field(self.config, name, kind, default)
        except DecodeError as error:
            raise BadInputError(
                f"config.json: {error}", where=self.component, remedy=_REMEDY
            ) from None
        self._require_credible(name, value)
        return value

    def _require_credible(self, name: str, value: object) -> None:
        least, most = CREDIBLE.get(name, (-math.inf, math.inf))
        numbers = value if isinstance(value, tuple) else (value,)
        odd = [one for one in numbers if isinstance(one, int | float) and not least <= one <= most]
        if odd or (name in CREDIBLE and name in self.config and not numbers):
            raise BadInputError(
                f"config.json has {name}={self.config.get(name)!r}; models have {least} to {most}",
                where=self.component,
                remedy=_REMEDY,
            )

    def read_nullable(self, name: str, kind: type[T]) -> T | None:
        """Read the value of an option; return `None` if it is null or absent.

        Raises like `read`.
        """
        return None if self.config.get(name) is None else self.read(name, kind)

    def require_levels(self, name: str, values: Sized, levels: int) -> None:
        """Raise `BadInputError` unless the list `values` has one entry for each level."""
        if len(values) != levels:
            raise BadInputError(
                f"config.json has {len(values)} {name} for {levels} block_out_channels",
                where=self.component,
                remedy=_REMEDY,
            )

    def read_per_level(self, name: str, levels: int, default: int) -> tuple[int, ...]:
        """Read a number for each level; the config has one for all or a list.

        Raises like `read`.
        """
        if isinstance(self.config.get(name), (list, tuple)):
            found = self.read(name, tuple[int, ...])
            self.require_levels(name, found, levels)
            return found
        return (self.read(name, int, default),) * levels
