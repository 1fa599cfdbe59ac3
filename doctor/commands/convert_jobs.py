"""From the arguments of `sdcoreml convert` to the jobs that they ask for."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convert.certificates.store import load
from convert.compression_recipe import parse_recipe
from convert.errors import BadInputError, ConvertError
from convert.families import OPTIONAL
from convert.manifest import read_manifest
from convert.models.controlnet import CONTROLNET
from convert.models.layout import Model
from convert.models.merge import require_apart
from convert.options import ATTENTIONS, SHARED, Options
from convert.plan import Job, plan
from convert.proof import Judge
from doctor.commands.convert_options import METHODS
from doctor.errors import UsageError
from lockfiles.toolchain import Toolchain

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
        ConvertError: the folder that an option names is not what it should be.
    """
    said = vars(args)
    require_consistent(args, model)
    fields = {**_recorded(args), **_chosen(args)}
    # What is said twice is made once: two jobs would wait for each other's folder.
    attentions = [
        word.upper().replace("-", "_") for word in dict.fromkeys(said.get("attention", ()))
    ]
    pairs = dict.fromkeys(said.get("size", ()))
    sizes = [{"width": width // 8, "height": height // 8} for width, height in pairs]
    jobs = []
    for attention, size in itertools.product(attentions or [None], sizes or [{}]):
        asked = {**fields, **size, **({"attention": attention} if attention else {})}
        job = plan(model, args.output, asked.pop("attention", ATTENTIONS[0]), toolchain, **asked)
        if args.model.is_dir():
            require_apart(args.model, job.output)
        redo, beside = said.get("components"), said.get("beside")
        jobs.append(replace(job, judge=judge, redo=redo, beside=beside))
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


def _recorded(args: argparse.Namespace) -> dict[str, Any]:
    """What an earlier result answers: the one to mend, or the one that a ControlNet is for."""
    said = vars(args)
    if "components" in said:
        options = read_manifest(args.output)["options"]
        return {name: options[name] for name in Options.__dataclass_fields__ if name in options}
    if "beside" in said:
        manifest = read_manifest(said["beside"])
        made = {entry["component"] for entry in manifest["programs"].values()}
        if "controlled_unet" not in made:
            raise BadInputError(
                f"{said['beside']}: no ControlledUnet in this folder to take a ControlNet's"
                " residuals; add one: sdcoreml convert MODEL --components controlled_unet"
                f" --output {said['beside']}"
            )
        return {name: manifest["options"][name] for name in SHARED}
    return {}


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
            f"--precision: no component {', '.join(unknown)} in this model; there are"
            f" {', '.join(sorted(sources))}"
        )


def _asked_compression(args: argparse.Namespace) -> Mapping[str, Any] | None:
    if args.bits:
        groups = {} if args.group_size is None else {"group_size": args.group_size}
        return {"method": args.method or METHODS[0], "bits": args.bits, **groups}
    if args.method:
        raise UsageError(f"--method {args.method} says how, not to how many bits; add --bits 8")
    if args.group_size is not None:
        raise UsageError("--group-size is of palettes; give --bits, too")
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
        raise UsageError(f"--recipe says method, bits and groups; leave {' and '.join(extra)} out")
    try:
        fields = dict(json.loads(args.recipe_file.read_bytes()).items())
        parse_recipe(fields)
    except OSError as error:
        raise UsageError(
            f"{args.recipe_file}: {error.strerror}; give the file that sdcoreml recipe wrote"
        ) from None
    except (ValueError, TypeError, AttributeError, ConvertError) as error:
        raise UsageError(f"{args.recipe_file}: not a recipe ({error}); see --help") from error
    return fields


def judge_of(args: argparse.Namespace, toolchain: Toolchain) -> Judge:
    """By what this run's programs are proved."""
    reason = "" if "torch" in toolchain.pins else f"the toolchain {toolchain.name} has no torch"
    return Judge(certificates={} if args.full else load(), reason=reason)
