"""Changes to one field of a manifest. In a field's path, `*` is any key and `#` any index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

Edit = Callable[[Any], Any]


def is_now(value: object) -> Edit:
    """Return an edit that sets a field to this value."""
    return lambda _: value


def flipped(text: str) -> str:
    """Return a digest with its first digit changed."""
    return ("0" if text[0] != "0" else "1") + text[1:]


def more(number: float) -> Edit:
    """Return an edit that adds `number` to a field; a field of `None` counts as 0."""
    return lambda value: (value or 0) + number


GONE = object()
YES, NO = (is_now(value) for value in (True, False))

EDITS: Mapping[tuple[str, ...], Edit] = {
    ("model", "name"): is_now("dog"),
    ("model", "family"): is_now("Stable Diffusion 2.x (base)"),
    ("model", "notes"): is_now(["trained by somebody else"]),
    ("inputs", "*", "sha256"): flipped,
    ("inputs", "*", "size"): more(1),
    ("inputs", "*"): is_now(GONE),
    ("inputs", "unet/more.safetensors"): is_now({"size": 1, "sha256": "5f" * 32}),
    ("options", "attention"): is_now("ORIGINAL"),
    ("options", "height"): more(8),
    ("options", "width"): more(8),
    ("options", "batch"): is_now(1),
    ("options", "tokens"): is_now(75),
    ("options", "clip_skip"): is_now(2),
    ("options", "target"): is_now("macOS14"),
    ("options", "states_own_size"): YES,
    ("options", "controlled"): YES,
    ("options", "safety_checker"): YES,
    ("options", "refiner"): YES,
    ("options", "chunk"): YES,
    ("options", "recipe"): is_now({"method": "kmeans", "bits": 8}),
    ("options", "precision"): is_now({"unet": "fp32"}),
    ("options", "prediction"): is_now("v_prediction"),
    ("options", "pad_id"): is_now(0),
    ("options", "latent_scale"): is_now(0.5),
    ("options", "accept_schedule"): YES,
    ("toolchain", "name"): is_now("light"),
    ("toolchain", "seal"): is_now("none"),
    ("toolchain", "lock"): flipped,
    ("toolchain", "target"): is_now("macos-arm64"),
    ("toolchain", "python"): is_now("3.11.9"),
    ("toolchain", "tested_python"): is_now("3.10.11"),
    ("toolchain", "drift"): YES,
    ("programs", "*"): is_now(GONE),
    ("programs", "*", "component"): is_now("safety_checker"),
    ("programs", "*", "source"): is_now("safety_checker"),
    ("programs", "*", "halves"): YES,
    ("programs", "*", "kept"): YES,
    ("programs", "*", "recipe"): is_now({"method": "kmeans", "bits": 4}),
    ("programs", "*", "made_by"): is_now({"repository": "https://a/b", "commit": "5f" * 20}),
    ("programs", "*", "options", "height"): more(8),
    ("programs", "*", "options", "attention"): is_now("SPLIT_EINSUM_V2"),
    ("programs", "*", "options", "precision"): is_now("fp32"),
    ("programs", "*", "options", "prediction"): is_now("v_prediction"),
    ("programs", "*", "options", "runtime_scale"): is_now(0.5),
    ("programs", "*", "checked", "passed"): NO,
    ("programs", "*", "checked", "component"): is_now("safety_checker"),
    ("programs", "*", "checked", "runs"): more(2),
    ("programs", "*", "checked", "graph"): flipped,
    ("programs", "*", "checked", "sample"): is_now("512x512"),
    ("programs", "*", "checked", "own"): is_now(140.5),
    ("programs", "*", "checked", "unchecked"): is_now("no torch"),
    ("programs", "*", "checked", "certificate"): is_now(
        {"toolchain": "tested", "lock": "5f", "date": "2026-11-25", "runs": 2}
    ),
    ("programs", "*", "checked", "outputs", "#", "psnr"): more(10),
    ("programs", "*", "checked", "outputs", "#", "floor"): more(-20),
    ("programs", "*", "checked", "outputs", "#", "max_error"): is_now(1e-12),
    ("programs", "*", "checked", "outputs", "#", "output"): is_now("image"),
    ("programs", "*", "checked", "outputs", "#", "mode"): is_now("fp64"),
    ("programs", "*", "checked", "outputs", "#"): is_now(GONE),
    ("programs", "*", "checked", "audit", "matched"): more(1),
    ("programs", "*", "checked", "audit", "elements"): more(1),
    ("programs", "*", "checked", "audit", "anonymous"): more(1),
    ("programs", "*", "checked", "audit", "extras"): is_now({}),
    ("programs", "*", "checked", "audit", "missing"): is_now(["a.weight"]),
    ("programs", "*", "compiled", "verdict"): is_now(
        "compiled without Xcode, equal to what coremlcompiler 3500.32.1 makes of it"
    ),
    ("programs", "*", "compiled", "differences"): is_now(["model.mil: differs"]),
    ("programs", "*", "files", "*"): is_now(GONE),
    ("tokenizer", "vocab.json"): is_now(GONE),
    ("tokenizer", "more.json"): is_now({"size": 1, "sha256": "5f" * 32}),
    ("part",): YES,
}
"""The fields to edit, by path, and the edit for each; `GONE` removes a field."""

COMPRESSED: Mapping[tuple[str, ...], Edit] = {
    ("options", "recipe", "bits"): is_now(8),
    ("options", "recipe", "method"): is_now("uniform"),
    ("programs", "Unet", "recipe", "bits"): is_now(4),
    ("programs", "Unet", "recipe"): is_now(None),
    ("programs", "Unet", "checked", "fidelity", "#", "psnr"): more(10),
    ("programs", "Unet", "checked", "fidelity"): is_now([]),
    ("programs", "Unet", "checked", "audit", "compressed", "*", "psnr"): more(6),
    ("programs", "Unet", "checked", "audit", "compressed", "*", "weights"): more(1),
    ("programs", "Unet", "checked", "audit", "compressed", "*", "worst"): is_now("a.weight"),
}
"""Like `EDITS`: the fields that exist only in the manifest of a compressed folder."""


def edit(content: Any, path: tuple[str, ...], change: Edit, rng: Random) -> None:
    """Edit the field at a path; a random one if the path has `*` or `#`."""
    for part in path[:-1]:
        content = content[_choose(content, part, rng)]
    last = _choose(content, path[-1], rng)
    before = content.get(last) if isinstance(content, dict) else content[last]
    after = change(before)
    if after is GONE:
        del content[last]
    else:
        assert after != before or isinstance(after, bool), path
        content[last] = after


def _choose(content: Any, part: str, rng: Random) -> Any:
    if part == "*":
        return rng.choice(sorted(content))
    return rng.randrange(len(content)) if part == "#" else part
