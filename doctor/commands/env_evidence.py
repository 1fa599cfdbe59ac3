"""`sdcoreml env evidence`: lists a toolchain's test records, or runs the tests and records them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sdcoreml.doctor.commands.env_common import (
    Action,
    environment_options,
    read_toolchain_in_use,
    require_environment,
)
from sdcoreml.lockfiles.evidence import append_evidence, load_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

if TYPE_CHECKING:
    from sdcoreml.doctor.proving.trials import Trial


def evidence(args: argparse.Namespace) -> int:
    """List the test records, or test the environment and record the result."""
    toolchain = read_toolchain_in_use(args)
    if not args.prove:
        _list(toolchain)
        return 0
    from sdcoreml.doctor.proving.trials import prove
    from sdcoreml.doctor.report.terminal import draw

    with draw() as emit:
        proof = prove(require_environment(args), _trials(toolchain), emit)
    print(f"{toolchain.name}: {proof.figures()}, seal {proof.seal[:16]}")
    print(f"recorded in {append_evidence(toolchain, proof)}")
    return 0


def _list(toolchain: Toolchain) -> None:
    for proof in load_evidence(toolchain):
        print(
            f"{proof.when[:16]} {proof.target}, {proof.system}, {proof.cpu}, Python"
            f" {proof.python}, seal {proof.seal[:16]}: {proof.ran}: {proof.figures()}"
        )


def _trials(toolchain: Toolchain) -> tuple[Trial, ...]:
    """Return the trials that this kind of toolchain must pass."""
    from sdcoreml.doctor.proving.trials import Golden, Same, Sample, Suite

    if toolchain.is_variant:
        return (Golden(),)
    if toolchain.base:
        return (Same(toolchain=toolchain, base=load_toolchain(toolchain.base)),)
    return Suite(toolchain=toolchain), Sample(toolchain=toolchain)


def _options(parser: argparse.ArgumentParser) -> None:
    environment_options(parser)
    help_text = "run the project's tests and the sample's conversion in it, and record the figures"
    parser.add_argument("--prove", action="store_true", help=help_text)


ACTIONS = (
    Action(
        name="evidence", help="list its proofs, or --prove it", configure=_options, run=evidence
    ),
)
