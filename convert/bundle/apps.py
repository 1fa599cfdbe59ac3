"""Says which apps can run a model as a Core ML folder, and why the others cannot.

The verdict on each family was checked against the source code of both apps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from sdcoreml.convert.models.contents import Contents, Kind
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.ground.advice import command

APPLE, MOCHI, COMFYUI = "Apple's Swift package", "Mochi Diffusion", "ComfyUI's nodes"


class App(Enum):
    """An app to convert for; the value is its name on the command line."""

    MOCHI = "mochi"
    APPLE = "apple"
    COMFYUI = "comfyui"


UNUSED: Mapping[App, Mapping[str, str]] = {
    App.MOCHI: {
        "safety_checker": "Mochi Diffusion runs no safety checker; leave --safety-checker out",
        "controlled_chunks": "Mochi Diffusion cannot use ControlNets with a ControlledUnet in"
        " halves; leave --chunk out",
    },
    App.APPLE: {},
    App.COMFYUI: {},  # see `convert.jobs.for_comfyui`, which refuses more than these
}
"""What an app does not use of what can be asked for, and what to do about it."""

Answer = Literal["yes", "limited", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppVerdict:
    """How well the app `target` runs a model, and the reason if it does not or only partly."""

    target: str
    runs: Answer
    reason: str


FAMILIES: Mapping[Family, tuple[tuple[Answer, str], tuple[Answer, str]]] = {
    Family.SD1: (
        ("yes", "text and image to image, ControlNet, safety checker"),
        ("yes", "text and image to image, ControlNet; no safety checker"),
    ),
    Family.SD2_BASE: (
        ("limited", "pads prompts with a different token than the model was trained with"),
        ("limited", "its community calls the support limited"),
    ),
    Family.SD2_V: (
        ("limited", "wrong unless the graph turns velocity into noise and attends in float32"),
        ("limited", "wrong unless the graph turns velocity into noise and attends in float32"),
    ),
    Family.SDXL: (
        ("yes", "text and image to image; no ControlNet"),
        ("yes", "text and image to image; no ControlNet"),
    ),
    Family.SDXL_REFINER: (
        ("yes", "as a refiner beside SDXL, or alone"),
        ("yes", "as a refiner beside SDXL"),
    ),
    Family.SD3: (
        ("no", "runs SD 3 medium, but nothing here builds its transformer"),
        ("no", "loads SD 3 medium, but scales the latents wrongly; nothing here builds it"),
    ),
    Family.FLUX: (("no", "has no code for it"), ("no", "runs FLUX by other means than Core ML")),
    Family.UNKNOWN: (("no", "not a family it knows"), ("no", "not a family it knows")),
}

IN_COMFYUI: Mapping[Family, tuple[Answer, str]] = {
    Family.SD1: ("yes", "text and image to image, ControlNet, consistency models (LCM)"),
    Family.SD2_BASE: (
        "limited",
        "its nodes send what the program takes, though their authors do not support it",
    ),
    Family.SD2_V: (
        "limited",
        "as the base; wrong unless the graph turns velocity into noise",
    ),
    Family.SDXL: ("yes", "text and image to image, ControlNet; on the GPU, say its authors"),
    Family.SDXL_REFINER: ("yes", "as a refiner, in the node Core ML Sampler (Advanced)"),
}
"""How well ComfyUI's nodes run the UNet of each family that is converted for them.

Everything but the UNet runs in ComfyUI itself, with PyTorch.
"""

ADD_ONS: Mapping[Kind, str] = {
    Kind.LORA: "not alone: merge it into a model while converting",
    Kind.TEXTUAL_INVERSION: "not alone: add it to a model's vocabulary while converting",
    Kind.VAE: "not alone: give it as another model's VAE while converting",
    Kind.UNET: "not alone: it needs a text encoder and a VAE",
    Kind.TRANSFORMER: "not alone: it needs text encoders and a VAE",
    Kind.TEXT_ENCODER: "not alone: it is one part of a model",
    Kind.CONTROL_LORA: "has no code for it",
    Kind.T2I_ADAPTER: "has no code for it",
    Kind.IP_ADAPTER: "has no code for it",
    Kind.MOTION_MODULE: "has no code for it",
    Kind.HYPERNETWORK: "has no code for it",
    Kind.TINY_VAE: "has no code for it",
    Kind.OTHER_FAMILY: "not a family it knows",
    Kind.UNKNOWN: "not a model it knows",
}

GIVEN: Mapping[Kind, str] = {
    Kind.LORA: "--lora",
    Kind.TEXTUAL_INVERSION: "--embedding",
    Kind.VAE: "--vae",
}
"""Maps kinds of files that are only part of a model to the `sdcoreml convert` option for them."""


_CONTROLLED = frozenset({Family.SD1, Family.SD2_BASE, Family.SD2_V})


def verdicts(contents: Contents) -> tuple[AppVerdict, ...]:
    """Return the verdict of each app on `contents`."""
    refusal = _refusal(contents)
    if refusal:
        swift: list[tuple[Answer, str]] = [("no", refusal)] * 2
    elif contents.kind is Kind.CONTROLNET:
        runs: Answer = "yes" if contents.family in _CONTROLLED else "no"
        said = {"yes": "beside a UNet made for it", "no": "ControlNet for SD 1.x and 2.x only"}
        swift = [(runs, said[runs])] * 2
    else:
        swift = [*FAMILIES[contents.family]]
    answers = zip((APPLE, MOCHI, COMFYUI), (*swift, _in_comfyui(contents)), strict=True)
    return tuple(
        AppVerdict(target=name, runs=runs, reason=reason) for name, (runs, reason) in answers
    )


def _in_comfyui(contents: Contents) -> tuple[Answer, str]:
    """Return the answer of ComfyUI's nodes, which run an LCM like any other model."""
    if contents.kind is Kind.CONTROLNET:
        return "no", "ComfyUI loads ControlNets as they are"
    is_lcm = contents.flavour == "LCM"
    alike = replace(contents, flavour="") if is_lcm else contents
    if contents.kind is Kind.UNET:  # they run nothing else
        alike = replace(alike, kind=Kind.PIPELINE)
    if refusal := _refusal(alike):
        return "no", refusal
    if contents.family not in IN_COMFYUI:
        is_known = contents.family is not Family.UNKNOWN
        return "no", "nothing here builds it for them" if is_known else "not a family it knows"
    runs, reason = IN_COMFYUI[contents.family]
    return runs, f"{reason}; {command('convert', 'MODEL', '--app', 'comfyui')} makes its UNet"


def _refusal(contents: Contents) -> str:
    if contents.kind in ADD_ONS:
        return ADD_ONS[contents.kind]
    if contents.flavour == "LCM":
        return "its UNet needs a guidance embedding, which only ComfyUI's nodes provide"
    if contents.flavour == "3.5":
        return "normalizes queries and keys, which no app's graph does"
    if contents.family is not Family.UNKNOWN and contents.task not in (
        None,
        Task.TEXT_TO_IMAGE,
        Task.OTHER,
    ):
        return f"no app provides the extra input channels of {contents.task.value}"
    return ""


def app_table() -> Iterator[str]:
    """Yield the table of what each app runs, in Markdown, for the converter's README."""
    yield f"| model | {MOCHI} (`mochi`) | {APPLE} (`apple`) | {COMFYUI} (`comfyui`) |"
    yield "|---|---|---|---|"
    for family, comfyui in IN_COMFYUI.items():
        apple, mochi = FAMILIES[family]
        said = (f"{runs}: {reason}" for runs, reason in (mochi, apple, comfyui))
        yield f"| {family.value} | {' | '.join(said)} |"
