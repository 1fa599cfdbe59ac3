from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.models.layout import read_model
from tests.odd import base


def test_what_a_class_has_no_place_for_is_told_and_not_opened(tmp_path: Path) -> None:
    model = base.write_folder(tmp_path / "model")
    place = base.weights(model, "unet")
    tensors = base.tensors_of(base.SD1_UNET) | base.drawn({"loss.log_vars": (4,)})
    base.write(place, base.safetensors(tensors))
    assert "unet: its class does not have loss.log_vars: ignored" in read_model(model).notes
    with open_known(place, base.SD1_UNET) as file:
        assert set(file.names()) == set(tensors) - {"loss.log_vars"}


def test_a_plain_model_has_no_remarks(tmp_path: Path) -> None:
    assert read_model(base.write_folder(tmp_path / "model")).notes == ()


def test_components_of_different_variants_are_told(tmp_path: Path) -> None:
    model = base.write_folder(tmp_path / "model")
    place = base.weights(model, "vae")
    place.rename(place.with_suffix(".fp16.safetensors"))
    (note,) = read_model(model).notes
    assert "vae: fp16" in note


def test_of_a_controlnet_nothing_is_left_aside(tmp_path: Path) -> None:
    config, tensors = base.controlnet(base.SD1_UNET)
    place = base.write(tmp_path / "diffusion_pytorch_model.safetensors", base.safetensors(tensors))
    with open_known(place, config) as file:
        assert set(file.names()) == set(tensors)


def test_an_encoder_of_longer_texts_is_told(tmp_path: Path) -> None:
    model = base.write_folder(tmp_path / "model")
    config = base.TEXT | {"max_position_embeddings": 248}
    base.write(model / "text_encoder" / "config.json", config)
    base.write(base.weights(model, "text_encoder"), base.safetensors(base.tensors_of(config)))
    (note,) = read_model(model).notes
    assert note == "text_encoder: takes up to 248 tokens, of which the apps use 77"
