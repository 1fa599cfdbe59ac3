"""What a measurement says of a program, of a folder, and in an exit code."""

from __future__ import annotations

import pytest

from sdcoreml.convert.loading.record import (
    LoadedProgram,
    Loading,
    LoadReport,
    Part,
    Units,
    names_of,
)
from sdcoreml.convert.proof.answers import Distance
from sdcoreml.ground.errors import BadInputError, Fault, ParityError, WorkerError
from tests.convert.loading.stand_ins import MAC


def loading(*runs: float | None, **outputs: Distance) -> Loading:
    parts = tuple(
        Part(file=f"{number}", cold=1.5 + number, warm=0.25, run=run)
        for number, run in enumerate(runs)
    )
    return Loading(coremltools="9.0", parts=parts, outputs=outputs)


def near(psnr: float, max_error: float | None = 0.1) -> Distance:
    return Distance(psnr=psnr, max_error=max_error)


def program(component: str = "unet", **outputs: Distance) -> LoadedProgram:
    return LoadedProgram(component=component, units=Units.ALL, loading=loading(0.5, **outputs))


def test_times_of_halves_are_added_and_a_run_is_one_of_all() -> None:
    both = loading(0.5, 0.25)
    assert (both.cold, both.warm, both.run) == (4.0, 0.5, 0.75)
    assert loading(0.5, None).run is None
    assert loading(None).run is None


def test_decibels_are_those_of_the_worst_output_that_an_app_reads() -> None:
    assert program(a=near(70), b=near(60)).psnr == 60
    assert program().psnr is None
    assert LoadedProgram(component="unet", units=Units.ALL).psnr is None
    text = {"hidden_embeds": near(70), "pooled_outputs": near(60)}
    assert program("text_encoder", **text).psnr == 70


def test_an_output_that_is_too_far_is_told_unless_nobody_reads_it() -> None:
    assert program(a=near(35), b=near(34.96)).misses() == (
        "b is 35.0 dB from the answers, at least 35 needed",
    )
    assert program(a=near(-999, None)).misses() == ("a is not finite",)
    unread = {"pooled_outputs": near(20)}
    assert program("text_encoder", **unread).misses() == ()
    assert program("text_encoder", pooled_outputs=near(19)).misses() == (
        "pooled_outputs is 19.0 dB from the answers, at least 20 needed",
    )
    assert LoadedProgram(component="unet", units=Units.ALL).misses() == ()


def test_the_gravest_fault_gives_the_exit_code() -> None:
    def failed(kind: type[BadInputError | ParityError | WorkerError]) -> LoadedProgram:
        fault = Fault(where="", what="", error=kind)
        return LoadedProgram(component="unet", units=Units.CPU, fault=fault)

    kinds = (ParityError, WorkerError, BadInputError)
    programs = {kind.__name__: failed(kind) for kind in kinds}
    report = LoadReport(machine=MAC, programs={"right": program(), **programs})
    assert [fault.error for fault in report.faults] == [*kinds]
    assert report.exit_code == WorkerError("").exit_code
    sound = LoadReport(machine=MAC, programs={"right": program()})
    assert (sound.faults, sound.exit_code) == ((), 0)


def test_units_are_named_once_each() -> None:
    found = names_of([Units.NE, Units.GPU, Units.NE, Units.CPU, Units.ALL])
    assert found == "CPU & Neural Engine, CPU & GPU, CPU, CPU, GPU & Neural Engine"
    assert f"{MAC}" == "macOS 15.2, M2"
    assert names_of([]) == ""


@pytest.mark.parametrize("component", ["unet", "vae_decoder"])
def test_what_is_read_of_one_program_may_be_unread_of_another(component: str) -> None:
    assert program(component, pooled_outputs=near(20)).psnr == 20
