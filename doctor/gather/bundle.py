"""Gathers facts about a finished folder with the converter's own reader."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from sdcoreml.convert.bundle.contract import NAMES
from sdcoreml.convert.bundle.described import described_at
from sdcoreml.convert.bundle.facts import PortFacts, ProgramFacts, programs_at
from sdcoreml.convert.bundle.tokenizer import MERGES, VOCAB, Tokenizer, check_tokenizer
from sdcoreml.convert.compile.compiled import METADATA
from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.doctor.core.subjects import Bundle, PortState, ProgramState
from sdcoreml.ground.errors import Fault, SdcoremlError
from sdcoreml.ground.files import Document, open_regular, read_bytes

_SAMPLE = 1 << 20


def bundle(path: str) -> Bundle:
    """Gather the content of the finished folder `path`.

    Raises:
        OSError: the folder does not exist.
    """
    found = programs_at(Path(path))
    return _bundle(path, found, {one.path: _digest(one.weights) for one in found})


def described_bundle(path: str) -> Bundle:
    """Gather the content of a finished folder by what its programs say of themselves.

    This is quick enough for a whole library, and finds no damage inside programs. Weights are only
    compared where a check asks for it. `path` can be one program, too.

    Raises:
        OSError: the folder does not exist.
    """
    found = described_at(Path(path))
    pair = [one for one in found if one.path.stem in _COMPARED]
    digests = {one.path: _digest(one.weights) for one in pair} if len(pair) > 1 else {}
    return _bundle(path, found, digests)


_COMPARED = frozenset({NAMES["unet"], NAMES["controlled_unet"]})
"""The programs whose weights BUN014 compares."""


def _bundle(path: str, found: Sequence[ProgramFacts], digests: Mapping[Path, str]) -> Bundle:
    folder = Path(path)
    names = {entry.name for entry in folder.iterdir()}
    nets = folder / CONTROLNET
    programs = tuple(program(one, digests.get(one.path, "")) for one in found)
    whole = Bundle(path=path, programs=programs)
    return replace(
        whole,
        damage=tuple(f"{one.path.name}: {what}" for one in found for what in _damage(one)),
        vocabulary=() if whole.is_net or whole.is_for_comfyui else _tokenizer(folder),
        manifest=MARKER in names,
        controlnet_folder=nets.is_dir() and not nets.is_symlink(),
    )


def program(found: ProgramFacts, digest: str) -> ProgramState:
    """Convert a program's facts for the checks; `fault` is what is wrong with metadata.json.

    `digest` is that of its weights, to compare them by.
    """
    is_whole = not (found.missing or found.pointers)
    attention = "split" if found.is_split else "original"
    faults = [f"{METADATA}: {one.what}" for one in found.faults if _is_of_metadata(one)]
    return ProgramState(
        name=found.path.stem,
        container=found.path.suffix,
        inputs=tuple(map(_feature, found.inputs)),
        outputs=tuple(map(_feature, found.outputs)),
        attention="" if found.operations is None else attention,
        specification=found.specification,
        precision=found.precision,
        weights=found.weights.stat().st_size if found.weights.is_file() else 0,
        weights_digest=digest,
        tools=found.tools,
        compressed=any("constexpr" in name for name in found.operations or ()),
        hidden=found.hidden,
        missing=found.missing,
        pointers=found.pointers,
        fault=faults[0] if faults and is_whole else "",
    )


def _feature(port: PortFacts) -> PortState:
    return PortState(name=port.name, shape=port.shape, dtype=port.dtype)


def _damage(found: ProgramFacts) -> tuple[str, ...]:
    """Return the fault inside a program that has all its files, if there is one."""
    if found.missing or found.pointers:
        return ()
    return tuple(fault.what for fault in found.faults if not _is_of_metadata(fault))


def _is_of_metadata(fault: Fault) -> bool:
    return Path(fault.where).name == METADATA


def _tokenizer(folder: Path) -> tuple[str, ...]:
    """Return what the Swift apps would reject in vocab.json and merges.txt."""
    missing = [name for name in (VOCAB, MERGES) if not (folder / name).is_file()]
    if missing:
        return tuple(f"{name} is missing" for name in missing)
    try:
        vocab, merges = (read_bytes(folder / name, Document.VOCABULARY) for name in (VOCAB, MERGES))
    except SdcoremlError as error:
        return (str(error),)
    return _faults_of(vocab, merges)


@cache  # nearly all models have CLIP's, and a check of it takes a third of a second
def _faults_of(vocab: bytes, merges: bytes) -> tuple[str, ...]:
    read = Tokenizer(vocab=vocab, merges=merges)
    return tuple(fault.what for fault in check_tokenizer(read, Path()))


def _digest(path: Path) -> str:
    """Return a digest of a file's size, first and last megabyte, which tells checkpoints apart."""
    if not path.is_file():
        return ""
    size = path.stat().st_size
    with open_regular(path) as file:
        begin = file.read(_SAMPLE)
        file.seek(max(0, size - _SAMPLE))
        return hashlib.sha256(b"".join((str(size).encode(), begin, file.read()))).hexdigest()
