"""The whole parity check: figures, thresholds, its result as JSON and as text, and its task."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import (
    FULL,
    CheckOptions,
    check_program,
    picture_size,
    smallest_norm_group,
    weight_rounding,
)
from sdcoreml.convert.parity.figures import (
    FLOORS,
    Figures,
    compare,
    distance,
    relaxed_floor,
)
from sdcoreml.convert.proof.decibels import IDENTICAL
from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import ParityError
from sdcoreml.ground.events import Event
from tests.inside.convert import block
from tests.inside.convert.mil.graphs import F16, F32, Graph

RAMP = torch.linspace(-1, 1, 201)
GOOD = Figures(output="y", mode=Mode.FP32, psnr=120.004, max_error=1.2345e-6, floor=115)


def test_psnr_is_the_range_over_the_root_mean_square_of_the_difference() -> None:
    psnr, error = distance(RAMP, RAMP + 0.002)
    assert psnr == pytest.approx(60.0, abs=1e-3)
    assert error == pytest.approx(0.002, rel=1e-4)


def test_identical_results_have_a_number_that_json_can_hold() -> None:
    assert distance(RAMP, RAMP) == (IDENTICAL, 0.0)
    assert json.loads(json.dumps(to_plain(replace(GOOD, psnr=IDENTICAL).record())))["psnr"] == 999.0


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_result_that_is_not_finite_never_passes(broken: float) -> None:
    damaged = RAMP.clone()
    damaged[5] = broken
    for psnr, error in (distance(RAMP, damaged), distance(damaged, RAMP)):
        figure = replace(GOOD, psnr=psnr, max_error=error)
        assert not figure.passed
        assert (
            json.loads(json.dumps(to_plain(figure.record()), allow_nan=False))["max_error"] is None
        )


def test_where_one_number_is_expected_its_size_is_the_range() -> None:
    flat = torch.full((17,), -0.5, dtype=torch.float64)
    assert distance(flat, flat)[0] == IDENTICAL
    assert distance(flat, flat + 5e-7)[0] == pytest.approx(120, abs=1e-3)
    assert distance(flat, -flat)[0] < 0
    assert distance(torch.zeros(3), torch.full((3,), 1e-9))[0] == -IDENTICAL


def test_another_shape_is_an_error_even_if_it_would_broadcast() -> None:
    with pytest.raises(ParityError, match=r"shape \(1,\), not \(201,\)"):
        distance(RAMP, torch.zeros(1))


def test_the_worst_run_counts() -> None:
    expected = [{"y": RAMP}, {"y": RAMP}, {"y": RAMP}]
    actual = [{"y": RAMP + 1e-6}, {"y": RAMP + 0.02}, {"y": RAMP}]
    (figure,) = compare(expected, actual, Mode.FP32, 30)
    assert figure.psnr == pytest.approx(40, abs=1e-3)
    assert figure.max_error == pytest.approx(0.02, rel=1e-4)
    assert figure.passed


def test_outputs_must_be_those_of_the_module() -> None:
    with pytest.raises(ParityError, match=r"has outputs \['z'\], not \['y'\]"):
        compare([{"y": RAMP}], [{"z": RAMP}], Mode.FP32, 30)


@pytest.mark.parametrize(
    ("levels", "latent", "count"), [(4, (8, 8), 2), (4, (16, 24), 12), (3, (8, 8), 8)]
)
def test_the_numbers_of_a_norm_at_the_smallest_map(
    levels: int, latent: tuple[int, int], count: int
) -> None:
    config = {"block_out_channels": [64] * levels}
    assert smallest_norm_group(config, {"sample": (2, 4, *latent), "timestep": (2,)}) == count
    assert smallest_norm_group(config, {"z": (1, 4, *latent)}) == 0
    assert smallest_norm_group({}, {"sample": (2, 4, *latent)}) == 0


def test_a_size_is_said_in_pixels_of_the_image() -> None:
    states = {"encoder_hidden_states": (2, 2048, 1, 77)}
    assert picture_size({**states, "sample": (2, 4, 24, 16)}) == "128x192"
    assert picture_size({"z": (1, 4, 16, 24)}) == "192x128"
    assert picture_size({"x": (1, 3, 128, 192)}) == "192x128"
    net = {**states, "sample": (2, 4, 24, 16), "controlnet_cond": (2, 3, 192, 128)}
    assert picture_size(net) == "128x192"


@pytest.mark.parametrize(
    ("mode", "own", "floor"),
    [
        (Mode.FP32, 140.0, 115.0),
        (Mode.FP32, 120.0, 105.0),
        (Mode.FP32, 40.0, 60.0),
        (Mode.FP16, 150.0, 65.0),
        (Mode.FP16, 127.0, 49.0),
        (Mode.FP16, 90.0, 35.0),
        (Mode.FP16, -IDENTICAL, 35.0),
    ],
)
def test_no_more_is_asked_than_the_module_itself_can_hold(
    mode: Mode, own: float, floor: float
) -> None:
    assert relaxed_floor(mode, FLOORS[mode], own) == floor


def test_the_floors_are_those_that_the_project_promises() -> None:
    assert {Mode.FP32: 115.0, Mode.FP16: 65.0} == FLOORS


def test_a_check_reports_each_run_and_the_worst_of_them(tmp_path: Path) -> None:
    heard: list[Event] = []
    program = block.opened(block.program())
    parity = check_program(program, block.original(tmp_path), FULL, heard.append)
    assert [(event.done, event.total, event.unit) for event in heard] == [
        (done, 6, "runs") for done in range(1, 7)
    ]
    assert [figure.mode for figure in parity.figures] == [Mode.FP32, Mode.FP16]
    assert parity.psnr(Mode.FP16) < parity.psnr(Mode.FP32)
    assert parity.runs == 2


def test_the_same_check_gives_the_same_figures(tmp_path: Path) -> None:
    first, second = (
        check_program(block.opened(block.program()), block.original(tmp_path)).proof()
        for _ in range(2)
    )
    assert first == second


def test_floors_are_the_callers_to_set(tmp_path: Path) -> None:
    strict = CheckOptions(modes=(Mode.FP32,), floors={Mode.FP32: 200})
    parity = check_program(block.opened(block.program()), block.original(tmp_path), strict)
    assert parity.faults()[0].startswith("y in fp32 mode: ")


@pytest.mark.parametrize(
    ("kind", "expected"), [(F16, torch.float16), (F32, torch.float32)], ids=["fp16", "fp32"]
)
def test_weights_were_rounded_to_the_type_of_the_largest(
    kind: DataType, expected: torch.dtype
) -> None:
    import numpy as np

    graph = Graph(inputs={})
    graph.weight("large", np.ones(100, np.float16 if kind is F16 else np.float32))
    graph.weight("table", np.ones(9, np.float32 if kind is F16 else np.float16))
    assert weight_rounding(graph.function("large")) is expected
