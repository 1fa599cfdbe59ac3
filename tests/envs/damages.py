"""Ways to damage an environment, each with the fault that verification must report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, Path], object]


def flip(path: Path, *, keep_time: bool = False) -> None:
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "delete a module": (lambda _, site: (site / "one.py").unlink(), "one.py: missing (one)"),
    "edit a module": (
        lambda _, site: (site / "two/part.py").write_text("KINDS = True\n"),
        "two/part.py: 13 bytes, was 31 (two)",
    ),
    "truncate": (
        lambda _, site: (site / "two/__init__.py").write_text(""),
        "two/__init__.py: 0 bytes, was 10 (two)",
    ),
    "flip a byte in a library": (lambda _, site: flip(site / "two/native.so"), "two/native.so: "),
    "delete a package": (lambda _, site: shutil.rmtree(site / "two"), "two/__init__.py: missing"),
    "delete RECORD": (
        lambda _, site: (site / "one-1.0.dist-info/RECORD").unlink(),
        "one-1.0.dist-info/RECORD: missing",
    ),
    "delete METADATA": (
        lambda _, site: (site / "one-1.0.dist-info/METADATA").unlink(),
        "one-1.0.dist-info/METADATA: missing (one)",
    ),
    "hostile pth": (
        lambda _, site: (site / "evil.pth").write_text("import os\n"),
        "evil.pth: not part of it (nobody)",
    ),
    "hostile sitecustomize": (
        lambda _, site: (site / "sitecustomize.py").write_text("import os\n"),
        "sitecustomize.py: not part of it",
    ),
    "hostile bytecode": (
        lambda _, site: flip(next((site / "two/__pycache__").glob("part.*.pyc"))),
        "two/__pycache__/part.",
    ),
    "stale shebang": (
        lambda root, _: (root / "bin/one").write_text("#!/gone/bin/python\nimport one\n"),
        "bin/one: 30 bytes, was",
    ),
    "no longer executable": (
        lambda root, _: (root / "bin/one").chmod(0o644),
        "bin/one: is a file, was a program (one)",
    ),
    "dangling interpreter": (
        lambda root, _: relink(root / "bin/python", "/gone/python"),
        "bin/python: points at /gone/python, was",
    ),
    "file made a link": (
        lambda _, site: relink(site / "one.py", "two/part.py"),
        "one.py: is a link, was a file (one)",
    ),
    "file made a folder": (
        lambda _, site: _fill(site / "one.py"),
        "one.py: is a folder, was a file (one)",
    ),
    "bytecode made a folder": (
        lambda _, site: _fill(next((site / "two/__pycache__").glob("part.*.pyc"))),
        ".pyc: is a folder, was a file (two)",
    ),
    "drifted version": (
        lambda _, site: (site / "one-1.0.dist-info").rename(site / "one-1.1.dist-info"),
        "one-1.1.dist-info/METADATA: not part of it",
    ),
    "extra package": (
        lambda _, site: _add(site / "three-3.0.dist-info"),
        "three-3.0.dist-info/RECORD: not part of it (nobody)",
    ),
    "another artefact": (
        lambda _, site: _swap(site),
        "one.py: 26 bytes, was",
    ),
    "edited manifest": (
        lambda root, _: _edit(root / "sealed/files.tsv"),
        "sealed/files.tsv: does not match the seal",
    ),
}


def _edit(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "template.py" not in line))


def _fill(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inner").touch()


def _add(info: Path) -> None:
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: three\nVersion: 3.0\n")
    (info / "RECORD").write_text("three-3.0.dist-info/METADATA,,\n")


def _swap(site: Path) -> None:
    """Replace a package's file as if from another wheel of that version, with a matching RECORD."""
    (site / "one.py").write_text("def main(): print('other')"[:26])
    record = site / "one-1.0.dist-info/RECORD"
    rows = [row for row in record.read_text().splitlines() if not row.startswith("one.py,")]
    record.write_text("\n".join([*rows, "one.py,,"]) + "\n")
