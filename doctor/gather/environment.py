"""Reads what is installed in the built environment from folder names and small files.

Importing torch to learn its version takes seconds and gigabytes; the name of the folder
`torch-2.2.0.dist-info` is enough. An environment of 60 packages and 5 GB takes about 10 ms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from sdcoreml.doctor.core.facts import EnvironmentFacts, Unknown
from sdcoreml.envs.pythons.venv import list_projects
from sdcoreml.ground.codec import DecodeError, as_object, read_field
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, open_regular, read_leniently, read_text
from sdcoreml.ground.names import normalise

NATIVE = {
    "linux": (
        "coremltools/libmilstoragepython.so",
        "coremltools/libmodelpackage.so",
        "torch/lib/libtorch_cpu.so",
    ),
    "macos": (
        "coremltools/libcoremlpython.so",
        "coremltools/libmilstoragepython.so",
        "coremltools/libmodelpackage.so",
        "torch/lib/libtorch_cpu.dylib",
    ),
}
"""The compiled files without which a conversion fails at its end, by operating system."""

TAGGED = ("coremltools", "numpy", "safetensors", "tokenizers", "torch")
_CEILINGS = {"TORCH": "torch", "SKLEARN": "scikit-learn"}
_CEILING = re.compile(r'^_(TORCH|SKLEARN)_MAX_VERSION = "([\d.]+)"', re.MULTILINE)
_STRAYS = ("sitecustomize.py", "usercustomize.py")
_RECORD_BYTES = 4096


def site_packages(root: Path) -> Path | Unknown:
    """Return an environment's site-packages folder; conda links `python3.1` to `python3.10`."""
    found = [one for one in root.glob("lib/python3*/site-packages") if not one.parent.is_symlink()]
    return found[0] if found else Unknown(reason=f"{root}: no lib/python3*/site-packages in it")


def look(
    root: Path, *, python: str, lock_digest: str, seal: str, drift: bool, system: str
) -> EnvironmentFacts | Unknown:
    """Read the environment under `root`; all values but `system` come from its record."""
    site = site_packages(root)
    if isinstance(site, Unknown):
        return site
    entries = sorted(entry.name for entry in site.iterdir())
    infos = [name for name in entries if name.endswith(".dist-info")]
    split = [name.removesuffix(".dist-info").rpartition("-") for name in infos]
    counts = Counter(normalise(name) for name, _, _ in split)
    return EnvironmentFacts(
        path=str(root),
        python=python or _python_version(root),
        python_path=str(root / "bin" / "python"),
        lock_digest=lock_digest,
        seal=seal,
        drift=drift,
        installed=list_projects(site),
        duplicates=tuple(sorted(name for name, count in counts.items() if count > 1)),
        headless=tuple(_project(name) for name in infos if not _complete(site / name)),
        hollow=tuple(_project(name) for name in infos if _hollow(site, name, entries)),
        wheels=_wheels(site, infos),
        native=_native(site, infos, system),
        origins=_origins(site, infos),
        ceilings=_ceilings(site / "coremltools" / "_deps" / "__init__.py"),
        strays=tuple(name for name in entries if name in _STRAYS or _foreign_pth(name, infos)),
    )


def _python_version(root: Path) -> str:
    """Read the Python version from pyvenv.cfg, where the key has two spellings."""
    try:
        lines = read_text(root / "pyvenv.cfg", Document.SETTINGS).splitlines()
    except BadInputError:
        return ""
    pairs = {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)
    }
    return pairs.get("version_info") or pairs.get("version") or ""


def _project(info: str) -> str:
    return normalise(info.removesuffix(".dist-info").rpartition("-")[0])


def _complete(info: Path) -> bool:
    return all((info / name).is_file() for name in ("METADATA", "RECORD"))


def _hollow(site: Path, info: str, entries: Iterable[str]) -> bool:
    """Return True if a top-level package named in the RECORD's first lines is missing."""
    try:
        with open_regular(site / info / "RECORD") as file:
            lines = file.read(_RECORD_BYTES).decode("utf-8", "replace").splitlines()
    except BadInputError:
        return False
    tops = {line.partition(",")[0].partition("/")[0].strip('"') for line in lines[:-1]}
    owned = {top for top in tops if top and top not in {"..", info, "__pycache__"}}
    return bool(owned - set(entries))


def _wheels(site: Path, infos: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Read the `Tag` lines from the WHEEL files of the packages that need native code."""
    tags: dict[str, tuple[str, ...]] = {}
    for info in infos:
        path = site / info / "WHEEL"
        if (name := _project(info)) in TAGGED and path.is_file():
            lines = read_leniently(path, Document.SETTINGS).splitlines()
            tags[name] = tuple(line[5:].strip() for line in lines if line.startswith("Tag: "))
    return tags


def _native(site: Path, infos: Iterable[str], system: str) -> Mapping[str, bool]:
    """Map each compiled file that the installed projects should have to whether it exists."""
    projects = {_project(info) for info in infos}
    expected = NATIVE["macos" if system == "Darwin" else "linux"]
    return {
        name: (site / name).is_file() for name in expected if name.partition("/")[0] in projects
    }


def _origins(site: Path, infos: Iterable[str]) -> Mapping[str, str]:
    """Read URL and commit of packages that are not from the index (direct_url.json)."""
    origins: dict[str, str] = {}
    for info in infos:
        path = site / info / "direct_url.json"
        if path.is_file():
            try:
                record = read_object(path, Document.CONFIG)
                source = as_object(record.get("vcs_info", {}), "vcs_info")
                commit = read_field(source, "commit_id", str, "")
                url = without_login(read_field(record, "url", str, ""))
                origins[_project(info)] = f"{url}@{commit}".rstrip("@")
            except (BadInputError, DecodeError):
                origins[_project(info)] = "unreadable direct_url.json"
    return origins


def without_login(url: str) -> str:
    """Return a URL without the user name, password or token before its host."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else url


def _ceilings(path: Path) -> Mapping[str, str]:
    """Read from coremltools' source the newest torch and scikit-learn that it was tested with."""
    try:
        text = read_leniently(path, Document.TEXT)
    except BadInputError:
        return {}
    return {_CEILINGS[name]: version for name, version in _CEILING.findall(text)}


def _foreign_pth(name: str, infos: Iterable[str]) -> bool:
    """Return True if a .pth file, which Python runs at start-up, belongs to no project."""
    if not name.endswith(".pth") or name in {"distutils-precedence.pth", "_virtualenv.pth"}:
        return False
    return not any(normalise(name).startswith(_project(info)) for info in infos)
