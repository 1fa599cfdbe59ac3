"""Verifies a finished folder by its manifest, by the runtimes' rules, and against its model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import read_manifest, write_manifest
from sdcoreml.convert.jobs.opening import open_model, with_refiner
from sdcoreml.convert.jobs.verify import Against, Verification, verify
from sdcoreml.convert.proof.record import Sibling
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.errors import BadInputError, ParityError
from sdcoreml.ground.events import Emit, silent
from tests.convert.stand_ins import (
    CERTIFICATE,
    StandIn,
    finish,
    job_of,
    write_model,
    write_raw,
    write_xl,
)

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
DATA = "Data/com.apple.CoreML"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "cat")


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    job = job_of(open_model(model), tmp_path / "out", "SPLIT_EINSUM")
    return finish(job, StandIn(size=SIZE))


def against(model: Path) -> Against:
    return Against(model=model, certificates={})


def whats(result: Verification) -> list[str]:
    return [fault.what for fault in result.faults]


def test_a_folder_as_it_was_written_has_no_faults(bundle: Path) -> None:
    runner = StandIn(size=SIZE)
    result = verify(bundle, runner)
    assert result.passed
    assert result.files > 20
    assert result.checked == {}
    assert runner.requests == []


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (append, "has 68 bytes, but 64 were written"),
        (change, "changed since it was written"),
        (remove, "missing"),
    ],
)
def test_a_damaged_weight_file_is_named(
    bundle: Path, damage: Callable[[Path], None], what: str
) -> None:
    path = bundle / "Unet.mlpackage" / DATA / "weights" / "weight.bin"
    path.with_name("copy").write_bytes(path.read_bytes())  # the other folder links to the original
    path.with_name("copy").replace(path)
    damage(path)
    faults = verify(bundle, StandIn(size=SIZE)).faults
    assert [(Path(fault.where), fault.what) for fault in faults] == [(path, what)]
    assert faults[0].remedy == "convert the model again"


def test_all_faults_are_collected(bundle: Path) -> None:
    remove(bundle / "vocab.json")
    remove(bundle / "Unet.mlpackage" / "Manifest.json")
    remove(bundle / "VAEDecoder.mlmodelc" / "metadata.json")
    assert len(verify(bundle, StandIn(size=SIZE)).faults) >= 3


def test_a_program_that_no_runtime_could_load_is_a_fault(bundle: Path, model: Path) -> None:
    """A faulty program is reported even if it matches its digest in the manifest."""
    other = replace(SIZE, features=16)
    job = job_of(open_model(model), bundle.with_name("odd"), "ORIGINAL")
    odd = finish(job, StandIn(size=other))
    path = Path("Unet.mlpackage") / DATA / "model.mlmodel"
    (bundle / path).write_bytes((odd / path).read_bytes())
    manifest = json.loads((bundle / "manifest.json").read_text())
    files, others = (
        content["programs"]["Unet"]["files"]
        for content in (manifest, json.loads((odd / "manifest.json").read_text()))
    )
    files[str(path)] = others[str(path)]
    write_raw(manifest, bundle)
    faults = whats(verify(bundle, StandIn(size=SIZE)))
    assert any(what.startswith("does not agree with Unet.mlmodelc") for what in faults)


def test_halves_of_an_earlier_run_would_win_over_the_whole(bundle: Path) -> None:
    for number in (1, 2):
        copytree(bundle / "Unet.mlmodelc", bundle / f"UnetChunk{number}.mlmodelc")
    found = verify(bundle, StandIn(size=SIZE)).faults
    assert [Path(fault.where).name for fault in found] == [
        "UnetChunk1.mlmodelc",
        "UnetChunk2.mlmodelc",
    ]
    assert {fault.what for fault in found} == {
        "this is from another conversion, and apps may load it instead"
    }


class TestHalves:
    @pytest.fixture
    def halves(self, tmp_path: Path, model: Path) -> Path:
        job = job_of(open_model(model), tmp_path / "halves", "ORIGINAL", chunk=True)
        return finish(job, StandIn(size=SIZE))

    def test_both_are_read_and_proved_as_one(self, halves: Path, model: Path) -> None:
        runner = StandIn(size=SIZE)
        result = verify(halves, runner, against(model))
        assert result.passed
        asked = {item["component"]: item for item in runner.requests[-1][1]["packages"]}
        assert asked["unet"]["chunk"] is True
        assert asked["unet"]["package"] == str(halves / "Unet.mlmodelc")

    def test_one_alone(self, halves: Path) -> None:
        rmtree(halves / "UnetChunk2.mlmodelc")
        assert {fault.what for fault in verify(halves, StandIn(size=SIZE)).faults} == {"missing"}

    def test_one_of_another_conversion(self, halves: Path, model: Path) -> None:
        job = job_of(open_model(model), halves.with_name("odd"), "ORIGINAL", chunk=True)
        odd = finish(job, StandIn(size=replace(SIZE, height=24)))
        rmtree(halves / "UnetChunk1.mlpackage")
        copytree(odd / "UnetChunk1.mlpackage", halves / "UnetChunk1.mlpackage")
        whats_found = whats(verify(halves, StandIn(size=SIZE)))
        assert any("changed since" in what or "were written" in what for what in whats_found)
        assert any(what.startswith("does not agree with UnetChunk1.") for what in whats_found)


def test_a_tokenizer_that_swift_would_not_read_is_a_fault(bundle: Path) -> None:
    content = b"#version: 0.2\na b c\n"
    (bundle / "merges.txt").write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    manifest["tokenizer"]["merges.txt"] = {"size": len(content), "sha256": digest}
    write_raw(manifest, bundle)
    (fault,) = verify(bundle, StandIn(size=SIZE)).faults
    assert Path(fault.where) == bundle / "merges.txt"
    assert "not two tokens" in fault.what


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no such file; give a folder that sdcoreml convert made"),
        ("{", "not valid JSON"),
        ("[]", "not a manifest of this version"),
        ('{"schema": 3, "inputs": {}, "programs": {}}', "not a manifest of this version"),
        (
            '{"schema": 1, "inputs": {}, "options": {}, "programs": {"Foo": {}}}',
            "not a manifest of this version",
        ),
    ],
)
def test_what_is_no_result_of_ours_is_bad_input(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInputError, match=reason):
        verify(tmp_path, StandIn(size=SIZE))


def test_against_its_model_every_program_is_run_again(bundle: Path, model: Path) -> None:
    runner = StandIn(size=SIZE)
    result = verify(bundle, runner, replace(against(model), fast=True))
    assert result.passed
    assert result.checked.keys() == {"TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"}
    ((task, request),) = runner.requests
    assert task == "check"
    assert request["fast"] is True
    unet = next(item for item in request["packages"] if item["component"] == "unet")
    assert unet == {
        "component": "unet",
        "config": str(model / "unet" / "config.json"),
        "weights": str(model / "unet" / "diffusion_pytorch_model.safetensors"),
        "package": str(bundle / "Unet.mlmodelc"),
        "options": {
            "attention": "SPLIT_EINSUM",
            "batch": 2,
            "clip_skip": 1,
            "height": 16,
            "target": "macOS13",
            "tokens": 77,
            "width": 16,
        },
    }


def record_again(bundle: Path, program: str) -> None:
    """Update the manifest to the files of a program as they are now."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    files = manifest["programs"][program]["files"]
    for name in files:
        content = (bundle / name).read_bytes()
        files[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_raw(manifest, bundle)


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes of a file, leaving other hard links to the old file as they were."""
    content = path.read_bytes()
    assert content.count(old) >= 1
    path.unlink()
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("model.mil", b"x = z", b"x = image", "function 'main': operation 1 (identity) differs"),
        ("weights/weight.bin", b"\x02", b"\x02\0\0\0\x01", "weights differ"),
    ],
)
def test_a_package_must_say_what_is_compiled(
    bundle: Path, model: Path, file: str, old: bytes, new: bytes, what: str
) -> None:
    rewrite(bundle / "VAEDecoder.mlmodelc" / file, old, new)
    record_again(bundle, "VAEDecoder")
    runner = StandIn(size=SIZE)
    found = verify(bundle, runner, against(model)).faults
    faults = [fault for fault in found if Path(fault.where) == bundle / "VAEDecoder.mlpackage"]
    assert [fault.what for fault in faults] == [f"does not agree with VAEDecoder.mlmodelc: {what}"]
    assert runner.requests == []


def test_packages_that_were_deleted_to_save_room_are_absent_by_choice(
    bundle: Path, model: Path
) -> None:
    files = verify(bundle, StandIn(size=SIZE)).files
    rmtree(bundle / "Unet.mlpackage")
    rmtree(bundle / "TextEncoder.mlpackage")
    result = verify(bundle, StandIn(size=SIZE), against(model))
    assert result.passed
    assert result.absent == ("TextEncoder.mlpackage", "Unet.mlpackage")
    assert result.files == files - 6
    assert len(result.checked) == 4


def test_a_package_of_which_a_part_is_there_is_damaged(bundle: Path) -> None:
    rmtree(bundle / "Unet.mlpackage" / "Data")
    assert whats(verify(bundle, StandIn(size=SIZE)))[:2] == ["missing", "missing"]


def test_a_program_that_is_there_in_no_form_is_missing(bundle: Path) -> None:
    rmtree(bundle / "Unet.mlpackage")
    rmtree(bundle / "Unet.mlmodelc")
    result = verify(bundle, StandIn(size=SIZE))
    assert result.absent == ()
    assert "missing" in whats(result)


def test_nothing_is_left_beside_the_folder(bundle: Path, model: Path) -> None:
    verify(bundle, StandIn(size=SIZE), against(model))
    assert {path.name for path in bundle.parent.iterdir()} == {"cat", "out"}


def test_another_model_is_not_compared_with(bundle: Path, model: Path) -> None:
    runner = StandIn(size=SIZE)
    save_file({"weight": np.ones(8, np.float32)}, model / "vae/diffusion_pytorch_model.safetensors")
    remove(model / "unet" / "diffusion_pytorch_model.safetensors")
    (model / "unet" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BadInputError):
        verify(bundle, runner, against(model))
    (model / "unet" / "model.safetensors").unlink()
    save_file(
        {"weight": np.arange(8, dtype=np.float32)},
        model / "unet" / "diffusion_pytorch_model.safetensors",
    )
    (fault,) = verify(bundle, runner, against(model)).faults
    assert Path(fault.where) == model / "vae" / "diffusion_pytorch_model.safetensors"
    assert fault.what == "not the file that the folder was made from"
    assert runner.requests == []


def test_a_refiner_is_asked_for_where_one_went_in(tmp_path: Path) -> None:
    base, refiner = write_xl(tmp_path / "xl"), write_xl(tmp_path / "refiner", refiner=True)
    model = with_refiner(open_model(base), refiner)
    job = job_of(model, tmp_path / "out", "ORIGINAL", refiner=True)
    size = replace(SIZE, features=16, pooled=8, time_ids=6)
    folder = finish(job, StandIn(size=size))
    with pytest.raises(
        BadInputError, match=r"its UnetRefiner was made from another .*add --refiner FOLDER"
    ):
        verify(folder, StandIn(size=size), against(base))
    named = replace(against(base), refiner=refiner)
    assert verify(folder, StandIn(size=size), named).passed


def test_a_damaged_folder_is_not_run(bundle: Path, model: Path) -> None:
    runner = StandIn(size=SIZE)
    remove(bundle / "vocab.json")
    assert not verify(bundle, runner, against(model)).passed
    assert runner.requests == []


def test_a_program_that_computes_something_else_is_an_error(bundle: Path, model: Path) -> None:
    runner = StandIn(size=SIZE, fails="check", failure=ParityError("Unet: 40 dB"))
    with pytest.raises(ParityError, match="Unet: 40 dB"):
        verify(bundle, runner, against(model))


@pytest.mark.parametrize(
    ("certificates", "expected"),
    [
        ({}, set()),
        (
            {CERTIFICATE.key: CERTIFICATE},
            {f"Unet: its graph is not that of {CERTIFICATE.title} in other shapes"},
        ),
    ],
)
def test_a_graph_that_differs_in_more_than_it_says(
    bundle: Path, model: Path, certificates: Mapping[str, Certificate], expected: set[str]
) -> None:
    """The graph is compared again, unless no certificate is accepted: then it is run."""
    sibling = Sibling(graph=CERTIFICATE.key, title=CERTIFICATE.title, origin=CERTIFICATE.origin)
    made = read_manifest(bundle)
    entry = made.programs["Unet"]
    related = replace(entry, checked=replace(entry.checked, sibling=sibling))
    write_manifest(replace(made, programs={**made.programs, "Unet": related}), bundle)
    issued = {CERTIFICATE.key: CERTIFICATE}
    runner = StandIn(size=SIZE)
    found = verify(bundle, runner, Against(model=model, certificates=certificates, issued=issued))
    assert {*whats(found)} == expected
    (_, request) = runner.requests[0]
    assert ("certificates" in request) == bool(certificates)


@dataclass
class Doubting(StandIn):
    """A `Runner` that finds the UNet's graph strange."""

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        answer = super().run(task, request, emit)
        if task == "check":
            checked: Any = answer.value
            checked["unet"]["strange"] = "its graph is another"
        return answer


def test_a_graph_that_is_not_the_one_drawn_is_told(bundle: Path, model: Path) -> None:
    runner = Doubting(size=SIZE)
    found = verify(bundle, runner, against(model))
    assert found.passed
    assert "Unet: its graph is another; it computes the same" in "".join(found.notes)
    assert runner.requests[0][1]["draws"] is True


def test_certificates_of_other_graphs_spare_nothing(bundle: Path, model: Path) -> None:
    other = Certificate(
        key="0" * 64,
        component="unet",
        title="",
        outputs=(),
        runs=2,
        toolchain="tested",
        lock="5f",
        date="2026-11-24",
    )
    runner = StandIn(size=SIZE)
    verify(bundle, runner, Against(model=model, certificates={other.key: other}))
    assert len(runner.requests[0][1]["packages"]) == 4


def test_a_model_that_lacks_a_component_of_the_folder_is_said_to(bundle: Path, model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    del index["vae"]
    (model / "model_index.json").write_text(json.dumps(index))
    assert "has no vae" in whats(verify(bundle, StandIn(size=SIZE), against(model)))


def test_a_tokenizer_s_file_that_the_manifest_does_not_name_is_a_fault(
    bundle: Path, model: Path
) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["tokenizer"]["merges.txt"]
    write_raw(manifest, bundle)
    faults = verify(bundle, StandIn(size=SIZE), against(model)).faults
    found = [(fault.where, fault.what, fault.remedy) for fault in faults]
    assert (str(path), "does not name merges.txt", "convert the model again") in found
