from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.jobs.evidence import advice, evidence
from sdcoreml.convert.jobs.manifest import (
    CompiledRecord,
    MadeBy,
    MadeIn,
    Manifest,
    ProgramEntry,
    SourceRecord,
)
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.models.few_steps import AppSettings
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.proof.record import AuditRecord, FigureRecord, Origin, Rounded, Sibling
from sdcoreml.doctor.commands.convert_summary import (
    next_steps,
    summary,
    verdicts,
)
from tests.convert.stand_ins import proof

CHECKED = proof("unet", audit=AuditRecord(matched=52))
OUTPUTS = (
    FigureRecord(output="a", mode="fp32", psnr=144.0),
    FigureRecord(output="b", mode="fp32", psnr=131.26),
    FigureRecord(output="a", mode="fp16", psnr=70.0),
)
ISSUED = Origin(toolchain="tested", lock="5f", date="2026-11-24", runs=2, outputs=OUTPUTS)
SIBLING = Sibling(graph="5f", title="Stable Diffusion 1.x, ORIGINAL, 512x512", origin=ISSUED)
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
    assert said[-4:-2] == [
        "  note: noise is assumed",
        (
            "  note: its name says turbo: made for few steps and little guidance; in the app set"
            " DPM-Solver++, 4 steps, guidance 1"
        ),
    ]


def test_the_summary_names_the_worst_figure_of_each_mode() -> None:
    made = manifest({"TextEncoder": entry(checked=replace(CHECKED, outputs=OUTPUTS))})
    assert summary(Path("models/cat"), made).splitlines() == [
        "models/cat: 1 program, each run against its module",
        "  TextEncoder  52 of 52 weights equal; run here: 131.3 dB in fp32, 70.0 dB in fp16",
        "  toolchain    tested, Python 3.10.13 (drift: tested with 3.10.10)",
        *next_steps(Path("models/cat"), made),
    ]
    unchecked = entry(checked=replace(CHECKED, unchecked="light has no torch"))
    partly = replace(made, programs={"TextEncoder": unchecked})
    assert summary(Path("models/cat"), partly).splitlines()[:2] == [
        "models/cat: 1 program, each with every weight accounted for, not run",
        "  TextEncoder  52 of 52 weights equal; not run: light has no torch",
    ]
    exact = replace(made, toolchain=replace(DRIFTED, drift=False))
    assert "drift" not in summary(Path("models/cat"), exact)


def test_what_was_not_run_is_told_with_the_command_that_runs_it() -> None:
    unchecked = entry(checked=replace(CHECKED, unchecked="light has no torch"))
    one = manifest({"TextEncoder": unchecked, "Unet": entry()})
    (note,) = (line for line in summary(Path("a b"), one).splitlines() if "note" in line)
    assert note == (
        "  note: 1 program was not run against cat:"
        " `sdcoreml verify 'a b' --against MODEL --toolchain tested` does it"
    )
    two = manifest({"TextEncoder": unchecked, "Unet": unchecked})
    assert "2 programs were not run against cat: " in summary(Path("a b"), two)


def test_an_output_that_no_app_reads_is_not_the_worst() -> None:
    pooled = FigureRecord(output="pooled_outputs", mode="fp32", psnr=14.2)
    assert evidence(proof("text_encoder", outputs=(*OUTPUTS, pooled))).endswith(
        "run here: 131.3 dB in fp32, 70.0 dB in fp16"
    )
    assert "14.2 dB" in evidence(proof("text_encoder_2", outputs=(*OUTPUTS, pooled)))


def test_another_converter_is_named_once_by_its_commit() -> None:
    theirs = MadeBy(repository="https://example.invalid/a/b.git", commit="c891f4357b2269853152")
    made = manifest({"Unet": entry(made_by=theirs), "VAEDecoder": entry(made_by=theirs)})
    said = summary(Path("cat"), made).splitlines()
    assert [line for line in said if "converter" in line] == [
        "  converter    example.invalid/a/b at c891f4357b22"
    ]
    assert "converter" not in summary(Path("cat"), manifest({"Unet": entry()}))


def test_how_many_were_looked_at_in_which_way_is_counted() -> None:
    certified = entry(checked=replace(CHECKED, certificate=ISSUED))
    made = manifest({"Unet": entry(), "TextEncoder": certified, "VAEDecoder": certified})
    assert summary(Path("cat"), made).splitlines()[0] == (
        "cat: 3 programs, 1 run against its module,"
        " 2 of a certified graph, with every weight accounted for"
    )


def test_results_that_do_not_differ_are_exact() -> None:
    outputs = (FigureRecord(output="a", mode="fp32", psnr=999.0),)
    program = entry(checked=replace(CHECKED, outputs=outputs))
    text = summary(Path("cat"), manifest({"SafetyChecker": program}))
    assert "  SafetyChecker 52 of 52 weights equal; run here: exact in fp32" in text


def test_a_certificates_figures_are_never_this_models() -> None:
    certified = replace(CHECKED, certificate=ISSUED)
    assert evidence(certified) == (
        "52 of 52 weights equal; graph certified on 2026-11-24 with the toolchain tested"
        " (with random weights then: 131.3 dB in fp32, 70.0 dB in fp16)"
    )
    assert certified.measured == ()
    older = replace(CHECKED, outputs=OUTPUTS, certificate=replace(ISSUED, outputs=()))
    assert evidence(older) == evidence(certified)
    assert older.measured == ()


def test_what_compression_costs_is_what_was_measured_of_it() -> None:
    rounded = Rounded(weights=9, psnr=38.06, typical=43.1, worst="conv_in.weight")
    audit = AuditRecord(matched=2, compressed={"6-bit palette": rounded})
    weights = (
        "2 of 11 weights equal, 9 in 6-bit palette,"
        " off by 0.7 % typically, 1.3 % at worst (conv_in.weight) of their layer's range"
    )
    certified = replace(CHECKED, audit=audit, certificate=ISSUED)
    assert evidence(certified).startswith(f"{weights}; graph certified")
    (line,) = advice(manifest({"Unet": entry(checked=certified)}))
    assert "was not measured; --full measures it" in line
    fidelity = tuple(FigureRecord(output="a", mode="fp32", psnr=psnr) for psnr in (47.0, 45.12))
    run = replace(CHECKED, audit=audit, outputs=OUTPUTS, fidelity=fidelity)
    assert evidence(run) == (
        f"{weights}; run here: 131.3 dB in fp32, 70.0 dB in fp16;"
        " compressed, its output keeps 45.1 dB of the model's"
    )
    assert advice(manifest({"Unet": entry(checked=run)})) == ()


def test_a_sample_and_a_module_that_is_not_exact_are_said() -> None:
    sampled = replace(CHECKED, outputs=OUTPUTS, sample="128x192", own=112.04)
    assert evidence(sampled) == (
        "52 of 52 weights equal; run here once, the same graph drawn for 128x192:"
        " 131.3 dB in fp32, 70.0 dB in fp16; its module is 112.0 dB from exact itself"
    )


def test_a_graph_that_differs_from_a_certified_one_in_its_shapes_is_said_to() -> None:
    related = replace(CHECKED, outputs=OUTPUTS, sample="128x192", sibling=SIBLING)
    which = (
        "52 of 52 weights equal; differs only in shapes from Stable Diffusion 1.x, ORIGINAL,"
        " 512x512, certified on 2026-11-24 with the toolchain tested"
    )
    assert evidence(related) == (
        f"{which}; run here for 128x192: 131.3 dB in fp32, 70.0 dB in fp16"
    )
    unrun = replace(CHECKED, unchecked="light has no torch", sibling=SIBLING)
    assert evidence(unrun) == f"{which}; not run: light has no torch"
    made = manifest({"Unet": entry(checked=related), "VAEDecoder": entry(checked=unrun)})
    assert summary(Path("cat"), made).splitlines()[0] == (
        "cat: 2 programs,"
        " 1 of a certified graph in other shapes, run against its module for a small image,"
        " 1 of a certified graph in other shapes, with every weight accounted for, not run"
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
    assert advice(plain) == ()
    single = replace(plain, options=replace(OPTIONS, batch=1, states_own_size=True))
    assert [line[:20] for line in advice(single)] == [
        "a UNet of batch 1 ma",
        "the UNet is told its",
    ]
    halves = replace(plain, options=replace(OPTIONS, chunk=True, controlled=True))
    (line,) = advice(halves)
    assert line.startswith("Mochi Diffusion cannot use ControlNets")


def test_the_end_says_where_apps_look_and_what_to_choose() -> None:
    plain = manifest({"Unet": entry()})
    mochi, apples = next_steps(Path("models/cat"), plain)
    assert mochi.endswith("choose it there; compute unit Auto or CPU & GPU")
    assert apples.endswith("--resource-path models/cat --compute-units cpuAndGPU")
    _, apples = next_steps(Path("my models/cat"), plain)
    assert "--resource-path 'my models/cat' --compute" in apples
    neural = replace(plain, options=replace(OPTIONS, attention=Attention.SPLIT_EINSUM))
    large = replace(neural, programs={"TextEncoder2": entry(component="text_encoder_2")})
    mochi, apples = next_steps(Path("models/cat"), large)
    assert "~/MochiDiffusion/models" in mochi
    assert mochi.endswith("Auto or CPU & Neural Engine")
    assert apples.endswith("--compute-units cpuAndNeuralEngine --xl")
    mochi, apples = next_steps(Path("net"), manifest({"Canny": entry(component="controlnet")}))
    assert "put net/Canny.mlmodelc into ~/MochiDiffusion/controlnet" in mochi
    assert apples.endswith("--controlnet Canny")


def test_long_names_and_halves_stay_in_line() -> None:
    unchecked = entry(checked=replace(CHECKED, unchecked="no torch"))
    programs = {"ControlledUnet": replace(unchecked, halves=True), "Unet": unchecked}
    made = manifest(programs, toolchain=MadeIn(name="light", python="3.10.10"))
    assert summary(Path("cat"), made).splitlines()[1:-3] == [
        "  ControlledUnet 52 of 52 weights equal; not run: no torch, two halves",
        "  Unet           52 of 52 weights equal; not run: no torch",
        "  toolchain      light, Python 3.10.10",
    ]
