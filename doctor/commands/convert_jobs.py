"""From the arguments of `sdcoreml convert` to the jobs that they ask for."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.families import OPTIONAL
from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.options import (
    ATTENTIONS,
    COMPRESSED,
    SHARED,
    Options,
)
from sdcoreml.convert.jobs.plan import Job, plan
from sdcoreml.convert.jobs.prove import Judge
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.merge import require_apart
from sdcoreml.doctor.commands.convert_options import METHODS
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UsageError
from sdcoreml.lockfiles.toolchain import Toolchain

FLAGS: Mapping[str, str] = {
    "controlled_unet": "controlled",
    "safety_checker": "safety_checker",
    "unet_refiner": "refiner",
}
"""The options that ask for optional programs; naming one in --components asks for it, too."""


def jobs_of(
    args: argparse.Namespace, model: Model, toolchain: Mapping[str, Any], judge: Judge
) -> tuple[Job, ...]:
    """A job for each size and attention that is asked for.

    Raises:
        UsageError: options that do not go together.
        SdcoremlError: the folder that an option names is not what it should be.
    """
    said = vars(args)
    require_consistent(args, model)
    fields = {**_chosen(args)}
    if "components" in said:
        fields = mended(args, fields)
    elif "beside" in said:
        fields = {**beside(said), **fields}
    # What is said twice is made once: two jobs would wait for each other's folder.
    attentions = [
        word.upper().replace("-", "_") for word in dict.fromkeys(said.get("attention", ()))
    ]
    pairs = dict.fromkeys(said.get("size", ()))
    sizes = [
        {"width": width // PIXELS_PER_LATENT, "height": height // PIXELS_PER_LATENT}
        for width, height in pairs
    ]
    jobs = []
    for attention, size in itertools.product(attentions or [None], sizes or [{}]):
        asked = {**fields, **size, **({"attention": attention} if attention else {})}
        asked = {"attention": ATTENTIONS[0], "redo": said.get("components"), **asked}
        job = plan(model, args.output, toolchain=toolchain, **asked)
        for source in (args.model, said.get("refiner_folder")):
            if source is not None and source.is_dir():
                require_apart(source, job.output)
        jobs.append(replace(job, judge=judge, beside=said.get("beside")))
    return tuple(jobs)


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of `Options` that were said, sizes and attention aside."""
    said = vars(args)
    fields = {
        name: said[name]
        for name in Options.__dataclass_fields__
        if name in said and name not in {"attention", "precision"}
    }
    if "precision" in said:
        fields["precision"] = dict(said["precision"])
    if "refiner_folder" in said:
        fields["refiner"] = True
    for program in said.get("components", frozenset()) & FLAGS.keys():
        fields[FLAGS[program]] = True
    recipe = recipe_of(args)
    return fields | ({"recipe": recipe} if recipe else {})


def beside(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Options` of the finished folder that a ControlNet is for.

    Raises:
        BadInputError: it is no such folder, or has no UNet that takes a ControlNet's residuals.
        UsageError: another size is asked for than its UNet has.
    """
    folder = said["beside"]
    manifest = read_manifest(folder)
    if other := _otherwise(manifest["options"], said):
        raise UsageError(
            f"the UNet of {folder} is for {other}", where="--for", remedy="ask for nothing else"
        )
    made = {entry["component"] for entry in manifest["programs"].values()}
    if "controlled_unet" not in made:
        raise BadInputError(
            "no ControlledUnet in this folder to take a ControlNet's residuals",
            where=folder,
            remedy=(
                f"add one: sdcoreml convert MODEL --components controlled_unet --output {folder}"
            ),
        )
    return {name: manifest["options"][name] for name in SHARED}


def mended(args: argparse.Namespace, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Options` for parts of a finished folder: what it was made with, and what is asked.

    Raises:
        UsageError: what is asked for would not go with the parts that stay.
    """
    said, redo = vars(args), args.components
    manifest = read_manifest(args.output)
    before = manifest["options"]
    if other := _otherwise(before, said):
        raise UsageError(
            f"the parts of {args.output} that stay are for {other}",
            where="--components",
            remedy="for others convert the model anew, without --components",
        )
    fields = {name: before[name] for name in Options.__dataclass_fields__ if name in before}
    if "recipe" not in asked:
        fields["recipe"] = _recipe_before(args.output, manifest["programs"].values(), redo)
    if "precision" in asked:
        # One for all is for all that is made anew: what stays keeps its own.
        chosen = dict(asked["precision"])
        everything = chosen.pop("all", None)
        common = dict.fromkeys(redo, everything) if everything else {}
        asked = {**asked, "precision": {**before.get("precision", {}), **common, **chosen}}
    return {**fields, **asked}


def _otherwise(before: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    """What a folder is for, in words, where another size or length of prompts is asked for."""
    width, height = (PIXELS_PER_LATENT * before[side] for side in ("width", "height"))
    if any(size != (width, height) for size in said.get("size", ())):
        return f"{width}x{height} pixels"
    is_other = said.get("tokens", before["tokens"]) != before["tokens"]
    return f"{before['tokens']} tokens" if is_other else ""


def _recipe_before(
    folder: Path, programs: Iterable[Mapping[str, Any]], redo: Collection[str]
) -> Mapping[str, Any] | None:
    """How the parts to make anew are compressed; a new UNet as the one that is there already.

    Raises:
        UsageError: one is, and another is not, or in another way.
    """
    sources = {OPTIONAL[name].source for name in redo if name in OPTIONAL}
    entries = [entry for entry in programs if entry["component"] in COMPRESSED]
    own = [entry for entry in entries if not {entry["component"], entry["source"]}.isdisjoint(redo)]
    alike = own or [entry for entry in entries if entry["source"] in sources]
    recipes = [entry.get("recipe") for entry in alike]
    if any(recipe != recipes[0] for recipe in recipes):
        names = ", ".join(entry["component"] for entry in alike)
        raise UsageError(
            f"{names} of {folder} are compressed in different ways",
            where="--components",
            remedy="say how with --bits or --recipe, or name one at a time",
        )
    return recipes[0] if recipes else None


def require_consistent(args: argparse.Namespace, model: Model) -> None:
    """Raise `UsageError` for options that do not go together, or not with such a model."""
    said = vars(args)
    is_net = CONTROLNET in model.components
    several = len(said.get("size", ())) > 1 or len(said.get("attention", ())) > 1
    wrong = {
        "--output names one folder; with several --size or --attention leave it out": bool(
            args.output and several
        ),
        "--components mends the finished folder that --output names; give it": (
            "components" in said and not args.output
        ),
        "--components is for a model's folder; convert the ControlNet again": (
            "components" in said and is_net
        ),
        "--for is for a ControlNet, and this is a model": "beside" in said and not is_net,
    }
    for what, is_so in wrong.items():
        if is_so:
            raise UsageError(what)
    _require_known_components(said.get("precision", ()), model)


def _require_known_components(precisions: Any, model: Model) -> None:  # noqa: ANN401  from argparse
    sources = set(model.components)
    programs = {"vae_decoder", "vae_encoder", "text_encoder", "text_encoder_2", "unet", *OPTIONAL}
    unknown = sorted({name for name, _ in precisions} - sources - programs - {"all"})
    if unknown:
        raise UsageError(
            f"no component {', '.join(unknown)} in this model",
            where="--precision",
            remedy=f"there are {', '.join(sorted(sources))}",
        )


def _asked_compression(args: argparse.Namespace) -> Mapping[str, Any] | None:
    if args.bits:
        groups = {} if args.group_size is None else {"group_size": args.group_size}
        return {"method": args.method or METHODS[0], "bits": args.bits, **groups}
    if args.method:
        raise UsageError(
            f"--method {args.method} says how, not to how many bits", remedy="add --bits 8"
        )
    if args.group_size is not None:
        raise UsageError("--group-size is of palettes", remedy="give --bits, too")
    return None


def recipe_of(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """The compression that was asked for, if any.

    Raises:
        UsageError: a file and bits at once, a method or groups without bits, or a file that is no
            recipe.
    """
    if args.recipe_file is None:
        return _asked_compression(args)
    said = {"--bits": args.bits, "--method": args.method, "--group-size": args.group_size}
    if extra := [name for name, value in said.items() if value is not None]:
        raise UsageError(
            "--recipe says method, bits and groups", remedy=f"leave {' and '.join(extra)} out"
        )
    try:
        fields = dict(json.loads(args.recipe_file.read_bytes()).items())
        parse_recipe(fields)
    except OSError as error:
        raise UsageError(
            f"{error.strerror}",
            where=args.recipe_file,
            remedy="give the file that sdcoreml recipe wrote",
        ) from None
    except (ValueError, TypeError, AttributeError, SdcoremlError) as error:
        raise UsageError(
            f"not a recipe ({error})", where=args.recipe_file, remedy="see --help"
        ) from error
    return fields


def judge_of(args: argparse.Namespace, toolchain: Toolchain) -> Judge:
    """By what this run's programs are proved."""
    reason = "" if "torch" in toolchain.pins else f"the toolchain {toolchain.name} has no torch"
    return Judge(certificates={} if args.full else load(), reason=reason)
