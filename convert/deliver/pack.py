"""Packs a finished folder into a zip file, the same bytes on every run and every machine.

Files are stored, not deflated: half-precision weights hardly shrink, and what deflate writes
depends on its version. swift-coreml-diffusers fetches `<repository>_<attention>_compiled.zip` and
opens the folder in it that is called like the zip (ModelInfo.swift, PipelineLoader.swift); OGAM
searches names for `compiled` and for the attention, and finds the folder (coreMLModelBrowser.ts).
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED
from sdcoreml.convert.deliver.contents import Contents
from sdcoreml.convert.jobs.manifest import Manifest, digest_of
from sdcoreml.convert.jobs.plan import name_storage
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.programs.options import Attention
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import file_aside, require_space
from sdcoreml.ground.blocks import new_block
from sdcoreml.ground.digest import FileRecord, sha256
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import RegularFile, open_regular
from sdcoreml.ground.outputs import ELSEWHERE, find_place

ATTENTIONS: Mapping[Attention, str] = {
    Attention.ORIGINAL: "original",
    Attention.SPLIT_EINSUM: "split_einsum",
    Attention.SPLIT_EINSUM_V2: "split_einsum_v2",
}
"""How the names of archives say the layout of attention."""

MARK = b"packed by sdcoreml"
"""How the comment of our archives ends, after the digest of what they hold (`_identity`)."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_LARGE = 1 << 31
_BLOCK = 1 << 20
_ENTRY = 512
"""More bytes than an archive takes for each file besides its content and twice its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A zip file that was written, with its record, and what it holds."""

    path: Path
    record: FileRecord
    contents: Contents


def archive_name(manifest: Manifest, name: str = "") -> str:
    """Return the name of a folder's archive without `.zip`; `name` replaces the model's.

    A model's own name comes with how weights are stored and the size of pictures. A ControlNet's
    archive is called like its program, which it holds without a folder around it.
    """
    options = manifest.options
    programs = {entry.component: stem for stem, entry in manifest.programs.items()}
    if net := programs.get("controlnet"):
        return name or _plain(net)
    width, height = (PIXELS_PER_LATENT * side for side in (options.width, options.height))
    storage = [name_storage(options.recipe)] if options.recipe else []
    own = "-".join((_plain(manifest.model.name), *storage, f"{width}x{height}"))
    return f"{name or own}_{ATTENTIONS[options.attention]}_compiled"


def _plain(name: str) -> str:
    """Return a name that a hub allows for repositories, and shells and zip files everywhere."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "model"


def pack(folders: Sequence[Contents], into: Path, name: str, emit: Emit) -> Iterator[Archive]:
    """Write an archive of each folder into the folder `into`, and yield it when it is there.

    Raises:
        UsageError: two of them would have one name.
        BadInputError: a file is not what the manifest says, or something else has the archive's
            name: a file that is not ours, or an archive of another model or other options.
        NoSpaceError: the disk is full, or would be; of what is incomplete nothing is left.
    """
    targets = targets_of(folders, into, name)
    for contents, target in zip(folders, targets, strict=True):
        if targets.count(target) > 1:
            raise UsageError(
                "two folders would be packed into this file",
                where=target,
                remedy="pack them by themselves, with another --name",
            )
        _require_same(target, contents.manifest)
    need = sum(one.nbytes + sum(_ENTRY + 2 * len(n) for n in one.files) for one in folders)
    require_space(targets[0], need)
    for contents, target in zip(folders, targets, strict=True):
        emit(Event(kind="step", text=f"pack {target.name}"))
        with file_aside(target) as handle, open(handle, "wb", closefd=False) as stream:
            _write(contents, "" if contents.is_net else f"{target.stem}/", stream, emit)
        record = FileRecord(size=target.stat().st_size, sha256=sha256(target))
        yield Archive(path=target, record=record, contents=contents)


def targets_of(folders: Sequence[Contents], into: Path, name: str) -> list[Path]:
    """Return the paths of the archives that `pack` writes."""
    return [into / f"{archive_name(one.manifest, name)}.zip" for one in folders]


def _require_same(target: Path, manifest: Manifest) -> None:
    """Refuse to replace what is no archive of just this model with just these options."""
    place = find_place(target)
    if not place.exists():
        return
    if not is_ours(place):
        raise BadInputError("exists, and sdcoreml did not pack it", where=target, remedy=ELSEWHERE)
    if _ending(place, len(_comment(manifest))) != _comment(manifest):
        raise BadInputError(
            "exists, and holds another model, or one with other options",
            where=target,
            remedy="choose another --name or --output, or move it away",
        )


def is_ours(path: Path) -> bool:
    """Whether a path is an archive that sdcoreml packed."""
    return path.is_file() and _ending(path, len(MARK)) == MARK


def _ending(path: Path, size: int) -> bytes:
    with open_regular(path) as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read()


def _comment(manifest: Manifest) -> bytes:
    return f"{_identity(manifest)} ".encode() + MARK


def _identity(manifest: Manifest) -> str:
    """Return a digest of what an archive is of, and not of how, when and where it was made."""
    said, model = manifest.as_json(), manifest.model
    parts = {name: said[name] for name in ("inputs", "options")}
    return digest_of({**parts, "name": model.name, "made_from": model.made_from})


def _write(contents: Contents, top: str, stream: object, emit: Emit) -> None:
    done = 0
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        archive.comment = _comment(contents.manifest)
        for name, one in contents.files.items():
            info = zipfile.ZipInfo(f"{top}{name}", _EPOCH)
            info.create_system = 3  # Unix, on every machine
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = one.size
            with archive.open(info, "w", force_zip64=one.size >= _LARGE) as entry:
                for block in _read(contents.folder / name, one, contents.folder):
                    entry.write(block)
                    done += len(block)
                    emit(
                        Event(
                            kind="progress", done=done, total=contents.nbytes, unit="B", text=name
                        )
                    )


def _read(path: Path, wanted: FileRecord, folder: Path) -> Iterator[memoryview]:
    """Yield the blocks of a file; raise `BadInputError` at the end if it was another one."""
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(new_block(_BLOCK))
    with RegularFile(path) as file:
        while (count := file.readinto(buffer)) and size <= wanted.size:
            digest.update(buffer[:count])
            size += count
            yield buffer[:count]
    if (size, digest.hexdigest()) != (wanted.size, wanted.sha256):
        raise BadInputError(
            "not what was written by the conversion",
            where=path,
            remedy=f"see {command('verify', folder)}; this folder was not packed",
        )


def top_of(archive: Archive) -> str:
    """Return what an unpacked archive is called: a folder, or a ControlNet's compiled model."""
    if archive.contents.is_net:
        return next(iter(archive.contents.files)).partition("/")[0] or COMPILED
    return archive.path.stem
