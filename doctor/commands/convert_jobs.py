"""Turns the arguments of `sdcoreml convert` into jobs."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.bundle.families import OPTIONAL
from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.jobs.kept import is_nothing
from sdcoreml.convert.jobs.manifest import ProgramEntry, read_manifest
from sdcoreml.convert.jobs.options import COMPRESSED, SHARED, Options
from sdcoreml.convert.jobs.plan import Job, default_folder, default_options, plan
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.merge import require_apart
from sdcoreml.convert.programs.options import Attention, Prediction, Runtime
from sdcoreml.doctor.commands.convert_options import METHODS
from sdcoreml.ground.advice import command
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UsageError
from sdcoreml.ground.files import Document
from sdcoreml.lockfiles.toolchain import Toolchain

FLAGS: Mapping[str, str] = {
    "controlled_unet": "controlled",
    "safety_checker": "safety_checker",
    "unet_refiner": "refiner",
}
"""The option for each optional program; naming the program in --components also sets it."""


_MOST = 2
"""The largest batch with which Swift calls a UNet: the unconditional and the conditional half."""


def jobs_of(args: argparse.Namespace, model: Model) -> tuple[Job, ...]:
    """Return a job for each requested size and attention layout.

    A job file's conversions also have `into`, the folder that default outputs are relative to.

    Raises:
        UsageError: the options contradict each other.
        SdcoremlError: an option names a folder of the wrong kind.
    """
    said = vars(args)
    require_consistent(args, model)
    base = options_for(args, model)
    # A repeated value gives one job: two jobs would need the same output folder.
    attentions = [Attention(word.upper().replace("-", "_")) for word in said.get("attention", ())]
    sizes = [tuple(side // PIXELS_PER_LATENT for side in size) for size in said.get("size", ())]
    pairs = itertools.product(
        dict.fromkeys(attentions or [base.attention]),
        dict.fromkeys(sizes or [(base.width, base.height)]),
    )
    options = (
        replace(base, attention=attention, width=width, height=height)
        for attention, (width, height) in pairs
    )
    jobs = tuple(_job(args, model, one) for one in options)
    if "into" in said and args.output is None:
        jobs = tuple(replace(job, output=args.into / job.output) for job in jobs)
    for source, job in itertools.product((args.model, said.get("refiner_folder")), jobs):
        if isinstance(source, Path) and source.is_dir():
            require_apart(source, job.output)
    return jobs


def _job(args: argparse.Namespace, model: Model, options: Options) -> Job:
    said = vars(args)
    name = said.get("name") or ""
    loras = tuple(one.path.name for one in args.lora or ())
    job = plan(
        model,
        args.output or default_folder(model, options, name, loras),
        options,
        redo=said.get("components"),
        beside=said.get("beside"),
        name=name,
    )
    return replace(job, loras=loras)


def options_for(args: argparse.Namespace, model: Model) -> Options:
    """Return the options of all jobs: the model's or a finished folder's, changed as requested.

    Raises:
        UsageError: the options contradict those of the finished folder.
        BadInputError: the finished folder does not exist.
    """
    asked = _read_options(args)
    if "components" in args and not is_nothing(args.output):
        return merge_with_existing(args, asked)
    if "beside" in args:
        return replace(options_of_finished_folder(args, default_options(model)), **asked)
    return replace(default_options(model), **asked)


def runtime_of(args: argparse.Namespace) -> Runtime:
    """Return what is to call the UNet."""
    is_comfyui = vars(args).get("app") == App.COMFYUI.value
    return Runtime.COMFYUI if is_comfyui else Runtime.SWIFT


def only_unet(args: argparse.Namespace) -> bool:
    """Return whether nothing but the UNet is converted: ComfyUI has the rest."""
    return runtime_of(args) is Runtime.COMFYUI


def _read_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `Options` that were given, except sizes and attention."""
    said = vars(args)
    fields = {
        name: said[name]
        for name in Options.__dataclass_fields__
        if name in said and name != "attention"
    }
    if "precision" in said:
        fields["precision"] = dict(said["precision"])
    if "prediction" in said:
        fields["prediction"] = Prediction(said["prediction"])
    if "refiner_folder" in said:
        fields["refiner"] = True
    for program in said.get("components", frozenset()) & FLAGS.keys():
        fields[FLAGS[program]] = True
    if runtime_of(args) is Runtime.COMFYUI:
        fields = {"runtime": Runtime.COMFYUI, "batch": 1, **fields}
    recipe = recipe_of(args)
    return fields | ({"recipe": recipe} if recipe else {})


def options_of_finished_folder(args: argparse.Namespace, usual: Options) -> Options:
    """Return `usual` with the size and layout of the finished folder that a ControlNet is for.

    Raises:
        BadInputError: the folder does not exist, or has no ControlledUnet.
        UsageError: the options request another size or prompt length than it has.
    """
    folder = args.beside
    manifest = read_manifest(folder)
    before = manifest.options
    if other := _difference(before, args):
        raise UsageError(
            f"the UNet of {folder} is for {other}", where="--for", remedy="leave these options out"
        )
    made = {entry.component for entry in manifest.programs.values()}
    if "controlled_unet" not in made:
        raise BadInputError(
            "no ControlledUnet in this folder to take a ControlNet's residuals",
            where=folder,
            remedy="add one: "
            + command(*["convert", "MODEL", "--components", "controlled_unet", "--output"], folder),
        )
    return replace(usual, **{name: getattr(before, name) for name in SHARED})


def merge_with_existing(args: argparse.Namespace, asked: Mapping[str, Any]) -> Options:
    """Return the options of an existing folder, changed as requested for the parts to rebuild.

    Raises:
        UsageError: the requested options contradict those of the parts to keep.
    """
    redo = args.components
    manifest = read_manifest(args.output)
    before = manifest.options
    if other := _difference(before, args):
        raise UsageError(
            f"the parts of {args.output} that stay are for {other}",
            where="--components",
            remedy="for others convert the model anew, without --components",
        )
    changes = {**asked}
    if "recipe" not in asked:
        changes["recipe"] = _recipe_before(args.output, manifest.programs.values(), redo)
    if "precision" in asked:
        # A precision for all components applies to those made anew; the kept ones keep theirs.
        chosen = dict(asked["precision"])
        everything = chosen.pop("all", None)
        common = dict.fromkeys(redo, everything) if everything else {}
        changes["precision"] = {**before.precision, **common, **chosen}
    return replace(before, **changes)


def _difference(before: Options, args: argparse.Namespace) -> str:
    """Return the size or prompt length of the existing folder if another is requested, else ""."""
    width, height = (PIXELS_PER_LATENT * side for side in (before.width, before.height))
    if any(size != (width, height) for size in vars(args).get("size", ())):
        return f"{width}x{height} pixels"
    is_other = vars(args).get("tokens", before.tokens) != before.tokens
    return f"{before.tokens} tokens" if is_other else ""


def _recipe_before(
    folder: Path, programs: Iterable[ProgramEntry], redo: Collection[str]
) -> Mapping[str, object] | None:
    """Return the compression of the parts to rebuild; a new UNet gets that of the existing one.

    Raises:
        UsageError: these parts are compressed in different ways.
    """
    sources = {OPTIONAL[name].source for name in redo if name in OPTIONAL}
    entries = [entry for entry in programs if entry.component in COMPRESSED]
    own = [entry for entry in entries if not {entry.component, entry.source}.isdisjoint(redo)]
    alike = own or [entry for entry in entries if entry.source in sources]
    recipes = [entry.recipe for entry in alike]
    if any(recipe != recipes[0] for recipe in recipes):
        names = ", ".join(entry.component for entry in alike)
        raise UsageError(
            f"{names} of {folder} are compressed in different ways",
            where="--components",
            remedy="say how with --bits or --recipe, or name one at a time",
        )
    return recipes[0] if recipes else None


def require_consistent(args: argparse.Namespace, model: Model) -> None:
    """Raise `UsageError` for options that contradict each other or the model."""
    said = vars(args)
    is_net = CONTROLNET in model.components
    several = len(said.get("size", ())) > 1 or len(said.get("attention", ())) > 1
    wrong = {
        "--output names one folder; with several --size or --attention leave it out": bool(
            args.output and several
        ),
        "--output is the whole name of a model's folder; leave --name out": bool(
            args.output and said.get("name") and not is_net and not only_unet(args)
        ),
        "--components needs --output, the finished folder to mend": (
            "components" in said and not args.output
        ),
        "--components is for a model's folder; convert the ControlNet again": (
            "components" in said and is_net
        ),
        "--for is for a ControlNet, and this is a model": "beside" in said and not is_net,
        "--batch is 1 or 2 for these apps; more is for --app comfyui": (
            said.get("batch", 1) > _MOST and runtime_of(args) is Runtime.SWIFT
        ),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise UsageError(what)
    _require_known_components(said.get("precision", ()), model)


def _require_known_components(precisions: Iterable[tuple[str, str]], model: Model) -> None:
    sources = set(model.components)
    programs = {"vae_decoder", "vae_encoder", "text_encoder", "text_encoder_2", "unet", *OPTIONAL}
    unknown = sorted({name for name, _ in precisions} - sources - programs - {"all"})
    if unknown:
        raise UsageError(
            f"this model has no component {', '.join(unknown)}",
            where="--precision",
            remedy=f"there are {', '.join(sorted(sources))}",
        )


def _read_compression(args: argparse.Namespace) -> Mapping[str, object] | None:
    if args.bits:
        groups = {} if args.group_size is None else {"group_size": args.group_size}
        return {"method": args.method or METHODS[0], "bits": args.bits, **groups}
    if args.method:
        raise UsageError(
            f"--method {args.method} says how, not to how many bits", remedy="add --bits 8"
        )
    if args.group_size is not None:
        raise UsageError("--group-size needs --bits")
    return None


def recipe_of(args: argparse.Namespace) -> Mapping[str, object] | None:
    """Return the requested compression, if any.

    Raises:
        UsageError: a recipe file was given with other options, a method or groups without bits, or
            the file is not a recipe.
    """
    if args.recipe_file is None:
        return _read_compression(args)
    said = {"--bits": args.bits, "--method": args.method, "--group-size": args.group_size}
    if extra := [name for name, value in said.items() if value is not None]:
        raise UsageError(
            "--recipe says method, bits and groups", remedy=f"leave {' and '.join(extra)} out"
        )
    remedy = "give the file that sdcoreml recipe wrote"
    try:
        fields = read_object(args.recipe_file, Document.CONFIG, remedy=remedy)
    except BadInputError as error:
        raise UsageError(error.what, where=error.where, remedy=error.remedy) from None
    try:
        parse_recipe(fields)
    except (DecodeError, SdcoremlError) as error:
        raise UsageError(
            f"not a recipe ({error})", where=args.recipe_file, remedy="see --help"
        ) from error
    return fields


def policy_of(args: argparse.Namespace, toolchain: Toolchain) -> ProofPolicy:
    """Choose how programs are proved: the sample's are always run if the toolchain has torch.

    The sample's graphs have certificates, for toolchains without torch. With torch we run them all
    the same, so that a user's first conversion shows the actual proof.
    """
    reason = "" if toolchain.has_torch else f"the toolchain {toolchain.name} has no torch"
    runs_all = args.full or (args.sample and not reason)
    return ProofPolicy(certificates={} if runs_all else load(), reason=reason)
