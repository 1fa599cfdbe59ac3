"""Compiles packages and, if Xcode is installed, compares our result with Apple's compiler's."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from sdcoreml.convert.compile.check import function_differences, unequal
from sdcoreml.convert.compile.compiled import ANALYTICS, TEXT, WEIGHTS, CompiledModel, read_compiled
from sdcoreml.convert.compile.coremldata import order_fields
from sdcoreml.convert.compile.lower import COMPILER, build_info, lower
from sdcoreml.convert.compile.package import OURS, UNTRIED, compile_package
from sdcoreml.convert.compile.xcode import XcodeCompiler
from sdcoreml.convert.spec.reader import Package
from sdcoreml.ground.aside import scratch_beside
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Emit, silent


class Keep(Enum):
    """Which result to keep if both compilers ran."""

    OURS = auto()
    APPLES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """A compiled model, a sentence on how it was verified, and how two compilers' results differ.

    If the comparison itself failed, `differences` holds the error.
    """

    path: Path
    verdict: str
    differences: tuple[str, ...] = ()


def compile_compared(
    package: Path,
    target: Path,
    xcode: XcodeCompiler | None,
    keep: Keep = Keep.OURS,
    emit: Emit = silent,
    read: Package | None = None,
) -> Compilation:
    """Compile `package` to `target`; if `xcode` is given, use both compilers and compare.

    `read` is the package, if it was read already.

    Raises:
        BadInputError: the package is damaged, or the compiler whose result is kept refuses it.
    """
    if xcode is None:
        compile_package(package, target, emit, read)
        return Compilation(path=target, verdict=UNTRIED)
    with scratch_beside(target) as aside:
        other = aside / target.name
        if keep is Keep.OURS:
            compile_package(package, target, emit, read)
            return _beside_apples(package, target, other, xcode, emit)
        xcode.compile(package, target, emit)
        return _beside_ours(package, target, other, emit)


def _beside_apples(
    package: Path, ours: Path, aside: Path, xcode: XcodeCompiler, emit: Emit
) -> Compilation:
    try:
        xcode.compile(package, aside, emit)
        found = tuple(differences(ours, aside))
        version = _version(read_compiled(aside))
    except SdcoremlError as error:
        verdict = f"{UNTRIED}; not compared with Xcode's compiler"
        return Compilation(path=ours, verdict=verdict, differences=(str(error),))
    relation = "differs from" if found else "equal to"
    verdict = f"{OURS}, {relation} the result of coremlcompiler {version}"
    return Compilation(path=ours, verdict=verdict, differences=found)


def _beside_ours(package: Path, apples: Path, aside: Path, emit: Emit) -> Compilation:
    try:
        compile_package(package, aside, emit)
        found = tuple(differences(aside, apples))
        version = _version(read_compiled(apples))
    except BadInputError as error:  # Xcode's compiler supports more than ours
        return Compilation(path=apples, verdict=f"compiled with Xcode; not without it: {error}")
    relation = "which differs from" if found else "equal to"
    verdict = f"compiled with coremlcompiler {version}, {relation} sdcoreml's result"
    return Compilation(path=apples, verdict=verdict, differences=found)


def differences(ours: Path, apples: Path) -> Iterator[str]:
    """Yield the differences in content between two compiled models of one package.

    The compilers' versions, the order of maps and the layout of JSON are ignored.

    Raises:
        BadInputError: one of the folders is not a compiled ML Program.
    """
    here, there = read_compiled(ours), read_compiled(apples)
    yield from (f"{TEXT}: {what}" for what in function_differences(here.program, there.program))
    yield from unequal(
        {
            f"{TEXT}: text version": (here.text_version, there.text_version),
            f"{TEXT}: build information": (_own_info(here), _own_info(there)),
            "coremldata.bin: specification version": (
                here.specification_version,
                there.specification_version,
            ),
            "coremldata.bin: description": (
                order_fields(here.description.raw),
                order_fields(there.description.raw),
            ),
        }
    )
    yield from _metadata(here.metadata, there.metadata)
    for name in (ANALYTICS, WEIGHTS):
        if not _same_file(ours / name, apples / name):
            yield f"{name}: differs"


def package_differences(source: Package, made: CompiledModel) -> Iterator[str]:
    """Yield the differences between a package and its compiled model; weights are not compared."""
    yield from function_differences(made.program, lower(source.model))
    raw = (order_fields(made.description.raw), order_fields(source.model.description.raw))
    versions = (made.specification_version, source.model.specification_version)
    yield from unequal({"description": raw, "specification version": versions})


def _metadata(ours: object, apples: object) -> Iterator[str]:
    match ours, apples:
        case [dict() as here], [dict() as there]:
            names = sorted({*here, *there})
            yield from unequal(
                {f"metadata.json: {name}": (here.get(name), there.get(name)) for name in names}
            )
        case _ if ours != apples:
            yield "metadata.json: differs"


def _same_file(ours: Path, apples: Path) -> bool:
    if not (ours.is_file() and apples.is_file()):
        return ours.is_file() == apples.is_file()
    return ours.samefile(apples) or filecmp.cmp(ours, apples, shallow=False)


def _own_info(compiled: CompiledModel) -> Mapping[str, str]:
    """Return a program's build information without the entries that name the compiler."""
    entries = build_info(compiled.program).items()
    return {name: text for name, text in entries if name not in COMPILER}


def _version(compiled: CompiledModel) -> str:
    return build_info(compiled.program).get("coremlc-version", "of unknown version")
