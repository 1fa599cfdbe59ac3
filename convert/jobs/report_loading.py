"""How to load a folder in each app, as its page says it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from sdcoreml.convert.bundle.comfyui import FOLDER, LOADER, SAMPLERS, UNITS
from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.jobs.evidence import compute_units
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.ground.advice import TOOL
from sdcoreml.ground.markup import Markup, code, element, join
from sdcoreml.ground.page import heading, listing, paragraph, steps

_HERE = "path/to/this/folder"


def loading(manifest: Manifest) -> Iterator[Markup]:
    """Yield a part for each app, then how to draw without a Mac."""
    if CONTROLNET in manifest.components:
        yield from _controlnet(next(iter(manifest.programs)))
        return
    if manifest.options.is_for_comfyui:
        yield from _comfyui(manifest)
        return
    units = compute_units(manifest)
    yield heading("Mochi Diffusion")
    yield steps(
        (
            join("Put the folder into ", code("~/MochiDiffusion/models"), "."),
            "Choose it in the list of models.",
            f"Set the compute unit to Auto or {units.in_mochi}.",
        )
    )
    yield heading("Apple's Swift package, on the command line")
    large = " --xl" if manifest.is_xl else ""
    yield listing(
        'swift run StableDiffusionSample "a lighthouse at dusk" \\',
        f"  --resource-path {_HERE} --compute-units {units.in_swift}{large}",
    )
    yield heading("Apple's Swift package, in an app of yours")
    yield listing(*_swift(units.in_swift, is_large=manifest.is_xl))
    yield heading("Without a Mac")
    yield paragraph("This draws as the apps do, on any system:")
    yield listing(shlex.join((TOOL, "draw", _HERE, "a lighthouse at dusk")))
    yield paragraph(
        "The apps read only what they know by name, and ignore this page and the manifest.",
        class_="aside",
    )


def _swift(units: str, *, is_large: bool) -> tuple[str, ...]:
    kind = "StableDiffusionXLPipeline" if is_large else "StableDiffusionPipeline"
    more = () if is_large else ("    controlNet: [],",)
    return (
        "import CoreML",
        "import StableDiffusion",
        "",
        "let configuration = MLModelConfiguration()",
        f"configuration.computeUnits = .{units}",
        f"let pipeline = try {kind}(",
        f'    resourcesAt: URL(fileURLWithPath: "{_HERE}"),',
        *more,
        "    configuration: configuration,",
        "    reduceMemory: false",
        ")",
        "try pipeline.loadResources()",
    )


def _comfyui(manifest: Manifest) -> Iterator[Markup]:
    package = f"{next(iter(manifest.programs), '')}{PACKAGE}"
    yield heading("ComfyUI")
    yield steps(
        (
            join("Install the nodes ComfyUI-CoreMLSuite, version 2 or newer."),
            join("Put ", code(package), " into ComfyUI's ", code(FOLDER), "."),
            f"Choose it in the node {LOADER}, with {UNITS[manifest.options.attention.value]}.",
            f"Draw with the node {SAMPLERS[0]}. Text encoders, VAE and ControlNets are ComfyUI's.",
        )
    )


def _controlnet(name: str) -> Iterator[Markup]:
    program = f"{name}{COMPILED}"
    yield heading("Mochi Diffusion")
    yield element(
        "p",
        "Put ",
        code(program),
        " into ",
        code("~/MochiDiffusion/controlnet"),
        ", not into the folder of a model.",
    )
    yield heading("Apple's Swift package")
    yield element(
        "p",
        "Put ",
        code(program),
        " into ",
        code("controlnet/"),
        " in the folder of a model that has a ControlledUnet, and name it:",
    )
    yield listing(
        'swift run StableDiffusionSample "a lighthouse at dusk" \\',
        f"  --resource-path path/to/the/model --controlnet {shlex.quote(name)}"
        " --controlnet-inputs picture.png",
    )
