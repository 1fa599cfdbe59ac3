"""Checks of the files in a finished folder that MochiDiffusion and Apple's Swift package open.

Names are compared exactly, since volumes may be case-sensitive.
"""

from __future__ import annotations

from sdcoreml.convert.bundle.contract import HALVES, KNOWN, NAMES, PACKAGE, SD3_TRANSFORMER
from sdcoreml.doctor.checks.pins import list_some
from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info, ok, warning
from sdcoreml.doctor.core.subjects import Bundle

AGAIN = Fix("convert the model again into a fresh folder")
NEEDED = (NAMES["text_encoder"], NAMES["vae_decoder"])
NEEDED_XL = (NAMES["text_encoder_2"], NAMES["vae_decoder"])


@check("BUN001", CheckFamily.BUNDLE)
def listed_by_apps(bundle: Bundle) -> Findings:
    """The folder has what an app needs to list and open it.

    Mochi lists a folder only when a compiled UNet with a readable metadata.json lies directly in
    it. Without a text encoder or decoder the app crashes at the first image. A folder of
    ControlNets needs neither: apps list these by themselves. Nor does one for ComfyUI, whose node
    Load Core ML UNet lists packages in ComfyUI's models/unet, and takes the rest from ComfyUI.
    """
    if bundle.is_net:
        yield ok(f"{len(bundle.programs)} ControlNet{'s' * (len(bundle.programs) > 1)}")
        return
    if bundle.is_for_comfyui:
        yield from _for_comfyui(bundle)
        return
    if bundle.program(SD3_TRANSFORMER) is not None:
        yield info(
            "this is a Stable Diffusion 3 folder, of which only files and metadata are examined",
            why="Apple's package runs it; Mochi Diffusion scales its latents wrongly.",
        )
        return
    if bundle.unet is None:
        yield error(
            "no Unet directly in the folder",
            why="Apps silently leave it out of their list.",
            fix=Fix("give the folder that holds Unet.mlmodelc itself (such as Resources)"),
        )
    elif bundle.unet.name.startswith(NAMES["controlled_unet"]):
        halved = bundle.unet.name != NAMES["controlled_unet"]
        yield warning(
            f"there is no Unet, only {bundle.unet.name}",
            why="Without a ControlNet no picture can be made"
            + (", and Mochi does not list the folder." if halved else "."),
            fix=Fix("convert the UNet as well, into this folder"),
        )
    needed = NEEDED_XL if bundle.is_xl else NEEDED
    missing = [name for name in needed if bundle.program(name) is None]
    if missing:
        yield error(
            f"missing: {', '.join(missing)}",
            why="The app crashes at the first image: it loads them without asking.",
            fix=AGAIN,
        )
    packages = [one.name for one in bundle.programs if one.container == PACKAGE]
    if packages:
        paths = (f"{bundle.path}/{name}.mlpackage" for name in packages)
        yield info(
            f"not compiled yet: {list_some(packages)}",
            why="Swift apps load .mlmodelc; .mlpackage is one step before it.",
            fix=Fix("compile them (no Xcode)", commands=(("sdcoreml", "compile", *paths),)),
        )
    if bundle.unet is not None and not missing:
        attention = f", {bundle.unet.attention} attention" if bundle.unet.attention else ""
        yield ok(f"{len(bundle.programs)} programs{attention}")


def _for_comfyui(bundle: Bundle) -> Findings:
    for program in bundle.programs:
        found = program.comfyui
        if found and found.node:
            yield ok(f"{program.name}: {found}")
        elif program.container == PACKAGE:
            yield info(f"{program.name}: {found}", why="Its Python API loads it, beside a UNet.")
        else:
            yield error(
                f"{program.name}: {found}",
                why="They list .mlpackage only, and this is compiled.",
                fix=Fix("give ComfyUI the package that it was compiled from"),
            )


@check("BUN002", CheckFamily.BUNDLE)
def containers_whole(bundle: Bundle) -> Findings:
    """Every program has its files, and none of them is a Git LFS pointer.

    A copy that lost weights/weight.bin, or a clone without git-lfs, looks complete in a file
    manager.
    """
    for program in bundle.programs:
        if program.pointers:
            yield error(
                f"{program.name}: Git LFS pointers in place of {list_some(program.pointers)}",
                why='Core ML says "not a valid .mlmodelc file" of it.',
                fix=Fix("git lfs pull in the clone, or download the archive"),
            )
        if program.missing:
            yield error(
                f"{program.name}{program.container} lacks {list_some(program.missing)}",
                why="It cannot be loaded, or the app does not list it.",
                fix=Fix("copy it again with all its files, or convert it again"),
            )


@check("BUN019", CheckFamily.BUNDLE)
def programs_sound(bundle: Bundle) -> Findings:
    """Every program can be read, and its weights are where it expects them.

    A compiled program's text, description, metadata and weight file must agree. Core ML notices
    only when it loads them, and an app's message then names none of them.
    """
    for fault in bundle.damage:
        yield error(
            fault, why="Core ML refuses the program, or computes with other weights.", fix=AGAIN
        )


@check("BUN003", CheckFamily.BUNDLE)
def chunks_paired(bundle: Bundle) -> Findings:
    """Chunks come in pairs, and never beside a whole UNet.

    When both chunks exist, apps silently prefer them to the whole program: a stale full-precision
    pair runs in place of the compressed Unet beside it. A single chunk is ignored.
    """
    for stem, halves in HALVES.items():
        first, second = (bundle.program(half) for half in halves)
        whole = bundle.program(stem)
        if (first is None) is not (second is None):
            yield error(
                f"{' and '.join(halves)} belong together; only one is there",
                why="The app ignores a single chunk and looks for the whole program.",
                fix=AGAIN,
            )
        elif first is not None and whole is not None:
            yield warning(
                f"{whole.name} and its chunks are both there",
                why="Apps silently prefer the chunks, even if they are from an earlier run.",
                fix=Fix(f"move {' and '.join(halves)}, or {stem}, out of the folder"),
            )


@check("BUN005", CheckFamily.BUNDLE)
def encoder_present(bundle: Bundle) -> Findings:
    """There is a VAE encoder, and no controlnet folder.

    Mochi reads the image size from the encoder; without it, Mochi offers no ControlNet and ignores
    a starting image. A link named controlnet is fine: it is Mochi's own.
    """
    if bundle.unet is not None and bundle.program("VAEEncoder") is None:
        yield warning(
            "there is no VAEEncoder",
            why="Starting images do not work, and Mochi cannot tell the model's size.",
            fix=Fix("convert the VAE encoder as well, into this folder"),
        )
    if bundle.controlnet_folder:
        yield warning(
            "a folder named controlnet lies in the model's folder",
            why="Mochi lists its own folder's and loads these. Apple's package wants them here.",
            fix=Fix("for Mochi, move the ControlNets to ~/MochiDiffusion/controlnet"),
        )


@check("BUN008", CheckFamily.BUNDLE)
def tokenizer_readable(bundle: Bundle) -> Findings:
    """vocab.json and merges.txt are there and well-formed.

    A missing vocab.json crashes the app. Every line of merges.txt must have two parts and end with
    a line end, or the last merge is lost.
    """
    for fault in bundle.vocabulary:
        yield error(
            fault,
            why="The app crashes or stops when it reads the prompt.",
            fix=Fix("copy vocab.json and merges.txt from the model's tokenizer folder"),
        )


@check("BUN014", CheckFamily.BUNDLE)
def weights_shared(bundle: Bundle) -> Findings:
    """Unet and ControlledUnet have the same weights.

    Converted from one checkpoint, their weight files are identical byte for byte. If they differ,
    the two come from different models, and images with a ControlNet look different from those
    without.
    """
    plain, controlled = bundle.program("Unet"), bundle.program("ControlledUnet")
    if plain and controlled and plain.weights_digest != controlled.weights_digest:
        yield warning(
            "Unet and ControlledUnet have different weights",
            why="They are of different models or precisions; identical ones can share one file.",
            fix=AGAIN,
        )


@check("BUN015", CheckFamily.BUNDLE)
def names_spelt(bundle: Bundle) -> Findings:
    """Programs are spelt exactly as the apps expect, capitals included.

    Apple's README once said ControlledUNet, but its code asks for ControlledUnet. The wrong
    spelling works only on a volume that ignores case.
    """
    spelling = {name.casefold(): name for name in KNOWN}
    for program in bundle.programs:
        right = spelling.get(program.name.casefold(), program.name)
        if right != program.name:
            yield error(
                f"{program.name} must be spelt {right}",
                why="On a case-sensitive volume the app does not find it.",
                fix=Fix(f"rename it to {right}{program.container}"),
            )
