"""Opens a checkpoint of any container format and describes its tensors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from sdcoreml.convert.weights.dtypes import SIZES
from sdcoreml.convert.weights.index import compare, missing_shards, read_index
from sdcoreml.convert.weights.machine import Inert, Name
from sdcoreml.convert.weights.records import TensorRecord, Trust
from sdcoreml.convert.weights.safetensors import read_header, tensors_of
from sdcoreml.convert.weights.tensor import TensorInfo, is_contiguous
from sdcoreml.convert.weights.torch_legacy import MAGIC_BYTES, read_legacy
from sdcoreml.convert.weights.torch_zip import PickledTensors, read_zip
from sdcoreml.convert.weights.zip_directory import Member
from sdcoreml.ground.errors import BadInputError, Fault, SdcoremlError, raise_first
from sdcoreml.ground.files import open_regular

TRAINER_SUFFIXES = frozenset({".ckpt", ".pt", ".pth"})
"""Suffixes of files in which trainers store their own objects along with the weights."""

MAPPINGS = ("state_dict", "model", "params_ema", "params", "module", "string_to_param")
"""Keys under which trainers store the tensors, unless the whole file is the mapping.

The last key is that of textual inversions.
"""

AGAIN = "download the file again"
GIVE_WEIGHTS = "give a checkpoint file or an index file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint: its tensors, metadata and notes.

    `scalars` are numbers and texts stored with the weights. `members` has checksums, if the
    container has any.
    """

    path: Path
    container: str
    tensors: tuple[TensorInfo, ...]
    files: tuple[Path, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    scalars: Mapping[str, int | float | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    members: Mapping[Path, tuple[Member, ...]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """The size in bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors)


def open_checkpoint(path: Path) -> Checkpoint:
    """Open the checkpoint at `path`: a file of any container, or an `*.index.json` with shards.

    Reads descriptions only. Nothing that a pickle names is ever imported or called.

    Raises:
        BadInputError: the file is missing, damaged or not a checkpoint; or an index has faults,
            all of which are listed.
        UnsafePickleError: a pickle names code that has no place in a checkpoint.
    """
    checkpoint, faults = examine(path)
    raise_first(faults)
    if checkpoint is None:
        raise BadInputError("not a checkpoint", where=path, remedy="give a file that holds weights")
    return checkpoint


def examine(path: Path) -> tuple[Checkpoint | None, tuple[Fault, ...]]:
    """Do the same as `open_checkpoint`, but return every fault instead of raising the gravest."""
    try:
        if path.suffix == ".json":
            return _examine_shards(path)
        return _open_file(path), ()
    except SdcoremlError as error:
        return None, (error.fault,)


def _examine_shards(path: Path) -> tuple[Checkpoint | None, tuple[Fault, ...]]:
    _require_whole(path)
    index = read_index(path)
    faults = list(missing_shards(index))
    parts: dict[str, Checkpoint] = {}
    for shard in index.shards:
        if shard.is_file():
            try:
                parts[shard.name] = _open_file(shard)
            except SdcoremlError as error:
                faults.append(error.fault)
    if not faults:
        names = {name: tuple(t.name for t in part.tensors) for name, part in parts.items()}
        faults.extend(compare(index, names))
    if faults:
        return None, tuple(faults)
    opened = parts.values()
    checkpoint = Checkpoint(
        path=path,
        container=f"{len(parts)} shards, {' and '.join(sorted({p.container for p in opened}))}",
        tensors=tuple(tensor for part in opened for tensor in part.tensors),
        files=index.shards,
        metadata={key: value for part in opened for key, value in part.metadata.items()},
        notes=tuple(f"{part.path.name}: {note}" for part in opened for note in part.notes),
        members={file: found for part in opened for file, found in part.members.items()},
    )
    return checkpoint, ()


def _open_file(path: Path) -> Checkpoint:
    container = identify(path)
    if container is FileKind.SAFETENSORS:
        header = read_header(path)
        return Checkpoint(
            path=path,
            container=container.value,
            tensors=tensors_of(path, header),
            files=(path,),
            metadata=header.metadata,
        )
    trust = Trust.INERT if path.suffix.lower() in TRAINER_SUFFIXES else Trust.STRICT
    contents = (read_zip if container is FileKind.ZIP else read_legacy)(path, trust)
    mapping, where, notes = _tensor_mapping(path, contents)
    if contents.unknown:
        notes += (f"unknown names kept as inert records, never run: {', '.join(contents.unknown)}",)
    return Checkpoint(
        path=path,
        container=container.value,
        tensors=tuple(_place(path, name, record, contents) for name, record in mapping.items()),
        files=(path,),
        scalars=_scalars(contents.root),
        notes=(*((f"tensors taken from {where!r}",) if where else ()), *notes),
        members={path: contents.members} if contents.members else {},
    )


def _require_whole(path: Path) -> None:
    """Refuse a file that aria2 has not finished downloading."""
    if (control := path.with_name(f"{path.name}.aria2")).exists():
        raise BadInputError(
            f"an unfinished download: {control.name} is next to it",
            where=path,
            remedy="let it finish, or download the file again",
        )


class FileKind(Enum):
    """The kind of a file by its first bytes, regardless of its name."""

    SAFETENSORS = "safetensors"
    ZIP = "PyTorch zip"
    LEGACY = "PyTorch legacy"
    EMPTY = "empty"
    POINTER = "lfs-pointer"
    PAGE = "web-page"
    OTHER = "other"


CONTAINERS = frozenset({FileKind.SAFETENSORS, FileKind.ZIP, FileKind.LEGACY})
"""The kinds of files that hold tensors."""

_LARGEST_PAGE = 64 << 10
"""The largest size in bytes of a file that counts as a web page because it contains `<html`."""


def sniff(head: bytes, size: int) -> FileKind:
    """Identify a file of `size` bytes by `head`, its first 512 bytes."""
    text = head.lstrip().lower()
    if not head:
        return FileKind.EMPTY
    if head.startswith(b"PK\x03\x04"):
        return FileKind.ZIP
    if head.startswith(MAGIC_BYTES):
        return FileKind.LEGACY
    if head.startswith(b"version https://git-lfs"):
        return FileKind.POINTER
    is_text = b"\0" not in head[:8]  # a safetensors file begins with a length, which has zeros
    is_page = text.startswith((b"<", b'{"error', b"{'error"))
    if is_text and (is_page or (size < _LARGEST_PAGE and b"<html" in text)):
        return FileKind.PAGE
    return FileKind.SAFETENSORS if head[8:9] == b"{" else FileKind.OTHER


def identify(path: Path) -> FileKind:
    """Identify the container of `path`, one of `CONTAINERS`.

    Raises:
        BadInputError: the file is of another kind, which the message names.
    """
    head, kind = look_at(path)
    if kind in CONTAINERS:
        return kind
    what, remedy = _describe(kind, head)
    raise BadInputError(what, where=path, remedy=remedy)


def look_at(path: Path) -> tuple[bytes, FileKind]:
    """Read the first bytes of the file `path`, and identify its kind by them.

    Raises:
        BadInputError: there is no such file, or it is not readable.
    """
    _require_whole(path)
    with open_regular(path, remedy=GIVE_WEIGHTS) as file:
        head = file.read(512)
        size = os.fstat(file.fileno()).st_size
    return head, sniff(head, size)


_SAFE = "get the same model's safetensors files"
_UNPACK = "unpack it, and give what is in it"
OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (257, b"ustar", "a tar file of PyTorch before 0.1.10", "save it again with a newer PyTorch"),
    (0, b"\x80", "a bare pickle, not a PyTorch checkpoint", "get a .safetensors version"),
    (0, b"GGUF", "weights in GGUF's format, which nothing here reads", _SAFE),
    (0, b"\x89HDF", "weights in TensorFlow's HDF5 format, which nothing here reads", _SAFE),
    (
        0,
        b"SQLite format 3",
        "a database in SQLite's format, as Draw Things keeps its models",
        "give the checkpoint that it was imported from",
    ),
    (0, b"# xet version", "a Xet pointer, not the weights", AGAIN),
    (0, b"/annex/objects/", "a git-annex pointer, not the weights", "run 'git annex get' there"),
    (
        0,
        b"\x00\x05\x16\x07",
        "macOS's notes on a file (AppleDouble), not the file",
        "give the file whose name lacks the leading ._",
    ),
    (0, b"7z\xbc\xaf\x27\x1c", "a packed file, in 7-Zip's format", _UNPACK),
    (0, b"Rar!", "a packed file, in RAR's format", _UNPACK),
    (0, b"\x1f\x8b", "a packed file, in gzip's format", _UNPACK),
    (0, b"\xfd7zXZ", "a packed file, in xz's format", _UNPACK),
    (0, b"BZh", "a packed file, in bzip2's format", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a packed file, in Zstandard's format", _UNPACK),
)
"""Offset and bytes that identify a file, with a description and the remedy."""


def _describe(kind: FileKind, head: bytes) -> tuple[str, str]:
    """Return the message and remedy for a file that is not a checkpoint."""
    if kind is FileKind.EMPTY:
        return "the file is empty", AGAIN
    if kind is FileKind.POINTER:
        size = re.search(rb"size (\d{1,18})", head)
        real = f" (the real file has {int(size[1]):,} bytes)" if size else ""
        return f"a git-lfs pointer, not the weights{real}", "run 'git lfs pull' in its folder"
    if kind is FileKind.PAGE:
        return "a web page, not weights", f"{AGAIN}, after logging in if the model needs it"
    for start, end, what, remedy in OTHERS:
        if head[start : start + len(end)] == end:
            return what, remedy
    return f"not a checkpoint (starts with {head[:8].hex(' ')})", AGAIN


def _tensor_mapping(
    path: Path, contents: PickledTensors
) -> tuple[dict[str, TensorRecord], str, tuple[str, ...]]:
    """Return the tensors by name, the key that held them, and notes on the other entries."""
    root = contents.root
    if not isinstance(root, dict):
        raise BadInputError(
            f"holds a {_kind(root)}, not a mapping of tensors",
            where=path,
            remedy="save the state dict",
        )
    where, chosen = next(_candidates(root), ("", root))
    tensors: dict[str, TensorRecord] = {}
    aside: list[str] = []
    for name, value in chosen.items():
        if type(value) is TensorRecord and isinstance(name, str):
            tensors[name] = value
        elif isinstance(value, Inert):
            raise BadInputError(
                f"{name!r} is a {_kind(value)}, not a tensor",
                where=path,
                remedy="save the state dict alone",
            )
        else:
            aside.append(_show_key(name))
    if chosen is not root:
        aside.extend(_show_key(name) for name in root if name != where)
    if not tensors:
        raise BadInputError("holds no tensors", where=path, remedy="give the file with the weights")
    for name in tensors:
        if not name.isprintable():
            raise BadInputError(
                f"the tensor name {name!r} is not printable text", where=path, remedy=AGAIN
            )
    more = " ..." if len(aside) > 8 else ""  # noqa: PLR2004  as many as fit a line
    notes = (f"{len(aside)} entries that are not tensors left out: {', '.join(aside[:8])}{more}",)
    return tensors, where, notes if aside else ()


def _show_key(name: object) -> str:
    """Shorten a dictionary key to one line."""
    text = str(name)[:60]
    return text if text.isprintable() else ascii(text)


def _scalars(root: object) -> dict[str, int | float | str]:
    """Collect numbers and texts that a trainer stored with the weights, like `global_step`."""
    if not isinstance(root, dict):
        return {}
    return {
        name: value
        for name, value in root.items()
        if isinstance(name, str) and isinstance(value, int | float | str)
    }


def _candidates(root: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    for key in MAPPINGS:
        value = _unwrap(root.get(key))
        if isinstance(value, dict) and any(type(item) is TensorRecord for item in value.values()):
            yield key, value


def _unwrap(value: object) -> object:
    """Return the tensors of a `ParameterDict`, which PyTorch pickles as an object with a state."""
    state = value.state if isinstance(value, Inert) else None
    return state.get("_parameters", value) if isinstance(state, dict) else value


def _kind(value: object) -> str:
    """Name the kind of an object; a call of something without a name is a "record"."""
    if not isinstance(value, Inert):
        return type(value).__name__
    return str(value.name) if isinstance(value.name, Name) else "record"


def _place(path: Path, name: str, record: TensorRecord, contents: PickledTensors) -> TensorInfo:
    contiguous = is_contiguous(record.shape, record.stride)
    return TensorInfo(
        name=name,
        dtype=record.dtype,
        shape=record.shape,
        path=path,
        start=contents.starts[record.storage.key] + record.offset * SIZES[record.dtype],
        stride=None if contiguous else record.stride,
    )
