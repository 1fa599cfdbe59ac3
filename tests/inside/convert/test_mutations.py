"""Breaks a correct program in many ways: the parity check must find every mutation.

Each mutation makes one change to a hand-written block. The mutations listed as invisible have too
small an effect to be measured in half precision.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import (
    FULL,
    QUICK,
    CheckOptions,
    check_program,
)
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.ground.errors import SdcoremlError
from tests.inside.convert import block
from tests.inside.convert.mutations import CAUGHT, INVISIBLE, Mutation, flip, swapped, weight


def checked(
    folder: Path, mutation: Mutation, options: CheckOptions = FULL
) -> Parity | SdcoremlError:
    graph = block.program()
    mutation(graph)
    try:
        return check_program(block.opened(graph), block.original(folder), options)
    except SdcoremlError as error:
        return error


@pytest.mark.parametrize("options", [FULL, QUICK], ids=["full", "quick"])
def test_the_program_itself_passes(tmp_path: Path, options: CheckOptions) -> None:
    parity = checked(tmp_path, lambda _: None, options)
    assert isinstance(parity, Parity)
    assert parity.faults() == ()
    assert parity.psnr(Mode.FP32) > 118  # the scale is rounded to half precision
    assert len(parity.audit.sources) == 11


@pytest.mark.parametrize("options", [FULL, QUICK], ids=["full", "quick"])
@pytest.mark.parametrize("name", CAUGHT)
def test_a_broken_program_is_caught(tmp_path: Path, name: str, options: CheckOptions) -> None:
    outcome = checked(tmp_path, CAUGHT[name], options)
    assert isinstance(outcome, SdcoremlError) or not outcome.passed


@pytest.mark.parametrize("name", INVISIBLE)
def test_what_changes_nothing_passes(tmp_path: Path, name: str) -> None:
    outcome = checked(tmp_path, INVISIBLE[name])
    assert isinstance(outcome, Parity)
    assert outcome.passed


def test_a_swap_is_plain_to_the_audit_by_name_and_to_the_figures(tmp_path: Path) -> None:
    outcome = checked(tmp_path, swapped("q.weight", "k.weight"))
    assert isinstance(outcome, Parity)
    assert outcome.audit.misplaced == ("q.weight", "k.weight")
    assert outcome.psnr(Mode.FP32) < 60


def test_a_single_bit_is_plain_to_the_audit(tmp_path: Path) -> None:
    outcome = checked(tmp_path, weight("q.weight", flip(0)))
    assert isinstance(outcome, Parity)
    assert outcome.audit.unexplained == ("q.weight",)
    assert outcome.audit.missing == ("q.weight",)
