"""Reads the index files of sharded checkpoints, which map each tensor to its shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdcoreml.ground.codec import shown
from sdcoreml.ground.documents import read_json
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.files import Document

_OF_CONFIGS = ("_class_name", "model_type", "architectures")
"""Keys of a config.json or model_index.json that no index has."""

AGAIN = "download the index and the shards again, from one place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The index of a sharded checkpoint, read from `path`.

    `weights` maps each tensor's name to the file name of its shard, in the same folder.
    """

    path: Path
    weights: Mapping[str, str]

    @property
    def shards(self) -> tuple[Path, ...]:
        """The shards' paths, sorted."""
        return tuple(self.path.parent / name for name in sorted(set(self.weights.values())))


def read_index(path: Path) -> Index:
    """Read the index at `path`.

    Raises:
        BadInputError: it is not an index, or names a shard by anything but a plain file name.
    """
    content = read_json(path, Document.WEIGHT_INDEX, remedy=AGAIN)
    weights = content.get("weight_map") if isinstance(content, dict) else None
    if isinstance(content, dict) and not content.keys().isdisjoint(_OF_CONFIGS):
        raise BadInputError(
            "this is a config, which has no weights", where=path, remedy="give the folder it is in"
        )
    if not isinstance(weights, dict) or not weights:
        raise BadInputError("has no weight_map", where=path, remedy=AGAIN)
    for shard in weights.values():
        if not isinstance(shard, str) or not _is_plain(shard):
            raise BadInputError(
                f"the shard name {shown(shard)} is not a plain file name", where=path, remedy=AGAIN
            )
    return Index(path=path, weights=weights)


def _is_plain(name: str) -> bool:
    plain = PurePosixPath(name).name == name and "\\" not in name and name.isprintable()
    return plain and name not in ("", ".", "..")


def missing_shards(index: Index) -> tuple[Fault, ...]:
    """Return the fault that names missing shards, if any are missing."""
    lost = [shard.name for shard in index.shards if not shard.is_file()]
    if not lost:
        return ()
    what = f"{len(lost)} of {len(index.shards)} shards missing: {', '.join(lost)}"
    return (
        Fault(
            where=index.path, what=what, remedy="download the missing files into the same folder"
        ),
    )


def compare(index: Index, found: Mapping[str, tuple[str, ...]]) -> tuple[Fault, ...]:
    """Return the differences between `index` and `found`, which maps shards to tensor names."""
    homes: dict[str, list[str]] = {}
    for shard, names in found.items():
        for name in names:
            homes.setdefault(name, []).append(shard)
    problems = {
        "in two shards": [name for name, shards in homes.items() if len(shards) > 1],
        "in the index, but in no shard": [name for name in index.weights if name not in homes],
        "in another shard than the index says": [
            name
            for name, shard in index.weights.items()
            if name in homes and shard not in homes[name]
        ],
        "in a shard, but not in the index": [name for name in homes if name not in index.weights],
    }
    return tuple(
        Fault(
            where=index.path,
            what=f"{len(names)} tensor(s) {problem}, such as {names[0]!r}",
            remedy=AGAIN,
        )
        for problem, names in problems.items()
        if names
    )
