"""Makes a conda channel in a folder, with a Python packed from the one that runs the tests.

The Python package has the interpreter itself, links to its standard library, and one file of each
kind that conda patches. It needs no network, and packing takes a tenth of a second.
"""

from __future__ import annotations

import hashlib
import io
import json
import sysconfig
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdcoreml.lockfiles.conda import FROM_CHANNEL, CondaLock, CondaPackage, write_conda_lock
from sdcoreml.lockfiles.target import TARGETS, host_target
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.wheels import PYTHON, VERSION

MINOR = ".".join(VERSION.split(".")[:2])
PLACEHOLDER = "/" + "placeholder_" * 20
SUBDIR = TARGETS[host_target()].conda_subdir if host_target() in TARGETS else "linux-64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of a conda package: files and links. Files in `patched` contain `PLACEHOLDER`."""

    files: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    patched: Mapping[str, str] = field(default_factory=dict)


def python_content(version: str = VERSION) -> Content:
    """Return the content of a Python package: interpreter, links to its library, patched files.

    With `version`, `platform.python_version()` of the packed Python returns that version.
    """
    library = Path(sysconfig.get_path("stdlib"))
    links = {
        f"lib/python{MINOR}/{path.name}": str(path)
        for path in library.iterdir()
        if path.name not in {"__pycache__", "site-packages"}
    }
    relabelled: dict[str, bytes] = {}
    if version != VERSION:
        del links[f"lib/python{MINOR}/platform.py"]
        text = (library / "platform.py").read_text() + f"\npython_version = lambda: {version!r}\n"
        relabelled = {f"lib/python{MINOR}/platform.py": text.encode()}
    script = f"#!{PLACEHOLDER}/bin/python{MINOR}\nimport sys; print(sys.prefix)\n"
    return Content(
        files={
            f"bin/python{MINOR}": PYTHON.resolve()
            .read_bytes()
            .replace(VERSION.encode(), version.encode()),
            "bin/where": script.encode(),
            "lib/libplace.so": b"\x7fELF" + PLACEHOLDER.encode() + b"/ssl\0the rest",
            f"lib/python{MINOR}/_place.py": f"PREFIX = {PLACEHOLDER!r}\n".encode(),
            f"lib/python{MINOR}/site-packages/README.txt": b"packages go here\n",
            **relabelled,
        },
        links={
            "bin/python": f"python{MINOR}",
            "lib/python3.1": f"python{MINOR}",  # as conda-forge has it
            **links,
        },
        patched={
            "bin/where": "text",
            "lib/libplace.so": "binary",
            f"lib/python{MINOR}/_place.py": "text",
        },
    )


def package(
    channel: Path,
    name: str,
    version: str,
    content: Content,
    *,
    depends: tuple[str, ...] = (),
    noarch: str = "",
) -> CondaPackage:
    """Write a package into a channel's folder, and add it to the channel's index."""
    subdir = "noarch" if noarch else SUBDIR
    index = {"name": name, "version": version, "build": "0_test", "build_number": 0}
    index |= {"depends": list(depends), "subdir": subdir}
    index |= {"noarch": noarch} if noarch else {}
    paths = [_path(name, content) for name in (*content.files, *content.links)]
    data = _archive(index, paths, content)
    file = f"{name}-{version}-0_test.tar.bz2"
    (channel / subdir).mkdir(parents=True, exist_ok=True)
    (channel / subdir / file).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    for folder in {subdir, "noarch", SUBDIR}:
        _index(channel / folder, {file: index | {"sha256": digest, "size": len(data)}}, subdir)
    return CondaPackage(
        name=name,
        version=version,
        build="0_test",
        build_number=0,
        noarch=noarch,
        path=f"{subdir}/{file}",
        sha256=digest,
        size=len(data),
        depends=depends,
    )


def channel(folder: Path, *, python: str = VERSION, content: Content | None = None) -> CondaLock:
    """Make a channel with a Python and its dependencies; return their lock."""
    zones = Content(files={"share/zoneinfo/UTC": b"TZif"})
    packages = (
        package(folder, "python", python, content or python_content(), depends=("tzdata",)),
        package(folder, "tzdata", "2026a", zones, noarch="generic"),
    )
    return CondaLock(target=host_target(), python=python, packages=packages)


def lock_conda(name: str, lock: CondaLock) -> None:
    """Write a conda lock into the folder of a toolchain."""
    path = load_toolchain(name).folder / f"conda.{lock.target}.toml"
    packages = tuple(replace(one, known=f"{FROM_CHANNEL}a test") for one in lock.packages)
    path.write_text(write_conda_lock(replace(lock, packages=packages)))


def _path(name: str, content: Content) -> dict[str, Any]:
    if name in content.links:
        return {"_path": name, "path_type": "softlink"}
    data = content.files[name]
    entry: dict[str, Any] = {"_path": name, "path_type": "hardlink", "size_in_bytes": len(data)}
    entry["sha256"] = hashlib.sha256(data).hexdigest()
    if name in content.patched:
        entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": content.patched[name]}
    return entry


def _archive(index: Mapping[str, Any], paths: list[dict[str, Any]], content: Content) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:bz2", compresslevel=1) as archive:

        def add(name: str, body: bytes, mode: int) -> None:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(body), mode
            archive.addfile(member, io.BytesIO(body))

        for name, value in {"index": index, "paths": {"paths": paths, "paths_version": 1}}.items():
            add(f"info/{name}.json", json.dumps(value).encode(), 0o644)
        for name, body in content.files.items():
            add(name, body, 0o755 if name.startswith("bin/") else 0o644)
        for name, target in content.links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return data.getvalue()


def _index(folder: Path, rows: Mapping[str, Any], subdir: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "repodata.json"
    blank: dict[str, Any] = {"info": {"subdir": folder.name}, "packages": {}, "packages.conda": {}}
    known = json.loads(path.read_text()) if path.exists() else blank
    if folder.name == subdir:
        known["packages"] |= rows
    path.write_text(json.dumps(known))
