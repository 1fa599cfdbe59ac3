"""Updates what depends on a changed file of a finished folder, so that all digests match."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.certificates.check import examine
from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.models.layout import Model as Source
from sdcoreml.convert.packages.write import manifest
from sdcoreml.convert.programs.options import parse_options
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.spec.writer import serialise_model
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import SdcoremlError
from tests.convert.stand_ins import write_raw

Content = dict[str, Any]

DATA = "Data/com.apple.CoreML"


def read_raw(folder: Path) -> Content:
    """Return the content of the folder's manifest, not validated."""
    content: Content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return content


def mend(folder: Path) -> None:
    """Update the size and digest of every file in the manifest, then the manifest's own digest."""
    content = read_raw(folder)
    programs = (one["files"] for one in content["programs"].values())
    records = [content["tokenizer"], content.get("answers", {}), *programs]
    for files in records:
        for name in files:
            if (folder / name).is_file():
                raw = (folder / name).read_bytes()
                files[name] = {"size": len(raw), "sha256": sha256(raw).hexdigest()}
    write_raw(content, folder)


def put(path: Path, content: bytes) -> None:
    """Replace a file, keeping its mode; other hard links to the old file keep the old content."""
    mode = path.stat().st_mode & 0o777
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def put_weights(folder: Path, program: str, content: bytes) -> None:
    """Write a program's weights into both its package and its compiled model."""
    for place in (f"{program}.mlpackage/{DATA}", f"{program}.mlmodelc"):
        put(folder / place / "weights" / "weight.bin", content)


def remake(folder: Path, program: str, change: Callable[[Model], Model]) -> None:
    """Change a program in its package, and compile it again, so that package and model agree."""
    package = folder / f"{program}.mlpackage"
    model = serialise_model(change(read_package(package).model))
    put(package / DATA / "model.mlmodel", model)
    put(package / "Manifest.json", manifest(sha256(model).hexdigest()).encode())
    target = package.with_suffix(".mlmodelc")
    rmtree(target)
    compile_package(package, target)


def mend_proofs(folder: Path, model: Source, weights: Mapping[str, Path]) -> None:
    """Let the manifest say of each program what an audit finds now, and its graph's digest.

    If no certificate has that graph, the program claims to have been run, with the figures of the
    graph before. Programs that an audit rejects, or that cannot be read, are left as they are.

    Args:
        folder: the changed folder.
        model: the model that it was made from.
        weights: the safetensors file of each of the model's components.
    """
    content, certificates = read_raw(folder), load()
    for name, entry in content["programs"].items():
        source, options = model.components[entry["source"]], parse_options(entry["options"])
        package = folder / f"{name}.mlmodelc"
        written = chunk_paths(package) if entry["halves"] else package
        subject = (entry["component"], source.config, weights[entry["source"]], options)
        try:
            examined = examine(written, *subject)
        except (SdcoremlError, KeyError, ValueError, AttributeError):
            continue
        said, key = entry["checked"], examined.digests.key
        if examined.audit.passed:
            said["audit"] = to_plain(examined.audit.record())
            said["graph"] = key or None
            if key not in certificates and (issued := said.pop("certificate", None)):
                said |= {"runs": 2, "outputs": issued["outputs"]}
    write_raw(content, folder)
