"""Only the files that a conversion needs are selected, and of each the safest and smallest form."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sdcoreml.convert.hub.selection import Form, Selection, have_weights, select
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnsupportedError

SD15 = (
    *(".gitattributes", "README.md", "model_index.json", "v1-5-pruned.ckpt"),
    *("v1-5-pruned.safetensors", "feature_extractor/preprocessor_config.json"),
    *("scheduler/scheduler_config.json", "tokenizer/merges.txt", "tokenizer/vocab.json"),
    *("tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json"),
    *("safety_checker/config.json", "safety_checker/model.safetensors"),
    *("text_encoder/config.json", "text_encoder/model.fp16.safetensors"),
    *("text_encoder/model.safetensors", "text_encoder/pytorch_model.bin"),
    *("unet/config.json", "unet/diffusion_pytorch_model.bin"),
    *("unet/diffusion_pytorch_model.fp16.bin", "unet/diffusion_pytorch_model.fp16.safetensors"),
    *("unet/diffusion_pytorch_model.non_ema.safetensors",),
    *("unet/diffusion_pytorch_model.safetensors", "vae/config.json"),
    *("vae/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.safetensors"),
)
TABLES = (
    *("model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"),
    *("tokenizer/special_tokens_map.json", "tokenizer/tokenizer_config.json"),
    *("tokenizer/vocab.json",),
)


def test_of_a_folder_one_set_of_weights_each() -> None:
    found = select(SD15, where="a/b")
    assert found.form is Form.DIFFUSERS
    assert found.files == (
        *TABLES,
        *("unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors"),
        *("vae/config.json", "vae/diffusion_pytorch_model.safetensors"),
        *("text_encoder/config.json", "text_encoder/model.fp16.safetensors"),
    )


def test_what_is_here_already_is_not_fetched_in_another_form() -> None:
    have = {"unet/diffusion_pytorch_model.safetensors", "text_encoder/pytorch_model.bin"}
    found = select(SD15, where="a/b", have=have)
    assert have <= set(found.files)
    assert "unet/diffusion_pytorch_model.fp16.safetensors" not in found.files


def test_the_safety_checker_only_where_it_was_asked_for() -> None:
    found = select(SD15, where="a/b", with_checker=True)
    assert found.files[-2:] == ("safety_checker/config.json", "safety_checker/model.safetensors")


SHARDED = (
    *(
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors.index.json",
    ),
    *(f"unet/diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)),
)


def test_shards_come_with_their_index_and_not_beside_a_whole_file() -> None:
    assert set(select(SHARDED, where="a/b").files) == set(SHARDED)
    whole = (*SHARDED, "unet/diffusion_pytorch_model.safetensors")
    assert select(whole, where="a/b").files == (
        *("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"),
    )


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (
            ("config.json", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"),
            ("config.json", "diffusion_pytorch_model.safetensors"),
        ),
        (("config.json", "model.bin"), ("config.json", "model.bin")),
    ],
)
def test_a_component_alone(files: Sequence[str], chosen: tuple[str, ...]) -> None:
    assert select(files, where="a/b") == Selection(form=Form.COMPONENT, files=chosen)


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (("dream.ckpt", "README.md"), "dream.ckpt"),
        (("dream.ckpt", "dream.safetensors", "images/x.png"), "dream.safetensors"),
        (("dream.safetensors", "dream-fp16.safetensors"), "dream-fp16.safetensors"),
    ],
)
def test_a_model_in_one_file(files: Sequence[str], chosen: str) -> None:
    assert select(files, where="a/b") == Selection(form=Form.SINGLE, files=(chosen,))


def test_a_file_that_was_named() -> None:
    found = select(SD15, where="a/b", file="v1-5-pruned.ckpt")
    assert found == Selection(form=Form.SINGLE, files=("v1-5-pruned.ckpt",))
    with pytest.raises(BadInputError, match=r"has no file x\.ckpt; it has safety_checker/model"):
        select(SD15, where="a/b", file="x.ckpt")


@pytest.mark.parametrize(
    ("files", "error", "said"),
    [
        (
            ("one.ckpt", "two.ckpt"),
            BadInputError,
            r"a/b@v1: has 2 single-file models: one.ckpt, two.ckpt; name one: hf:a/b/one.ckpt",
        ),
        (("sd.gguf",), UnsupportedError, "has weights only as GGUF"),
        (("flax_model.msgpack",), UnsupportedError, "only as Flax's format"),
        (("original/Unet.mlmodelc/model.mil",), UnsupportedError, "Core ML models already"),
        (("split_einsum.zip",), UnsupportedError, r"has only archives \(split_einsum.zip\)"),
        (("README.md",), UnsupportedError, "has no weights that can be converted"),
    ],
)
def test_what_cannot_be_converted_is_said(
    files: Sequence[str], error: type[SdcoremlError], said: str
) -> None:
    with pytest.raises(error, match=said):
        select(files, where="a/b@v1")


@pytest.mark.parametrize(
    ("files", "is_whole"),
    [
        (["unet/model.safetensors"], True),
        (["unet/config.json"], False),
        (["unet/model-00001-of-00002.safetensors", "unet/model-00002-of-00002.safetensors"], True),
        (["unet/model-00002-of-00002.safetensors"], False),
        (["vae/model.safetensors"], False),
        ([], False),
    ],
)
def test_whether_all_weights_are_there(files: list[str], *, is_whole: bool) -> None:
    assert have_weights(files, ["unet"]) is is_whole
    assert have_weights([*files, "vae/model.bin"], ["unet", "vae"]) is is_whole
    assert have_weights(files, [])
