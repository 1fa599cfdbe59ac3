from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.gather.weights import (
    HOLDS,
    holdings,
    kind_of,
    mismatches,
    opened,
    weight_file,
)
from tests.convert.models.folders import WEIGHTS, save_safetensors
from tests.convert.weights.torch_files import (
    call,
    finished,
    integer,
    mapping,
    name,
    storage,
    tensor,
    text,
    write_legacy,
    write_members,
    write_zip,
)

BIG = 10**7


@pytest.mark.parametrize(
    ("head", "size", "suffix", "kind"),
    [
        (b"", 0, ".safetensors", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid", 134, ".bin", "lfs-pointer"),
        (b"<!DOCTYPE html>", 9000, ".safetensors", "web-page"),
        (b"\n  <html>", BIG, ".bin", "web-page"),
        (b'{"error":"Access to model is restricted"}', 80, ".safetensors", "web-page"),
        (b"{'error': 'gated'}", 80, ".bin", "web-page"),
        (b"please log in <html>", 9000, ".bin", "web-page"),
        (b"\x00\x01 <html>", BIG, ".safetensors", "safetensors"),
        (b"PK\x03\x04", BIG, ".safetensors", "pickle"),
        (b"PK\x03\x04", BIG, ".bin", "pickle"),
        (b"\x80\x02\x8a\x0a", BIG, ".ckpt", "pickle"),
        (b"\x18\x01\x00\x00\x00\x00\x00\x00{", BIG, ".safetensors", "safetensors"),
        (b"\x18\x01\x00\x00\x00\x00\x00\x00{", BIG, ".bin", "other"),
        (b"GIF89a", BIG, ".ckpt", "other"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, size: int, suffix: str, kind: str) -> None:
    assert kind_of(head, size, suffix) == kind


def test_whole_files_of_every_container(tmp_path: Path) -> None:
    files = {
        "safetensors": save_safetensors(tmp_path / "a.safetensors"),
        "pickle": write_zip(tmp_path / "b.bin", WEIGHTS),
    }
    for kind, path in files.items():
        file, shapes = opened(path)
        assert (file.kind, file.size, file.fault) == (kind, path.stat().st_size, "")
        assert (file.unsafe, file.notes) == ((), ())
        assert shapes == {key: array.shape for key, array in WEIGHTS.items()}
    assert opened(write_legacy(tmp_path / "c.ckpt", WEIGHTS))[0].fault == ""


def test_what_is_no_container_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"<html>")
    file, shapes = opened(path)
    assert (file.kind, file.size, file.fault, shapes) == ("web-page", 6, "", {})


def test_a_damaged_file_has_the_reader_s_words_without_its_path(tmp_path: Path) -> None:
    path = save_safetensors(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    file, shapes = opened(path)
    assert (file.kind, shapes) == ("safetensors", {})
    assert str(tmp_path) not in file.fault
    assert file.fault.endswith("; download the file again")


def test_an_unsafe_pickle_is_not_called_damaged(tmp_path: Path) -> None:
    evil = finished(call(name("os", "system"), text("true")))
    file = weight_file(write_members(tmp_path / "a.bin", {"a/data.pkl": evil}))
    assert file.fault == ""
    (words,) = file.unsafe
    assert words.startswith("the pickle names 'os.system', which can run code (nothing was run)")


def test_what_was_left_aside_is_noted(tmp_path: Path) -> None:
    on = tensor(storage("0", "float32", 2), [2])
    pickled = finished(mapping({"epoch": integer(3), "state_dict": mapping({"w": on})}))
    file = weight_file(write_zip(tmp_path / "a.ckpt", {"w": np.zeros(2, "f4")}, pickled=pickled))
    assert "tensors taken from 'state_dict'" in file.notes


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("gone")])
def test_what_cannot_be_read_is_said_and_not_raised(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "a.bin"
    make(path)
    file = weight_file(path)
    assert (file.kind, file.size) == ("unreadable", 0)
    assert file.fault in {"Is a directory", "No such file or directory"}


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["model.diffusion_model.out.0.weight"], ("unet",)),
        (["first_stage_model.encoder.conv_in.weight"], ("vae",)),
        (["cond_stage_model.transformer.x"], ("text_encoder",)),
        (["conditioner.embedders.0.x"], ("text_encoder", "sdxl")),
        (["model_ema.decay"], ("ema",)),
        (["control_model.input_hint_block.0.weight"], ("controlnet",)),
        (["emb_params"], ("embedding",)),
        (["lora_unet_x.lora_down.weight"], ("lora",)),
        (["unet.down.lora_A.weight"], ("lora",)),
        (["x.model.diffusion_model."], ()),
        ([], ()),
    ],
)
def test_what_a_file_holds(names: list[str], what: tuple[str, ...]) -> None:
    assert holdings(names) == what


def test_what_it_holds_comes_in_one_order() -> None:
    names = [start for starts in HOLDS.values() for start in starts]
    assert holdings(reversed(names)) == holdings(names) == tuple(HOLDS)


UNET = {"block_out_channels": [320, 640], "cross_attention_dim": 768, "in_channels": 4}
KEYS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
SHAPES = {"conv_in.weight": (320, 4, 3, 3), KEYS: (320, 768)}


@pytest.mark.parametrize(
    ("config", "shapes", "said"),
    [
        (UNET, SHAPES, []),
        (UNET, {}, []),
        ({"latent_channels": 4}, SHAPES, []),
        (UNET, {KEYS: (320, 768)}, ["conv_in.weight is missing"]),
        (
            UNET,
            {**SHAPES, "conv_in.weight": (320, 9, 3, 3)},
            ["conv_in.weight is [320, 9], config.json says [320, 4]"],
        ),
        (
            UNET | {"block_out_channels": [160]},
            SHAPES,
            ["conv_in.weight is [320, 4], config.json says [160, 4]"],
        ),
        (
            UNET | {"cross_attention_dim": 1024},
            SHAPES,
            ["text features are 768 wide in the weights, 1024 in config.json"],
        ),
        (UNET | {"cross_attention_dim": [768, 768]}, SHAPES, []),
        (UNET, {**SHAPES, KEYS: (320,)}, []),
        (UNET | {"block_out_channels": []}, SHAPES, ["config.json says [] of block_out_channels"]),
        (
            UNET | {"block_out_channels": 320},
            SHAPES,
            ["config.json says 320 of block_out_channels"],
        ),
    ],
)
def test_a_config_of_another_model_shows_itself(
    config: dict[str, object], shapes: dict[str, tuple[int, ...]], said: list[str]
) -> None:
    assert list(mismatches(config, shapes)) == said


anything = st.none() | st.integers(-1, 800) | st.text(max_size=3) | st.lists(st.integers(0, 400))


@given(
    st.fixed_dictionaries(dict.fromkeys(UNET, anything)),
    st.dictionaries(st.sampled_from(list(SHAPES)), st.lists(st.integers(0, 400)).map(tuple)),
)
def test_no_config_breaks_it(config: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    assert all(isinstance(said, str) for said in mismatches(config, shapes))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    os.mkfifo(path)
    file, shapes = opened(path)
    assert (file.kind, file.fault, dict(shapes)) == ("unreadable", "a pipe, no file", {})
