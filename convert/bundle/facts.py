"""Reads the facts about a finished Core ML program, either a package or a compiled model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.bundle.comfyui import ForComfyUI, describe
from sdcoreml.convert.bundle.contract import COMPILED, FILES, PACKAGE
from sdcoreml.convert.bundle.listed import why_hidden
from sdcoreml.convert.bundle.ports import output_shapes
from sdcoreml.convert.compile.check import faults as compiled_faults
from sdcoreml.convert.compile.check import weight_faults
from sdcoreml.convert.compile.compiled import read_compiled
from sdcoreml.convert.compile.histogram import EINSUM, histogram
from sdcoreml.convert.spec.model import Feature, Model
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.ground.errors import Fault, SdcoremlError
from sdcoreml.ground.files import POINTER, open_regular

_TOOLS = "com.github.apple.coremltools."


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """One input or output as the program declares it; `dtype` is in lower case."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {list(self.shape)} {self.dtype}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFacts:
    """The facts about one program.

    `operations` maps operation types (`Ios16.conv`) to how often they occur, `nbytes` is the size
    of the weight file, `precision` is the compute precision that a compiled program declares,
    `tools` maps the tools that made the program to their versions. `hidden` says why the next
    Mochi Diffusion will not list it, or is "". `missing` lists absent files, `pointers` the files
    that are only Git LFS pointers. For an unreadable program, only `path`, `missing`, `pointers`
    and `faults` are set.
    """

    path: Path
    specification: int = 0
    inputs: tuple[PortFacts, ...] = ()
    outputs: tuple[PortFacts, ...] = ()
    operations: Mapping[str, int] | None = None
    nbytes: int = 0
    precision: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    hidden: str = ""
    missing: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def weights(self) -> Path:
        """The path of the program's weight file; a program without weights has no such file."""
        return self.path / FILES[self.path.suffix][-1]

    @property
    def is_split(self) -> bool:
        """Whether the UNet has split-einsum attention, judged as apps do: by one operation."""
        return EINSUM in (self.operations or {})

    @property
    def comfyui(self) -> ForComfyUI | None:
        """What the program is for ComfyUI; `None` if it has another interface."""
        inputs = {port.name: port.shape for port in self.inputs}
        return describe(inputs, [port.name for port in self.outputs], self.path.suffix)


def is_coreml(path: Path) -> bool:
    """Whether `path` is a program or a folder that holds programs."""
    return path.suffix in (PACKAGE, COMPILED) or bool(list_programs(path))


def programs_at(path: Path) -> tuple[ProgramFacts, ...]:
    """Read the program at `path`, or all programs in that folder; collect faults, raise none."""
    paths = [path] if path.suffix in (PACKAGE, COMPILED) else list_programs(path)
    return tuple(read_safely(each, _READERS[each.suffix]) for each in paths)


def list_programs(folder: Path) -> list[Path]:
    """List the programs in a folder; a package beside its compiled form counts as one program."""
    if not folder.is_dir():
        return []
    found = sorted(each for each in folder.iterdir() if each.suffix in (PACKAGE, COMPILED))
    return [
        each for each in found if each.suffix == COMPILED or each.with_suffix(COMPILED) not in found
    ]


def read_safely(path: Path, read: Callable[[Path], ProgramFacts]) -> ProgramFacts:
    """Read a program; an error becomes a fault, and missing files and pointers are listed."""
    try:
        found = read(path)
    except SdcoremlError as error:
        found = ProgramFacts(path=path, faults=(error.fault,))
    names = FILES[path.suffix]
    missing = tuple(name for name in names if not (path / name).is_file())
    pointers = (name for name in names if name not in missing and _is_pointer(path / name))
    return replace(found, missing=missing, pointers=tuple(pointers))


def _is_pointer(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(len(POINTER)) == POINTER


def _read_compiled(path: Path) -> ProgramFacts:
    compiled = read_compiled(path)
    found = _facts(path, compiled.model, compiled.weights, compiled_faults(compiled))
    found = replace(found, hidden=why_hidden(path.stem, compiled.metadata))
    match compiled.metadata:
        case [{"computePrecision": str() as precision}]:
            return replace(found, precision=precision)
    return found


def read_whole_package(path: Path) -> ProgramFacts:
    """Read a package, with its program and the descriptors of its weights.

    Raises:
        BadInputError: a file is missing or damaged.
    """
    package = read_package(path)
    faults = weight_faults(package.model.program, package.weights, path)
    return _facts(path, package.model, package.weights, faults)


_READERS: Mapping[str, Callable[[Path], ProgramFacts]] = {
    COMPILED: _read_compiled,
    PACKAGE: read_whole_package,
}


def _facts(
    path: Path, model: Model, weights: Path | None, faults: tuple[Fault, ...]
) -> ProgramFacts:
    shapes = output_shapes(model)
    return ProgramFacts(
        path=path,
        specification=model.specification_version,
        inputs=tuple(_port(feature, feature.shape) for feature in model.description.inputs),
        outputs=tuple(
            _port(feature, feature.shape or shapes.get(feature.name, ()))
            for feature in model.description.outputs
        ),
        operations=histogram(model.program.functions[model.description.default_function or "main"]),
        nbytes=weights.stat().st_size if weights else 0,
        tools=tools_of(model.description.metadata.user_defined),
        faults=faults,
    )


def tools_of(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return the versions of coremltools and of the library, such as torch, that it converted."""
    tools = {"coremltools": metadata.get(f"{_TOOLS}version", "")}
    name, _, version = metadata.get(f"{_TOOLS}source", "").partition("==")
    tools[name] = version
    return {name: version for name, version in tools.items() if name and version}


def _port(feature: Feature, shape: tuple[int, ...]) -> PortFacts:
    dtype = feature.dtype.name.lower() if feature.dtype is not None else feature.kind
    return PortFacts(name=feature.name, shape=shape, dtype=dtype)
