"""A finished folder's files against what MochiDiffusion and Apple's Swift package look for.

Names are exact: volumes may be case-sensitive.
"""

from __future__ import annotations

from sdcoreml.convert.bundle.contract import HALVES, KNOWN, NAMES, PACKAGE
from sdcoreml.doctor.checks.pins import listed
from sdcoreml.doctor.core.check import Family, Findings, Fix, check, error, info, ok, warning
from sdcoreml.doctor.core.subjects import Bundle

AGAIN = Fix("convert the model again into a fresh folder")
NEEDED = (NAMES["text_encoder"], NAMES["vae_decoder"])
NEEDED_XL = (NAMES["text_encoder_2"], NAMES["vae_decoder"])


@check("BUN001", Family.BUNDLE)
def listed_by_apps(bundle: Bundle) -> Findings:
    """The folder has what an app needs to list and open it.

    Mochi lists a folder only when a UNet lies directly in it, compiled, with a readable
    metadata.json; a missing text encoder or decoder shows itself as a crash at the first image.
    """
    if bundle.unet is None:
        yield error(
            "no Unet directly in the folder",
            why="Apps leave it out of their list without a word.",
            fix=Fix("give the folder that holds Unet.mlmodelc itself (such as Resources)"),
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
            f"not compiled yet: {listed(packages)}",
            why="Swift apps load .mlmodelc; .mlpackage is one step before it.",
            fix=Fix(
                "compile them (no Xcode)", commands=((".venv/bin/sdcoreml", "compile", *paths),)
            ),
        )
    if bundle.unet is not None and not missing:
        attention = f", {bundle.unet.attention} attention" if bundle.unet.attention else ""
        yield ok(f"{len(bundle.programs)} programs{attention}")


@check("BUN002", Family.BUNDLE)
def containers_whole(bundle: Bundle) -> Findings:
    """Every program has its files, and none of them is a Git LFS pointer.

    Copies that lost weights/weight.bin, and clones without git-lfs, look whole in a file manager.
    """
    for program in bundle.programs:
        if program.pointers:
            yield error(
                f"{program.name}: Git LFS pointers in place of {listed(program.pointers)}",
                why='Core ML says "not a valid .mlmodelc file" of it.',
                fix=Fix("git lfs pull in the clone, or download the archive"),
            )
        if program.missing:
            yield error(
                f"{program.name}{program.container} lacks {listed(program.missing)}",
                why="It cannot be loaded, or the app does not list it.",
                fix=Fix("copy it again with all its files, or convert it again"),
            )


@check("BUN019", Family.BUNDLE)
def programs_sound(bundle: Bundle) -> Findings:
    """Every program can be read whole, with its weights where it looks.

    The text of a compiled program, its description, its metadata and its weight file must agree;
    Core ML finds out at load, an app with a message that names none of them.
    """
    for fault in bundle.damage:
        yield error(
            fault, why="Core ML refuses the program, or computes with other weights.", fix=AGAIN
        )


@check("BUN003", Family.BUNDLE)
def chunks_paired(bundle: Bundle) -> Findings:
    """Chunks are there in pairs, and not beside another whole UNet.

    When both chunks exist they win over the whole program, silently: a stale pair of full precision
    beside a compressed Unet is what then runs. One chunk alone is ignored.
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
                why="The chunks win without a word, even when they are of an earlier run.",
                fix=Fix(f"move {' and '.join(halves)}, or {stem}, out of the folder"),
            )


@check("BUN005", Family.BUNDLE)
def encoder_present(bundle: Bundle) -> Findings:
    """The VAE encoder is there, and no controlnet folder in the way.

    Mochi reads the image size from it; without it, it offers no ControlNet and drops a starting
    image. The link named controlnet is Mochi's own.
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


@check("BUN008", Family.BUNDLE)
def tokenizer_readable(bundle: Bundle) -> Findings:
    """vocab.json and merges.txt are there and well-formed.

    A missing vocab.json crashes the app. merges.txt must end with a line end, or its last merge is
    lost, and every line must have two parts.
    """
    for fault in bundle.vocabulary:
        yield error(
            fault,
            why="The app crashes or stops when it reads the prompt.",
            fix=Fix("copy vocab.json and merges.txt from the model's tokenizer folder"),
        )


@check("BUN014", Family.BUNDLE)
def weights_shared(bundle: Bundle) -> Findings:
    """Unet and ControlledUnet are of the same weights.

    Converted from one checkpoint, their weight files are identical to the byte; different ones mean
    that they are of different models, and give other images with a ControlNet than without.
    """
    plain, controlled = bundle.program("Unet"), bundle.program("ControlledUnet")
    if plain and controlled and plain.weights_digest != controlled.weights_digest:
        yield warning(
            "Unet and ControlledUnet have different weights",
            why="They are of different models or precisions; identical ones can share one file.",
            fix=AGAIN,
        )


@check("BUN015", Family.BUNDLE)
def names_spelt(bundle: Bundle) -> Findings:
    """Programs have their names in the exact spelling, capitals included.

    Apple's own README once wrote ControlledUNet, the code asks for ControlledUnet. It works on a
    volume that ignores case, and stops working on one that does not.
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
