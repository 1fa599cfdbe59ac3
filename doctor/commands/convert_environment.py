"""Chooses a conversion's environment: that of its toolchain, or of the toolchain `light`."""

from __future__ import annotations

import argparse
import os

from sdcoreml.doctor.commands.preflight import environment_for
from sdcoreml.doctor.core.backend import say_again
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN, PROVING
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.building.variants import fit, is_python_here
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import NoInterpreterError, UsageError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.evidence import find_proof, load_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

REPLACEMENT = "light"
"""The toolchain to use instead of one whose Python is unavailable."""


def choose_environment(
    name: str, emit: Emit, options: BuildOptions, goal: Goal | None, needs: str = ""
) -> tuple[Toolchain, Environment]:
    """Return the named toolchain and its environment, or `light` if its Python is unavailable.

    `needs` says which part of the conversion needs torch, "" if none does. If one does, `light` is
    not used.

    Nothing takes the place of a user's own toolchain. `light` cannot run programs, so with it a
    model is refused if one of its graphs has no certificate (see `is_replacement`).

    Raises:
        NoInterpreterError: there is no suitable Python, not even for `light`.
        UnableError: as `environment_for`.
    """
    toolchain = fit(load_toolchain(name), options)
    try:
        made = environment_for(toolchain, emit, options=options, goal=goal)
    except NoInterpreterError:
        light = fit(load_toolchain(REPLACEMENT), options)
        is_other = toolchain.is_shipped and toolchain.name != light.name
        if needs or not is_other or not is_python_here(light.python):
            raise
        text = (
            f"{light.title} converts in place of {toolchain.name}, for which no Python"
            f" {toolchain.python.version} nor another that it accepts can be had;"
            " only programs whose graphs are certified pass"
        )
        emit(Event(kind="warning", text=text))
        return light, environment_for(light, emit, options=options, goal=goal)
    if not (toolchain.is_shipped or os.environ.get(PROVING)):
        emit(standing(toolchain, made))
    return toolchain, made


def standing(toolchain: Toolchain, made: Environment) -> Event:
    """Return what was proved of a user's own toolchain in such an environment, to be told."""
    proof = find_proof(
        load_evidence(toolchain),
        target=made.target,
        python=made.interpreter.version,
        lock=made.lock_digest,
        seal=made.seal,
    )
    name = toolchain.title
    if proof is None:
        how = command("env", "prove", toolchain.address)
        return Event(kind="warning", text=f"{name} is not proved: {how} records what works with it")
    if proof.seal != made.seal:
        text = f"{name} was proved with other bytes ({proof.seal[:16]}): `sdcoreml explain ENV007`"
        return Event(kind="warning", text=text)
    return Event(kind="note", text=f"{name} was proved on {proof.when[:10]}: {proof.figures()}")


def is_replacement(toolchain: Toolchain, asked: str) -> bool:
    """Return True if `light` is used instead of the requested toolchain."""
    return toolchain.name == REPLACEMENT and load_toolchain(asked).name != REPLACEMENT


def require_torch(toolchain: Toolchain, what: str, args: argparse.Namespace) -> None:
    """Raise a `UsageError` if the toolchain lacks torch, naming the command to use instead.

    `what` is the part of the command that needs torch; `args` are the command's arguments.
    """
    if not toolchain.has_torch:
        raise UsageError(
            f"the toolchain {toolchain.name} has no torch, which {what} needs",
            remedy=f"{DEFAULT_TOOLCHAIN} has it: {say_again(args, DEFAULT_TOOLCHAIN)}",
        )
