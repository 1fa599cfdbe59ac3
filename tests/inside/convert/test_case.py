"""The project's first case (DESIGN.md §1), end to end, in the environment it was reported in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from sdcoreml.convert import cli
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from tests.convert.stand_ins import MADE_IN, finish, job_of

FLOORS = {"fp32": 115.0, "fp16": 65.0}
PROGRAMS = {"TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case") / "sample"
    write_miniature(folder)
    return folder


@pytest.fixture(scope="module")
def merged(sample: Path) -> Path:
    folder = sample.with_name("merged")
    arguments = ["--to_safetensors", "--checkpoint_path", str(sample), "--dump_path", str(folder)]
    assert cli.main(arguments) == 0
    return folder


@pytest.fixture(scope="module")
def converted(sample: Path, cold_worker: Worker) -> Path:
    return convert(sample, sample.with_name("converted"), cold_worker)


def convert(model: Path, output: Path, worker: Worker, attention: str = "SPLIT_EINSUM") -> Path:
    return finish(job_of(open_model(model), output, attention), worker)


def convert_unrun(model: Path, output: Path, worker: Worker) -> Path:
    """Convert a model whose bytes alone matter: to run its programs again takes half a minute."""
    policy = ProofPolicy(reason="only the bytes matter here")
    workshop = Workshop(runner=worker, toolchain=MADE_IN, policy=policy)
    (folder,) = convert_models([job_of(open_model(model), output, "SPLIT_EINSUM")], workshop)
    return folder


def programs(folder: Path) -> Mapping[str, Any]:
    content = json.loads((folder / "manifest.json").read_text())
    found: Mapping[str, Any] = content["programs"]
    return found


def package_bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".mlpackage" in path.as_posix()
    }


def test_the_pinned_diffusers_cannot_load_the_shards(sample: Path) -> None:
    with pytest.raises(OSError, match=r"no file named diffusion_pytorch_model\.bin"):
        StableDiffusionPipeline.from_pretrained(sample)


def test_it_loads_the_merged_folder_and_finds_every_number_unchanged(
    sample: Path, merged: Path
) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(merged)
    for name in ("unet", "vae", "text_encoder"):
        state = getattr(pipeline, name).state_dict()
        stored: dict[str, torch.Tensor] = {}
        for shard in sorted((sample / name).glob("*.bin")):
            stored |= torch.load(shard, weights_only=True)
        shared = stored.keys() & state.keys()
        assert state.keys() == shared
        for key in shared:
            assert torch.equal(stored[key], state[key]), key


def test_the_merged_tokenizer_still_tokenizes(merged: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(merged)
    ids = pipeline.tokenizer("the cat and the dog").input_ids
    assert pipeline.tokenizer.convert_ids_to_tokens(ids)[1:-1] == [
        *("the</w>", "cat</w>", "and</w>", "the</w>", "dog</w>")
    ]


def test_the_sample_is_the_same_every_time(sample: Path) -> None:
    again = sample.with_name("again")
    write_miniature(again)
    for name in ("unet", "vae", "text_encoder"):
        for shard in sorted((sample / name).glob("*.bin")):
            first, second = torch.load(shard), torch.load(again / name / shard.name)
            assert first.keys() == second.keys()
            assert all(torch.equal(first[key], second[key]) for key in first)
    shutil.rmtree(again)


@pytest.mark.parametrize("attention", ["SPLIT_EINSUM", "ORIGINAL"])
def test_every_program_reaches_the_floors(
    sample: Path, converted: Path, tmp_path: Path, attention: str, worker: Worker
) -> None:
    folder = converted
    if attention != "SPLIT_EINSUM":
        folder = convert(sample, tmp_path / "out", worker, attention)
    found = programs(folder)
    assert set(found) == PROGRAMS
    for program in found.values():
        for output in program["checked"]["outputs"]:
            assert output["psnr"] >= FLOORS[output["mode"]], output
        assert {output["mode"] for output in program["checked"]["outputs"]} == set(FLOORS)


def test_a_second_conversion_gives_the_same_bytes(
    sample: Path, converted: Path, tmp_path: Path, worker: Worker
) -> None:
    again = convert_unrun(sample, tmp_path / "again", worker)
    assert package_bytes(again) == package_bytes(converted)


def test_the_merged_folder_converts_to_the_same_bytes(
    merged: Path, converted: Path, tmp_path: Path, worker: Worker
) -> None:
    again = convert_unrun(merged, tmp_path / "out", worker)
    assert package_bytes(again) == package_bytes(converted)


def test_attention_is_recognisable_as_mochi_does_it(converted: Path) -> None:
    (metadata,) = json.loads((converted / "Unet.mlmodelc" / "metadata.json").read_text())
    assert metadata["mlProgramOperationTypeHistogram"]["Ios16.einsum"] > 0
    (encoder,) = json.loads((converted / "VAEEncoder.mlmodelc" / "metadata.json").read_text())
    assert encoder["inputSchema"][0]["shape"] == "[1, 3, 256, 256]"


def test_weights_are_stored_once(converted: Path) -> None:
    for name in PROGRAMS:
        compiled = converted / f"{name}.mlmodelc" / "weights" / "weight.bin"
        packaged = converted / f"{name}.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
        assert compiled.samefile(packaged)
        assert np.memmap(compiled, mode="r").size > 0
