"""Reads model_index.json, which names a model's components, or derives it from the folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.absence import DOWNLOAD, explain_folder, suggest_folder
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.files import Document


def read_parts(path: Path, faults: list[Fault], notes: list[str]) -> dict[str, object]:
    """Read a model folder's index, or derive it; append what is wrong, and what was assumed."""
    index = path / INDEX_NAME
    if index.is_file():
        said = read_config(index, faults)
        if faults or _names_component(said):
            return said
        if found := _derive_index(path):
            notes.append(f"{INDEX_NAME} names no component: the folders say what they hold")
            return {**said, **found}
        faults.append(Fault(where=index, what="names no component", remedy=DOWNLOAD))
        return said
    if not path.is_dir():
        what = "a file, not a model folder" if path.exists() else "no such file or folder"
    elif found := _derive_index(path):
        notes.append(f"no {INDEX_NAME}: the folders say what they hold")
        return found
    else:
        what = f"no {INDEX_NAME} in this folder, so it is not a diffusers model"
    what, remedy = explain_folder(path, INDEX_NAME) or (what, suggest_folder(path, INDEX_NAME))
    faults.append(Fault(where=path, what=what, remedy=remedy))
    return {}


def _names_component(index: Mapping[str, object]) -> bool:
    """Whether an index names more than what has no weights."""
    names = (name for name, entry in index.items() if class_of(name, entry) is not None)
    return not all(name.startswith(("scheduler", "tokenizer")) for name in names)


_ESSENTIAL = ("unet", "vae")


def _derive_index(path: Path) -> dict[str, object]:
    """Derive model_index.json from the folders in `path`, if they form a whole model."""
    if not all((path / name / CONFIG_NAME).is_file() for name in _ESSENTIAL):
        return {}
    folders = [child.name for child in sorted(path.iterdir()) if child.is_dir()]
    kinds = {n: read_config(path / n / CONFIG_NAME, []) for n in folders if _has_config(path / n)}
    index: dict[str, object] = {n: ["", kind_of(config)] for n, config in kinds.items()}
    index |= {n: ["", ""] for n in folders if n.startswith("tokenizer") or n == "scheduler"}
    return index


def _has_config(folder: Path) -> bool:
    return (folder / CONFIG_NAME).is_file()


def kind_of(config: Mapping[str, object]) -> str:
    """Return the class that a config.json describes, or an empty string."""
    match config:
        case {"_class_name": str() as name} if name:
            return name
        case {"architectures": [name, *_]}:
            return str(name)
    return ""


def read_config(path: Path, faults: list[Fault]) -> dict[str, object]:
    """Read a JSON object; empty, with a fault appended, if it is none."""
    try:
        return read_object(path, Document.CONFIG, remedy=DOWNLOAD)
    except BadInputError as error:
        faults.append(error.fault)
        return {}


def class_of(name: str, entry: object) -> str | None:
    """Return the class in an index entry `[library, class]`; `None` if it is not a part's entry."""
    match entry:
        case [str(), str() as kind]:
            is_folder = not name.startswith("_") and Path(name).name == name and name != ".."
            return kind if is_folder else None
    return None
