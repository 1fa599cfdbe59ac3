"""What Macs measured: shared without a word too many, and added only if it can be true."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.jobs.manifest import Manifest, read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.loading.evidence import FILE, add, read_collection, read_measurement
from sdcoreml.convert.loading.measure import LoadOptions, load_folder
from sdcoreml.convert.loading.page import NOTHING, page
from sdcoreml.convert.loading.share import measurement, write_measurement
from sdcoreml.doctor.cli import main
from sdcoreml.ground.errors import BadInputError, WorkerError
from sdcoreml.ground.places import ROOT
from tests.convert.loading.stand_ins import MAC, CoreML
from tests.convert.stand_ins import StandIn, finish, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
GRAPH = next(key for key, one in load().items() if one.component == "unet")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shared")
    return finish(job_of(open_model(write_model(place / "cat")), place / "out"), StandIn(size=SIZE))


def certified(manifest: Manifest) -> Manifest:
    """Return the manifest with a certified graph for its UNet."""
    unet = manifest.programs["Unet"]
    proved = replace(unet, checked=replace(unet.checked, graph=GRAPH))
    return replace(manifest, programs={**manifest.programs, "Unet": proved})


@pytest.fixture
def shared(bundle: Path, tmp_path: Path) -> Path:
    manifest = certified(read_manifest(bundle))
    runner = CoreML(faults={"VAEDecoder.mlmodelc": WorkerError(f"died in {bundle}")})
    report = load_folder(bundle, manifest, LoadOptions(machine=MAC), runner)
    write_measurement(measurement(report, manifest), tmp_path / "mac.json")
    return tmp_path / "mac.json"


def changed(shared: Path, change: Change) -> Path:
    content = json.loads(shared.read_text())
    change(content)
    shared.write_text(json.dumps(content))
    return shared


def test_figures_and_digests_are_shared_and_neither_name_nor_path(
    shared: Path, bundle: Path
) -> None:
    text = shared.read_text()
    for private in (str(bundle), "cat", "Unet", "mlmodelc", "died in"):
        assert private not in text
    content = json.loads(text)
    assert {*content} == {
        "schema",
        "sdcoreml",
        "chip",
        "macos",
        "memory",
        "toolchain",
        "lock",
        "coremltools",
        "programs",
    }
    assert content["programs"][1] == {
        "component": "unet",
        "graph": GRAPH,
        "attention": "SPLIT_EINSUM",
        "height": 16,
        "width": 16,
        "bits": 16,
        "units": "ne",
        "result": "right",
        "answers": "computed",
        "psnr": 71.9,
        "cold": 93.0,
        "warm": 0.5,
        "run": 0.4025,
        "peak_memory": 5_000_000,
        "placement": {"cpu": 2, "gpu": 0, "ne": 40, "on_cpu": {"gather": 1, "cast": 1}},
    }
    assert content["programs"][2]["result"] == "died"


def test_it_is_added_once_and_unknown_graphs_are_told_by_their_size(
    shared: Path, tmp_path: Path
) -> None:
    lock = load_macos_lock()
    changed(shared, lambda content: content.update(lock=lock))
    collection = tmp_path / "evidence.json"
    first, second = add(shared, collection), add(shared, collection)
    assert (first.is_new, second.is_new) == (True, False)
    (found,) = read_collection(collection).measurements
    assert [one.component for one in found.programs] == [
        "text_encoder",
        "unet",
        "vae_decoder",
        "vae_encoder",
    ]
    text = page(read_collection(collection), load())
    assert NOTHING not in text
    assert f"| M2 | 15.2 | unet: {load()[GRAPH].title} | ne | 16 | right, 71.9 dB |" in text
    assert "| M2 | 15.2 | vae_encoder: a graph without certificate, 16x16 | ne | 16 |" in text
    died = next(line for line in text.splitlines() if "vae_decoder" in line)
    assert died.endswith("| died |  |  |  | 0 bytes |  |")
    assert "| 402.5 ms | 5 MB | 2 of 42 |" in text


def load_macos_lock() -> str:
    from sdcoreml.lockfiles.lock import load_lock

    return load_lock("tested", "macos-arm64").digest


def _in_program(**fields: Any) -> Change:
    return lambda content: content["programs"][1].update(fields)


CHANGES: Mapping[str, tuple[Change, str]] = {
    "schema": (lambda c: c.update(schema=2), "schema 2; this version reads 1"),
    "a field more": (lambda c: c.update(serial="C02"), "unknown field 'serial'"),
    "a field less": (lambda c: c.pop("chip"), "field 'chip' is missing"),
    "another type": (lambda c: c.update(memory="16"), "memory: int is expected"),
    "a chip with markup": (lambda c: c.update(chip="M2 | <b>"), "chip: not one"),
    "a long chip": (lambda c: c.update(chip="M" * 61), "chip: not one"),
    "a lock": (lambda c: c.update(lock="x" * 64), "lock: not one"),
    "an unknown lock": (lambda c: c.update(lock="0" * 64), "none of tested on macOS"),
    "an unknown toolchain": (lambda c: c.update(toolchain="mine"), "none of mine on macOS"),
    "a toolchain elsewhere": (lambda c: c.update(toolchain="../x"), "toolchain: not one"),
    "no memory": (lambda c: c.update(memory=1), "memory: 1 bytes"),
    "no programs": (lambda c: c.update(programs=[]), "programs: 0 of them"),
    "many programs": (lambda c: c.update(programs=c["programs"] * 9), "programs: 36 of them"),
    "a component": (_in_program(component="cat"), "programs[1].component: not one"),
    "a graph": (_in_program(graph="5f"), "programs[1].graph: not one"),
    "units": (_in_program(units="tpu"), "one of cpu, gpu, ne, all is expected"),
    "a negative time": (_in_program(cold=-1.0), "programs[1].cold: not one"),
    "decibels": (_in_program(psnr=1e9), "programs[1].psnr: not one"),
    "right without figures": (_in_program(psnr=None), "programs[1].result: not one"),
    "a count": (_in_program(bits=-6), "programs[1].bits: not one"),
    "a plan": (
        _in_program(placement={"cpu": 1, "gpu": 0, "ne": 0, "on_cpu": {"<b>": 1}}),
        "programs[1].placement: not one",
    ),
}


@pytest.mark.parametrize(("change", "what"), CHANGES.values(), ids=CHANGES)
def test_what_cannot_be_true_is_refused(
    shared: Path, tmp_path: Path, change: Change, what: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        add(changed(shared, change), tmp_path / "evidence.json")
    assert what in str(caught.value)
    assert not (tmp_path / "evidence.json").exists()


def test_a_large_file_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "mac.json"
    path.write_text(" " * (257 << 10))
    with pytest.raises(BadInputError, match="too large"):
        read_measurement(path)


def test_the_page_is_that_of_the_records() -> None:
    again = "sdcoreml env evidence page > convert/MACS.md"
    assert (ROOT / "convert" / "MACS.md").read_text() == page(read_collection(), load()), again


def test_until_a_mac_has_loaded_something_every_page_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert read_collection(FILE).measurements == (), "say in the README what was loaded on Macs"
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "Not yet seen on a Mac" in readme
    assert "**Loading the result** in Mochi Diffusion or Apple's package" in readme
    assert NOTHING in (ROOT / "convert" / "MACS.md").read_text()
    assert "Not yet tried on one" in (ROOT / "convert" / "README.md").read_text()
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    assert "not yet tried on one" in " ".join(capsys.readouterr().out.split())
