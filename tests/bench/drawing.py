"""Measures what drawing with a full-size Stable Diffusion 1.5 costs, beside the pinned diffusers.

    python -m tests.bench.drawing [--steps N] [--size PIXELS] [--attention NAME] [--folder FOLDER]

Weights are random, as the pinned libraries initialise them, and rounded to float16. They and the
programs stay in `--folder`, where another run finds them. Each line is a new child process of the
built environment: a whole picture of as many steps, with guidance, in CPU seconds and peak resident
memory as the operating system reports them. The line `start` is the cost of the imports, which
every other line includes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.checkpoints import SPREADS
from tests.bench.programs import ROOT, _run
from tools.certify.models import CLIP_L, SD1_UNET, VAE

PROGRAMS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "TextEncoder": ("text_encoder", "text_encoder", CLIP_L),
    "Unet": ("unet", "unet", SD1_UNET),
    "VAEDecoder": ("vae_decoder", "vae", VAE),
}
"""The programs of a picture: their components, the files of their weights, and their configs."""

TASKS: Mapping[str, str] = {
    "start": "importing what drawing imports",
    "diffusers": "the pinned diffusers' pipeline in float32",
    "fp32": "sdcoreml draw --precision fp32",
    "fp16": "sdcoreml draw",
}
MOST, MOST_MEMORY = 1.3, 4.5e9
"""The limits: CPU seconds beside the pinned diffusers, and bytes of memory."""

_BEGIN, _END, _WORDS = 49406, 49407, (320, 1125, 539, 320, 2368)
_PIXELS = 8


def main(arguments: list[str]) -> int:
    """Print the cost of every task; return 1 if one misses a limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512, help="of the picture in pixels")
    parser.add_argument("--attention", default="SPLIT_EINSUM")
    parser.add_argument("--task", choices=TASKS, action="append", help="only these; repeatable")
    parser.add_argument("--python", type=Path, default=ROOT / ".envs" / "tested" / "bin" / "python")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        return 0 if show(given, folder) else 1


def show(given: argparse.Namespace, folder: Path) -> bool:
    """Make the model and its programs, and print a line for each task.

    Returns whether all limits are met.
    """
    common = [str(folder), given.attention, str(given.size // _PIXELS)]
    for name in PROGRAMS:
        _child(given.python, "make", *common, name)
    print(f"SD 1.5, {given.size} pixels, {given.steps} steps, {given.attention}")
    print(f"{'':<45}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}")
    spent: dict[str, float] = {}
    met = True
    for task in given.task or TASKS:
        started = time.perf_counter()
        text, cpu, peak = _child(given.python, task, *common, str(given.steps))
        wall = time.perf_counter() - started
        print(f"{TASKS[task]:<45}{cpu:>8.1f}{wall:>8.1f}{peak / 1e6:>9.0f}", flush=True)
        print(text, end="")
        spent[task] = cpu
        if task in {"fp32", "fp16"} and "diffusers" in spent:
            times = cpu / spent["diffusers"]
            print(verdict(times, peak))
            met = met and is_met(times, peak)
    return met


def is_met(times: float, peak: float) -> bool:
    """Whether a task keeps to its limits."""
    return times <= MOST and peak <= MOST_MEMORY


def verdict(times: float, peak: float) -> str:
    """Return a task's figures with their limits, and whether these are met, as text."""
    figures = f"{times:.2f} times diffusers (limit {MOST}), {peak / 1e9:.1f} GB"
    return f"  {figures} (limit {MOST_MEMORY / 1e9}): {'met' if is_met(times, peak) else 'MISSED'}"


def _child(python: Path, *words: str) -> tuple[str, float, int]:
    start = (
        f"import sys; sys.path.append({str(ROOT)!r});"
        " from tests.bench.drawing import child; child()"
    )
    return _run([str(python), "-c", start, *words])


def child() -> None:
    """Run the task that the arguments name, in the built environment."""
    task, folder, attention, latent, last = sys.argv[1:]
    if task == "make":
        make(Path(folder), attention, int(latent), last)
        return
    import diffusers  # noqa: F401  a part of the start of every task
    import transformers  # noqa: F401

    import sdcoreml.convert.tasks.draw  # noqa: F401

    if task == "diffusers":
        draw_with_diffusers(Path(folder), int(latent), int(last))
    elif task != "start":
        draw_with_programs(package_of(Path(folder), attention, int(latent)), task, int(last))


def make(folder: Path, attention: str, latent: int, name: str) -> None:
    """Write weights and package of a program, unless they are there."""
    component, source, config = PROGRAMS[name]
    place = folder / source
    if not (place / "weights.safetensors").exists():
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
        SPREADS["initialised"](component, config, place / "weights.safetensors")
    package = package_of(folder, attention, latent)[name]
    if package.exists():
        return
    from sdcoreml.convert.programs.options import Attention, ProgramOptions
    from sdcoreml.convert.tasks.build import task
    from sdcoreml.ground.events import silent

    package.parent.mkdir(parents=True, exist_ok=True)
    options = ProgramOptions(attention=Attention(attention), height=latent, width=latent)
    program = {"component": component, "package": str(package), "options": options.as_json()}
    request = {
        "config": str(place / "config.json"),
        "weights": str(place / "weights.safetensors"),
        "programs": [program],
    }
    task({"components": [request]}, silent)


def package_of(folder: Path, attention: str, latent: int) -> dict[str, Path]:
    """Return the packages of all programs of one attention and size."""
    return {name: folder / f"{attention}-{latent}" / f"{name}.mlpackage" for name in PROGRAMS}


def draw_with_programs(packages: Mapping[str, Path], precision: str, steps: int) -> None:
    """Draw a picture as `sdcoreml draw` does; print the CPU seconds of a step."""
    from contextlib import ExitStack

    from sdcoreml.convert.drawing.choices import Method, Rng, Settings, Spacing
    from sdcoreml.convert.drawing.pipeline import Moment, Subject, draw
    from sdcoreml.convert.drawing.tokens import Prompt, Vocabulary, Word
    from sdcoreml.convert.mil.kinds import Mode
    from sdcoreml.convert.tasks.interpreted import InterpretedPrograms

    vocabulary = Vocabulary(ids={"<|startoftext|>": _BEGIN, "<|endoftext|>": _END}, ranks={})
    prompts = [
        Prompt(words=(Word(text="", tokens=(), ids=ids),), vocabulary=vocabulary, length=77)
        for ids in (_WORDS, ())
    ]
    settings = Settings(
        steps=steps,
        guidance=7.5,
        method=Method.DPM,
        spacing=Spacing.LINSPACE,
        rng=Rng.NUMPY,
        seed=0,
        latent_scale=0.18215,
    )
    clock = [time.process_time()]

    def watch(_: Moment) -> None:
        clock.append(time.process_time())

    with ExitStack() as stack:
        programs = InterpretedPrograms(packages, Mode(precision), stack)
        draw(programs, Subject(prompt=prompts[0], negative=prompts[1]), settings, watch)
    _print_steps(clock)


def draw_with_diffusers(folder: Path, latent: int, steps: int) -> None:
    """Draw a picture with the pinned pipeline, whose modules are in memory as float32."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
    from safetensors.torch import load_file

    from sdcoreml.convert.references.components import reference

    modules = {}
    for component, source, config in PROGRAMS.values():
        modules[source] = reference(component).build(config).eval()
        modules[source].load_state_dict(
            load_file(folder / source / "weights.safetensors"), strict=False
        )
    pipe = StableDiffusionPipeline(
        **modules,
        tokenizer=None,
        scheduler=DPMSolverMultistepScheduler(beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    clock = [time.process_time()]
    with torch.inference_mode():
        ids = (torch.tensor([[_BEGIN, *some, *[_END] * (76 - len(some))]]) for some in (_WORDS, ()))
        prompt, negative = (modules["text_encoder"](one)[0] for one in ids)
        pipe(
            prompt_embeds=prompt,
            negative_prompt_embeds=negative,
            num_inference_steps=steps,
            height=latent * _PIXELS,
            width=latent * _PIXELS,
            output_type="pt",
            callback=lambda *_: clock.append(time.process_time()),
            callback_steps=1,
        )
    _print_steps(clock)


def _print_steps(clock: list[float]) -> None:
    """Print the CPU seconds of each step after the first, which includes the text encoder."""
    steps = [after - before for before, after in pairwise(clock[1:])]
    each = sum(steps) / max(len(steps), 1)
    print(f"  {each:.1f} CPU s a step, and {time.process_time() - clock[-1]:.1f} for the VAE")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
