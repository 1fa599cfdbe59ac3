"""Reads compiled models, whichever compiler made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcoreml.convert.compile.coremldata import read_coremldata
from sdcoreml.convert.compile.parse import Text, parse
from sdcoreml.convert.spec.model import Blob, Description, Model, Program, Value
from sdcoreml.ground.documents import read_json
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, decode, read_bytes, refuse_pointer

TEXT = "model.mil"
COREMLDATA = "coremldata.bin"
ANALYTICS = "analytics/coremldata.bin"
METADATA = "metadata.json"
WEIGHTS = "weights/weight.bin"

AGAIN = "compile the package again"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledModel:
    """A `.mlmodelc` folder with an ML Program.

    `metadata` is the unchecked content of `metadata.json`. `weights` is the path of the weight
    file, or `None`.
    """

    path: Path
    specification_version: int
    text_version: str
    program: Program
    description: Description
    metadata: Any
    weights: Path | None

    @property
    def model(self) -> Model:
        """What a compiled model keeps of its package's model file."""
        return Model(
            specification_version=self.specification_version,
            description=self.description,
            program=self.program,
        )


def read_compiled(path: Path) -> CompiledModel:
    """Read the compiled model in the folder `path`.

    Raises:
        BadInputError: a file is missing or damaged, or the model is not an ML Program.
    """
    data = read_coremldata(_bytes(path / COREMLDATA), path / COREMLDATA)
    text = _parse_text(path / TEXT)
    weights = path / WEIGHTS
    return CompiledModel(
        path=path,
        specification_version=data.specification_version,
        text_version=text.version,
        program=text.program,
        description=data.description,
        metadata=read_json(path / METADATA, Document.CONFIG, remedy=AGAIN),
        weights=weights if weights.is_file() else None,
    )


def _parse_text(path: Path) -> Text:
    text = decode(_bytes(path), path, remedy=AGAIN)
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{error}", where=path, remedy=AGAIN) from error


def _bytes(path: Path) -> bytes:
    content = read_bytes(path, Document.PROGRAM, remedy=AGAIN)
    refuse_pointer(content, path)
    return content


def blobs(program: Program) -> Iterator[tuple[Value, Blob]]:
    """Yield every constant of a program whose content is in a weight file, with its blob."""
    for function in program.functions.values():
        for operation in function.block.operations:
            for value in operation.constants:
                if isinstance(value.data, Blob):
                    yield value, value.data
