"""`sdcoreml env evidence`: lists a toolchain's test records, or runs the tests and records them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.doctor.commands.env_common import (
    Action,
    environment_options,
    index_option,
    read_backend,
    read_option,
    read_toolchain,
    read_toolchain_in_use,
    require_environment,
    shorten,
)
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.places import ROOT, as_path, is_checkout
from sdcoreml.ground.refusals import translate_os_errors
from sdcoreml.lockfiles.evidence import Evidence, append_evidence, load_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_shipped, load_toolchain

if TYPE_CHECKING:
    from sdcoreml.doctor.proving.trials import Trial


FAMILY_NAMES = ("sd1", "sd2", "sdxl", "refiner", "controlnet")
"""The families that a toolchain is tried with; a test compares them with `proving.own.NAMES`."""
PAGE = "convert/MACS.md"
"""The page of what was measured on Macs, in a clone."""


def evidence(args: argparse.Namespace) -> int:
    """List the test records, or record another: of a test here, or of what a Mac measured."""
    match args.words:
        case ["add", name]:
            return _add(as_path(name))
        case ["page"]:
            sys.stdout.write(_page())
            return 0
        case [_, *_]:
            raise UsageError(
                "`add FILE` and `page` are known", where=" ".join(args.words), remedy="see --help"
            )
    toolchain = read_toolchain_in_use(args)
    if not args.prove:
        _list(toolchain)
        return 0
    from sdcoreml.doctor.proving.trials import prove
    from sdcoreml.doctor.report.terminal import draw

    with draw() as emit:
        proof = prove(require_environment(args), trials_of(toolchain), emit)
    record(toolchain, proof)
    return 0


def prove_toolchain(args: argparse.Namespace) -> int:
    """Build a toolchain's environment, run the trials in it, and record what works."""
    from sdcoreml.doctor.commands.preflight import environment_for
    from sdcoreml.doctor.proving.trials import prove
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.building.build import BuildOptions
    from sdcoreml.envs.building.variants import fit
    from sdcoreml.envs.processes.installer import PackageSource

    options = BuildOptions(
        backend=read_backend(args), source=PackageSource(index=read_option(args, "index", ""))
    )
    asked = load_toolchain(args.name) if args.name else read_toolchain(args)
    toolchain = fit(asked, options)
    if args.family and (toolchain.is_shipped or not toolchain.has_torch):
        raise UsageError(
            f"{toolchain.name} is proved as a whole",
            where="--family",
            remedy="leave it out; it is for toolchains of your own that have torch",
        )
    trials = trials_of(toolchain, args.family)
    with draw() as emit:
        made = environment_for(toolchain, emit, options=options)
        proof = prove(made, trials, emit)
    record(toolchain, proof)
    return 0


def record(toolchain: Toolchain, proof: Evidence) -> None:
    """Append a proof to the toolchain's evidence, and print it."""
    with translate_os_errors(toolchain.folder):
        path = append_evidence(toolchain, proof)
    for name, how in proof.families.items():
        print(f"  {name:<10}  {how}")
    print(f"{toolchain.name}: {proof.figures()}, seal {proof.seal[:16]}")
    print(f"recorded in {shorten(path)}")


def _add(path: Path, checkout: Path = ROOT) -> int:
    """Add what a Mac measured, and write the page anew; the records are a clone's."""
    if not is_checkout():
        raise UsageError(
            "an installed sdcoreml has no records to add to", remedy="use a clone of the project"
        )
    from sdcoreml.convert.loading.evidence import add
    from sdcoreml.ground.aside import write_text

    done = add(path)
    found = done.measurement
    again = "" if done.is_new else " (it was there)"
    print(f"{found.chip}, macOS {found.macos}: {len(found.programs)} programs{again}")
    write_text(checkout / PAGE, _page())
    print(f"recorded; the page is {PAGE}")
    return 0


def _page() -> str:
    from sdcoreml.convert.certificates.store import load
    from sdcoreml.convert.loading.evidence import read_collection
    from sdcoreml.convert.loading.page import page

    return page(read_collection(), load())


def _list(toolchain: Toolchain) -> None:
    for proof in load_evidence(toolchain):
        print(
            f"{proof.when[:16]} {proof.target}, {proof.system}, {proof.cpu}, Python"
            f" {proof.python}, seal {proof.seal[:16]}: {proof.ran}: {proof.figures()}"
        )


def trials_of(toolchain: Toolchain, names: Sequence[str] = ()) -> tuple[Trial, ...]:
    """Return the trials that this kind of toolchain must pass; `names` are families to try."""
    from sdcoreml.doctor.proving.own import NAMES, Families
    from sdcoreml.doctor.proving.trials import Golden, Same, Sample, Suite

    if not toolchain.is_shipped and toolchain.has_torch:
        return (Families(toolchain=toolchain, names=tuple(names) or NAMES),)
    if not toolchain.is_shipped:  # it runs nothing, so what it writes is compared
        return (Same(toolchain=toolchain, base=load_shipped(DEFAULT_TOOLCHAIN)),)
    if toolchain.is_variant:
        return (Golden(),)
    if toolchain.base:
        return (Same(toolchain=toolchain, base=load_toolchain(toolchain.base)),)
    return Suite(toolchain=toolchain), Sample(toolchain=toolchain)


def _options(parser: argparse.ArgumentParser) -> None:
    environment_options(parser)
    help_text = "the same as `env prove`, in the environment that is there"
    parser.add_argument("--prove", action="store_true", help=help_text)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="add FILE | page",
        help="add what verify --with coreml --share wrote on a Mac; print the page of all of it",
    )


def _prove_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", metavar="TOOLCHAIN", help="instead of --toolchain")
    environment_options(parser)
    text = "only this family of models; repeatable: sd1, sd2, sdxl, refiner, controlnet"
    add("--family", action="append", default=[], choices=FAMILY_NAMES, metavar="NAME", help=text)
    index_option(parser)


ACTIONS = (
    Action(
        name="prove",
        help="build a toolchain, and record what works with it",
        configure=_prove_options,
        run=prove_toolchain,
    ),
    Action(
        name="evidence", help="list its proofs, or --prove it", configure=_options, run=evidence
    ),
)
