"""The environment that a conversion runs in: that of the toolchain, or of `light` in its place."""

from __future__ import annotations

import argparse

from sdcoreml.doctor.commands.preflight import environment_for
from sdcoreml.doctor.core.backend import say_again
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.building.variants import fit, is_python_here
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import NoInterpreterError, UsageError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

REPLACEMENT = "light"
"""The toolchain that replaces one whose Python is unavailable."""


def choose_environment(
    name: str, emit: Emit, options: BuildOptions, goal: Goal | None, needs: str = ""
) -> tuple[Toolchain, Environment]:
    """The named toolchain and its environment; `light` if no Python for it is available.

    `needs` is what of the conversion cannot be done without torch, if anything: then `light` does
    not replace it.

    `light` cannot run what it makes: a model of which it cannot prove every graph by a certificate
    is then refused (see `is_replacement`).

    Raises:
        NoInterpreterError: there is no Python for `light` either.
        UnableError: as `environment_for`.
    """
    toolchain = fit(load_toolchain(name), options)
    try:
        return toolchain, environment_for(toolchain, emit, options=options, goal=goal)
    except NoInterpreterError:
        light = fit(load_toolchain(REPLACEMENT), options)
        if needs or toolchain.name == light.name or not is_python_here(light.python):
            raise
        text = (
            f"{light.title} converts in place of {toolchain.name}, for which no Python"
            f" {toolchain.python.version} nor another that it accepts can be had;"
            " only programs whose graphs are certified pass"
        )
        emit(Event(kind="warning", text=text))
        return light, environment_for(light, emit, options=options, goal=goal)


def is_replacement(toolchain: Toolchain, asked: str) -> bool:
    """Whether `light` replaces the requested toolchain."""
    return toolchain.name == REPLACEMENT and load_toolchain(asked).name != REPLACEMENT


def require_torch(toolchain: Toolchain, what: str, args: argparse.Namespace) -> None:
    """Raise `UsageError` where a toolchain cannot do `what`, with the command that can.

    `args` are those of the command that was given.
    """
    if not toolchain.has_torch:
        raise UsageError(
            f"the toolchain {toolchain.name} has no torch, which {what} needs",
            remedy=f"{DEFAULT_TOOLCHAIN} has it: {say_again(args, DEFAULT_TOOLCHAIN)}",
        )
