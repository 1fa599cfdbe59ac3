"""Changes that put programs of another conversion into a folder, with their manifest entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from shutil import copytree, rmtree

from tests.convert.stand_ins import write_raw
from tests.inside.convert.changes.mending import Content, put, read_raw

Change = Callable[[Path, Random], None]

OTHERS = ("seed", "size", "precision", "attention")
"""Sibling folders: the conversions of another model, or with one other option."""


def taken(other: str, name: str, *suffixes: str, is_told: bool = False) -> Change:
    """Return a change that takes a program from the folder `other`.

    With `is_told`, the manifest's entry comes with it; otherwise only digests are mended.
    """

    def apply(folder: Path, _: Random) -> None:
        source = folder.with_name(other)
        for suffix in suffixes:
            for path in [*folder.glob(f"{name}{suffix}")]:
                rmtree(path)
            for path in source.glob(f"{name}{suffix}"):
                copytree(path, folder / path.name)
        if is_told:
            content, theirs = read_raw(folder), read_raw(source)
            content["programs"][name] = theirs["programs"][name]
            write_raw(content, folder)

    return apply


def _told(change: Callable[[Content, Content], object]) -> Change:
    """Take the Unet of another seed, and edit the manifest with that folder's beside it."""

    def apply(folder: Path, rng: Random) -> None:
        taken("seed", "Unet", *BOTH, is_told=True)(folder, rng)
        content = read_raw(folder)
        change(content, read_raw(folder.with_name("seed")))
        write_raw(content, folder)

    return apply


def _inputs(content: Content, other: Content) -> None:
    mine = {name: it for name, it in other["inputs"].items() if name.startswith("unet/")}
    content["inputs"] |= mine


BOTH = (".mlpackage", ".mlmodelc")
HALVES = tuple(f"Chunk{number}{suffix}" for number in (1, 2) for suffix in BOTH)


def _halves(*numbers: int, other: str) -> Change:
    parts = [f"Chunk{number}{suffix}" for number in numbers for suffix in BOTH]
    return taken(other, "Unet", *parts)


def _exchanged(folder: Path, _: Random) -> None:
    for suffix in BOTH:
        one, other = (folder / f"UnetChunk{number}{suffix}" for number in (1, 2))
        aside = folder / "aside"
        one.rename(aside)
        other.rename(one)
        aside.rename(other)


def _dropped(*names: str, is_told: bool = False) -> Change:
    """Return a change that removes programs; with `is_told`, from the manifest too."""

    def apply(folder: Path, _: Random) -> None:
        for name in names:
            rmtree(folder / name)
        content = read_raw(folder)
        for key, entry in [*content["programs"].items()]:
            entry["files"] = {
                file: it for file, it in entry["files"].items() if file.split("/")[0] not in names
            }
            if is_told and not entry["files"]:
                del content["programs"][key]
        if is_told:
            write_raw(content, folder)

    return apply


def _one_file(folder: Path, _: Random) -> None:
    path = folder / "Unet.mlmodelc" / "weights" / "weight.bin"
    put(path, folder.with_name("seed").joinpath(path.relative_to(folder)).read_bytes())


SWAPS: Mapping[str, Change] = {
    **{
        f"other {other}: {name}, {how}": taken(other, name, *suffixes, is_told=told)
        for other in OTHERS
        for name, how, suffixes, told in (
            ("Unet", "compiled only", (".mlmodelc",), False),
            ("Unet", "package only", (".mlpackage",), False),
            ("Unet", "both", BOTH, False),
            ("Unet", "both, with its entry", BOTH, True),
            ("VAEDecoder", "both, with its entry", BOTH, True),
        )
        if (other, name) != ("attention", "VAEDecoder")
    },
    "other seed: Unet, with its entry and sources": _told(_inputs),
    "other seed: Unet's compiled weights only": _one_file,
    "other size: VAEEncoder, both": taken("size", "VAEEncoder", *BOTH),
    "dropped: a compiled model": _dropped("VAEEncoder.mlmodelc"),
    "dropped: a compiled model, told": _dropped("VAEEncoder.mlmodelc", is_told=True),
    "dropped: a package": _dropped("VAEDecoder.mlpackage"),
    "dropped: a package, told": _dropped("VAEDecoder.mlpackage", is_told=True),
    "dropped: a program": _dropped("VAEEncoder.mlmodelc", "VAEEncoder.mlpackage"),
    "dropped: a program, told": _dropped(
        "VAEEncoder.mlmodelc", "VAEEncoder.mlpackage", is_told=True
    ),
    "dropped: the UNet, told": _dropped("Unet.mlmodelc", "Unet.mlpackage", is_told=True),
}
"""The changes to a plain folder."""

SWAPPED_HALVES: Mapping[str, Change] = {
    "halves: the first of another seed": _halves(1, other="seed-halves"),
    "halves: the second of another seed": _halves(2, other="seed-halves"),
    "halves: both of another seed": _halves(1, 2, other="seed-halves"),
    "halves: the first of another seed, compiled": taken("seed-halves", "Unet", "Chunk1.mlmodelc"),
    "halves: exchanged": _exchanged,
    "halves: the second dropped": _dropped("UnetChunk2.mlmodelc", "UnetChunk2.mlpackage"),
    "halves: both dropped, the whole in their place": lambda folder, rng: (
        _dropped(*(f"Unet{part}" for part in HALVES))(folder, rng),
        taken("plain", "Unet", *BOTH)(folder, rng),
    )[0],
    "halves: the whole beside them": taken("plain", "Unet", *BOTH),
    "halves: both of the other attention": _halves(1, 2, other="attention-halves"),
    "halves: the first of the other attention": _halves(1, other="attention-halves"),
}
"""The changes to a folder whose UNet is in halves."""
