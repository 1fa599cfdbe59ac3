"""Converting some programs of a finished folder again, and keeping the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.ground.errors import BadInputError, ParityError, SdcoremlError
from tests.convert.stand_ins import MADE_IN, StandIn, finish, job_of, proof, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "cat")


@pytest.fixture
def bundle(tmp_path: Path, model: Path) -> Path:
    return finish(job(model, tmp_path / "out"), StandIn(size=SIZE))


def job(model: Path, output: Path, *redo: str, **choices: Any) -> Job:
    return job_of(open_model(model), output, redo=frozenset(redo) or None, **choices)


def inodes(folder: Path) -> Mapping[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_ino
        for path in folder.rglob("*")
        if path.is_file()
    }


def programs(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((folder / "manifest.json").read_text())["programs"]
    return found


def test_only_what_is_named_is_made_and_the_rest_are_the_same_files(
    bundle: Path, model: Path
) -> None:
    before, entries = inodes(bundle), programs(bundle)
    runner = StandIn(size=SIZE)
    recipe = {"method": "kmeans", "bits": 6}
    finish(job(model, bundle, "unet", recipe=recipe, clip_skip=2), runner)
    asked = [
        program["component"]
        for task, request in runner.requests
        if task == "build"
        for component in request["components"]
        for program in component["programs"]
    ]
    assert asked == ["unet"]
    after = inodes(bundle)
    for name in ("TextEncoder", "VAEDecoder", "VAEEncoder"):
        assert programs(bundle)[name] == {**entries[name], "kept": True}
        assert all(after[file] == before[file] for file in entries[name]["files"])
    assert programs(bundle)["Unet"]["recipe"] == recipe
    assert programs(bundle)["TextEncoder"]["recipe"] is None
    assert verify(bundle, StandIn(size=SIZE)).passed


def test_a_component_stands_for_all_its_programs(bundle: Path, model: Path) -> None:
    runner = StandIn(size=SIZE)
    finish(job(model, bundle, "vae"), runner)
    (build,) = (request for task, request in runner.requests if task == "build")
    (vae,) = build["components"]
    assert [program["component"] for program in vae["programs"]] == ["vae_decoder", "vae_encoder"]


def test_a_program_is_added(bundle: Path, model: Path) -> None:
    finish(job(model, bundle, "controlled_unet", controlled=True), StandIn(size=SIZE))
    assert (bundle / "ControlledUnet.mlmodelc").is_dir()
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    controlled, plain = (
        bundle / f"{name}.mlpackage" / weights for name in ("ControlledUnet", "Unet")
    )
    assert controlled.samefile(plain)


def test_halves_take_the_place_of_the_whole(bundle: Path, model: Path) -> None:
    finish(job(model, bundle, "unet", chunk=True), StandIn(size=SIZE))
    assert not (bundle / "Unet.mlpackage").exists()
    assert (bundle / "UnetChunk2.mlmodelc").is_dir()
    assert verify(bundle, StandIn(size=SIZE)).passed


def test_what_does_not_fit_the_rest_is_refused(bundle: Path, model: Path) -> None:
    before = inodes(bundle)
    with pytest.raises(SdcoremlError, match=r"VAEDecoder: input z \[1, 4, 24, 16\]"):
        finish(job(model, bundle, "unet"), StandIn(size=replace(SIZE, height=24)))
    assert inodes(bundle) == before


def test_a_failure_leaves_the_folder_as_it_was(bundle: Path, model: Path) -> None:
    before = inodes(bundle)
    runner = StandIn(size=SIZE, fails="check", failure=ParityError("no"))
    with pytest.raises(ParityError):
        finish(job(model, bundle, "unet"), runner)
    assert inodes(bundle) == before


def test_nothing_is_kept_of_a_folder_that_was_changed(bundle: Path, model: Path) -> None:
    (bundle / "TextEncoder.mlpackage" / "Manifest.json").write_text("{}")
    with pytest.raises(BadInputError, match=r"Manifest\.json: has 2 bytes"):
        finish(job(model, bundle, "unet"), StandIn(size=SIZE))
    finish(job(model, bundle, "text_encoder"), StandIn(size=SIZE))
    assert verify(bundle, StandIn(size=SIZE)).passed


def test_parts_of_two_models_are_not_mixed(bundle: Path, model: Path) -> None:
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({"weight": np.ones(8, np.float32)}, weights)
    with pytest.raises(BadInputError, match="not the file that the folder was made from"):
        finish(job(model, bundle, "unet"), StandIn(size=SIZE))
    finish(job(model, bundle, "vae"), StandIn(size=SIZE))


def test_from_nothing_only_what_is_named_is_made_and_the_rest_is_added_later(
    model: Path, tmp_path: Path
) -> None:
    new = finish(job(model, tmp_path / "new", "unet"), StandIn(size=SIZE))
    assert set(programs(new)) == {"Unet"}
    assert verify(new, StandIn(size=SIZE)).faults == ()
    finish(job(model, new, "vae"), StandIn(size=SIZE))
    assert set(programs(new)) == {"Unet", "VAEDecoder", "VAEEncoder"}


def test_a_folder_of_something_else_is_not_added_to(model: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").touch()
    with pytest.raises(BadInputError, match="is not the output of an earlier run"):
        finish(job(model, tmp_path / "new", "unet"), StandIn(size=SIZE))


def test_a_name_that_nothing_goes_by(bundle: Path, model: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"has no component unte; choose among text_encoder, un"
    ):
        finish(job(model, bundle, "unte"), StandIn(size=SIZE))


def test_a_result_of_another_model_is_not_replaced_unless_forced(
    bundle: Path, tmp_path: Path
) -> None:
    dog = job(write_model(tmp_path / "dog"), bundle)
    before = inodes(bundle)
    with pytest.raises(BadInputError, match=r"holds a different model: cat, not dog; .*--force"):
        finish(dog, StandIn(size=SIZE))
    assert inodes(bundle) == before
    workshop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, force=True)
    convert_models([dog], workshop)
    assert json.loads((bundle / "manifest.json").read_text())["model"]["name"] == "dog"


def test_a_checked_result_is_not_replaced_by_an_unchecked_one(bundle: Path, model: Path) -> None:
    policy = ProofPolicy(reason="light has no torch")
    workshop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, policy=policy)
    with pytest.raises(BadInputError, match=r"were checked, .* would not be: light has no torch"):
        convert_models([job(model, bundle)], workshop)


def test_without_torch_what_certificates_prove_replaces_a_checked_result(
    bundle: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = ProofPolicy(certificates=load(), reason="light has no torch")
    workshop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, policy=policy)
    told = {name: proof(name) for name in ("text_encoder", "unet", "vae_decoder", "vae_encoder")}
    monkeypatch.setattr("sdcoreml.convert.jobs.steps.prove", lambda *_, **__: told)
    convert_models([job(model, bundle)], workshop)
    convert_models([job(model, bundle)], workshop)
    before = inodes(bundle)
    told["unet"] = proof("unet", unchecked="light has no torch")
    with pytest.raises(BadInputError, match=r"were checked, and the new unet would not be: light "):
        convert_models([job(model, bundle)], workshop)
    assert inodes(bundle) == before
    convert_models([job(model, bundle)], replace(workshop, force=True))
    assert programs(bundle)["Unet"]["checked"]["unchecked"] == "light has no torch"


def test_a_result_without_a_readable_manifest_is_to_be_moved_not_converted_again(
    bundle: Path, model: Path
) -> None:
    (bundle / "manifest.json").write_text("x")
    with pytest.raises(BadInputError, match=r"not valid JSON .*; .* or move this folder away$"):
        finish(job(model, bundle), StandIn(size=SIZE))


def test_packages_are_dropped_on_request_and_then_absent_by_choice(
    tmp_path: Path, model: Path
) -> None:
    runner, output = StandIn(size=SIZE), tmp_path / "small"
    workshop = Workshop(runner=runner, toolchain=MADE_IN, keeps_packages=False)
    convert_models([job(model, output)], workshop)
    names = {path.name for path in output.iterdir()}
    assert not [name for name in names if name.endswith(".mlpackage")]
    found = verify(output, runner)
    assert (found.passed, set(found.absent)) == (
        True,
        {"TextEncoder.mlpackage", "Unet.mlpackage", "VAEDecoder.mlpackage", "VAEEncoder.mlpackage"},
    )
    with pytest.raises(BadInputError, match=r"can be kept only with their .*; convert the whole"):
        finish(job(model, output, "unet"), runner)
    finish(job(model, output), runner)
    assert (output / "Unet.mlpackage").is_dir()
