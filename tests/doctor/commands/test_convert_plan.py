from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sdcoreml.convert.bundle.judgement import judge
from sdcoreml.convert.jobs.unpacked import draft
from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.convert import read_jobs
from sdcoreml.doctor.commands.convert_ingredients import ingredients_of
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_plan import (
    ConversionPlan,
    MachineFinding,
    PlannedFolder,
    PlannedProgram,
    as_data,
    as_text,
    plan_conversion,
)
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.core.goal import conclude
from sdcoreml.ground.events import silent
from sdcoreml.ground.quantity import amount
from tests.bench.models import original_shapes
from tests.doctor.commands.test_inspect import unpacked
from tests.doctor.healthy import HEALTHY, SYSTEM, TOOLCHAIN
from tests.doctor.studio.models import write_sparse
from tests.doctor.told import lines_of
from tests.golden import assert_golden
from tests.schemas import read_as


def test_a_plan_says_what_would_be_made_of_what_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = unpacked(tmp_path)
    words = ["convert", "--plan", str(model), "-o", str(tmp_path / "made"), "--size", "128x128"]
    before = sorted(tmp_path.rglob("*"))
    assert main([*words, "--json"]) == 0
    data = read_as("convert", capsys.readouterr().out)
    assert data["verdict"] == {"can": "headers", "code": None, "remedy": None}
    (folder,) = data["plan"]["folders"]
    assert folder["folder"] == str(tmp_path / "made")
    sizes = {program["name"]: program["bytes"] for program in folder["programs"]}
    assert list(sizes) == ["TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"]
    assert sizes["Unet"] == 2 * 2_199_268
    assert sizes["VAEDecoder"] + sizes["VAEEncoder"] == 2 * 1_399_879
    assert set(data["plan"]["needs"]) == {"disk", "memory", "minutes"}
    assert data["plan"]["from"] == {str(model): 7_421_910}
    assert main(words) == 0
    assert "4 programs" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_compression_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = unpacked(tmp_path).with_name("m.safetensors")
    words = ["convert", "--plan", "--json", "--bits", "4", str(file)]
    assert main(words) == 0
    (folder,) = read_as("convert", capsys.readouterr().out)["plan"]["folders"]
    assert {p["name"]: p["bytes"] for p in folder["programs"]}["Unet"] == 2_199_268 // 2


def test_a_refusal_is_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = unpacked(tmp_path)
    (model / "tokenizer" / "vocab.json").unlink()
    for words in (["--plan"], []):
        assert main(["convert", *words, "--json", str(model)]) == 3
        said = capsys.readouterr()
        verdict = read_as("convert", said.out)["verdict"]
        assert (verdict["can"], verdict["code"]) == ("no", "MOD019")
        assert f"no such file; {verdict['remedy']}" in said.err


def test_a_plan_needs_a_model() -> None:
    assert main(["convert", "--plan", "--sample"]) == 2


def test_a_plan_says_what_this_machine_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = unpacked(tmp_path)
    words = ["convert", "--plan", str(model), "-o", str(tmp_path / "made")]
    assert main([*words, "--json"]) == 0
    machine = read_as("convert", capsys.readouterr().out)["plan"]["machine"]
    assert machine["can"] in ("yes", "no")
    said = {found["id"]: found["what"] for found in machine["findings"]}
    assert "needed" in said["DSK001"]
    assert main(words) == 0
    needed = said["DSK001"].partition(" free")[2]  # what is free changes from one to the other
    assert f" free{needed} (DSK001)" in capsys.readouterr().out


def test_a_machine_that_cannot_says_why() -> None:
    short = MachineFinding(
        id="DSK001", status="error", what="1 GB free, 4 GB needed", remedy="free 3 GB"
    )
    fine = MachineFinding(id="MEM002", status="ok", what="8 of 16 GB free, no swap", remedy="")
    planned = ConversionPlan(
        sources={"m": 9},
        folders=(),
        disk=4_000_000_000,
        memory=9,
        minutes=None,
        can="no",
        machine=(short, fine),
    )
    assert list(as_text(planned))[-3:] == [
        "this machine cannot do it",
        "  error: 1 GB free, 4 GB needed (DSK001); free 3 GB",
        "  8 of 16 GB free, no swap (MEM002)",
    ]


def test_all_that_a_plan_tells_in_both_forms(tmp_path: Path) -> None:
    model = unpacked(tmp_path)
    args = argparse.ArgumentParser()
    declare(args)
    said = args.parse_args([str(model), "-o", str(tmp_path / "made"), "--bits", "6", "--chunk"])
    judgement = judge(model)
    jobs = read_jobs(said, draft(ingredients_of(said), silent, judgement))
    facts = replace(HEALTHY, system=SYSTEM)
    checks = [one for one in CHECKS if one.id in ("DSK001", "MEM001", "XCO001")]
    machine = conclude(examine(facts, checks), facts, CHECKS, goals=("convert",))
    measured = replace(TOOLCHAIN, parallel=0.0)
    planned = plan_conversion(ingredients_of(said), judgement, jobs, measured, machine)
    told = [*as_text(planned), *lines_of(as_data(planned))]
    assert_golden("convert-plan", "\n".join(told).replace(str(tmp_path), "PLACE"))


def test_a_plan_counts_on_all_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = unpacked(tmp_path), list[object]()

    def estimate(*given: object) -> float:
        asked.append(given[-1])
        return 90.0

    monkeypatch.setattr("sdcoreml.doctor.commands.convert_plan.estimate_time", estimate)
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    judgement = judge(model)
    machine = conclude(examine(HEALTHY, []), HEALTHY, CHECKS, goals=("convert",))
    asked_for = argparse.ArgumentParser()
    declare(asked_for)
    args = asked_for.parse_args([str(model), "-o", str(tmp_path / "made")])
    jobs = read_jobs(args, draft(ingredients_of(args), silent, judgement))
    planned = plan_conversion(ingredients_of(args), judgement, jobs, TOOLCHAIN, machine)
    assert (planned.minutes, asked) == (1.5, [7])


def test_a_plan_in_words_counts_what_it_knows() -> None:
    unet = PlannedProgram(name="Unet", source="unet", bytes=2_000_000)
    decoder = PlannedProgram(name="VAEDecoder", source="vae", bytes=0)
    mend = MachineFinding(id="XCO001", status="info", what="no Xcode", remedy="install it")
    planned = ConversionPlan(
        sources={"m": 9, "vae": 5_000},
        folders=(PlannedFolder(folder="out", programs=(unet, decoder)),),
        disk=4_000_000_000,
        memory=9,
        minutes=0.05,
        can="yes",
        machine=(mend,),
    )
    assert list(as_text(planned)) == [
        "would be made from",
        "  m  9 bytes",
        "  vae  5 kB",
        "out: 2 programs",
        "  Unet        of unet, about 2 MB",
        "  VAEDecoder  of vae, of unknown size",
        "takes about 4.0 GB of disk, 9 bytes of memory",
        "and at most 0.1 minutes, once the environment is there",
        "this machine has",
        "  no Xcode (XCO001)",
    ]
    assert as_data(planned) == {
        "from": {"m": 9, "vae": 5_000},
        "folders": (
            {
                "folder": "out",
                "programs": (
                    {"name": "Unet", "source": "unet", "bytes": 2_000_000},
                    {"name": "VAEDecoder", "source": "vae", "bytes": 0},
                ),
            },
        ),
        "needs": {"disk": 4_000_000_000, "memory": 9, "minutes": 0.05},
        "machine": {
            "can": "yes",
            "findings": (
                {"id": "XCO001", "status": "info", "what": "no Xcode", "remedy": "install it"},
            ),
        },
    }


def test_a_refusal_after_the_judgement_has_its_check_s_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = unpacked(tmp_path)
    assert main(["convert", "--plan", "--json", "--size", "520x520", str(model)]) == 3
    assert read_as("convert", capsys.readouterr().out)["verdict"]["code"] == "MOD014"


@pytest.mark.parametrize("words", [["--plan"], []], ids=["plan", "convert"])
def test_an_output_that_may_not_be_replaced_is_refused_first(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = unpacked(tmp_path)
    (tmp_path / "notes").write_text("mine")
    assert main(["convert", *words, str(model), "-o", str(tmp_path / "notes")]) == 3
    said = capsys.readouterr()
    assert (said.out, "- " in said.err) == ("", False)
    assert "notes: exists and is not the output of an earlier run" in said.err


def test_what_a_published_model_takes_is_what_the_doctor_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its programs are certified: they are not run, which would take twenty times the memory."""
    room = SimpleNamespace(total=10**13, used=0, free=10**13)  # or the doctor says only what lacks
    monkeypatch.setattr("shutil.disk_usage", lambda _: room)
    path = write_sparse(tmp_path / "m.safetensors", original_shapes("sd1"))
    (tmp_path / "jobs.toml").write_text("[[models]]\nmodel = 'm.safetensors'\n")
    assert main(["doctor", str(path), "--goal", "convert", "--json"]) in (0, 1)
    (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert "about 273 MB of memory" in verdict["needs"]
    told = []
    for words in (
        ["convert", "--plan", str(path)],
        ["jobs", "--plan", str(tmp_path / "jobs.toml")],
    ):
        main([*words, "--json"])
        told.append(json.loads(capsys.readouterr().out)["plan"]["needs"]["memory"])
    main(["inspect", str(path), "--json"])
    told.append(json.loads(capsys.readouterr().out)["needs"]["memory"])
    assert {amount(one) for one in told} == {"273 MB"}
