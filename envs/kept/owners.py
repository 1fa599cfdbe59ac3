"""Determines the project of each path in an environment, by RECORD and by conda's records."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from sdcoreml.envs.kept import conda_meta
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.names import normalise

PATCHED = ", patched"
"""The suffix of an owner, for files of a conda package that contain the environment's path.

The seal excludes these files: it covers the hash of the package, which determines all else in them.
"""
CONDA = "conda:"
"""The prefix of a conda package as an owner, since a Python project may have the same name."""


def owners_of(folder: Path) -> dict[str, str]:
    """Map each path to its owner: by conda's records, else by RECORD; bytecode like its source."""
    owners: dict[str, str] = {}
    for record in sorted((folder / "lib").glob("python*/site-packages/*.dist-info/RECORD")):
        base = record.parent.parent
        name = project_of(record.parent)
        for row in read_record(record):
            path = os.path.relpath(base / row[0], folder)
            owners[path] = name
            if path.endswith(".py"):
                owners[_bytecode_path(path, base.parent.name)] = name
    return owners | _owners_by_conda(folder)


def _owners_by_conda(folder: Path) -> dict[str, str]:
    """Map each path to the owner that conda's records give it; empty for a venv."""
    owners: dict[str, str] = {}
    for path, record in conda_meta.records(folder):
        owners[os.path.relpath(path, folder)] = f"{CONDA}{record['name']}{PATCHED}"
    for laid in conda_meta.list_files(folder):
        owner = f"{CONDA}{laid.package}"
        owners[laid.path] = f"{owner}{PATCHED}" if laid.patched else owner
        if laid.path.endswith(".py") and laid.path.startswith("lib/python"):
            owners[_bytecode_path(laid.path, laid.path.split("/")[1])] = owners[laid.path]
    return owners


def _bytecode_path(source: str, python: str) -> str:
    """Return the path of a source's bytecode; `python` is a name such as `python3.10`."""
    parent, _, stem = source.rpartition("/")
    tag = f"cpython-{python.removeprefix('python').replace('.', '')}"
    return f"{parent}/__pycache__/{stem[:-3]}.{tag}.pyc"


def project_of(dist_info: Path) -> str:
    """Return the normalised project name of a `.dist-info` folder."""
    return normalise(dist_info.name.partition("-")[0])


def read_record(record: Path) -> list[list[str]]:
    """Read the rows of a RECORD file: path, hash or "", size or ""."""
    text = read_bytes(record, Document.RECORD).decode("utf-8", "surrogateescape")
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
