"""One conversion as a value: what to convert, where to, how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convert.models.layout import Model
from convert.options import Options
from convert.proof import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to convert, where to, how, and in which toolchain (as the manifest is to say it).

    `siblings` are folders made of the same model, such as in another size: what they have in common
    is stored once. `judge` says how programs are proved.
    """

    model: Model
    output: Path
    options: Options
    toolchain: Mapping[str, Any]
    siblings: tuple[Path, ...] = ()
    judge: Judge = field(default_factory=Judge)


def plan(
    model: Model,
    output: Path | None,
    attention: str,
    toolchain: Mapping[str, Any],
    **choices: Any,  # noqa: ANN401  other fields of `Options`
) -> Job:
    """The job for a model with its own size and name where nothing else was asked for."""
    size = model.components["unet"].config.get("sample_size", 64)
    height, width = (size, size) if isinstance(size, int) else size
    fields = {"attention": attention, "height": height, "width": width, **choices}
    options = Options(**fields)
    return Job(
        model=model,
        output=output or Path("models") / folder_name(model.path, options),
        options=options,
        toolchain=toolchain,
    )


def folder_name(model: Path, options: Options) -> str:
    """`<model>_<attention>_<W>x<H>`: by the part before the first `_`, Mochi finds other sizes."""
    stem = model.resolve().name.replace("_", "-")
    attention = options.attention.lower().replace("_", "-")
    bits = f"_{options.recipe.get('bits', 6)}-bit" if options.recipe else ""
    return f"{stem}_{attention}_{8 * options.width}x{8 * options.height}{bits}"
