"""Checks of a model's files: complete, consistent, and in a form that can be read."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.doctor.checks.pins import list_some
from sdcoreml.doctor.checks.ruling import adopt_judgement
from sdcoreml.doctor.core.check import (
    CheckFamily,
    Finding,
    Findings,
    Fix,
    check,
    error,
    info,
    ok,
    warning,
)
from sdcoreml.doctor.core.facts import ToolchainFacts
from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder
from sdcoreml.ground.advice import UNPACK
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.versions import satisfies

GB = 10**9
SHARDS_SINCE = "0.29"
"""The first diffusers that loads a UNet or VAE from shards; 0.23.1 cannot."""
TESTED_DIFFUSERS = "0.23.1"
"""The diffusers version to assume if the toolchain has no diffusers."""

SHARDED_BY_DIFFUSERS = frozenset({"unet", "vae", "transformer"})


@adopt_judgement
@check("MOD001", CheckFamily.MODEL)
def layout(model: ModelFolder) -> Findings:
    """The path is a diffusers folder, with model_index.json at its top.

    People often give a checkpoint file, a component's folder or the folder above instead. Each
    component that model_index.json names must be a folder with a config.json. A ControlNet has no
    model_index.json: its own config.json says what it is.
    """
    if model.kind == "single-file":
        yield info(
            f"{Path(model.path).name} is a single checkpoint file, {amount(model.size)}",
            why="`sdcoreml convert` takes it as it is; the upstream converter wants a folder.",
        )
        return
    if model.kind == "missing":
        yield error(
            f"{model.path}: no such folder",
            why="There is nothing to convert.",
            fix=Fix("give the path of a diffusers folder"),
        )
        return
    if model.kind not in {"diffusers", "controlnet"}:
        hint = f"; it may be meant: {model.nearby[0]}" if model.nearby else ""
        yield error(
            model.reason or f"no model_index.json in {model.path}{hint}",
            why="This is not the top of a diffusers model: nothing says what its parts are.",
            fix=Fix("give the folder that holds model_index.json, unet/ and vae/"),
        )
        return
    parts = ", ".join(part.name for part in model.components)
    yield from (_bad_json(model.path, fault) for fault in model.faults)
    yield ok(f"{Path(model.path).name}: {parts}; {amount(model.size)}")


def _bad_json(where: str, fault: str) -> Finding:
    return error(
        fault,
        why="The layout of the model cannot be read from it.",
        fix=Fix("download that file again"),
        where=where,
    )


@check("MOD002", CheckFamily.MODEL)
def shards_loadable(model: ModelFolder, toolchain: ToolchainFacts) -> Findings:
    """The pinned diffusers can load the weights in their present form.

    A UNet over 10 GB is saved in shards (diffusion_pytorch_model-00001-of-00002...). diffusers
    before 0.29 cannot load a sharded UNet or VAE, whether .bin or .safetensors, and stops with "no
    file named diffusion_pytorch_model.bin found". Turning the shards into safetensors does not
    help: they have to be merged into one file, in which every tensor is a bit-identical copy.
    You need not do anything: `sdcoreml convert` merges them before it converts.
    """
    diffusers = toolchain.pins.get("diffusers", TESTED_DIFFUSERS)
    if satisfies(diffusers, f">={SHARDS_SINCE}"):
        return
    sharded = [
        part
        for part in model.components
        if part.name in SHARDED_BY_DIFFUSERS and part.index and not part.missing
    ]
    if sharded:
        names = " and ".join(part.name for part in sharded)
        yield warning(
            f"{names}: saved in shards, which diffusers {diffusers} cannot load "
            '("no file named diffusion_pytorch_model.bin")',
            why="It loads neither .bin nor .safetensors shards of these parts; merged into one "
            "safetensors file they load, bit-identical. Conversion here merges by itself.",
            fix=merge(model.path),
            where=f"{sharded[0].folder}/{sharded[0].index}",
        )


def merge(path: str) -> Fix:
    """Return the fix for a sharded folder: the two commands that merge it."""
    merged = path.rstrip("/") + "-merged"
    command = (*UNPACK, "--to_safetensors", "--checkpoint_path", path)
    return Fix(
        "convert, which merges on the way; or write a merged copy of the folder",
        commands=(("sdcoreml", "convert", path), (*command, "--dump_path", merged)),
    )


@adopt_judgement
@check("MOD003", CheckFamily.MODEL)
def shards_present(model: ModelFolder) -> Findings:
    """Every shard that an index names is there.

    An interrupted download, or a copy that skipped large files, leaves an index without all its
    shards.
    """
    for part in model.components:
        if part.missing:
            yield error(
                f"{part.name}: {part.index} names missing files: {list_some(part.missing)}",
                why="Their tensors are missing; nothing can be converted from the rest.",
                fix=Fix(f"download into {part.folder} again: {', '.join(part.missing)}"),
                where=part.folder,
            )
        for fault in part.faults:
            yield from _faulty(part, fault)


def _faulty(part: ComponentState, fault: str) -> Findings:
    if fault == "missing":
        yield error(
            f"model_index.json names {part.name}, but there is no such folder",
            why="The download is incomplete, or only part of the model was copied.",
            fix=Fix(f"download the folder {part.name}/ as well"),
            where=part.folder,
        )
    else:
        yield _bad_json(part.folder, f"{part.name}: {fault}")


@adopt_judgement
@check("MOD004", CheckFamily.MODEL)
def weights_present(model: ModelFolder) -> Findings:
    """Every component to convert has its weights.

    diffusers looks for exact names: diffusion_pytorch_model or model, with .safetensors or .bin. It
    does not find a file that a browser renamed.
    """
    if model.kind != "diffusers":
        return
    for name in model.needed:
        part = next((one for one in model.components if one.name == name), None)
        if part is None:
            yield error(
                f"the model has no {name}",
                why=f"A folder that an app can open needs {', '.join(model.needed)}.",
                fix=Fix(f"add the folder {name}/ from the same model"),
            )
        elif not part.weights and not part.missing and not part.faults:
            yield error(
                f"{name} has no weight file",
                why='Loading it fails with "no file named diffusion_pytorch_model...".',
                fix=Fix("download its .safetensors file, under its original name"),
                where=part.folder,
            )


@adopt_judgement
@check("MOD017", CheckFamily.MODEL)
def config_matches(model: ModelFolder) -> Findings:
    """The UNet's weights have the shapes that its config.json says.

    The first convolution and the width of the text features give away another model's config.json,
    or a renamed file with only part of the weights.
    """
    for part in model.components:
        if part.mismatch:
            yield error(
                f"{part.name}: {list_some(part.mismatch)}",
                why="The configuration is another model's, or the weights are incomplete.",
                fix=Fix("restore config.json and weights from the same model"),
                where=part.folder,
            )


@adopt_judgement
@check("MOD018", CheckFamily.MODEL)
def file_complete(model: ModelFolder) -> Findings:
    """A single checkpoint file is a whole model.

    LoRA, ControlNet, embedding, VAE and UNet files have the same suffixes; only the names of their
    tensors tell them apart.
    """
    name = Path(model.path).name
    if missing := find_lacking(model):
        kinds = {"lora": "a LoRA", "controlnet": "a ControlNet", "embedding": "an embedding"}
        only = [kinds[held] for held in model.holds if held in kinds]
        yield error(
            f"{name} is not a whole model but "
            f"{only[0] if only else f'only {list_some(model.holds)}'}",
            why=f"{list_some(missing)} would be missing in the conversion.",
            fix=Fix("take the full checkpoint, or give this with one (--lora, --vae ...)"),
        )
    elif model.kind == "single-file" and model.holds:
        yield from (_incomplete(model, fault) for fault in model.faults)
        family = "SDXL" if "sdxl" in model.holds else "SD 1.x or 2.x"
        yield info(
            f"{name} is {family} in the original layout",
            why="`sdcoreml convert` sees that itself; diffusers' script has to be told the family.",
        )


def find_lacking(model: ModelFolder) -> tuple[str, ...]:
    """Return the components that a single file lacks; empty if its content is unknown."""
    if model.kind != "single-file" or not model.holds:
        return ()
    return tuple(name for name in ("unet", "vae", "text_encoder") if name not in model.holds)


def _incomplete(model: ModelFolder, fault: str) -> Finding:
    return error(
        f"{Path(model.path).name}: {fault}",
        why="The conversion accounts for every tensor, and refuses what it cannot place.",
        fix=Fix("download the checkpoint again; a rare kind of model cannot be converted"),
    )


@adopt_judgement
@check("MOD019", CheckFamily.MODEL)
def tokenizer_fits(model: ModelFolder) -> Findings:
    """The Swift apps can read the tokenizer's files.

    vocab.json must map tokens to numbers, and each line of merges.txt must have two parts. A web
    page that was saved in their place is neither.
    """
    if model.kind != "diffusers":
        return
    for fault in model.tokenizer_faults:
        yield error(
            fault,
            why="The app would stop at the first prompt.",
            fix=Fix("take vocab.json and merges.txt of the model's own tokenizer folder"),
        )


@check("MOD022", CheckFamily.MODEL)
def one_set_of_weights(model: ModelFolder) -> Findings:
    """A single checkpoint file does not hold its weights twice.

    Training keeps an averaged copy (EMA) of the weights. It makes better pictures, and doubles the
    memory that loading takes.
    """
    if "ema" in model.holds:
        yield info(
            f"{Path(model.path).name} holds the averaged (EMA) weights as well",
            why="The raw ones are taken unless told --extract-ema; averaged ones draw better.",
        )
