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

MORE: Mapping[tuple[str, ...], Edit] = {
    ("schema",): is_now(1),
    ("more",): is_now("said"),
    ("odd_tokenizer",): is_now(["a merge makes no token"]),
    ("model", "fetched"): is_now({"name": "a/b", "revision": "5f" * 20, "licence": "mit"}),
    ("model", "made_from"): is_now({"files": {"a.safetensors": {"size": 1, "sha256": "5f" * 32}}}),
    ("model", "settings"): is_now({"steps": [1, 4], "guidance": 1.0, "sampler": "lcm"}),
    ("toolchain", "seal"): flipped,
    ("toolchain", "name"): is_now("mine"),
    ("toolchain", "python"): is_now("3.10.11"),
    ("options", "attention"): is_now("SPLIT_EINSUM_V2"),
    ("options", "recipe"): is_now({"method": "linear", "bits": 8}),
    ("options", "precision"): is_now({"all": "fp32"}),
    ("options", "target"): is_now("macOS15"),
    ("options", "more"): is_now("said"),
    ("programs", "*", "component"): is_now("unet_refiner"),
    ("programs", "*", "options", "width"): more(8),
    ("programs", "*", "options", "batch"): is_now(1),
    ("programs", "*", "options", "tokens"): is_now(75),
    ("programs", "*", "options", "clip_skip"): is_now(2),
    ("programs", "*", "options", "target"): is_now("macOS14"),
    ("programs", "*", "options", "pad_id"): is_now(0),
    ("programs", "*", "options", "states_own_size"): YES,
    ("programs", "*", "checked", "certificate"): is_now(GONE),
    ("programs", "*", "checked", "certificate", "date"): is_now("2026-01-01"),
    ("programs", "*", "checked", "certificate", "toolchain"): is_now("mine"),
    ("programs", "*", "checked", "certificate", "lock"): flipped,
    ("programs", "*", "checked", "certificate", "outputs", "#", "psnr"): more(10),
    ("programs", "*", "checked", "graph"): is_now(None),
    ("programs", "*", "checked", "audit", "compressed"): is_now(
        {"6-bit palette": {"weights": 1, "psnr": 40.0, "typical": 45.0, "worst": "a.weight"}}
    ),
    ("programs", "*", "checked", "audit", "unexplained"): is_now(["a.weight"]),
    ("programs", "*", "checked", "audit", "misplaced"): is_now(["a.weight"]),
    ("programs", "*", "compiled", "verdict"): is_now("compiled with coremlcompiler 3500.32.1"),
    ("programs", "*", "files", "more.bin"): is_now({"size": 4, "sha256": "5f" * 32}),
    ("programs", "More"): is_now(None),
}
"""Like `EDITS`."""

COMPRESSED: Mapping[tuple[str, ...], Edit] = {
    ("options", "recipe", "group_size"): is_now(16),
    ("options", "recipe", "layers"): is_now({"conv_in_weight": 8}),
    ("programs", "Unet", "recipe", "method"): is_now("uniform"),
    ("programs", "Unet", "recipe", "layers"): is_now({"conv_in_weight": 8}),
    ("programs", "TextEncoder", "recipe"): is_now(None),
    ("programs", "Unet", "checked", "audit", "compressed", "*", "typical"): more(1),
    ("programs", "Unet", "checked", "audit", "compressed"): is_now({}),
    ("options", "recipe", "bits"): is_now(8),
    ("options", "recipe", "method"): is_now("uniform"),
    ("programs", "Unet", "recipe", "bits"): is_now(4),
    ("programs", "Unet", "recipe"): is_now(None),
    ("programs", "Unet", "checked", "fidelity", "#", "psnr"): more(10),
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
    if path == ("programs", "More"):
        content["More"] = content["Unet"]
    elif after is GONE:
        del content[last]
    else:
        assert after != before or isinstance(after, bool), path
        content[last] = after


def _choose(content: Any, part: str, rng: Random) -> Any:
    if part in "*#" and not content:
        raise LookupError(part)
    if part == "*":
        return rng.choice(sorted(content))
    return rng.randrange(len(content)) if part == "#" else part


def _each_program(content: Any, change: Callable[[Any], object]) -> None:
    for entry in content["programs"].values():
        change(entry)


def _everywhere(name: str, value: object) -> Callable[[Any], None]:
    """Return an edit of an option, in the folder's and in every program's."""

    def apply(content: Any) -> None:
        content["options"][name] = value
        _each_program(content, lambda entry: entry["options"].update({name: value}))

    return apply


def _method(name: str, **more: object) -> Callable[[Any], None]:
    """Return an edit of the recipe, in the folder's options and wherever a program has one."""

    def apply(content: Any) -> None:
        recipe = {**content["options"]["recipe"], "method": name, **more}
        content["options"]["recipe"] = recipe
        changed = lambda entry: entry.update(recipe=recipe) if entry["recipe"] else None  # noqa: E731
        _each_program(content, changed)

    return apply


def _kept(content: Any) -> None:
    entry = content["programs"]["VAEDecoder"]
    entry["kept"] = True
    entry["options"]["runtime_scale"] = 0.5


def _foreign(content: Any) -> None:
    made = {
        "repository": "https://github.com/apple/ml-stable-diffusion",
        "commit": "c891f4" + "0" * 34,
    }
    _each_program(content, lambda entry: entry.update(made_by=made))


def _unchecked(content: Any) -> None:
    def change(entry: Any) -> None:
        said = entry["checked"]
        said.pop("certificate", None)
        said |= {"unchecked": "there is no torch", "graph": None, "runs": 0, "outputs": []}
        said.pop("fidelity", None)

    _each_program(content, change)


def _measured(content: Any) -> None:
    def change(entry: Any) -> None:
        issued = entry["checked"].pop("certificate", {})
        entry["checked"] |= {"runs": 2, "outputs": issued.get("outputs", [])}

    _each_program(content, change)


WHOLE: Mapping[str, Callable[[Any], None]] = {
    "the attention, everywhere": _everywhere("attention", "ORIGINAL"),
    "the height, everywhere": _everywhere("height", 40),
    "the batch, everywhere": _everywhere("batch", 1),
    "the target, everywhere": _everywhere("target", "macOS14"),
    "the tokens, everywhere": _everywhere("tokens", 75),
    "a program kept, with other options": _kept,
    "another converter's": _foreign,
    "nothing was checked": _unchecked,
    "all was measured": _measured,
    "every proof of another component": lambda content: _each_program(
        content, lambda entry: entry["checked"].update(component="unet")
    ),
    "no sources": lambda content: content["inputs"].clear(),
    "no tokenizer": lambda content: content["tokenizer"].clear(),
}
"""Edits of several fields that fit each other."""

WHOLE_COMPRESSED: Mapping[str, Callable[[Any], None]] = {
    "the method, everywhere": _method("uniform"),
    "the bits, everywhere": _method("kmeans", bits=8),
    "the group, everywhere": _method("kmeans", group_size=16),
}
"""Like `WHOLE`, for a compressed folder."""
