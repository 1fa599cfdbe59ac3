"""`sdcoreml env`: builds, tests, repairs and uses the environment of a toolchain."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sdcoreml.doctor.commands import (
    env_carry,
    env_conda,
    env_evidence,
    env_lock,
    env_own,
    env_proof,
    env_upstream,
    env_use,
)
from sdcoreml.doctor.commands.env_common import (
    Action,
    environment_options,
    read_backend,
    read_option,
    read_source,
    read_toolchain,
    shorten,
    source_options,
)
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import NoInterpreterError
from sdcoreml.ground.places import as_path
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.evidence import Evidence, find_proof, load_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

if TYPE_CHECKING:
    from sdcoreml.envs.building.build import BuildOptions

LIGHT = "light"
"""The toolchain that can be built on other Pythons, too."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of `sdcoreml env`; `build` is the default."""
    _build_options(parser)
    parser.set_defaults(action=build)
    actions = parser.add_subparsers(metavar="ACTION", title="actions (default: build)")
    for action in ACTIONS:
        one = actions.add_parser(action.name, help=action.help, description=action.help)
        action.configure(one)
        one.set_defaults(action=action.run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    action: Callable[[argparse.Namespace], int] = args.action
    return action(args)


def build(args: argparse.Namespace) -> int:
    """Build the environment, or say that there is nothing to do."""
    from sdcoreml.doctor.commands.preflight import environment_for
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.building.build import BuildOptions, ready
    from sdcoreml.envs.building.variants import fit
    from sdcoreml.envs.care.mend import Care, mend

    options = BuildOptions(
        backend=read_backend(args),
        python=read_option(args, "python"),
        provision=read_option(args, "provision", default=True),
        fresh=read_option(args, "fresh", default=False),
        no_cache=read_option(args, "no_cache", default=False),
        strict=read_option(args, "strict", default=read_option(args, "provision", default=False)),
        installer=read_option(args, "installer", ""),
        source=read_source(args),
    )
    toolchain = fit(read_toolchain(args), options)
    with draw() as emit:
        # Verify an existing environment now, before its test record is shown.
        found = ready(toolchain, options)
        care = Care(toolchain=toolchain, source=options.source, installer=options.installer)
        made = mend(found, care, emit) if found else None
        if made is None:
            anew = replace(options, fresh=options.fresh or found is not None)
            with offer_light(toolchain, anew):
                made = environment_for(toolchain, emit, options=anew)
    print(describe(made, toolchain.python.version))
    if said := describe_proof(made, load_evidence(toolchain)):
        print(said)
    return 0


@contextmanager
def offer_light(toolchain: Toolchain, options: BuildOptions) -> Iterator[None]:
    """If no Python can be had, say that `light` can be built on one of this machine."""
    from sdcoreml.envs.building.variants import fit, is_python_here

    try:
        yield
    except NoInterpreterError as error:
        light = fit(load_toolchain(LIGHT), options)
        if toolchain.name != light.name and is_python_here(light.python):
            error.remedy += (
                f"; or do without: {light.title} can be built here, with"
                f" `sdcoreml env --toolchain {light.name}`, and converts what has certificates"
            )
        raise


def describe(made: Environment, wanted: str) -> str:
    """Return two lines about an environment; `wanted` is the tested Python version."""
    drift = f" (drift: tested with {wanted})" if made.drift else ""
    return (
        f"{made.title}: {shorten(made.path)}, Python {made.interpreter.version}{drift},"
        f" {made.files:,} files, {amount(made.size)}\nseal {made.seal}"
    )


def describe_proof(made: Environment, proofs: Iterable[Evidence]) -> str:
    """Return whether the environment equals a tested one, in words; "" without test records."""
    proof = find_proof(
        proofs,
        target=made.target,
        python=made.interpreter.version,
        lock=made.lock_digest,
        seal=made.seal,
    )
    if proof is None:
        return ""
    if proof.seal == made.seal:
        return f"proven on {proof.when[:10]}: {proof.figures()} ({proof.system}, {proof.cpu})"
    return (
        f"warning: what was proven is sealed {proof.seal}; same lock, other bytes:"
        " `sdcoreml explain ENV007` says more"
    )


def _build_options(parser: argparse.ArgumentParser) -> None:
    environment_options(parser)
    add, hidden = parser.add_argument, argparse.SUPPRESS
    add("--python", type=as_path, metavar="PATH", default=hidden, help="the Python to build with")
    add(
        "--provision",
        action=argparse.BooleanOptionalAction,
        default=hidden,
        help="insist on the exact Python, or download none (default: let another stand in for it)",
    )
    add("--strict", action="store_true", default=hidden, help="refuse any but the exact Python")
    add("--fresh", action="store_true", default=hidden, help="build even if it is there")
    add("--no-cache", action="store_true", default=hidden, help="build from what is fetched anew")
    source_options(parser)


ACTIONS = (
    Action(name="build", help="build it, unless it is there", configure=_build_options, run=build),
    *env_proof.ACTIONS,
    *env_evidence.ACTIONS,
    *env_use.ACTIONS,
    *env_carry.ACTIONS,
    *env_own.ACTIONS,
    *env_lock.ACTIONS,
    *env_conda.ACTIONS,
    *env_upstream.ACTIONS,
)
