"""What somebody who changes a finished folder on purpose writes anew, so that digests agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.packages.write import manifest
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.spec.writer import serialise_model
from tests.convert.stand_ins import write_raw

Content = dict[str, Any]

DATA = "Data/com.apple.CoreML"


def read_raw(folder: Path) -> Content:
    """The manifest as JSON."""
    content: Content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


def mend(folder: Path) -> None:
    """Record every file that the manifest names as it is now, and the manifest itself."""
    content = read_raw(folder)
    records = [content["tokenizer"], *(one["files"] for one in content["programs"].values())]
    for files in records:
        for name in files:
            if (folder / name).is_file():
                raw = (folder / name).read_bytes()
                files[name] = {"size": len(raw), "sha256": sha256(raw).hexdigest()}
    write_raw(content, folder)


def put(path: Path, content: bytes) -> None:
    """Write a file anew, so that no other file that it is linked to changes."""
    mode = path.stat().st_mode & 0o777
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def put_weights(folder: Path, program: str, content: bytes) -> None:
    """Write the weights of a program in both of their places."""
    for place in (f"{program}.mlpackage/{DATA}", f"{program}.mlmodelc"):
        put(folder / place / "weights" / "weight.bin", content)


def remake(folder: Path, program: str, change: Callable[[Model], Model]) -> None:
    """Change a program in its package, and compile it again: every file agrees with the others."""
    package = folder / f"{program}.mlpackage"
    model = serialise_model(change(read_package(package).model))
    put(package / DATA / "model.mlmodel", model)
    put(package / "Manifest.json", manifest(sha256(model).hexdigest()).encode())
    target = package.with_suffix(".mlmodelc")
    rmtree(target)
    compile_package(package, target)
