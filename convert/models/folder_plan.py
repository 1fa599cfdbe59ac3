"""Plans a diffusers folder: its components with their tensors, and its other files.

A plan is a value. A folder, a single file, a VAE and a LoRA each contribute to one, and only
`write_folder` writes to disk.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.models.few_steps import AppSettings
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME
from sdcoreml.convert.weights.clone import place
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import (
    Computed,
    WriteOptions,
    Written,
    target_nbytes,
    write_safetensors,
)
from sdcoreml.ground.aside import folder_aside, require_space, sole_maker
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.outputs import files_in, require_none

DIFFUSERS_NAME = "diffusion_pytorch_model.safetensors"
TRANSFORMERS_NAME = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentFiles:
    """A component: its class, its config, and its tensors in the names of the pinned libraries.

    `whole` is an existing file identical to the one that would be written, if any.
    """

    kind: str
    config: Mapping[str, object]
    tensors: tuple[TensorInfo | Computed, ...]
    whole: Path | None = None

    @property
    def file_name(self) -> str:
        """The file name that the pinned `from_pretrained` looks for.

        Only diffusers' configs have `_class_name`, which shows the library that reads the file.
        """
        return DIFFUSERS_NAME if "_class_name" in self.config else TRANSFORMERS_NAME

    def nbytes(self, dtype: str | None) -> int:
        """Return the size in bytes of the tensors once they are cast to `dtype`."""
        options = WriteOptions(dtype=dtype)
        return sum(target_nbytes(tensor, options) for tensor in self.tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPlan:
    """A folder to write: `files` maps a path in the folder to a file to copy, or to its content.

    `notes` are facts worth knowing about the model, `settings` its settings for the app.
    """

    parts: Mapping[str, ComponentFiles]
    files: Mapping[str, Path | bytes]
    notes: tuple[str, ...] = ()
    settings: AppSettings | None = None

    def with_component(self, name: str, part: ComponentFiles) -> FolderPlan:
        """Return this plan with the component `part` added as `name`, and with its config file."""
        files = {**self.files, f"{name}/{CONFIG_NAME}": as_json(part.config)}
        return replace(self, parts={**self.parts, name: part}, files=files)


def as_json(content: Mapping[str, object]) -> bytes:
    """Serialise a config as diffusers writes it."""
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_folder(
    plan: FolderPlan, target: Path, options: WriteOptions | None = None, emit: Emit = silent
) -> tuple[Written, ...]:
    """Write the folder `target`; it gets its name only when it is complete.

    Raises:
        BadInputError: `target` exists and is not an earlier output, or holds other files.
        NoSpaceError: the disk has too little space.
    """
    options = options or WriteOptions()
    sizes = {
        name: part.nbytes(options.dtype)
        for name, part in plan.parts.items()
        if not _is_whole(part, options)
    }
    require_space(target, sum(sizes.values()))
    if (target / INDEX_NAME).is_file():
        ours = {*plan.files, *(f"{name}/{part.file_name}" for name, part in plan.parts.items())}
        require_none(target, [name for name in files_in(target) if name not in ours])
    written = []
    with sole_maker(target), folder_aside(target, INDEX_NAME) as aside:
        for name, content in plan.files.items():
            file = aside / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, file)
            else:
                file.write_bytes(content)
        for name, part in plan.parts.items():
            emit(Event(kind="step", text=f"write {name}"))
            file = aside / name / part.file_name
            if _is_whole(part, options) and part.whole:
                place(part.whole, file)
                continue
            written.append(write_safetensors(part.tensors, file, options, emit))
    return tuple(written)


def _is_whole(part: ComponentFiles, options: WriteOptions) -> bool:
    return part.whole is not None and options.dtype is None and not options.digest
