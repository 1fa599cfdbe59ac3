from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.jobs.manifest import (
    CompiledRecord,
    MadeIn,
    Manifest,
    ProgramEntry,
    SourceRecord,
)
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.models.few_steps import AppSettings
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.proof.record import AuditRecord, FigureRecord, Origin, Rounded
from sdcoreml.doctor.commands.convert_summary import (
    advice,
    remark,
    summary,
    verdicts,
)
from tests.convert.stand_ins import proof

CHECKED = proof("unet", audit=AuditRecord(matched=52))
OPTIONS = Options(attention=Attention.ORIGINAL, height=64, width=64)
DRIFTED = MadeIn(name="tested", python="3.10.13", tested_python="3.10.10", drift=True)


def entry(**fields: Any) -> ProgramEntry:
    plain = ProgramEntry(
        component="unet",
        source="unet",
        options=ProgramOptions(),
        halves=False,
        checked=CHECKED,
        compiled=CompiledRecord(),
        files={},
    )
    return replace(plain, **fields)


def manifest(programs: dict[str, ProgramEntry], **fields: Any) -> Manifest:
    plain = Manifest(
        model=SourceRecord(name="cat", family=""),
        inputs={},
        options=OPTIONS,
        toolchain=DRIFTED,
        programs=programs,
    )
    return replace(plain, **fields)


def test_what_was_assumed_and_what_to_set_in_the_app_is_said_at_the_end() -> None:
    settings = AppSettings(kind="turbo", by="its name says", steps="4", guidance="1")
    model = SourceRecord(name="cat", family="", notes=("noise is assumed",), settings=settings)
    said = summary(Path("out"), manifest({}, model=model)).splitlines()
    assert said[-2:] == [
        "  note: noise is assumed",
        (
            "  note: its name says turbo: made for few steps and little guidance; in the app set"
            " DPM-Solver++, 4 steps, guidance 1"
        ),
    ]


def test_the_summary_names_the_worst_figure_of_each_mode() -> None:
    outputs = (
        FigureRecord(output="a", mode="fp32", psnr=144.0),
        FigureRecord(output="b", mode="fp32", psnr=131.26),
        FigureRecord(output="a", mode="fp16", psnr=70.0),
    )
    made = manifest({"TextEncoder": entry(checked=replace(CHECKED, outputs=outputs))})
    assert summary(Path("models/cat"), made).splitlines() == [
        "models/cat: 1 program, each checked against its module",
        "  TextEncoder  131.3 dB in fp32, 70.0 dB in fp16; 52 weights equal",
        "  toolchain    tested, Python 3.10.13 (drift: tested with 3.10.10)",
    ]
    unchecked = entry(checked=replace(CHECKED, unchecked="light has no torch"))
    partly = replace(made, programs={"TextEncoder": unchecked})
    assert summary(Path("models/cat"), partly).splitlines()[:2] == [
        "models/cat: 1 program, weights audited, numbers not checked",
        "  TextEncoder  light has no torch; 52 weights equal",
    ]
    exact = replace(made, toolchain=replace(DRIFTED, drift=False))
    assert "drift" not in summary(Path("models/cat"), exact)


def test_results_that_do_not_differ_are_exact() -> None:
    outputs = (FigureRecord(output="a", mode="fp32", psnr=999.0),)
    program = entry(checked=replace(CHECKED, outputs=outputs))
    text = summary(Path("cat"), manifest({"SafetyChecker": program}))
    assert "  SafetyChecker exact in fp32; 52 weights equal" in text


def test_a_remark_says_whose_word_stands_for_the_figures() -> None:
    assert remark(CHECKED) == "52 weights equal"
    certificate = Origin(toolchain="tested", lock="5f", date="2026-11-24")
    assert remark(replace(CHECKED, certificate=certificate)) == (
        "52 weights equal, graph certified in tested on 2026-11-24"
    )
    compressed = {"6-bit palette": Rounded(weights=9, psnr=41.26)}
    rounded = AuditRecord(matched=2, compressed=compressed)
    assert remark(replace(CHECKED, audit=rounded, certificate=certificate)) == (
        "every compressed weight within 41.3 dB of the model's,"
        " graph certified in tested on 2026-11-24"
    )
    fidelity = tuple(FigureRecord(output="a", mode="fp32", psnr=psnr) for psnr in (47.0, 45.12))
    assert remark(replace(CHECKED, fidelity=fidelity)) == "compressed weights leave 45.1 dB"
    assert remark(replace(CHECKED, own=112.04)) == (
        "52 weights equal, its module is 112.0 dB from exact itself"
    )


def test_each_verdict_is_said_once_and_differences_are_named() -> None:
    equal = entry(compiled=CompiledRecord(verdict="equal to what Xcode makes"))
    differing = CompiledRecord(verdict="differs", differences=("model.mil: 3 ops",))
    manifests = {
        Path("a"): manifest({"Unet": equal, "VAEDecoder": equal}),
        Path("b"): manifest({"Unet": entry(compiled=differing)}),
    }
    assert verdicts(manifests) == (
        "equal to what Xcode makes",
        "differs",
        "Unet: model.mil: 3 ops",
    )


def test_what_to_know_before_an_app_opens_it() -> None:
    plain = manifest({"Unet": entry()})
    assert advice(Path("cat"), plain) == ()
    single = replace(plain, options=replace(OPTIONS, batch=1, states_own_size=True))
    assert [line[:28] for line in advice(Path("cat"), single)] == [
        "  note: a UNet of batch 1 ma",
        "  note: the UNet is told its",
    ]
    (line,) = advice(Path("net"), manifest({"Canny": entry(component="controlnet")}))
    assert "put net/Canny.mlmodelc into ~/MochiDiffusion/controlnet" in line


def test_long_names_and_halves_stay_in_line() -> None:
    unchecked = entry(checked=replace(CHECKED, unchecked="no torch"))
    programs = {"ControlledUnet": replace(unchecked, halves=True), "Unet": unchecked}
    made = manifest(programs, toolchain=MadeIn(name="light", python="3.10.10"))
    assert summary(Path("cat"), made).splitlines()[1:] == [
        "  ControlledUnet no torch; 52 weights equal, two halves",
        "  Unet           no torch; 52 weights equal",
        "  toolchain      light, Python 3.10.10",
    ]
