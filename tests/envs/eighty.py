"""Eighty ways to damage an environment or its Python, and what repair must do about each."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sdcoreml.envs.pythons.venv import site_packages
from tests.envs.damages import flip, relink
from tests.envs.wheels import VERSION

MINOR = ".".join(VERSION.split(".")[:2])
TAG = f"cpython-{MINOR.replace('.', '')}"


class End(Enum):
    """What repair must do about a kind of damage."""

    REPAIRED = "repair puts it right"
    REBUILT = "repair says that it has to be built anew"
    TOLD = "the Python is somebody else's: it is said, with the remedy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """What is to be damaged: an environment, its packages, and its Python."""

    root: Path
    site: Path
    python: Path

    @property
    def library(self) -> Path:
        """Return the folder of the Python's standard library."""
        return self.python / f"lib/python{MINOR}"

    @property
    def program(self) -> Path:
        """Return the path of the Python's executable."""
        return self.python / f"bin/python{MINOR}"


def victim(root: Path, python: Path) -> Victim:
    """Return the parts of an environment and its Python that can be damaged."""
    return Victim(root=root, site=site_packages(root), python=python)


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    make(path)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _lead_away(path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _write(path: Path, text: str = "import os\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _record(v: Victim, **fields: object) -> None:
    path = v.root / "sealed/record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _interpreter(v: Victim) -> None:
    path = v.root / "sealed/record.json"
    fields = json.loads(path.read_text())
    fields["interpreter"]["path"] = "/bin/sh"
    path.write_text(json.dumps(fields))


def _drop_line(path: Path, word: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if word not in line))


def _site_wide(v: Victim, *, mended: bool) -> None:
    """Let the environment see its Python's own packages.

    With `mended`, the line for the changed file in the sealed manifest is adapted.
    """
    import hashlib

    path, table = v.root / "pyvenv.cfg", v.root / "sealed/files.tsv"
    before = path.read_bytes()
    _edit(path, "site-packages = false", "site-packages = true")
    if mended:
        old, new = (hashlib.sha256(one).hexdigest() for one in (before, path.read_bytes()))
        _edit(table, f"{old}\t{len(before)}", f"{new}\t{len(path.read_bytes())}")


def _pyc(v: Victim, name: str) -> Path:
    return v.site / f"two/__pycache__/{name}.{TAG}.pyc"


R, B, T = End.REPAIRED, End.REBUILT, End.TOLD
Kind = tuple[Callable[[Victim], object], str, End]

EIGHTY: dict[str, Kind] = {
    # Bytes of packages.
    "a module is gone": (lambda v: (v.site / "one.py").unlink(), "one.py: missing (one)", R),
    "a module is edited": (lambda v: _write(v.site / "two/part.py"), "two/part.py: 10 bytes", R),
    "a module is empty": (lambda v: _write(v.site / "two/odd.py", ""), "two/odd.py: 0 bytes", R),
    "a bit of a library": (lambda v: flip(v.site / "two/native.so"), "native.so: altered", R),
    "a bit, and the time set back": (
        lambda v: flip(v.site / "two/template.py", keep_time=True),
        "two/template.py: altered (two)",
        R,
    ),
    "a library is longer": (
        lambda v: os.truncate(v.site / "two/native.so", 999),
        "native.so: 999 bytes",
        R,
    ),
    "a table of data": (lambda v: flip(v.site / "one_data/table.txt"), "table.txt: altered", R),
    "a package is gone": (lambda v: shutil.rmtree(v.site / "two"), "two/__init__.py: missing", R),
    "RECORD is gone": (
        lambda v: (v.site / "one-1.0.dist-info/RECORD").unlink(),
        "one-1.0.dist-info/RECORD: missing (one)",
        R,
    ),
    "METADATA is gone": (
        lambda v: (v.site / "two-2.1.dist-info/METADATA").unlink(),
        "two-2.1.dist-info/METADATA: missing (two)",
        R,
    ),
    "METADATA names another version": (
        lambda v: _edit(v.site / "one-1.0.dist-info/METADATA", "1.0", "9.9"),
        "one-1.0.dist-info/METADATA: altered (one)",
        R,
    ),
    "a package is renamed": (
        lambda v: (v.site / "one-1.0.dist-info").rename(v.site / "one-1.1.dist-info"),
        "one-1.1.dist-info/METADATA: not part of it",
        R,
    ),
    "a script has another interpreter": (
        lambda v: _write(v.root / "bin/one", "#!/bin/python\n"),
        "bin/one: ",
        R,
    ),
    "all of site-packages is gone": (
        lambda v: _replace(v.site, Path.mkdir),
        "one.py: missing (one)",
        R,
    ),
    # Bytecode.
    "bytecode is altered": (lambda v: flip(_pyc(v, "part")), f"part.{TAG}.pyc: altered", R),
    "bytecode is gone": (lambda v: _pyc(v, "odd").unlink(), f"odd.{TAG}.pyc: missing", R),
    "bytecode of another module": (
        lambda v: shutil.copyfile(_pyc(v, "odd"), _pyc(v, "part")),
        f"part.{TAG}.pyc: ",
        R,
    ),
    "bytecode for -O": (
        lambda v: _write(_pyc(v, "part").with_suffix(".opt-1.pyc")),
        "opt-1.pyc: not part of it",
        R,
    ),
    "bytecode without a source": (
        lambda v: _write(v.site / "three.pyc"),
        "three.pyc: not part of it",
        R,
    ),
    "no bytecode at all": (
        lambda v: shutil.rmtree(v.site / "two/__pycache__"),
        "two/__pycache__: missing",
        R,
    ),
    # What runs at every start, and what is in front of others.
    "a .pth file": (lambda v: _write(v.site / "evil.pth"), "evil.pth: not part of it", R),
    "sitecustomize": (
        lambda v: _write(v.site / "sitecustomize.py"),
        "sitecustomize.py: not part of it (nobody)",
        R,
    ),
    "usercustomize": (
        lambda v: _write(v.site / "usercustomize.py"),
        "usercustomize.py: not part of it",
        R,
    ),
    "a package more": (
        lambda v: _write(v.site / "three/__init__.py"),
        "three/__init__.py: not part of it",
        R,
    ),
    "an extension in front of a module": (
        lambda v: _write(v.site / "two/part.so"),
        "two/part.so: not part of it",
        R,
    ),
    "an empty folder, which can be imported": (
        lambda v: (v.site / "torch").mkdir(),
        "torch: not part of it",
        R,
    ),
    "empty folders within each other": (
        lambda v: (v.site / "a/b/c").mkdir(parents=True),
        "a/b/c: not part of it",
        R,
    ),
    "an empty folder beside bin": (
        lambda v: (v.root / "include").mkdir(),
        "include: not part of it",
        R,
    ),
    "a hidden file": (lambda v: _write(v.site / ".hidden"), ".hidden: not part of it", R),
    "a program more": (lambda v: _write(v.root / "bin/pip"), "bin/pip: not part of it", R),
    "pyvenv.cfg beside the program": (
        lambda v: _write(v.root / "bin/pyvenv.cfg", "home = /tmp\n"),
        "bin/pyvenv.cfg: not part of it",
        R,
    ),
    "pybuilddir.txt beside the program": (
        lambda v: _write(v.root / "bin/pybuilddir.txt", "x"),
        "bin/pybuilddir.txt: not part of it",
        R,
    ),
    "a library of another Python": (
        lambda v: _write(v.root / "lib/python3.9/site-packages/one.py"),
        "lib/python3.9/site-packages/one.py: not part of it",
        R,
    ),
    # Kinds of path.
    "a pipe for a module": (
        lambda v: _replace(v.site / "one.py", os.mkfifo),
        "one.py: is a device or pipe, was a file",
        R,
    ),
    "a pipe for a library": (
        lambda v: _replace(v.site / "two/native.so", os.mkfifo),
        "native.so: is a device or pipe",
        R,
    ),
    "a pipe more": (lambda v: os.mkfifo(v.site / "pipe.py"), "pipe.py: not part of it", R),
    "a socket more": (lambda v: _socket(v.site / "s"), "s: not part of it", R),
    "a link to a device": (
        lambda v: relink(v.site / "two/odd.py", "/dev/zero"),
        "two/odd.py: is a link, was a file",
        R,
    ),
    "a link for a module": (
        lambda v: relink(v.site / "one.py", "two/part.py"),
        "one.py: is a link, was a file",
        R,
    ),
    "a link to a folder more": (
        lambda v: (v.site / "linked").symlink_to("/usr/lib"),
        "linked: not part of it",
        R,
    ),
    "a link to itself": (
        lambda v: relink(v.root / "bin/activate", "activate"),
        "bin/activate: is a link",
        R,
    ),
    "a folder for a module": (
        lambda v: _replace(v.site / "one.py", Path.mkdir),
        "one.py: is a folder, was a file",
        R,
    ),
    "a file for a package": (
        lambda v: _replace(v.site / "two", Path.touch),
        "two: is a file, was a folder",
        R,
    ),
    "a link for a package": (
        lambda v: _lead_away(v.site / "two", v.root.parent / "two"),
        "two: is a link, was a folder",
        R,
    ),
    # Modes.
    "everybody may write a module": (
        lambda v: (v.site / "one.py").chmod(0o666),
        "one.py: has the mode 666, had 644",
        R,
    ),
    "nobody may read a module": (
        lambda v: (v.site / "one.py").chmod(0),
        "one.py: has the mode 000, had 644",
        R,
    ),
    "a program runs as its owner": (
        lambda v: (v.root / "bin/one").chmod(0o4755),
        "bin/one: has the mode 4755, had 755",
        R,
    ),
    "a program runs as its group": (
        lambda v: (v.root / "bin/one").chmod(0o2755),
        "bin/one: has the mode 2755, had 755",
        R,
    ),
    "a program does not run": (
        lambda v: (v.root / "bin/one").chmod(0o644),
        "bin/one: is a file, was a program",
        R,
    ),
    "a module runs": (
        lambda v: (v.site / "one.py").chmod(0o755),
        "one.py: is a program, was a file",
        R,
    ),
    "everybody may write a folder": (
        lambda v: (v.site / "two").chmod(0o777),
        "two: has the mode 777, had 755",
        R,
    ),
    "everybody may write the environment": (
        lambda v: v.root.chmod(0o777),
        ".: has the mode 777, had 755",
        R,
    ),
    "everybody may write the record": (
        lambda v: (v.root / "sealed/record.json").chmod(0o666),
        "sealed/record.json: has the mode 666",
        R,
    ),
    "everybody may write the seal's folder": (
        lambda v: (v.root / "sealed").chmod(0o777),
        "sealed: has the mode 777",
        R,
    ),
    # What names the Python.
    "the interpreter is gone": (
        lambda v: (v.root / "bin/python").unlink(),
        "bin/python: missing",
        R,
    ),
    "the interpreter is another": (
        lambda v: relink(v.root / "bin/python", "/bin/sh"),
        "bin/python: points at /bin/sh",
        R,
    ),
    "the interpreter leads nowhere": (
        lambda v: relink(v.root / "bin/python", "/gone/python"),
        "bin/python: points at /gone/python",
        R,
    ),
    "python3 is another": (
        lambda v: relink(v.root / "bin/python3", "/bin/sh"),
        "bin/python3: points at /bin/sh",
        R,
    ),
    "pyvenv.cfg is gone": (lambda v: (v.root / "pyvenv.cfg").unlink(), "pyvenv.cfg: missing", R),
    "pyvenv.cfg lets others' packages in": (
        lambda v: _site_wide(v, mended=False),
        "pyvenv.cfg: ",
        R,
    ),
    "pyvenv.cfg names another home": (
        lambda v: _edit(v.root / "pyvenv.cfg", "home = ", "home = /x"),
        "pyvenv.cfg: ",
        R,
    ),
    "bin/activate runs more": (
        lambda v: _edit(v.root / "bin/activate", "hash -r", "true -r"),
        "bin/activate: ",
        R,
    ),
    "pyvenv.cfg, with its line mended": (
        lambda v: _site_wide(v, mended=True),
        "pyvenv.cfg: does not lead to",
        B,
    ),
    # What says how it was.
    "a file more beside the seal": (
        lambda v: _write(v.root / "sealed/more.json", "{}"),
        "sealed/more.json: not part of it",
        R,
    ),
    "a module beside the seal": (
        lambda v: _write(v.root / "sealed/__init__.py"),
        "sealed/__init__.py: not part of it",
        R,
    ),
    "the sealed lock is altered": (
        lambda v: flip(v.root / "sealed/requirements.txt"),
        "sealed/requirements.txt: altered",
        R,
    ),
    "the sealed lock is gone": (
        lambda v: (v.root / "sealed/requirements.txt").unlink(),
        "sealed/requirements.txt: missing",
        R,
    ),
    "the record's interpreter": (_interpreter, "sealed/record.json: is not as it was written", B),
    "the record's drift": (
        lambda v: _record(v, drift=True),
        "sealed/record.json: is not as it was written",
        B,
    ),
    "the record's seal": (
        lambda v: _record(v, seal="5ea1" * 16),
        "sealed/record.json: is not as it was written",
        B,
    ),
    "a line of the manifest is gone": (
        lambda v: _drop_line(v.root / "sealed/files.tsv", "template.py"),
        "sealed/files.tsv: ",
        B,
    ),
    "a mode in the manifest": (
        lambda v: _edit(v.root / "sealed/files.tsv", "file\t644", "file\t666"),
        "sealed/files.tsv: is not as it was written",
        B,
    ),
    "the list of the Python is gone": (
        lambda v: (v.root / "sealed/python.tsv").unlink(),
        "sealed/python.tsv: missing",
        B,
    ),
    "a line of that list is gone": (
        lambda v: _drop_line(v.root / "sealed/python.tsv", "/os.py"),
        "/os.py: was not there when it was sealed",
        B,
    ),
    # The Python beneath.
    "a module of the library": (
        lambda v: _write(v.library / "bisect.py"),
        "bisect.py: ",
        T,
    ),
    "a bit of it, and the time set back": (
        lambda v: flip(v.library / "heapq.py", keep_time=True),
        "heapq.py: altered (python)",
        T,
    ),
    "a module of the library is gone": (
        lambda v: (v.library / "bisect.py").unlink(),
        "bisect.py: missing (python)",
        T,
    ),
    "a module of a library's package": (
        lambda v: _write(v.library / "json/decoder.py"),
        "json/decoder.py: ",
        T,
    ),
    "the library's sitecustomize": (
        lambda v: _write(v.library / "sitecustomize.py"),
        "sitecustomize.py: was not there when it was sealed (python)",
        T,
    ),
    "an empty folder in the library": (
        lambda v: (v.library / "torch").mkdir(),
        "torch: was not there",
        T,
    ),
    "bytecode of the library": (
        lambda v: flip(v.library / f"__pycache__/bisect.{TAG}.pyc"),
        f"bisect.{TAG}.pyc: is not what its source compiles to",
        T,
    ),
    "bytecode of the library more": (
        lambda v: shutil.copyfile(
            v.library / f"__pycache__/bisect.{TAG}.pyc",
            v.library / f"__pycache__/stat.{TAG}.pyc",
        ),
        f"stat.{TAG}.pyc: is not what its source compiles to",
        T,
    ),
    "an extension of the library": (
        lambda v: flip(next((v.library / "lib-dynload").glob("_heapq*.so"))),
        ".so: altered (python)",
        T,
    ),
    "an extension more": (
        lambda v: _write(v.library / "lib-dynload/bisect.so"),
        "lib-dynload/bisect.so: was not there",
        T,
    ),
    "a pipe in the library": (
        lambda v: _replace(v.library / "bisect.py", os.mkfifo),
        "bisect.py: is a device or pipe",
        T,
    ),
    "everybody may write the library": (
        lambda v: (v.library / "bisect.py").chmod(0o666),
        "bisect.py: has the mode 666, had 644",
        T,
    ),
    "the binary": (lambda v: flip(v.program), f"python{MINOR}: altered (python)", T),
    "the binary is another": (
        lambda v: v.program.write_text("#!/bin/sh\nexit 0\n"),
        f"python{MINOR}: 17 bytes",
        T,
    ),
    "a library in an archive in front of all": (
        lambda v: _write(v.python / f"lib/python{MINOR.replace('.', '')}.zip"),
        ".zip: was not there when it was sealed",
        T,
    ),
    "pybuilddir.txt beside the binary": (
        lambda v: _write(v.python / "bin/pybuilddir.txt", "x"),
        "bin/pybuilddir.txt: was not there when it was sealed",
        T,
    ),
}
