"""What of a finished folder is handed on: all that apps load, and what proves and explains it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.comfyui import FOLDER
from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.bundle.tokenizer import tokenizer_files
from sdcoreml.convert.jobs.intact import odd_faults
from sdcoreml.convert.jobs.manifest import MARKER, Manifest, manifest_faults, read_manifest
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.ground.advice import command
from sdcoreml.ground.digest import FileRecord, describe
from sdcoreml.ground.errors import BadInputError, raise_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The files to hand on of a finished folder, by their paths in it, sorted.

    Packages are not among them: apps load what is compiled. Of a ControlNet it is the compiled
    model alone, since apps keep many of them in one folder; for ComfyUI it is the package alone.
    """

    folder: Path
    manifest: Manifest
    files: Mapping[str, FileRecord]

    @property
    def is_net(self) -> bool:
        """Whether the folder holds a ControlNet."""
        return is_net(self.manifest)

    @property
    def is_bare(self) -> bool:
        """Whether it is one program alone, which has no manifest where it is put."""
        return self.is_net or self.manifest.options.is_for_comfyui

    @property
    def nbytes(self) -> int:
        """The bytes of all files, where each is stored by itself."""
        return sum(one.size for one in self.files.values())


def is_net(manifest: Manifest) -> bool:
    """Whether the manifest is that of a ControlNet's folder."""
    return CONTROLNET in {entry.component for entry in manifest.programs.values()}


def is_same_model(one: Manifest, other: Manifest) -> bool:
    """Whether two folders were made of one model: its name, what it was assembled from, its files.

    A folder with other programs has other files of the same model, so those of both are compared.
    """
    both = one.inputs.keys() & other.inputs.keys()
    return (
        one.model.name == other.model.name
        and is_assembled_alike(one.model.made_from, other.model.made_from)
        and bool(both)
        and all(one.inputs[name] == other.inputs[name] for name in both)
    )


def is_assembled_alike(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two records of what models were assembled from are the same as JSON."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def contents_of(folder: Path, form: str = COMPILED) -> Contents:
    """List what to hand on of a finished folder; weights are not read.

    `form` is what is handed on of programs: for ComfyUI, and for it alone, packages.

    Raises:
        BadInputError: it is no folder of ours, it was changed, or it lacks a compiled model.
    """
    manifest = read_manifest(folder)
    raise_first([*manifest_faults(folder), *odd_faults(folder, manifest)])
    is_for_comfyui = manifest.options.is_for_comfyui
    if is_for_comfyui and form != PACKAGE:
        raise BadInputError(
            "it is for ComfyUI, whose nodes load the package as it is",
            where=folder,
            remedy=f"copy the package into ComfyUI's {FOLDER}",
        )
    programs = manifest.programs.values()
    files = {
        name: one
        for entry in programs
        for name, one in entry.files.items()
        if name.partition("/")[0].endswith(form)
    }
    if not is_net(manifest) and not is_for_comfyui:
        words = manifest.tokenizer or describe(
            {path.name: path for path in tokenizer_files(folder)}
        )
        marker = describe({MARKER: folder / MARKER})
        files = {**files, **words, **marker, **manifest.answers, **manifest.report}
    for name, one in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != one.size:
            what = (
                "missing" if not path.is_file() else f"not the {one.size:,} bytes that were written"
            )
            raise BadInputError(what, where=path, remedy=f"see {command('verify', folder)}")
    return Contents(folder=folder, manifest=manifest, files=dict(sorted(files.items())))
