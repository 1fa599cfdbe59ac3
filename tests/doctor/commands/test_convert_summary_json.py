"""What `convert` says at its end, as JSON and as lines of several folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.deliver.install import Installed
from sdcoreml.convert.jobs.manifest import (
    CompiledRecord,
    MadeBy,
    Manifest,
    SourceRecord,
)
from sdcoreml.convert.loading.record import (
    LoadedProgram,
    Loading,
    LoadReport,
    Machine,
    Part,
    Placement,
    Units,
)
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.few_steps import AppSettings
from sdcoreml.convert.programs.options import Precision, ProgramOptions
from sdcoreml.convert.proof.answers import Distance
from sdcoreml.convert.proof.record import AuditRecord, Rounded
from sdcoreml.doctor.commands.convert_summary import (
    Converted,
    lines,
    results,
)
from sdcoreml.doctor.commands.convert_upstream import (
    FolderComparison,
    Made,
    ProgramComparison,
    table,
)
from sdcoreml.doctor.commands.verify_coreml import summary as load_summary
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import BadInputError, Fault, SdcoremlError
from tests.doctor.commands.test_convert_summary import (
    CHECKED,
    ISSUED,
    OPTIONS,
    OUTPUTS,
    SIBLING,
    entry,
    manifest,
)
from tests.schemas import read_as


def converted(
    made: Manifest,
    report: LoadReport | None = None,
    compared: FolderComparison | None = None,
    withheld: SdcoremlError | None = None,
) -> Any:
    folder = Path("out")
    found = Converted(
        manifests={folder: made},
        loaded={folder: report} if report else {},
        comparisons=(compared,) if compared else (),
        installed={folder: Installed(path=Path("app/out"), way=None)} if report else {},
        withheld={folder: withheld} if withheld else {},
    )
    return read_as("convert", json.dumps(results(found)))


def test_a_plain_result_as_json_fits_its_schema() -> None:
    (made,) = converted(manifest({"Unet": entry()}))["results"]
    assert made.keys() == {"folder", "manifest"}
    read_as("manifest", json.dumps(made["manifest"]))


def manifest_with_everything() -> Manifest:
    file = FileRecord(size=1, sha256="5f")
    checked = replace(
        CHECKED,
        graph="5f",
        outputs=OUTPUTS,
        fidelity=OUTPUTS,
        audit=AuditRecord(matched=1, compressed={"4": Rounded(weights=1, psnr=30.0)}),
        certificate=ISSUED,
        sample="64x64",
        own=120.0,
        unchecked="no torch",
        sibling=SIBLING,
        strange="other constants",
    )
    every = entry(
        checked=checked,
        options=ProgramOptions(height=8, width=8, tokens=77, precision=Precision.FP32, pad_id=0),
        files={"Unet.mlpackage/Manifest.json": file},
        recipe={"bits": 4},
        made_by=MadeBy(repository="apple", commit="c8"),
        kept=True,
    )
    model = SourceRecord(
        name="cat",
        family="sd1",
        made_from={"model": "cat.safetensors"},
        notes=("a note",),
        settings=AppSettings(kind="lcm", by="scheduler", steps="4", guidance="1"),
        fetched=FetchedFrom(name="a/cat"),
    )
    return manifest(
        {"Unet": every},
        model=model,
        inputs={"unet/config.json": file},
        options=replace(OPTIONS, accept_schedule=True, precision={"all": Precision.FP32}),
        tokenizer={"vocab.json": file},
        odd_tokenizer=("it has no end",),
        part=True,
        answers={"answers.json": file},
        report={"report.html": file},
    )


def report_with_everything() -> LoadReport:
    loading = Loading(
        coremltools="9.0",
        parts=(Part(file="Unet.mlmodelc", cold=9.0, warm=1.0, run=0.1),),
        outputs={"noise_pred": Distance(psnr=70.0, max_error=0.1)},
    )
    loaded = LoadedProgram(
        component="unet",
        units=Units.NE,
        loading=loading,
        placement=Placement(cpu=1, gpu=0, ne=9, on_cpu={"ios16.cast": 1}),
        fault=Fault(where="out/Unet.mlmodelc", what="wrong"),
    )
    machine = Machine(chip="M2", macos="15.2", memory=16 << 30)
    return LoadReport(machine=machine, programs={"Unet": loaded})


def test_a_result_with_everything_as_json_fits_its_schema() -> None:
    figures = Made(decibels={"fp16": 70.0}, operations=9, cpu=1.5, memory=10**9)
    program = ProgramComparison(
        program="Unet", sdcoreml=figures, upstream=figures, interface=("input a: differs",)
    )
    compared = FolderComparison(
        ours=Path("out"), theirs=Path("theirs"), commit="c8", programs=(program,)
    )
    told = converted(manifest_with_everything(), report_with_everything(), compared)
    (result,) = told["results"]
    assert result["installed"] == "app/out"
    assert "withheld" not in result
    assert result["coreml"]["programs"]["Unet"]["placement"]["ne"] == 9
    assert told["comparisons"][0]["programs"][0]["upstream"]["cpu"] == 1.5
    read_as("manifest", json.dumps(result["manifest"]))


def test_a_conversion_is_told_folder_by_folder_then_how_it_was_compiled_then_compared() -> None:
    made = manifest({"Unet": entry(compiled=CompiledRecord(verdict="equal to what Xcode makes"))})
    compared = FolderComparison(ours=Path("out"), theirs=Path("theirs"), commit="c8", programs=())
    converted = Converted(
        manifests={Path("out"): made, Path("two"): made}, comparisons=(compared,), loaded={}
    )
    told = list(lines(converted))
    assert [line.partition(":")[0] for line in told[:2]] == ["out", "two"]
    assert told[2] == "equal to what Xcode makes"
    assert told[3:] == list(table(compared))
    report = LoadReport(machine=Machine(chip="M2", macos="15.2", memory=16 << 30), programs={})
    loaded = list(lines(replace(converted, comparisons=(), loaded={Path("two"): report})))
    assert loaded[2] == load_summary(Path("two"), report)
    assert loaded[3] == "equal to what Xcode makes"
    assert loaded[4].startswith("equal to what Xcode makes, ")


def test_json_says_why_a_folder_was_not_installed() -> None:
    made = manifest({"Unet": entry()})
    error = BadInputError("something else has this name", where="app/out", remedy="rename it")
    (result,) = converted(made, withheld=error)["results"]
    assert result["withheld"] == {
        "path": "app/out",
        "what": "something else has this name",
        "next": "rename it",
        "exit_code": 3,
    }
    assert "installed" not in result
