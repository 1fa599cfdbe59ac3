"""`python -m tools.reference_pairs [FOLDER]`: packs the reference pairs that may be shipped.

FOLDER holds packages with what Apple's compiler made of them, as public repositories publish it (by
default `../shared/golden`, beside the maintainers' checkouts). What a free licence covers goes
into `tests/convert/compile/reference/pairs.tar.xz`, but for the largest weight files. `files.json`
keeps sizes and SHA-256 of all, also of what is not shipped.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.ground.aside import write_text
from tools.lines import ROOT

GOLDEN = ROOT.parent / "shared" / "golden"
TARGET = ROOT / "tests" / "convert" / "compile" / "reference"
ARCHIVE, FILES = "pairs.tar.xz", "files.json"

SHIPPED: Mapping[str, str] = {
    "compiled_only/coremltools_add_model.mlmodelc": "BSD-3-Clause, Apple Inc.",
    "compiled_only/sd15_512x768_": "MIT, Andy KoKo",
    "silero-vad-unified-": "MIT, Silero Team",
    "text_1_3/": "MIT, retyped",
    "unified_": "MIT, Silero Team",
}
"""The beginnings of paths that may be shipped, with their licences: see the folder's README."""

LEFT_OUT = ("SOURCES.md", "swift-runs", "swift-tokens")
LARGEST_WEIGHTS = 400_000  # bytes


def read_files(golden: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the path below `golden` and the content of each file of the pairs."""
    for path in sorted(golden.rglob("*")):
        name = path.relative_to(golden).as_posix()
        if path.is_file() and name.partition("/")[0] not in LEFT_OUT:
            yield name, path.read_bytes()


def is_shipped(name: str, content: bytes) -> bool:
    """Whether a file goes into the archive."""
    is_weights = name.endswith("/weight.bin")
    return name.startswith(tuple(SHIPPED)) and (not is_weights or len(content) < LARGEST_WEIGHTS)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files; the same for the same files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return lzma.compress(plain.getvalue(), preset=9)


def unpack(archive: bytes, folder: Path) -> None:
    """Write the files of an archive into a folder."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:xz") as opened:
        for member in opened:
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = opened.extractfile(member)
            target.write_bytes(content.read() if content else b"")


def describe(files: Mapping[str, bytes]) -> str:
    """Return the JSON of `files.json`: whether each file is shipped, its size and SHA-256."""
    described = {
        name: {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "shipped": is_shipped(name, content),
        }
        for name, content in sorted(files.items())
    }
    return json.dumps(described, indent=1) + "\n"


def main(argv: Sequence[str]) -> int:
    """Write the archive and the list."""
    files = dict(read_files(Path(argv[0]) if argv else GOLDEN))
    shipped = {name: content for name, content in files.items() if is_shipped(name, content)}
    archive = pack(shipped)
    (TARGET / ARCHIVE).write_bytes(archive)
    write_text(TARGET / FILES, describe(files))
    print(f"{len(shipped)} of {len(files)} files, {len(archive):,} bytes: {TARGET / ARCHIVE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
