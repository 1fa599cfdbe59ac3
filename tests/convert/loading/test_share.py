"""What of a report is shared, and what no Mac measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sdcoreml.convert.jobs.manifest import Manifest, parse_manifest
from sdcoreml.convert.loading.record import (
    LoadedProgram,
    Loading,
    LoadReport,
    Part,
    Placement,
    Source,
    Units,
)
from sdcoreml.convert.loading.share import (
    Measurement,
    Result,
    SharedProgram,
    measurement,
    measurement_faults,
)
from sdcoreml.convert.proof.answers import Distance
from sdcoreml.ground.errors import Fault, ParityError, UnsupportedError, WorkerError
from tests.convert.jobs.test_manifest import CHECKED, CONTENT, SHA, of_program
from tests.convert.loading.stand_ins import MAC

RAN = Loading(
    coremltools="9.0",
    parts=(Part(file="a", cold=1.23456, warm=0.98765, run=0.12345678),),
    outputs={"y": Distance(psnr=60.0, max_error=0.1)},
)
PLACE = Placement(cpu=3, gpu=1, ne=2, on_cpu={"cast": 2, "gather": 1})


def shared(manifest: Manifest | None = None, **fields: Any) -> Measurement:
    made = {"component": "vae_decoder", "units": Units.GPU, "loading": RAN, **fields}
    report = LoadReport(machine=MAC, programs={"VAEDecoder": LoadedProgram(**made)})
    return measurement(report, manifest or parse_manifest(CONTENT))


def only(found: Measurement) -> SharedProgram:
    (one,) = found.programs
    return one


def test_times_are_rounded_and_the_graph_is_the_certified_one() -> None:
    found = shared(source=Source.COMPUTED, peak_memory=7, placement=PLACE)
    assert (found.chip, found.macos, found.memory) == ("M2", "15.2", 16 << 30)
    assert found.coremltools == "9.0"
    one = only(found)
    assert (one.cold, one.warm, one.run) == (1.2346, 0.9877, 0.123457)
    assert (one.graph, one.bits, one.height, one.width) == (SHA, 32, 64, 96)
    assert (one.peak_memory, one.placement, one.answers) == (7, PLACE, Source.COMPUTED)
    sibling = {"graph": "6a" * 32, "title": "", "origin": {"toolchain": "", "lock": "", "date": ""}}
    related = parse_manifest(of_program(checked={**CHECKED, "sibling": sibling}))
    assert only(shared(related)).graph == "6a" * 32
    unknown = parse_manifest(of_program(checked={**CHECKED, "graph": None}))
    assert only(shared(unknown)).graph == ""


@pytest.mark.parametrize(
    ("recipe", "precision", "bits"),
    [
        (None, "fp16", 16),
        (None, "fp32", 32),
        ({"bits": 6}, "fp16", 6),
        ({"layers": {"a": 6}}, "fp16", 0),
        ({"bits": "6"}, "fp32", 0),
    ],
)
def test_bits_are_those_of_the_recipe(recipe: Any, precision: str, bits: int) -> None:
    options = {**CONTENT["programs"]["VAEDecoder"]["options"], "precision": precision}
    made = parse_manifest(of_program(recipe=recipe, options=options))
    assert only(shared(made)).bits == bits


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (ParityError, Result.WRONG),
        (WorkerError, Result.DIED),
        (UnsupportedError, Result.REFUSED),
    ],
)
def test_a_fault_is_told_by_its_kind_and_without_its_words(
    kind: type[ParityError | WorkerError | UnsupportedError], result: Result
) -> None:
    found = shared(loading=None, fault=Fault(where="", what="", error=kind))
    one = only(found)
    assert (one.result, one.cold, one.warm, one.run, one.psnr) == (result, *[None] * 4)
    assert found.coremltools == ""


def test_what_was_not_compared_was_loaded() -> None:
    unrun = Loading(coremltools="9.0", parts=(Part(file="a", cold=1.0, warm=1.0),), outputs={})
    one = only(shared(loading=unrun))
    assert (one.result, one.cold, one.run) == (Result.LOADED, 1.0, None)
    assert only(shared()).result is Result.RIGHT


def faults(found: Measurement, **fields: Any) -> list[str]:
    one = replace(only(found), **fields)
    return [*measurement_faults(replace(found, programs=(one,)))]


SOUND = replace(shared(placement=PLACE), lock="5f" * 32, toolchain="tested")


@pytest.mark.parametrize(
    ("fields", "odd"),
    [
        *(
            ({name: value}, "")
            for name, value in (
                ("graph", ""),
                ("peak_memory", 0),
                ("peak_memory", (1 << 44) - 1),
                ("psnr", -999.0),
                ("height", 1_000_000),
                ("bits", 0),
                ("cold", 86_400.0),
                ("warm", 0.0),
                ("placement", None),
                ("component", "controlnet"),
            )
        ),
        ({"peak_memory": 1 << 44}, "peak_memory"),
        ({"peak_memory": -1}, "peak_memory"),
        ({"psnr": 999.5}, "psnr"),
        ({"width": 1_000_001}, "width"),
        ({"warm": 86_401.0}, "warm"),
        ({"run": None}, "result"),
        ({"run": None, "result": Result.LOADED}, ""),
        ({"placement": replace(PLACE, cpu=4)}, "placement"),
        ({"placement": replace(PLACE, gpu=1_000_001)}, "placement"),
        ({"placement": replace(PLACE, ne=-1)}, "placement"),
        ({"placement": replace(PLACE, on_cpu={"Cast": 3})}, "placement"),
    ],
)
def test_figures_within_their_ranges_are_possible(fields: dict[str, Any], odd: str) -> None:
    assert faults(SOUND, **fields) == ([f"programs[0].{odd}: not one of a program"] if odd else [])


def test_what_is_no_mac_is_told_field_by_field() -> None:
    assert [*measurement_faults(replace(SOUND, memory=1 << 30))] == []
    assert [*measurement_faults(replace(SOUND, programs=SOUND.programs * 32))] == []
    odd = replace(SOUND, schema=9, macos="x", coremltools="", toolchain="A", memory=(1 << 30) - 1)
    assert [*measurement_faults(replace(odd, programs=SOUND.programs * 33))] == [
        "schema 9; this version reads 1",
        "macos: not one",
        "toolchain: not one",
        "coremltools: not one",
        "memory: 1073741823 bytes are those of no Mac",
        "programs: 33 of them",
    ]
