"""Opens the program of a `.mlpackage` or `.mlmodelc`, and its weights, without torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from sdcoreml.convert.compile.compiled import read_compiled
from sdcoreml.convert.spec.blobs import MappedWeights, open_weights
from sdcoreml.convert.spec.model import Blob, DataType, Function, Model
from sdcoreml.convert.spec.reader import Package, read_package
from sdcoreml.convert.storage.elements import BlobStorage
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWeights:
    """A weight file whose blobs are copied into memory instead of mapped.

    Mapped pages count as memory of the process until the system reclaims them, and a UNet has
    gigabytes of them.
    """

    mapped: MappedWeights
    file: BufferedReader

    def read(self, blob: Blob, dtype: DataType) -> bytearray:
        """Read the bytes of a blob. Raises `BadInputError` as `MappedWeights.read` does."""
        content = bytearray(len(self.mapped.read(blob, dtype)))
        self.file.seek(self.mapped.record(blob.offset).data_offset)
        self.mapped.release()
        self.file.readinto(content)
        return content

    def locate(self, blob: Blob) -> tuple[Path, Blob]:
        """Return the weight file that holds a blob, and the blob as its own program states it."""
        return self.mapped.path, blob


@contextmanager
def read_weights(path: Path) -> Iterator[ReadWeights]:
    """Open a weight file. Raises `BadInputError` as `open_weights` does."""
    with open_weights(path) as mapped, open_regular(path) as file:
        yield ReadWeights(mapped=mapped, file=file)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWeights:
    """The storage of a program that has no weight file."""

    package: Path

    def read(self, blob: Blob, _: DataType) -> bytearray:
        """Raise `BadInputError`, because there is no weight file."""
        raise BadInputError(
            f"a constant is stored in {blob.path}, which is missing",
            where=self.package,
            remedy="make or download the package again",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProgram:
    """A program on disk: its model, the function that runs by default, and its weights."""

    path: Path
    model: Model
    function: Function
    storage: BlobStorage


@contextmanager
def open_program(path: Path, read: Package | None = None) -> Iterator[OpenProgram]:
    """Open the package or the compiled model at `path`; `read` is that package, if it was read.

    Raises:
        BadInputError: it is neither a package nor a compiled model, or it is damaged.
        UnsupportedError: its model is not an ML Program.
    """
    is_compiled = path.suffix == ".mlmodelc"
    found = read or (read_compiled(path) if is_compiled else read_package(path))
    with ExitStack() as stack:
        storage: BlobStorage = NoWeights(package=path)
        if found.weights is not None:
            storage = stack.enter_context(read_weights(found.weights))
        yield OpenProgram(
            path=path, model=found.model, function=main_function(found.model), storage=storage
        )


def main_function(model: Model) -> Function:
    """Return the function that runs by default."""
    functions = model.program.functions
    name = model.description.default_function or "main"
    if name not in functions:
        raise BadInputError(f"the program has no function {name}, only {', '.join(functions)}")
    return functions[name]
