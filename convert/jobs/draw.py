"""Draws a picture with a finished folder, which is verified first and never changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from sdcoreml.convert.bundle.contract import COMPILED, NAMES
from sdcoreml.convert.bundle.families import PROGRAMS, SCALE, SCALES
from sdcoreml.convert.drawing.choices import Method, Rng, Settings, Spacing
from sdcoreml.convert.drawing.wish import Album, Drawn, Original, Target, Wish
from sdcoreml.convert.jobs.manifest import MARKER, Manifest, read_manifest
from sdcoreml.convert.jobs.verify import Against, folder_faults
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import scratch_beside
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import BadInputError, UsageError, raise_first
from sdcoreml.ground.events import Emit, Event

STEPS, GUIDANCE, STRENGTH = 12, 11.0, 0.75
"""Mochi Diffusion's defaults; its scheduler is DPM-Solver++."""

_KARRAS = frozenset({Family.SDXL, Family.SDXL_REFINER})
"""The families for which Mochi Diffusion chooses Karras's spacing."""


UnitsOf: TypeAlias = Callable[[Manifest, str], str]
"""Returns the name of the `coremltools.ComputeUnit` that apps let a component use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks for; what is `None` is chosen as the app does.

    `nets` maps the folders of ControlNets to the pictures that they follow. `size` is (width,
    height) in pixels, which can only be the folder's. `against` is the model that the folder was
    made from, and `refiner` that of its refiner, to draw the same with their own modules; with
    `own_ids`, these get the ids of the model's own tokenizer. With `preview`, a smaller picture is
    drawn. `device` is torch's; `units` is given if Core ML is to run the programs.
    """

    folder: Path
    prompt: str
    negative: str = ""
    steps: int | None = None
    guidance: float | None = None
    method: Method = Method.DPM
    spacing: Spacing | None = None
    rng: Rng = Rng.NUMPY
    seed: int = 0
    start: Path | None = None
    strength: float = STRENGTH
    nets: Mapping[Path, Path] = field(default_factory=dict)
    mask: Path | None = None
    size: tuple[int, int] | None = None
    precision: str = "fp16"
    against: Path | None = None
    refiner: Path | None = None
    own_ids: bool = False
    preview: bool = False
    device: str = "cpu"
    units: UnitsOf | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture that was drawn, the settings, and what to know about them."""

    drawn: Drawn
    settings: Settings
    notes: tuple[str, ...] = ()


def draw(request: Request, output: Path, runner: Runner, emit: Emit) -> Drawing:
    """Draw a picture of the request's prompt, and write it to the PNG file `output`.

    Raises:
        SdcoremlError: as `draw_targets`.
    """
    target = Target(prompt=request.prompt, output=str(output))
    return draw_targets(request, (target,), runner, emit)[0]


def draw_targets(
    request: Request, targets: Sequence[Target], runner: Runner, emit: Emit
) -> tuple[Drawing, ...]:
    """Draw a picture for each target, whatever the request's own prompt is, and write them.

    Raises:
        BadInputError: a folder fails its verification, lacks a part, or has another size.
        UsageError: the app could not run the folder with these settings.
        SdcoremlError: as the task `draw`.
    """
    manifest = _open_folder(request.folder, emit)
    _require_size(request, manifest)
    _require_parts(request, manifest)
    settings, notes = choose_settings(request, manifest)
    wish = Wish(
        folder=str(request.folder.resolve()),
        programs={
            name: entry.halves
            for name, entry in manifest.programs.items()
            if entry.component != CONTROLNET
        },
        targets=tuple(targets),
        negative=request.negative,
        settings=settings,
        precision=request.precision,
        start=_text(request.start),
        nets={
            str(_net_in(folder, emit)): _text(picture) for folder, picture in request.nets.items()
        },
        mask=_text(request.mask),
        own_ids=request.own_ids,
        preview=request.preview,
        device=request.device,
        units=_units(request, manifest),
    )
    with _originals(request, manifest, Path(targets[0].output), emit) as originals:
        # Through Core ML, which may hang, it is a task of its own: one with bounds.
        task = "draw_loaded" if wish.units else "draw"
        answer = runner.run(task, to_plain(replace(wish, originals=originals)), emit)
    return tuple(
        Drawing(drawn=one, settings=settings, notes=(*notes, *_noted(one, manifest)))
        for one in from_plain(Album, answer.value).pictures
    )


def choose_settings(request: Request, manifest: Manifest) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings, as the app has them where nothing is asked for, and notes on them."""
    family = Family(manifest.model.family)
    advised = manifest.model.settings
    steps, guidance = STEPS, GUIDANCE
    notes: tuple[str, ...] = ()
    if advised and (request.steps is None or request.guidance is None):
        steps, guidance = _last_number(advised.steps), float(_last_number(advised.guidance))
        notes = (advised.advice,)
    settings = Settings(
        steps=steps if request.steps is None else request.steps,
        guidance=guidance if request.guidance is None else request.guidance,
        method=request.method,
        spacing=request.spacing or (Spacing.KARRAS if family in _KARRAS else Spacing.LINSPACE),
        rng=request.rng,
        seed=request.seed,
        latent_scale=manifest.options.latent_scale or SCALES.get(family, SCALE),
    )
    if request.start:
        settings = replace(settings, strength=request.strength)
    return settings, notes


def size_of(manifest: Manifest) -> tuple[int, int]:
    """Return width and height of a folder's pictures in pixels."""
    options = manifest.options
    return PIXELS_PER_LATENT * options.width, PIXELS_PER_LATENT * options.height


def _open_folder(folder: Path, emit: Emit) -> Manifest:
    """Read the manifest of a folder that passes its verification."""
    manifest = read_manifest(folder)
    emit(Event(kind="step", text=f"verify {folder.name}"))
    faults = folder_faults(folder, manifest)
    if faults:
        first, more = faults[0], len(faults) - 1
        others = f", and {more} more" if more else ""
        raise BadInputError(
            f"fails its verification ({Path(first.where).name}: {first.what}{others})",
            where=folder,
            remedy=f"{command('verify', folder)} says more",
        )
    return manifest


def _require_size(request: Request, manifest: Manifest) -> None:
    size = size_of(manifest)
    if request.size is None or request.size == size:
        return
    asked, own = (f"{width}x{height}" for width, height in (request.size, size))
    raise UsageError(
        f"it draws {own} only: a Core ML program has one size",
        where=request.folder,
        remedy=f"leave --size out, or convert its model with --size {asked}",
    )


def _require_parts(request: Request, manifest: Manifest) -> None:
    """Refuse a folder that lacks a program that the wish needs, with all that it lacks."""
    have = {entry.component for entry in manifest.programs.values()}
    if manifest.options.is_for_comfyui:
        raise UsageError(
            "it is a UNet for ComfyUI, without text encoder and VAE",
            where=request.folder,
            remedy="draw with it in ComfyUI, or convert the model without --app comfyui",
        )
    if have == {CONTROLNET}:
        raise UsageError(
            "it is a ControlNet, which steers another folder's model",
            where=request.folder,
            remedy="give that folder, and this one with --controlnet",
        )
    lacking = [NAMES[one] for one in _needed(request, manifest) if one not in have]
    if lacking:
        raise BadInputError(
            f"lacks {', '.join(lacking)}, which this picture needs",
            where=request.folder,
            remedy=_ADDED.get(lacking[0], "convert the whole model"),
        )


_ADDED = {
    NAMES["controlled_unet"]: "convert the model again with --controlled",
    NAMES["vae_encoder"]: "convert the whole model, or leave --image out",
}


def _needed(request: Request, manifest: Manifest) -> Iterator[str]:
    for spec in PROGRAMS[Family(manifest.model.family)]:
        match spec.program:
            case "unet" if request.nets:
                yield "controlled_unet"
            case "vae_encoder" if not request.start:
                pass
            case program:
                yield program


@contextmanager
def _originals(
    request: Request, manifest: Manifest, output: Path, emit: Emit
) -> Iterator[Mapping[str, Original]]:
    """Yield what each program was made from, if that is to be drawn, too."""
    if request.against is None:
        yield {}
        return
    # Loaded only here: without a model, most of the converter is not needed.
    from sdcoreml.convert.jobs.against import input_faults, open_against, pair_program

    against = Against(model=request.against, refiner=request.refiner, certificates={})
    with (
        open_against(against, request.folder, manifest, emit) as model,
        scratch_beside(output) as scratch,
    ):
        raise_first(tuple(input_faults(model, manifest)))
        scratch.mkdir(exist_ok=True)
        made = {
            name: pair_program(request.folder, name, entry, model, scratch, emit)
            for name, entry in manifest.programs.items()
        }
        yield {
            name: Original(
                component=one.part.program,
                config=str(one.config.resolve()),
                weights=str(one.weights.resolve()),
                options=one.options,
            )
            for name, one in made.items()
        }


def _net_in(folder: Path, emit: Emit) -> Path:
    """Return the compiled ControlNet of a folder, which must pass its verification."""
    manifest = _open_folder(folder, emit)
    for name, entry in manifest.programs.items():
        if entry.component == CONTROLNET:
            return folder.resolve() / f"{name}{COMPILED}"
    raise UsageError(
        f"its {MARKER} names no ControlNet",
        where=folder,
        remedy="give a folder that `sdcoreml convert NET --for FOLDER` made",
    )


def _units(request: Request, manifest: Manifest) -> dict[str, str]:
    """Return what Core ML may use for each program; nothing if it is not to run them."""
    if request.units is None:
        return {}
    own = {name: entry.component for name, entry in manifest.programs.items()}
    nets = {
        name: entry.component
        for folder in request.nets
        for name, entry in read_manifest(folder).programs.items()
    }
    return {name: request.units(manifest, one) for name, one in {**own, **nets}.items()}


def _noted(drawn: Drawn, manifest: Manifest) -> Iterator[str]:
    if (drawn.width, drawn.height) != (own := size_of(manifest)):
        yield f"a preview: the folder itself draws {own[0]}x{own[1]}, and better at that size"
    for path in drawn.fitted:
        yield f"{path} was scaled and cropped to {drawn.width}x{drawn.height}, as Mochi does"


def _last_number(text: str) -> int:
    """Return the last number of a range such as `4 to 8`, without what is in brackets."""
    return int(re.findall(r"\d+", text.partition("(")[0])[-1])


def _text(path: Path | None) -> str:
    return str(path.resolve()) if path else ""
