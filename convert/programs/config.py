"""Reading a component's config.json: what is not implemented is refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sdcoreml.convert.models.alike import one_for_all
from sdcoreml.ground.errors import BadInputError, UnsupportedError

Config: TypeAlias = "Mapping[str, Any]"

_DESCRIPTIVE = frozenset(
    {"architectures", "dtype", "model_type", "torch_dtype", "transformers_version"}
)
"""About the file. `dtype` is what transformers calls `torch_dtype` since 4.56."""

REASONS: Mapping[str, str] = {
    "addition_embed_type": "no app sends what it embeds",
    "class_embed_type": "no app sends a class",
    "encoder_hid_dim_type": "no app sends what it projects",
    "in_channels": "apps feed 4",
    "latent_channels": "apps sample 4",
    "num_class_embeds": "no app sends a class",
    "out_channels": "apps want 4",
    "time_cond_proj_dim": "a consistency model's guidance embedding, which no app feeds",
}
"""Reasons for refusing an option that the runtimes themselves do not support."""


def refuse_unknown(
    component: str, config: Config, read: frozenset[str], accepted: Mapping[str, tuple[Any, ...]]
) -> None:
    """Check every option of a config; an unknown one is accepted if null or false.

    Args:
        component: the one being built, for the message.
        config: the parsed config.json; names that begin with `_` are its writer's notes.
        read: options that the builder reads, whatever their value, or that concern training only.
        accepted: option to the values that the builder implements.

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
            f"config.json asks for what this converter does not implement: {', '.join(faults)}",
            where=component,
            remedy="convert a model without it",
        )


def _is_same(value: object, good: object) -> bool:
    """Whether `value` is what the builder implements, given once or for each block."""
    return any(type(one) is type(good) and one == good for one in (value, one_for_all(value)))


def require_divisible(component: str, name: str, parts: int, *widths: int) -> None:
    """Raise `BadInputError` unless the option `name` divides every width into `parts` parts."""
    if any(type(n) is not int for n in (parts, *widths)) or parts < 1:
        what = f"config.json has {name}={parts!r} for a width of {', '.join(map(str, widths))}"
    elif odd := [width for width in widths if width % parts]:
        what = f"config.json has {name}={parts}, which does not divide a width of {odd[0]}"
    else:
        return
    raise BadInputError(what, where=component, remedy="take it from the model's source")


def require(component: str, config: Config, *names: str) -> tuple[Any, ...]:
    """The values of options that have no default.

    Raises:
        BadInputError: names all that are absent.
    """
    absent = [name for name in names if name not in config]
    if absent:
        raise BadInputError(
            f"config.json lacks {', '.join(absent)}",
            where=component,
            remedy="take it from the model's source",
        )
    return tuple(config[name] for name in names)


def per_level(value: int | Sequence[int], levels: int) -> tuple[int, ...]:
    """One number for each level, from one for all or a list."""
    return (value,) * levels if isinstance(value, int) else tuple(value)
