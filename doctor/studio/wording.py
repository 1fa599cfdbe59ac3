"""What the page says of each choice: literal texts, and what was measured of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdcoreml.convert.bundle.apps import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The title of a group or an option, and one sentence about it."""

    title: str
    sentence: str


GROUPS: Mapping[str, Words] = {
    "app": Words(title="For which app", sentence="What opens the result."),
    "for": Words(
        title="Beside which model",
        sentence="The finished folder whose pictures this ControlNet will steer; it decides size"
        " and attention.",
    ),
    "device": Words(title="For which device", sentence="What computes the pictures there."),
    "size": Words(
        title="Picture size", sentence="Width and height in pixels; a folder draws one size."
    ),
    "bits": Words(
        title="Quality against size",
        sentence="Fewer bits make a smaller folder, and pictures that differ more.",
    ),
    "lora": Words(
        title="LoRAs", sentence="Merged into the weights, each with a strength; 1 is as trained."
    ),
    "vae": Words(title="Another VAE", sentence="Decodes the pictures instead of the model's own."),
    "extras": Words(title="Made besides", sentence="More programs, and where the folder goes."),
    "embedding": Words(
        title="Embeddings", sentence="Textual inversions; each becomes a word for prompts."
    ),
    "refiner": Words(
        title="Refiner", sentence="The folder of an SDXL refiner, whose UNet is added."
    ),
    "clip-skip": Words(
        title="CLIP skip",
        sentence="Where the model's author advises it, the text encoder's last block is left out.",
    ),
    "recipe": Words(
        title="Recipe",
        sentence="Bits for each layer, as `sdcoreml recipe MODEL` wrote them. Measured: at 4 bits"
        " on average the sample's UNet keeps 58 dB, with 4 bits throughout 46.",
    ),
    "target": Words(
        title="Oldest system", sentence="Newer ones always run it, too; iOS counts likewise."
    ),
    "prediction-type": Words(
        title="What the UNet predicts",
        sentence="Only for a model whose file does not say it, or says it wrongly.",
    ),
    "batch": Words(
        title="Pictures at once", sentence="Rows of the UNet: one for each half of the guidance."
    ),
    "packages": Words(
        title="Packages",
        sentence="What can be recompiled and repaired later; apps do not need it.",
    ),
    "tokenizer": Words(
        title="Tokenizer", sentence="A folder with vocab.json and merges.txt, if it has its own."
    ),
    "more": Words(title="Switches", sentence="For those who know why."),
}
"""The groups of choices by their keys, in the order of `doctor.studio.offer`."""

DEVICES: Mapping[str, Words] = {
    "ne": Words(
        title="Mac, Neural Engine",
        sentence="Every Mac with Apple silicon; Mochi chooses it by itself for such a folder.",
    ),
    "gpu": Words(
        title="Mac, GPU",
        sentence="Computed on the graphics cores.",
    ),
    "phone": Words(
        title="iPhone or iPad",
        sentence="Its UNet is in two halves, which phones can load; few bits save their memory.",
    ),
}

EXTRAS: Mapping[str, Words] = {
    "controlled": Words(
        title="Takes ControlNets",
        sentence="Adds the UNet that a ControlNet steers; it shares the other one's weights.",
    ),
    "safety-checker": Words(
        title="Safety checker", sentence="Apple's package hides pictures that it objects to."
    ),
    "install": Words(
        title="Put it into Mochi Diffusion",
        sentence="Into the app's own folder of models, once it is checked.",
    ),
}

MORE: Mapping[str, Words] = {
    "chunk": Words(
        title="UNet in two halves", sentence="For small devices; iPhones need it, Macs do not."
    ),
    "extract-ema": Words(
        title="Averaged weights", sentence="The file has the UNet twice; this takes the average."
    ),
    "own-size": Words(
        title="SDXL knows its size",
        sentence="The UNet is told the chosen size, where apps always say 1024x1024.",
    ),
    "full": Words(
        title="Run every program", sentence="Also those whose graph is certified; takes longer."
    ),
    "force": Words(
        title="Replace", sentence="Replace a folder of this name that was made of another model."
    ),
}

TARGETS: Mapping[str, Words] = {
    "macOS13": Words(title="macOS 13, iOS 16", sentence="Runs on all that can run it at all."),
    "macOS14": Words(title="macOS 14, iOS 17", sentence="For these and newer ones."),
    "macOS15": Words(title="macOS 15, iOS 18", sentence="For these and newer ones."),
}
"""The systems that our compiler compiles for; programs for the last of them run on newer ones."""

PREDICTIONS: Mapping[str, Words] = {
    "": Words(title="As the model says", sentence="From its scheduler or its file."),
    "epsilon": Words(title="Noise", sentence="Most models."),
    "v_prediction": Words(title="Velocity", sentence="Turned into noise inside the program."),
}

SKIPS: Mapping[int, Words] = {
    1: Words(title="1", sentence="The whole text encoder, as apps and diffusers do."),
    2: Words(title="2", sentence="Without the last block, as many anime models are used."),
}

KEEP: Mapping[str, Words] = {
    "keep": Words(title="Keep", sentence="They share their weights with the folder on this disk."),
    "drop": Words(title="Drop", sentence="A copy of the folder is then half as large."),
}

APPS: Mapping[App, str] = {
    App.MOCHI: "Mochi Diffusion",
    App.APPLE: "Apple's package",
    App.COMFYUI: "ComfyUI",
}

UNET_ALONE = "Its nodes draw with this UNet; ComfyUI has the rest."

BATCHES: Mapping[bool, Mapping[int, Words]] = {
    True: {
        2: Words(title="2", sentence="Both halves of the guidance at once, as all apps call it."),
        1: Words(title="1", sentence="Less memory, in apps that then ask twice; no ControlNets."),
    },
    False: {
        1: Words(title="1", sentence="What the nodes use unless a workflow asks for more."),
        2: Words(title="2", sentence="Two pictures, or both halves of the guidance."),
        4: Words(title="4", sentence="Four at once; memory grows with it."),
    },
}
"""The rows of a UNet: for apps on Apple's package, and for ComfyUI."""

BITS: Mapping[int, Words] = {
    16: Words(title="16 bits", sentence="Half precision, as most models are published."),
    8: Words(title="8 bits", sentence="Half the size."),
    6: Words(title="6 bits", sentence="Three eighths of the size."),
    4: Words(title="4 bits", sentence="A quarter of the size; look at the pictures first."),
}

COSTS: Mapping[int, str] = {
    16: "measured: the sample's pictures keep 53 to 59 dB of its own",
    8: "measured: the sample's pictures keep 50 to 55 dB, SSIM 0.9996",
    6: "measured: the sample's pictures keep 36 to 43 dB, SSIM 0.993",
    4: "measured: the sample's pictures keep 25 to 33 dB, SSIM 0.936",
}
"""How near three pictures of the sample are to those of its own modules; the least SSIM.

Measured on 2026-11-30 with the folders that `MEASURED_BY` names, by its JSON (`rows`, `near`).
"""

MEASURED_BY: tuple[str, ...] = (
    *("draw", "models/sample-split-einsum_128x128"),
    *("a red circle on a blue background", "a yellow star", "a purple heart on a white background"),
    *("--against", "build/sample"),
    *("--compare", "models/sample-split-einsum-8-bit_128x128"),
    *("--compare", "models/sample-split-einsum-6-bit_128x128"),
    *("--compare", "models/sample-split-einsum-4-bit_128x128"),
    "--json",
)
"""The words of the command that reproduces `COSTS`.

`sdcoreml convert --sample` and `sdcoreml convert build/sample --bits N` make its folders.
"""
