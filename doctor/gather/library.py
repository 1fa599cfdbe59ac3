"""Reads what is in a folder of models: headers and descriptions, and a few samples of weights.

Nothing is hashed whole and no program is read, so that forty models take a second.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, FILES, KNOWN, PACKAGE, SD3_TRANSFORMER
from sdcoreml.convert.bundle.finished import is_finished
from sdcoreml.convert.bundle.judgement import judge
from sdcoreml.convert.bundle.ports import family_of
from sdcoreml.convert.jobs.manifest import MARKER, Manifest, read_manifest
from sdcoreml.convert.jobs.plan import name_storage
from sdcoreml.convert.models.contents import Kind as ModelKind
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.doctor.core.library import OTHERS, OURS, Entry, Kind, WeightFile
from sdcoreml.doctor.core.subjects import Bundle, ProgramState
from sdcoreml.doctor.gather.bundle import described_bundle
from sdcoreml.ground.advice import command
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.files import open_regular, refusal
from sdcoreml.ground.tree import walk

MOST_FILES = 50_000
"""The most files of one entry whose sizes are added up."""

_SAMPLES, _SAMPLE = 16, 1 << 16
"""How many samples of a weight file are compared, and their bytes."""

_LEAST = 1 << 20
"""The smallest weight file, in bytes, that is worth sharing."""

_RANK = 4
_CHECKPOINTS = frozenset({".safetensors", ".ckpt", ".pt", ".pth"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder of models: its entries, and the weight files in them."""

    path: Path
    entries: tuple[Entry, ...]
    weights: tuple[WeightFile, ...]


def read_shelf(folder: Path) -> Shelf:
    """Read the folder: each visible subfolder, and models that lie directly in it.

    As in Mochi Diffusion, hidden ones are left out and links to folders count. A folder with
    programs of its own is an entry of itself: the only one, unless models lie beside them.

    Raises:
        BadInputError: the folder is none, or cannot be listed.
    """
    entries = tuple(one for path in _list_entries(folder) if (one := read_entry(path)))
    files = tuple(_weights(entry) for entry in entries)
    return Shelf(
        path=folder, entries=entries, weights=_sampled([one for each in files for one in each])
    )


def _list_entries(folder: Path) -> list[Path]:
    try:
        names = sorted((path.name for path in folder.iterdir()), key=str.casefold)
    except OSError as error:
        raise refusal(error, folder, remedy="give a folder of models") from None
    paths = [folder / name for name in names if not name.startswith(".")]
    others = [path for path in paths if not _is_own(path)]
    if len(others) == len(paths):
        return paths
    return [folder, *others] if any(map(_is_model, others)) else [folder]


def _is_own(path: Path) -> bool:
    """Whether this belongs to the finished folder that it is in: a program, or its ControlNets."""
    return (path.suffix in (COMPILED, PACKAGE) and path.stem in KNOWN) or path.name == "controlnet"


def _is_model(path: Path) -> bool:
    try:
        return path.is_dir() and _has_programs(path)
    except OSError:
        return False


def read_entry(path: Path) -> Entry | None:
    """Read one entry; `None` for a file that is no model."""
    link = str(path.readlink()) if path.is_symlink() else ""
    entry = Entry(name=path.name or str(path), path=str(path), kind=Kind.OTHER, link=link)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path, replace(entry, nbytes=_weigh(path)))
        return _file(path, entry) if stat.S_ISREG(mode) else None
    except (OSError, SdcoremlError) as error:
        fault = error if isinstance(error, SdcoremlError) else refusal(error, path)
        return replace(entry, kind=Kind.UNREADABLE, reason=fault.what, remedy=fault.remedy)


def _folder(path: Path, entry: Entry) -> Entry:
    if path.suffix in (COMPILED, PACKAGE) or _has_programs(path):
        return _finished(path, entry)
    if inner := _find_inner(path):
        return replace(
            entry,
            reason=f"its programs are deeper, in {inner.relative_to(path)}, where no app looks",
            remedy=f"move that folder here, and rename it to {entry.name}",
        )
    return _unconverted(path, entry)


def _has_programs(folder: Path) -> bool:
    return any(path.suffix in (COMPILED, PACKAGE) for path in folder.iterdir())


def _find_inner(path: Path) -> Path | None:
    """Return the first folder with programs, at most three levels below `path`."""
    if not is_finished(path):
        return None
    level = [path]
    for _ in range(3):
        level = [Path(one.path) for folder in level for one in _subfolders(folder)]
        for folder in level:
            if folder.suffix not in (COMPILED, PACKAGE) and _has_programs(folder):
                return folder
    return None


def _subfolders(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        below = [one for one in found if one.is_dir(follow_symlinks=False)]
    return sorted(below, key=lambda one: one.name)


def _finished(path: Path, entry: Entry) -> Entry:
    bundle = described_bundle(str(path))
    manifest, damage = _manifest(path)
    unet = bundle.unet or next(iter(bundle.programs), None)
    shapes = {one.name: one.shape for one in unet.inputs} if unet else {}
    family = family_of(shapes)
    if manifest:
        family = Family(manifest.model.family)
    elif bundle.program(SD3_TRANSFORMER):
        family = Family.SD3
    maker = OURS if manifest else OTHERS
    size = _size(shapes, bundle)
    return replace(
        entry,
        kind=Kind.NET if bundle.is_net else Kind.MODEL,
        bundle=replace(bundle, damage=(*bundle.damage, *damage)),
        maker=maker,
        family=family,
        attention=unet.attention if unet else "",
        storage=_storage(unet, manifest),
        size=size,
    )


def _manifest(path: Path) -> tuple[Manifest | None, tuple[str, ...]]:
    """Read the manifest of a folder, if it has ours; also return what is wrong with it."""
    if not os.path.lexists(path / MARKER):
        return None, ()
    try:
        return read_manifest(path), ()
    except (BadInputError, DecodeError) as error:
        return None, (f"{MARKER}: {getattr(error, 'what', error)}",)


def _size(shapes: dict[str, tuple[int, ...]], bundle: Bundle) -> tuple[int, int]:
    """Return width and height of the pictures, zeros if unknown."""
    sample = shapes.get("sample") or shapes.get("latent_image_embeddings", ())
    if len(sample) != _RANK and (encoder := bundle.program("VAEEncoder")):
        sample = tuple(side // PIXELS_PER_LATENT for side in encoder.shape(""))
    if len(sample) != _RANK:
        return 0, 0
    return PIXELS_PER_LATENT * sample[3], PIXELS_PER_LATENT * sample[2]


def _storage(unet: ProgramState | None, manifest: Manifest | None) -> str:
    if manifest and manifest.options.recipe:
        return name_storage(manifest.options.recipe)
    return "compressed" if unet and unet.compressed else ""


def _unconverted(path: Path, entry: Entry) -> Entry:
    """Describe what is no Core ML: a model that can be converted, or something else."""
    judgement = judge(path)
    contents = judgement.identity.contents
    if contents.kind is ModelKind.UNKNOWN:
        is_empty = path.is_dir() and not any(path.iterdir())
        return replace(entry, reason="empty" if is_empty else "nothing that is known here")
    mochi = next((one for one in judgement.verdicts if one.target.startswith("Mochi")), None)
    fault = judgement.ruling.fault
    return replace(
        entry,
        kind=Kind.UNCONVERTED,
        family=contents.family,
        reason=fault.what if fault else "not converted yet",
        remedy=(mochi.reason if mochi else "") if fault else f"{command('convert', path)} does it",
    )


def _file(path: Path, entry: Entry) -> Entry | None:
    """Read a file that lies beside the models, if it is one or holds some."""
    entry = replace(entry, nbytes=path.stat().st_size)
    if path.suffix.lower() in (".zip", ".aar"):
        return replace(entry, reason="packed, which no app looks into", remedy="unpack it")
    return _unconverted(path, entry) if path.suffix.lower() in _CHECKPOINTS else None


def _weigh(path: Path) -> int:
    """Return the bytes of all files below a folder; hard links count once."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in walk(path):
        for name in names:
            found = os.lstat(os.path.join(place, name))  # noqa: PTH118  thousands of them
            seen[found.st_dev, found.st_ino] = found.st_size
        if len(seen) > MOST_FILES:
            break
    return sum(seen.values())


def _weights(entry: Entry) -> Iterator[WeightFile]:
    """Yield the weight files of a finished folder that are worth sharing."""
    for program in entry.bundle.programs if entry.bundle else ():
        top = Path(entry.path)
        folder = top if top.suffix in FILES else top / f"{program.name}{program.container}"
        try:
            found = (folder / FILES[program.container][-1]).stat()
        except OSError:
            continue
        if found.st_size >= _LEAST and stat.S_ISREG(found.st_mode):
            yield WeightFile(
                entry=entry.name,
                program=program.name,
                path=str(folder / FILES[program.container][-1]),
                size=found.st_size,
                inode=(found.st_dev, found.st_ino),
            )


def _sampled(files: Iterable[WeightFile]) -> tuple[WeightFile, ...]:
    """Add a digest of samples to each file whose size another one has."""
    by_size: dict[int, set[tuple[int, int]]] = {}
    found = list(files)
    for one in found:
        by_size.setdefault(one.size, set()).add(one.inode)
    digests: dict[tuple[int, int], str] = {}
    for one in found:
        if len(by_size[one.size]) > 1 and one.inode not in digests:
            digests[one.inode] = _sample(Path(one.path), one.size)
    return tuple(replace(one, digest=digests.get(one.inode, "")) for one in found)


def _sample(path: Path, size: int) -> str:
    """Return a digest of samples that are spread evenly over a file; "" if it cannot be read."""
    digest = hashlib.sha256()
    step = max(1, (size - _SAMPLE) // (_SAMPLES - 1))
    try:
        with open_regular(path) as file:
            for number in range(_SAMPLES):
                file.seek(min(number * step, max(0, size - _SAMPLE)))
                digest.update(file.read(_SAMPLE))
    except (BadInputError, OSError):
        return ""
    return digest.hexdigest()
