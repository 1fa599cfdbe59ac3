"""The commands that read foreign files, with their inputs: models here, the rest beside it."""

from __future__ import annotations

from tests.fuzz.folder_readers import FOLDER_READERS
from tests.fuzz.place_readers import PLACE_READERS
from tests.fuzz.reader import PLAN, Attempt, Reader, each, stop_at_work

_MODELS = (
    ("sd1", "model"),
    ("sdxl", "model"),
    ("file", "model.safetensors"),
    ("file-sdxl", "model.safetensors"),
    ("ckpt", "model.ckpt"),
    ("legacy", "model.ckpt"),
    ("sharded", "model"),
)
_ADDONS = (
    ("addons", "lora.safetensors"),
    ("addons", "cat.safetensors"),
    ("addons", "dog.pt"),
    ("addons", "vae.vae.pt"),
    ("addons", "control"),
    ("addons", "control"),
)
_WEIGHTS = (
    ("sd1", "model/unet"),
    ("sharded", "model/unet"),
    ("sharded", "model/unet"),
    ("sharded", "model/vae"),
    ("file", "model.safetensors"),
    ("ckpt", "model.ckpt"),
    ("ckpt", "model.ckpt"),
    ("legacy", "model.ckpt"),
    ("legacy", "model.ckpt"),
    ("addons", "lora.safetensors"),
    ("addons", "cat.safetensors"),
    ("addons", "dog.pt"),
    ("addons", "dog.pt"),
)
_OPTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("--lora", "lora.safetensors"), "lora.safetensors"),
    (("--embedding", "cat.safetensors:cat"), "cat.safetensors"),
    (("--embedding", "dog.pt:dog"), "dog.pt"),
    (("--vae", "vae.safetensors"), "vae.safetensors"),
    (("--vae", "vae.vae.pt"), "vae.vae.pt"),
    (("--recipe", "recipe.json"), "recipe.json"),
    (("--tokenizer", "model/tokenizer"), "model/tokenizer/*"),
)


def _with_options(start: tuple[str, ...]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(input="addons", words=(*start, *words, "model"), aims=(f"work/{aim}",))
        for words, aim in _OPTIONS
    )


_OUTPUTS = (
    *(
        "",
        ".",
        "..",
        "/",
        "model",
        "model/unet",
        "recipe.json",
        "recipe.json/x",
        "-",
        "~",
        "~gone/x",
    ),
    *(
        "/dev/null",
        "/dev/full",
        "/dev/full/x",
        "/proc/x",
        "/gone/x",
        "a" * 300,
        "d/" * 2000,
        "ä" * 130,
    ),
    *(
        "\udcff",
        "new\nline",
        "\x1b[31mred",
        "\u202egnp",
        "%s{0}",
        "../../x",
        "x" * 70_000,
        "a/../b/c",
    ),
)
"""Paths that nobody should give as an output."""


def _outputs() -> tuple[Attempt, ...]:
    """Return commands with an odd output, of a model of which one thing is changed."""
    return tuple(
        Attempt(input="addons", words=words, aims=("work/model/*",), ordinary=True)
        for output in _OUTPUTS
        for words in (
            ("convert", "--plan", "model", "-o", output),
            ("convert", "model", "-o", output),
            ("weights", "model/unet", output),
            ("convert", "--plan", output, "-o", "out"),
            ("inspect", output),
            ("verify", output),
        )
    )


def _weights() -> tuple[Attempt, ...]:
    plain = tuple(
        Attempt(
            input=name,
            words=("weights", path, "out.safetensors"),
            aims=(f"work/{path}", f"work/{path}/*"),
        )
        for name, path in _WEIGHTS
    )
    cast = tuple(
        Attempt(
            input=name,
            words=("weights", "--verify", "--dtype", "bfloat16", path, "out.safetensors"),
            aims=(f"work/{path}", f"work/{path}/*"),
        )
        for name, path in _WEIGHTS
    )
    return plain + cast


_MODEL_READERS: tuple[Reader, ...] = (
    Reader(name="inspect", share=18, attempts=each(("inspect",), *_MODELS, *_ADDONS, *_MODELS)),
    Reader(
        name="doctor",
        share=10,
        attempts=each(("doctor", "--select", "MOD,BUN"), *_MODELS, *_ADDONS),
    ),
    Reader(name="plan", share=13, attempts=each(PLAN, *_MODELS, ("addons", "control"))),
    Reader(name="plan-options", share=6, attempts=_with_options(PLAN)),
    Reader(
        name="convert",
        share=7,
        attempts=(
            *each(("convert", "-o", "out"), *_MODELS, ("addons", "control")),
            *_with_options(("convert", "-o", "out")),
        ),
        patch=stop_at_work,
    ),
    Reader(name="weights", share=14, attempts=_weights(), made=frozenset({"work/out.safetensors"})),
    Reader(
        name="compile",
        share=8,
        attempts=(
            *each(("compile", "-o", "out"), ("package", "TextEncoder.mlpackage")),
            *each(("compile", "-o", "out"), ("small-package", "Small.mlpackage")),
            *each(("compile", "-o", "out"), ("small-package", "Packed.mlpackage")),
        ),
        made=frozenset({"work/out"}),
    ),
    Reader(
        name="recipe",
        share=2,
        attempts=tuple(
            Attempt(
                input="addons",
                words=(*words, "--recipe", "recipe.json", "model"),
                aims=("work/recipe.json",),
            )
            for words in (PLAN, ("convert", "-o", "out"))
        ),
        patch=stop_at_work,
    ),
    Reader(
        name="refiner",
        share=2,
        attempts=tuple(
            Attempt(
                input="refiner",
                words=(*words, "--refiner", "refiner", "model"),
                aims=("work/refiner/*", "work/refiner/**/*"),
            )
            for words in (PLAN, ("convert", "-o", "out"))
        ),
        patch=stop_at_work,
    ),
    Reader(
        name="outputs",
        share=2,
        attempts=_outputs(),
        made=frozenset({"work", "home"}),
        patch=stop_at_work,
    ),
)
READERS = (*_MODEL_READERS, *FOLDER_READERS, *PLACE_READERS)
"""All readers; an input goes to each as often as its share of their sum says."""
