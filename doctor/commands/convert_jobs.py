"""From the arguments of `sdcoreml convert` to the jobs that they ask for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from convert.certificates.store import load
from convert.compress import parse_recipe
from convert.errors import ConvertError
from convert.models.layout import Model
from convert.plan import Job, plan
from convert.proof import Judge
from doctor.errors import UsageError
from lockfiles.toolchain import Toolchain


def jobs_of(
    args: argparse.Namespace, model: Model, toolchain: Mapping[str, Any], judge: Judge
) -> tuple[Job, ...]:
    """A job for each size; those after the first share what they have in common with it."""
    if args.output and len(args.size) > 1:
        raise UsageError("--output names one folder; with several --size leave it out")
    sizes = [{"width": width // 8, "height": height // 8} for width, height in args.size] or [{}]
    recipe = recipe_of(args)
    jobs: list[Job] = []
    for size in sizes:
        job = plan(
            model,
            args.output,
            args.attention.upper().replace("-", "_"),
            toolchain,
            controlled=args.controlled,
            clip_skip=args.clip_skip,
            target=args.target,
            recipe=recipe,
            **size,
        )
        siblings = tuple(other.output for other in jobs)
        jobs.append(replace(job, siblings=siblings, judge=judge))
    return tuple(jobs)


def recipe_of(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """The compression that was asked for, if any.

    Raises:
        UsageError: a file and bits at once, or a file that is no recipe.
    """
    if args.recipe is None:
        return {"method": args.method, "bits": args.bits} if args.bits else None
    if args.bits:
        raise UsageError("--recipe says how many bits; leave --bits out")
    try:
        fields = dict(json.loads(args.recipe.read_bytes()).items())
        parse_recipe(fields)
    except (OSError, ValueError, TypeError, AttributeError, ConvertError) as error:
        raise UsageError(f"{args.recipe}: not a recipe ({error}); see --help") from error
    return fields


def judge_of(args: argparse.Namespace, toolchain: Toolchain) -> Judge:
    """By what this run's programs are proved."""
    reason = "" if "torch" in toolchain.pins else f"the toolchain {toolchain.name} has no torch"
    return Judge(certificates={} if args.full else load(), reason=reason)
