"""`sdcoreml verify --with coreml`, and the end of a conversion on a Mac."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.loading.measure import LoadOptions, load_folder
from sdcoreml.convert.loading.record import Units
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import verify
from sdcoreml.doctor.commands.convert_summary import verdicts
from sdcoreml.doctor.commands.verify_coreml import find_mac, load_finished, summary, verdict
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.ground.errors import BrokenError, UsageError, WorkerError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.loading.stand_ins import MAC, CoreML
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.doctor.commands.test_verify import arguments
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("verified")
    return finish(job_of(open_model(write_model(place / "cat")), place / "out"), StandIn(size=SIZE))


def run(bundle: Path, runner: CoreML, *words: str) -> int:
    asked = arguments(str(bundle), "--with", "coreml", *words)
    return verify.run(asked, runner, mac=lambda: MAC)


def test_the_verdict_comes_first(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bundle, CoreML()) == 0
    lines = capsys.readouterr().out.splitlines()
    said = (
        "71.9 dB from the computed answers; load 93 s cold, 0.5 s warm; 402.5 ms a run;"
        " 2 of 42 operations on the CPU (1 cast, 1 gather)"
    )
    assert lines[:3] == [
        f"{bundle}: loaded and checked on macOS 15.2, M2 (CPU & Neural Engine)",
        f"  TextEncoder {said}",
        f"  Unet        {said}",
    ]
    assert lines[5].startswith(f"{bundle}: ")
    assert "numbers not checked" not in "".join(lines)


def test_units_are_said_of_each_program_where_they_differ(bundle: Path) -> None:
    options = LoadOptions(machine=MAC)
    report = load_folder(bundle, read_manifest(bundle), options, CoreML())
    unet = replace(report.programs["Unet"], units=Units.GPU)
    lines = summary(
        bundle, replace(report, programs={**report.programs, "Unet": unet})
    ).splitlines()
    assert "loaded and checked on macOS 15.2, M2 (CPU & Neural Engine, CPU & GPU)" in lines[0]
    assert lines[1].startswith("  TextEncoder CPU & Neural Engine; 71.9 dB")
    assert lines[2].startswith("  Unet        CPU & GPU; 71.9 dB")


def test_what_could_not_be_compared_is_said_with_its_reason(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bundle, no_memory(), "--json") == 0
    told = read_as("verify", capsys.readouterr().out)["coreml"]
    assert told["verdict"] == "loaded on macOS 15.2, M2, 0 of 4 programs checked"
    assert told["compared"] is False
    assert told["programs"]["Unet"]["reason"] == "no answers: no memory"
    report = load_folder(bundle, read_manifest(bundle), LoadOptions(machine=MAC), no_memory())
    assert "  Unet        not compared (no answers: no memory); load 93 s cold" in summary(
        bundle, report
    )


def no_memory() -> CoreML:
    return CoreML(faults={"answers": WorkerError("no memory")})


def test_a_program_that_fails_is_one_line(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = CoreML(faults={"Unet.mlmodelc": WorkerError("load: died", remedy="run again")})
    assert run(bundle, runner) == 7
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{bundle}: 1 of 4 programs fails on macOS 15.2, M2")
    assert lines[1].startswith(f"{bundle}/Unet.mlmodelc: load: died; run again; ")
    assert lines[1].endswith("--with coreml --units cpu` says whether the unit is to blame")
    assert sum(line.startswith("  ") and " dB " in line for line in lines) == 3


def test_json_has_a_schema_of_its_own(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = CoreML(faults={"Unet.mlmodelc": WorkerError("load: died", remedy="run again")})
    assert run(bundle, runner, "--json", "--units", "gpu") == 7
    told = read_as("verify", capsys.readouterr().out)["coreml"]
    assert told["schema"] == 1
    assert told["machine"] == {"chip": "M2", "macos": "15.2", "memory": 16 << 30}
    assert (told["passed"], told["compared"]) == (False, True)
    assert told["programs"]["Unet"]["fault"] == {
        "path": f"{bundle}/Unet.mlmodelc",
        "what": "load: died",
        "next": told["programs"]["Unet"]["fault"]["next"],
        "exit_code": 7,
    }
    assert told["programs"]["VAEDecoder"]["psnr"] == 71.9
    assert told["programs"]["VAEDecoder"]["units"] == "gpu"


def test_a_damaged_folder_is_not_loaded(bundle: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "out"
    copytree(bundle, damaged)
    (damaged / "vocab.json").unlink()
    runner = CoreML()
    assert run(damaged, runner) == 1
    assert runner.requests == []


def test_elsewhere_one_line_says_so(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["verify", str(bundle), "--with", "coreml"])
    if code == 0:  # on a Mac
        return
    assert code == 1
    assert capsys.readouterr().err == (
        "error: --with coreml: Core ML exists on macOS alone; leave it out; --against MODEL"
        " runs the programs here, by an interpreter\n"
    )


def test_units_need_core_ml(bundle: Path) -> None:
    with pytest.raises(UsageError, match="--units is for loading through Core ML"):
        verify.run(arguments(str(bundle), "--units", "cpu"))


def test_light_loads_without_comparing(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bundle, CoreML(), "--toolchain", "light") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "loaded on macOS 15.2, M2, nothing compared: the toolchain light has no torch" in first


def test_a_conversion_on_a_mac_ends_with_it(bundle: Path) -> None:
    tested = load_toolchain("tested")
    said: list[Event] = []
    loaded = load_finished([bundle], tested, CoreML(), said.append, lambda: MAC)
    manifests = {bundle: read_manifest(bundle)}
    assert verdicts(manifests, {folder: verdict(one) for folder, one in loaded.items()}) == (
        (
            "compiled without Xcode, equal to Apple's compiler on the reference pairs, loaded and"
            " checked on macOS 15.2, M2"
        ),
    )
    assert "load out through Core ML on macOS 15.2, M2" in [event.text for event in said]


def test_elsewhere_it_is_not_yet_loaded(bundle: Path) -> None:
    runner = CoreML()
    assert load_finished([bundle], load_toolchain("tested"), runner, print, lambda: None) == {}
    assert runner.requests == []
    assert verdicts({bundle: read_manifest(bundle)})[0].endswith("not yet loaded on a Mac")


def test_what_prevents_the_loading_leaves_the_conversion_finished(bundle: Path) -> None:
    runner = CoreML(faults={"load": BrokenError("coremltools cannot be used")})
    said: list[Event] = []
    assert load_finished([bundle], load_toolchain("tested"), runner, said.append, lambda: MAC) == {}
    assert said[-1].text == "not loaded through Core ML: coremltools cannot be used"


def test_what_was_measured_can_be_shared(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "mac.json"
    assert run(bundle, CoreML(), "--share", str(file)) == 0
    assert json.loads(file.read_text())["chip"] == "M2"


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_loaded(
    bundle: Path, tmp_path: Path
) -> None:
    runner = CoreML()
    for place, what in ((tmp_path / "no" / "mac.json", "no folder"), (tmp_path, "is a folder")):
        with pytest.raises(UsageError, match=what):
            run(bundle, runner, "--share", str(place))
    assert runner.requests == []


def test_it_is_not_shared_into_the_folder(bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"\blies in the folder that is verified"):
        run(bundle, CoreML(), "--share", str(bundle / "mac.json"))
    with pytest.raises(UsageError, match="--share is for loading through Core ML"):
        verify.run(arguments(str(bundle), "--share", str(bundle.parent / "mac.json")))


def mac(chip: str, memory: str = "17179869184") -> Probe:
    """Return a Mac that answers as `sysctl` and `sw_vers` do."""
    said = {"machdep.cpu.brand_string": chip, "hw.memsize": memory, "-productVersion": "15.2"}

    def run(argv: Sequence[str], /, *, seconds: float = 1) -> RunResult:
        del seconds
        return RunResult(code=0, out=said.get(argv[-1], ""))

    return Probe(system="Darwin", machine="arm64", run=run)


def test_this_mac_is_told_by_its_chip() -> None:
    found = find_mac(mac("Apple M2 Pro"))
    assert found
    assert (found.chip, found.macos, found.memory) == ("M2 Pro", "15.2", 17179869184)
    bare = find_mac(mac("", "much"))
    assert bare
    assert (bare.chip, bare.memory) == ("arm64", 0)
    assert find_mac(Probe(system="Linux")) is None


def test_what_runs_on_the_cpu_is_named_the_most_first(bundle: Path) -> None:
    report = load_folder(bundle, read_manifest(bundle), LoadOptions(machine=MAC), CoreML())
    unet = report.programs["Unet"]
    assert unet.placement is not None
    kinds = {"cast": 1, "softmax": 3, "add": 3, "gather": 1_200}
    busy = replace(unet, placement=replace(unet.placement, cpu=1_207, gpu=1, ne=40, on_cpu=kinds))
    free = replace(unet, placement=replace(unet.placement, cpu=0, on_cpu={}))
    lines = summary(
        bundle, replace(report, programs={"Unet": busy, "UnetChunk1": free})
    ).splitlines()
    said = "71.9 dB from the computed answers; load 93 s cold, 0.5 s warm; 402.5 ms a run; "
    assert lines[1:] == [
        f"  Unet       {said}1,207 of 1,248 operations on the CPU (1,200 gather, 3 add, 3 softmax)",
        f"  UnetChunk1 {said}0 of 40 operations on the CPU",
    ]
