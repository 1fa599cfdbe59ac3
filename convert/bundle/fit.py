"""Checks that the programs of a folder fit together and have the ports that the runtimes need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.comfyui import Shapes, is_for_comfyui
from sdcoreml.convert.bundle.comfyui import interface as comfyui_interface
from sdcoreml.convert.bundle.contract import (
    COMPILED,
    CONTROL_INPUT,
    IN_FIRST_HALF,
    NAMES,
    RESIDUAL,
    UNET_INPUTS,
)
from sdcoreml.convert.bundle.ports import (
    Interface,
    Port,
    dimensions_of,
    interfaces,
    optional_interfaces,
    output_shapes,
)
from sdcoreml.convert.compile.check import faults as compiled_faults
from sdcoreml.convert.compile.compiled import read_compiled
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.spec.model import DataType, Feature, Model
from sdcoreml.convert.spec.reader import Package
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.storage.package import open_program
from sdcoreml.ground.errors import Fault, SdcoremlError

REMEDY = "convert the model again; if it happens again, report it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What calls a folder's programs, and whether only some of them were requested.

    `inputs` are those that a UNet for ComfyUI must have by the model's config, `None` if no config
    is known. Then only what holds for every model is required of it.
    """

    runtime: Runtime = Runtime.SWIFT
    is_part: bool = False
    inputs: Shapes | None = None


WHOLE = Called()


def folder_faults(
    written: Mapping[str, Packages],
    folder: Path,
    read: Mapping[str, Sequence[Package]],
    called: Called = WHOLE,
) -> Iterator[Fault]:
    """Read the programs of a folder, and yield faults where the runtimes require something else.

    Args:
        written: maps each component to its package, or to the two halves of it. Compiled models
            beside them are checked, too. It can also map to the compiled models themselves.
        folder: the folder that holds them, for errors.
        read: the packages that were read already, and compiled by this process, which checks what
            it compiles.
        called: what calls them, and whether some are left out.
    """
    models: dict[str, Model] = {}
    for component, packages in written.items():
        halves = (packages,) if isinstance(packages, Path) else packages
        try:
            known = read.get(component, ())
            with open_whole(packages, known) as program:
                models[component] = program.model
            if len(halves) > 1:
                with open_program(halves[0], *known[:1]) as first:
                    yield from check_first_half(first.model, models[component], halves[0])
            for package in () if known else halves:
                if (compiled := package.with_suffix(COMPILED)).exists():
                    yield from compiled_faults(read_compiled(compiled))
        except SdcoremlError as error:
            yield error.fault
            return
    if models.keys() == {"controlnet"}:
        yield from check_controlnet(models["controlnet"], folder)
    else:
        yield from check_programs(models, folder, called)


def check_first_half(first: Model, whole: Model, path: Path) -> Iterator[Fault]:
    """Yield a fault for each input of `IN_FIRST_HALF` that `whole` has and its half `first` lacks.

    The runtimes read the descriptions of these inputs in the first half only.
    """
    taken, here = ({port.name for port in model.description.inputs} for model in (whole, first))
    for name in sorted((IN_FIRST_HALF & taken) - here):
        yield Fault(where=path, what=f"input {name} is in the second half only", remedy=REMEDY)


def check_programs(
    models: Mapping[str, Model], folder: Path, called: Called = WHOLE
) -> Iterator[Fault]:
    """Yield faults where a folder's programs do not fit the runtimes or each other.

    `models` maps components (keys of `NAMES`) to their parsed specifications; two halves count as
    one joined program.
    """
    if called.runtime is Runtime.COMFYUI:
        return _check_for_comfyui(models, folder, called.inputs)
    return _check_for_swift(models, folder, called)


def _check_for_swift(models: Mapping[str, Model], folder: Path, called: Called) -> Iterator[Fault]:
    if "unet" not in models and called.is_part:
        return  # the UNet is what other programs are compared with
    if "unet" not in models:
        yield Fault(where=folder / NAMES["unet"], what="the folder has no UNet", remedy=REMEDY)
        return
    try:
        size = dimensions_of(models["unet"])
    except (KeyError, ValueError) as error:
        what = f"its inputs are not those of a UNet ({error})"
        yield Fault(where=folder / NAMES["unet"], what=what, remedy=REMEDY)
        return
    wanted = dict(interfaces(size))
    optional = optional_interfaces(size)
    wanted |= {name: optional[name] for name in models.keys() & optional.keys()}
    if "controlled_unet" in models:
        wanted["controlled_unet"] = _check_residual_inputs(
            models["controlled_unet"], wanted["unet"]
        )
    for component in sorted(models.keys() - wanted.keys()):
        what = "no app uses this program with this UNet"
        yield Fault(where=folder / NAMES[component], what=what, remedy=REMEDY)
    for component, interface in wanted.items():
        path = folder / NAMES[component]
        if component not in models:
            if not called.is_part:
                yield Fault(where=path, what="missing", remedy=REMEDY)
            continue
        for what in _differences(models[component], interface):
            yield Fault(where=path, what=what, remedy=REMEDY)


def _check_for_comfyui(
    models: Mapping[str, Model], folder: Path, inputs: Shapes | None
) -> Iterator[Fault]:
    """Yield faults where a folder is not one UNet with the ports that ComfyUI's nodes need."""
    if len(models) != 1 or not models.keys() <= {"unet", "controlled_unet"}:
        what = f"not one UNet, but {', '.join(models) or 'nothing'}"
        yield Fault(where=folder, what=what, remedy=REMEDY)
        return
    ((component, model),) = models.items()
    shapes = {feature.name: feature.shape for feature in model.description.inputs}
    wanted = _wanted_by_comfyui(shapes, inputs)
    if wanted is None:
        what = "its inputs are not those of a UNet for ComfyUI"
        yield Fault(where=folder, what=what, remedy=REMEDY)
        return
    if (f"{RESIDUAL}0" in shapes) is (component == "unet"):
        what = f"{component}: it should have residual inputs if it is controlled, and only then"
        yield Fault(where=folder, what=what, remedy=REMEDY)
    for what in _differences(model, wanted):
        yield Fault(where=folder, what=what, remedy=REMEDY)


def _wanted_by_comfyui(shapes: Shapes, inputs: Shapes | None) -> Interface | None:
    if not is_for_comfyui(shapes):
        return None
    try:
        return comfyui_interface(inputs or shapes)
    except (KeyError, ValueError):
        return None


def check_controlnet(net: Model, path: Path, controlled: Model | None = None) -> Iterator[Fault]:
    """Yield faults where a ControlNet does not fit the runtimes or the UNet that it is for.

    Its outputs must be float32: the runtimes add them up through raw pointers and pass them to the
    UNet by name.

    Args:
        net: the ControlNet.
        path: its location.
        controlled: the `ControlledUnet` that will take its residuals, if known.
    """
    remedy = "convert it with --for FOLDER, or convert the model again with the same size and batch"
    faults = [*_not_a_controlnet(net)]
    if controlled is not None:
        taken = {port.name: port.shape for port in controlled.description.inputs}
        given = {port.name: port.shape for port in net.description.inputs}
        given.update(output_shapes(net))
        for name, shape in taken.items():
            if given.get(name) != shape:
                found = list(given[name]) if name in given else "nothing"
                faults.append(f"the UNet takes {name} {list(shape)}, found {found}")
        extra = (port.name for port in net.description.outputs if port.name not in taken)
        faults += [f"the UNet does not take {name}" for name in extra]
    yield from (Fault(where=path, what=what, remedy=remedy) for what in faults)


def _not_a_controlnet(net: Model) -> Iterator[str]:
    names = {port.name for port in net.description.inputs}
    for name in (*UNET_INPUTS, CONTROL_INPUT):
        if name not in names:
            yield f"input {name} is missing"
    outputs = {port.name: port.dtype for port in net.description.outputs}
    for number in range(max(len(outputs), 1)):
        name = f"{RESIDUAL}{number}"
        if outputs.get(name) is not DataType.FLOAT32:
            yield f"output {name} float32 is missing"


def _check_residual_inputs(model: Model, unet: Interface) -> Interface:
    """Build the interface that a UNet with residual inputs must have.

    The inputs are numbered from 0, one for each skip connection and one for the middle block. Their
    shapes depend on the model's levels, which no port reveals, so only their names are checked.
    """
    names = {feature.name: feature.shape for feature in model.description.inputs}
    count = sum(name.startswith(RESIDUAL) for name in names)
    residuals = (f"{RESIDUAL}{number}" for number in range(max(count, 1)))
    extra = tuple(
        Port(name=name, shape=names.get(name, (unet.inputs[0].shape))) for name in residuals
    )
    return Interface(inputs=(*unet.inputs, *extra), outputs=unet.outputs)


def _differences(model: Model, interface: Interface) -> Iterator[str]:
    declared = output_shapes(model)
    outputs = [
        (feature, feature.shape or declared.get(feature.name, ()))
        for feature in model.description.outputs
    ]
    inputs = [(feature, feature.shape) for feature in model.description.inputs]
    yield from _compare("input", inputs, interface.inputs)
    yield from _compare("output", outputs, interface.outputs)


def _compare(
    side: str, found: list[tuple[Feature, tuple[int, ...]]], wanted: tuple[Port, ...]
) -> Iterator[str]:
    """Yield the differences between the ports `found` and `wanted`, whatever their order.

    Order does not matter: the runtimes look ports up by name, or there is only one.
    """
    have = {feature.name: (feature.dtype, shape) for feature, shape in found}
    for port in wanted:
        if port.name not in have:
            yield f"{side} {port} is missing (found: {', '.join(have) or 'none'})"
            continue
        dtype, shape = have.pop(port.name)
        if shape != port.shape or dtype not in port.dtypes:
            kind = dtype.name.lower() if dtype is not None else "no multi-array"
            yield f"{side} {port} expected, found {list(shape)} {kind}"
    for name in have:
        yield f"unexpected {side} {name}"
