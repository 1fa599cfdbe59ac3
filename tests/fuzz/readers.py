"""The commands that read foreign files, with their inputs and the allowed exit codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from sdcoreml.ground.errors import ExitCode, SdcoremlError

FINE = frozenset(
    {
        ExitCode.FINE,
        ExitCode.PROBLEMS,
        ExitCode.USAGE,
        ExitCode.BAD_INPUT,
        ExitCode.UNSAFE,
        ExitCode.NO_SPACE,
    }
)
"""The exit codes that a mutated input may cause; not among them are bugs and interruptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A command for one input; `aims` are patterns of the paths that are mutated."""

    input: str
    words: tuple[str, ...]
    aims: tuple[str, ...] = ("work/**/*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A command under test, with its inputs.

    `share` is the percentage (roughly) of all inputs that it gets. `made` are paths that a
    successful run may leave. `patch` makes the fork stop where it would start a child in the built
    environment.
    """

    name: str
    share: int
    attempts: tuple[Attempt, ...]
    made: frozenset[str] = frozenset()
    patch: Callable[[], None] | None = None


class StandIn:
    """A `Runner` that ends a conversion at its first task, when the host has read all its files."""

    def run(self, *_: object, **__: object) -> NoReturn:
        """Raise an error, instead of running a task."""
        raise SdcoremlError("the stand-in does not work")


def _stop_at_work() -> None:
    """Give `convert` and `verify` a fake environment, which ends them when they use it."""
    from sdcoreml.doctor.commands import convert, verify
    from sdcoreml.lockfiles.toolchain import load_toolchain
    from tests.convert.stand_ins import MADE_IN

    here = (load_toolchain("tested"), SimpleNamespace(python=Path("/gone"), path=Path()))
    for module, name, value in (
        (convert, "choose_environment", lambda *_: here),
        (convert, "provenance", lambda *_: MADE_IN),
        (convert, "require_able", lambda *_: None),
        (convert, "Worker", lambda **_: StandIn()),
        (verify, "EnvironmentOnDemand", lambda **_: StandIn()),
    ):
        setattr(module, name, value)


def _each(words: tuple[str, ...], *inputs: tuple[str, str], aims: str = "") -> tuple[Attempt, ...]:
    """Return an attempt with this command for each input, whose path is its last argument."""
    return tuple(
        Attempt(
            input=name,
            words=(*words, path),
            aims=(aims,) if aims else (f"work/{path}", f"work/{path}/**/*"),
        )
        for name, path in inputs
    )


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
_PLAN = ("convert", "--plan", "-o", "out")
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


READERS: tuple[Reader, ...] = (
    Reader(name="inspect", share=18, attempts=_each(("inspect",), *_MODELS, *_ADDONS, *_MODELS)),
    Reader(name="inspect-folder", share=3, attempts=_each(("inspect",), ("finished", "folder"))),
    Reader(
        name="doctor",
        share=10,
        attempts=_each(("doctor", "--select", "MOD,BUN"), *_MODELS, *_ADDONS),
    ),
    Reader(
        name="doctor-folder",
        share=3,
        attempts=_each(("doctor", "--select", "MOD,BUN"), ("finished", "folder")),
    ),
    Reader(name="plan", share=13, attempts=_each(_PLAN, *_MODELS, ("addons", "control"))),
    Reader(name="plan-options", share=6, attempts=_with_options(_PLAN)),
    Reader(
        name="convert",
        share=7,
        attempts=(
            *_each(("convert", "-o", "out"), *_MODELS, ("addons", "control")),
            *_with_options(("convert", "-o", "out")),
        ),
        patch=_stop_at_work,
    ),
    Reader(name="weights", share=14, attempts=_weights(), made=frozenset({"work/out.safetensors"})),
    Reader(
        name="verify",
        share=3,
        attempts=(
            *_each(("verify",), ("finished", "folder")),
            Attempt(input="finished", words=("verify", "folder", "--against", "model")),
        ),
        patch=_stop_at_work,
    ),
    Reader(
        name="manifest",
        share=3,
        attempts=(
            Attempt(
                input="finished",
                words=("convert", "--plan", "--components", "unet", "-o", "folder", "model"),
                aims=("work/folder/manifest.json", "work/folder/*"),
            ),
            Attempt(
                input="finished",
                words=("convert", "--components", "unet", "-o", "folder", "model"),
                aims=("work/folder/manifest.json", "work/folder/**/*"),
            ),
            Attempt(
                input="finished",
                words=("convert", "--plan", "-o", "out", "--for", "folder", "control"),
                aims=("work/folder/manifest.json", "work/folder/*", "work/control/*"),
            ),
        ),
        patch=_stop_at_work,
    ),
    Reader(
        name="compile",
        share=8,
        attempts=(
            *_each(("compile", "-o", "out"), ("package", "TextEncoder.mlpackage")),
            *_each(("compile", "-o", "out"), ("small-package", "Small.mlpackage")),
            *_each(("compile", "-o", "out"), ("small-package", "Packed.mlpackage")),
        ),
        made=frozenset({"work/out"}),
    ),
    Reader(
        name="diagnose", share=4, attempts=_each(("diagnose", "--anywhere"), ("log", "log.txt"))
    ),
    Reader(
        name="facts",
        share=2,
        attempts=(
            Attempt(
                input="facts", words=("doctor", "--facts", "facts.json"), aims=("work/facts.json",)
            ),
            Attempt(
                input="facts",
                words=("doctor", "--facts", "facts.json", "--compare", "earlier.json"),
                aims=("work/earlier.json",),
            ),
        ),
    ),
    Reader(
        name="environment",
        share=2,
        attempts=tuple(
            Attempt(
                input="environment",
                words=("env", *words, "--toolchain", "toolchain/"),
                aims=(
                    "envs/*/sealed/*",
                    "envs/*/pyvenv.cfg",
                    "envs/*/**/*.dist-info/*",
                    "envs/**/*",
                ),
            )
            for words in (("verify",), ("verify", "--full"), ("which",))
        ),
    ),
    Reader(
        name="archive",
        share=1,
        attempts=(
            Attempt(
                input="environment", words=("env", "import", "tiny.tar"), aims=("work/tiny.tar",)
            ),
        ),
    ),
    Reader(
        name="toolchain",
        share=2,
        attempts=(
            *(
                Attempt(
                    input="toolchain",
                    words=(*words, "--toolchain", "toolchain/"),
                    aims=("work/toolchain/*",),
                )
                for words in (
                    ("env", "which"),
                    ("env", "evidence"),
                    ("doctor", "--select", "PIN"),
                    ("diagnose", "/dev/null"),
                )
            ),
        ),
    ),
    Reader(
        name="configuration",
        share=1,
        attempts=tuple(
            Attempt(input="configuration", words=words, aims=("home/.config/**/*", "work/**/*"))
            for words in (("sources", "list"), ("inspect", "model"), ("env", "which"))
        ),
    ),
    Reader(
        name="settings",
        share=1,
        attempts=(
            Attempt(
                input="settings",
                words=("doctor", "--select", "MOD", "model"),
                aims=("work/sdcoreml.toml",),
            ),
        ),
    ),
    Reader(
        name="checkout",
        share=1,
        attempts=_each(
            ("doctor", "--select", "UPS,MOD"), ("checkout", "checkout"), aims="work/checkout/**/*"
        ),
    ),
    Reader(name="clean", share=1, attempts=_each(("clean", "--dry-run"), ("sd1", "model"))),
)
"""All readers; their shares are percentages, roughly."""
