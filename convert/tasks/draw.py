"""The task `draw`: draws a picture with the programs of a finished folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdcoreml.convert.bundle.contract import CHECKED_IMAGES, COMPILED, NAMES, SEEN_PICTURE
from sdcoreml.convert.drawing.conditions import FIRST, SECOND
from sdcoreml.convert.drawing.likeness import IMAGE_RANGE, psnr, ssim
from sdcoreml.convert.drawing.pipeline import CONTROLLED, UNET, Moment, Subject, draw
from sdcoreml.convert.drawing.pixels import Picture, to_image, to_picture
from sdcoreml.convert.drawing.programs import FolderPrograms, Programs, run_checked
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.tokens import Prompt, Vocabulary, read_vocabulary, tokenize
from sdcoreml.convert.drawing.trained import read_as_trained, read_otherwise
from sdcoreml.convert.drawing.wish import Album, Drawn, Likeness, Loss, Reading, Target, Wish
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.convert.tasks.interpreted import InterpretedPrograms, places_in, require_device
from sdcoreml.convert.tasks.loaded import LoadedPrograms
from sdcoreml.convert.tasks.modules import ModulePrograms
from sdcoreml.convert.tasks.pictures import read_picture, shrink, write_png
from sdcoreml.convert.tasks.preview import smallest_size
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.events import Emit, Event

SAFETY = NAMES["safety_checker"]

EACH_STEP, AT_LAST = 60.0, 35.0
"""The lowest PSNR, in dB, of a latent and of the image of programs in half precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What one pipeline drew: the image, and the latent after each step."""

    image: Singles
    moments: tuple[Moment, ...]

    @property
    def picture(self) -> Picture:
        """The image as a picture."""
        return to_picture(self.image)


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Draw the pictures of a `Wish`; return the `Album`.

    Raises:
        BadInputError: a picture cannot be read, or a program is not as apps need it.
        UsageError: the app could not run the folder with these settings.
        ParityError: a result is not finite.
        UnableError, BrokenError, UnsupportedError: what is to run the programs cannot.
    """
    wish = from_plain(Wish, request)
    nets = {Path(net).name.removesuffix(COMPILED): Path(net) for net in wish.nets}
    places = {**places_in(Path(wish.folder), wish.programs), **nets}
    with ExitStack() as stack:
        programs = open_programs(places, wish, stack)
        album = Album(pictures=draw_wish(programs, wish, emit))
        answer: dict[str, object] = to_plain(album)
        return answer


def open_programs(
    places: Mapping[str, Packages], wish: Wish, stack: ExitStack
) -> InterpretedPrograms | LoadedPrograms:
    """Return what runs the programs at `places`: Core ML, or the interpreter.

    Raises:
        UnableError: torch cannot use the device.
        BrokenError: coremltools cannot be used.
    """
    if wish.units:
        return LoadedPrograms(places, wish.units)
    require_device(wish.device)
    size = None
    if wish.preview:
        with open_whole(places[CONTROLLED if wish.nets else UNET]) as program:
            size = smallest_size(program)
    return InterpretedPrograms(places, Mode(wish.precision), stack, size=size, device=wish.device)


def draw_wish(programs: FolderPrograms, wish: Wish, emit: Emit) -> tuple[Drawn, ...]:
    """Draw the pictures of a `Wish` with these programs, and write them."""
    return tuple(draw_target(programs, wish, target, emit) for target in wish.targets)


def draw_target(programs: FolderPrograms, wish: Wish, target: Target, emit: Emit) -> Drawn:
    """Draw one of the pictures of a `Wish`, and write it."""
    unet = CONTROLLED if wish.nets else UNET
    height, width = (PIXELS_PER_LATENT * side for side in programs.inputs(unet)["sample"][2:])
    subject, fitted = _subject(programs, wish, target.prompt, (width, height))
    emit(Event(kind="step", text=f"draw with {Path(wish.folder).name}"))
    sheet = _draw(programs, subject, wish, emit)
    drawn = Drawn(
        width=width,
        height=height,
        prompt=_reading(subject.prompt),
        negative=_reading(subject.negative),
        timesteps=tuple(moment.timestep for moment in sheet.moments),
        unsafe=judge(programs, sheet.picture) if programs.inputs(SAFETY) else None,
        fitted=fitted,
    )
    pictures = [sheet.picture]
    if wish.originals:
        exact, near, half = _draw_originals(programs, wish, target, subject, sheet, emit)
        drawn = replace(drawn, likeness=near, half=half)
        pictures.append(exact)
    if target.original:
        write_png(pictures.pop(), Path(target.original))
    write_png(np.concatenate(pictures, axis=1), Path(target.output))
    return drawn


def _draw_originals(
    programs: FolderPrograms,
    wish: Wish,
    target: Target,
    subject: Subject,
    sheet: Sheet,
    emit: Emit,
) -> tuple[Picture, Likeness, Likeness | None]:
    """Draw the same with the modules; return their picture, and how near the folder's is.

    The last value is how near that of the modules in half precision is, if the folder's is too far.
    """
    emit(Event(kind="step", text="draw the same with the model's own modules"))
    if wish.own_ids:
        vocabulary, length = subject.prompt.vocabulary, subject.prompt.length
        prompt, negative = (
            read_as_trained(text, vocabulary, length) for text in (target.prompt, wish.negative)
        )
        subject = replace(subject, prompt=prompt, negative=negative)
    exact = _draw(ModulePrograms(programs, wish.originals), subject, wish, emit)
    near = compare(exact, sheet)
    if wish.precision != Mode.FP16.value or wish.own_ids or not misses(near):
        return exact.picture, near, None
    emit(Event(kind="step", text="draw the same with the modules in half precision"))
    own = ModulePrograms(programs, wish.originals, in_half=True)
    return exact.picture, near, compare(exact, _draw(own, subject, wish, emit))


def compare(exact: Sheet, found: Sheet) -> Likeness:
    """Compare what two pipelines drew."""
    pairs = zip(exact.moments, found.moments, strict=True)
    return Likeness(
        steps=tuple(round(psnr(one.latent, two.latent), 2) for one, two in pairs),
        psnr=round(psnr(exact.image, found.image, IMAGE_RANGE), 2),
        ssim=round(ssim(exact.picture, found.picture), 6),
    )


def misses(found: Likeness) -> bool:
    """Whether a program in half precision is not as near to its module as it should be."""
    return min(found.steps) < EACH_STEP or found.psnr < AT_LAST


def _draw(programs: Programs, subject: Subject, wish: Wish, emit: Emit) -> Sheet:
    moments: list[Moment] = []

    def watch(moment: Moment) -> None:
        moments.append(moment)
        told = {"done": moment.place, "total": moment.count}
        emit(Event(kind="progress", text="draw", unit="steps", **told))

    image = draw(programs, subject, wish.settings, watch)
    return Sheet(image=image, moments=tuple(moments))


def _subject(
    programs: Programs, wish: Wish, prompt: str, size: tuple[int, int]
) -> tuple[Subject, tuple[str, ...]]:
    """Return what to draw, and the pictures that were fitted to (width, height)."""
    fitted: dict[str, None] = {}

    def read(path: str) -> Picture:
        picture, was_fitted = read_picture(Path(path), size)
        fitted.update({path: None} if was_fitted else {})
        return picture

    vocabulary = read_vocabulary(Path(wish.folder))
    mask = read(wish.mask) if wish.mask else None
    guides = {
        Path(net).name.removesuffix(COMPILED): to_image(_punch(read(path), mask), 0)
        for net, path in wish.nets.items()
    }
    subject = Subject(
        prompt=_prompt(programs, prompt, vocabulary),
        negative=_prompt(programs, wish.negative, vocabulary),
        start=to_image(read(wish.start), -1) if wish.start else None,
        guides=guides,
    )
    return subject, tuple(fitted)


def judge(programs: Programs, picture: Picture) -> bool:
    """Return the safety checker's verdict on a picture: True if the app would hide it.

    Apple's package passes a placeholder for the images, because it needs only the verdict, and
    normalizes with ImageNet's figures. How its resizing filters is Core Graphics' own affair.
    """
    seen = to_image(shrink(picture, SEEN_PICTURE), 0)
    feeds = {
        "clip_input": (seen - _MEANS) / _SPREADS,
        "images": np.zeros(CHECKED_IMAGES, np.float32),
        "adjustment": np.zeros(1, np.float32),
    }
    return bool(run_checked(programs, SAFETY, feeds)["has_nsfw_concepts"][0])


def _prompt(programs: Programs, text: str, vocabulary: Vocabulary) -> Prompt:
    encoder = FIRST if programs.inputs(FIRST) else SECOND
    (shape,) = programs.inputs(encoder).values()
    return tokenize(text, vocabulary, shape[-1])


def _reading(prompt: Prompt) -> Reading:
    return Reading(
        ids=prompt.ids(),
        unknown=tuple(Loss(word=word, part=part) for word, part in prompt.unknown()),
        beyond=prompt.beyond(),
        otherwise=read_otherwise(prompt),
    )


def _punch(picture: Picture, mask: Picture | None) -> Picture:
    """Make a picture transparent where the mask is white."""
    if mask is None:
        return picture
    alpha = np.where(mask[:, :, :3].mean(axis=2) < _WHITE, 255, 0).astype(np.uint8)
    return np.dstack([picture[:, :, :3], alpha])


_WHITE = 128
_MEANS, _SPREADS = (
    np.array(values, np.float32).reshape(1, 3, 1, 1)
    for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)
