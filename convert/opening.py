"""The model that a conversion starts from: read, and refused at once if nothing can come of it."""

from __future__ import annotations

from pathlib import Path

from convert.errors import BadInputError, UnsupportedError
from convert.families import PARTS, require_supported
from convert.models.family import Family
from convert.models.layout import Model, read_model
from convert.weights.fault import raise_first


def open_model(path: Path) -> Model:
    """Read a model folder and refuse what cannot be converted.

    Raises:
        BadInputError: the folder is damaged or incomplete; the message names the first fault.
        UnsafePickleError: a weight file names something that has no place in a checkpoint.
        UnsupportedError: the family or task cannot be converted, or not yet.
    """
    if path.is_file():
        raise BadInputError(
            f"{path}: a single file; unpack it first: .venv/bin/python -m convert"
            f" --checkpoint_path {path} --dump_path FOLDER --tokenizer FOLDER"
        )
    model = read_model(path)
    if model.family is not Family.UNKNOWN:
        require_supported(model)
    raise_first(model.faults)
    require_supported(model)
    missing = sorted({part.source for part in PARTS[model.family]} - model.components.keys())
    if missing:
        raise UnsupportedError(
            f"{path}: no {' and no '.join(missing)} in this folder; add the missing part from the"
            " model it was trained from"
        )
    return model
