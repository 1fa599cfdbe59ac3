"""Pictures of a finished folder, beside those of its model: what `sdcoreml draw` is asked for.

Everything that draws is the verb's own; here are its words, and what its JSON says in short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.drawing.choices import SEEDS
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.doctor.studio.bench import Table
from sdcoreml.doctor.studio.plain import plain
from sdcoreml.doctor.studio.wording import Text, say
from sdcoreml.ground.documents import parse_json, read_object
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.files import Document
from sdcoreml.lockfiles.toolchain import load_toolchain

PROMPT = "a lighthouse on a cliff in the evening sun"
SAMPLE_PROMPT = "a red circle on a blue background"
"""What the built-in sample was trained on."""

STEPS = 8
"""The steps that are suggested: enough to see what it is."""

MOST_STEPS, LONGEST = 50, 500
"""The most steps, and letters of a prompt, that the page may ask for."""

_MERGED = frozenset({"lora", "vae", "embedding", "extract-ema", "tokenizer", "for"})
"""Keys of conversions whose model, as it was given, is not what the folder was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A picture that the page asks for, of a finished folder at its own size.

    With `against`, the picture of the model itself is to the right of the folder's. `refiner` is
    that with which an SDXL folder was made. Prompt, steps and seed are whatever the page sent.
    """

    folder: Path
    output: Path
    prompt: str = ""
    steps: object = STEPS
    seed: object = 0
    against: Path | None = None
    refiner: str = ""
    toolchain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture to draw: its title, the words of `sdcoreml draw`, and the file that it becomes.

    `drawn` is what the page shows beside it: its prompt, seed and steps.
    """

    title: str
    words: tuple[str, ...]
    output: Path
    drawn: Mapping[str, str | int]


def why_not(table: Table, toolchain: str) -> str:
    """Return why a folder of such a conversion cannot be drawn with; "" if it can."""
    if table.get("app") == App.COMFYUI.value:
        return "a UNet for ComfyUI draws in ComfyUI only"
    if not load_toolchain(toolchain).has_torch:
        return f"the toolchain {toolchain} has no torch, which drawing needs"
    return ""


def table_of(about: Mapping[str, object]) -> Table:
    """Return the table of a conversion, by what its entry is about; empty if that is not known."""
    table = about.get("table")
    return table if isinstance(table, dict) else {}


def original_of(about: Mapping[str, object]) -> Path | None:
    """Return the model to draw beside its folder; `None` if it was changed, or is not here."""
    model, table = about.get("model"), about.get("table")
    if not isinstance(model, str) or not isinstance(table, dict):
        return None  # what was merged into it is not known
    path = Path(model)
    is_changed = bool(_MERGED & table.keys())
    return None if is_changed or not path.is_absolute() or not path.exists() else path


def suggest(model: Path | None = None) -> dict[str, object]:
    """Return what to begin with, and the limit: what a form for a picture has in its fields."""
    return {"prompt": suggest_prompt(model), "steps": STEPS, "most_steps": MOST_STEPS}


def suggest_prompt(model: Path | None) -> str:
    """Return a prompt to begin with."""
    return SAMPLE_PROMPT if model and _is_sample(model) else PROMPT


def _is_sample(model: Path) -> bool:
    """Whether this is the built-in sample, of any version; what writes it would load numpy."""
    try:
        named = read_object(model / INDEX_NAME, Document.CONFIG).get("_name_or_path")
    except BadInputError:
        return False
    return isinstance(named, str) and named.startswith("sdcoreml sample ")


def plan_picture(wish: Wish) -> Picture:
    """Return what draws the picture.

    Raises:
        UsageError: the prompt is too long or has control characters, or a number is too large.
    """
    said = " ".join(wish.prompt.split()) or suggest_prompt(wish.against)
    if len(said) > LONGEST or not said.isprintable():
        remedy = f"write at most {LONGEST} letters"
        raise UsageError("this is no prompt", where=plain(said, 60), remedy=remedy)
    steps = _number(wish.steps, 1, MOST_STEPS, where="the number of steps")
    seed = _number(wish.seed, 0, SEEDS - 1, where="the seed")
    options = {
        "steps": f"{steps}",
        "seed": f"{seed}",
        "output": f"{wish.output}",
        "against": f"{wish.against or ''}",
        "refiner": wish.refiner if wish.against else "",
        "toolchain": wish.toolchain,
    }
    words = (f"--{name}={value}" for name, value in options.items() if value)
    # A prompt that begins with a dash would be read as an option; a tokenizer ignores the space.
    text = f" {said}" if said.startswith("-") else said
    title = plain(f"{wish.folder.name}: {said}", 120)
    return Picture(
        title=title,
        words=("draw", *words, f"{wish.folder}", text),
        output=wish.output,
        drawn={"prompt": said, "seed": seed, "steps": steps},
    )


def _number(said: object, least: int, most: int, *, where: str) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not least <= said <= most:
        raise UsageError(f"from {least} to {most}", where=where)
    return said


def read_result(said: bytes, output: Path) -> dict[str, object]:
    """Read what `draw --json` said: titles of the pictures, and figures in words.

    Raises:
        BadInputError: it is not what that prints, or the picture is not there.
    """
    content = parse_json(said.strip().splitlines()[-1] if said.strip() else b"", "the drawing")
    if not isinstance(content, dict) or not output.is_file():
        raise BadInputError("there is no picture", where=output, remedy="draw it again")
    near = content.get("likeness")
    has_both = isinstance(near, Mapping)
    title = say("picture.both" if has_both else "picture.one")
    figures = [
        *_figures(say("figure.model"), near),
        *_figures(say("figure.half"), content.get("half")),
    ]
    width, height = content.get("width"), content.get("height")
    if isinstance(width, int) and isinstance(height, int):
        figures.append([say("figure.size"), f"{width} x {height}"])
    return {
        "pictures": [{"title": title, "text": figures[0][1] if near else ""}],
        "figures": figures,
        "warnings": list(_warnings(content))[:10],
    }


def _figures(title: Text, near: object) -> list[list[Text]]:
    """Return how near two pictures are, if it was measured."""
    if not isinstance(near, Mapping):
        return []
    psnr, ssim = near.get("psnr"), near.get("ssim")
    if not isinstance(psnr, int | float) or not isinstance(ssim, int | float):
        return []
    return [[title, say("figure.near", likeness=format_db(float(psnr)), ssim=ssim)]]


def _warnings(content: Mapping[str, object]) -> Iterator[Text]:
    """Yield what is to be known of a picture: notes, words that the app loses, the checker."""
    notes = content.get("notes")
    yield from (plain(str(one)) for one in (notes if isinstance(notes, list) else ())[:5])
    reading = content.get("prompt")
    beyond = reading.get("beyond") if isinstance(reading, Mapping) else None
    if isinstance(beyond, list) and beyond:
        yield say("picture.beyond", words=plain(" ".join(map(str, beyond))))
    if content.get("unsafe"):
        yield say("picture.unsafe")
