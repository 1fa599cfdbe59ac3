from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.reading import read_all, read_inputs
from sdcoreml.convert.models.layout import Component, read_component
from sdcoreml.convert.programs.options import Precision
from sdcoreml.ground.errors import BadInputError
from tests.convert.stand_ins import job_of, write_model
from tests.odd import base

DECODER = ProgramSpec(program="vae_decoder", source="vae")
ENCODER = ProgramSpec(program="vae_encoder", source="vae")


def vae(folder: Path, **spoilt: float) -> Component:
    """Write a VAE with these tensors (`__` stands for a dot), each filled with one number."""
    tensors = base.tensors_of(base.VAE)
    for name, value in spoilt.items():
        known = name.replace("__", ".")
        shape = tensors[known].shape if known in tensors else (3,)
        tensors[known] = np.full(shape, value, "f2")
    base.write(folder / "config.json", base.VAE)
    base.write(folder / "diffusion_pytorch_model.safetensors", base.safetensors(tensors))
    return read_component("vae", folder)


def test_the_digests_are_those_of_the_component_s_files(tmp_path: Path) -> None:
    records = read_inputs(vae(tmp_path), (DECODER, ENCODER))
    assert {name: record.sha256 for name, record in records.items()} == {
        f"vae/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.iterdir()
    }


def test_a_number_that_is_none_is_told_with_its_tensor(tmp_path: Path) -> None:
    spoilt = vae(tmp_path, decoder__conv_out__bias=np.nan)
    with pytest.raises(BadInputError, match=r"decoder\.conv_out\.bias holds NaN"):
        read_inputs(spoilt, (DECODER,))


def test_a_number_too_large_for_float16_is_told_where_a_program_is_of_it(tmp_path: Path) -> None:
    base.write(tmp_path / "config.json", base.VAE)
    tensors = {n: t.astype("f4") for n, t in base.tensors_of(base.VAE).items()}
    tensors["decoder.conv_out.bias"] = np.full(3, 1e6, "f4")
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    base.write(path, base.safetensors(tensors))
    wide = read_component("vae", tmp_path)
    assert len(read_inputs(wide, (DECODER, ENCODER))) == 2
    assert len(read_inputs(wide, (DECODER, ENCODER), (ENCODER,))) == 2
    with pytest.raises(BadInputError, match=r"decoder\.conv_out\.bias holds a number beyond 65504"):
        read_inputs(wide, (DECODER, ENCODER), (DECODER,))


def test_what_no_program_has_may_be_what_it_is(tmp_path: Path) -> None:
    spoilt = vae(tmp_path, encoder__conv_in__bias=np.inf, loss__logvar=np.nan)
    assert len(read_inputs(spoilt, (DECODER,))) == 2
    with pytest.raises(BadInputError, match="an infinite number"):
        read_inputs(spoilt, (DECODER, ENCODER))


def test_only_programs_in_half_precision_ask_for_small_numbers(tmp_path: Path) -> None:
    write_model(tmp_path / "cat")
    path = tmp_path / "cat" / "unet" / "diffusion_pytorch_model.safetensors"
    base.write(path, base.safetensors({"conv_in.weight": np.full(3, 1e6, "f4")}))
    model = open_model(tmp_path / "cat")

    def jobs(precision: Precision) -> list[Job]:
        return [job_of(model, tmp_path / "out", precision={"unet": precision})]

    both = read_all(jobs(Precision.FP32))
    assert sorted(both) == ["text_encoder", "unet", "vae"]
    assert sorted(both["unet"]) == ["unet/config.json", "unet/diffusion_pytorch_model.safetensors"]
    assert sorted(read_all(jobs(Precision.FP16), known={"unet"})) == ["text_encoder", "vae"]
    with pytest.raises(BadInputError, match=r"conv_in\.weight holds a number beyond 65504"):
        read_all([*jobs(Precision.FP32), *jobs(Precision.FP16)])
