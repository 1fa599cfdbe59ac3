from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import SingleFile, Weights, take_apart
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.source import Checkpoint, open_checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import write_safetensors
from tests.convert.models.originals import (
    TEXT_CONFIG,
    UNETS,
    VAE_CONFIG,
    original_texts,
    original_unet,
    original_vae,
)
from tests.convert.weights.torch_files import finished, integer, mapping, state_dict, write_zip

Arrays = dict[str, np.ndarray]


def numbers(kind: str, config: Mapping[str, Any], seed: int) -> Arrays:
    shapes = parameters(kind, config)
    assert shapes
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape, "f4").astype("f2") for name, shape in shapes.items()}


UNIT = {name: numbers("UNet2DConditionModel", config, 1) for name, config in UNETS.items()}
VAE = numbers("AutoencoderKL", VAE_CONFIG, 2)
TEXT = numbers("CLIPTextModel", TEXT_CONFIG, 3)
WIDE = numbers("CLIPTextModelWithProjection", TEXT_CONFIG, 4)
# The last layer of SD 2's text encoder is in the file, and used by nobody.
SD2_TEXT = {name: array for name, array in TEXT.items() if ".layers.2." not in name}

COMPONENTS: Mapping[str, Mapping[str, Arrays]] = {
    "sd1": {"unet": UNIT["sd1"], "vae": VAE, "text_encoder": TEXT},
    "sd2": {"unet": UNIT["sd2"], "vae": VAE, "text_encoder": SD2_TEXT},
    "sdxl": {"unet": UNIT["sdxl"], "vae": VAE, "text_encoder": TEXT, "text_encoder_2": WIDE},
    "refiner": {"unet": UNIT["refiner"], "vae": VAE, "text_encoder_2": WIDE},
}


def original(name: str) -> Arrays:
    wide = WIDE | TEXT if name == "sd2" else WIDE
    texts = original_texts(name, TEXT, wide, np.concatenate)
    noise = {"betas": np.zeros(1000, "f4"), "alphas_cumprod": np.zeros(1000, "f4")}
    return original_unet(UNIT[name]) | original_vae(VAE) | texts | noise


def save(path: Path, arrays: Arrays, metadata: dict[str, str] | None = None) -> Path:
    own = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    safetensors.numpy.save_file(own, path, metadata=metadata)
    return path


def apart(path: Path, prediction: str | None = "v_prediction", **more: Any) -> SingleFile:
    found = take_apart(open_checkpoint(path), PredictionSource(option=prediction), **more)
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("sd1", Family.SD1),
        ("sd2", Family.SD2_V),
        ("sdxl", Family.SDXL),
        ("refiner", Family.SDXL_REFINER),
    ],
)
def test_every_tensor_comes_back_under_its_name(tmp_path: Path, name: str, family: Family) -> None:
    found = apart(save(tmp_path / "m.safetensors", original(name)))
    assert (found.family, found.task, found.faults) == (family, Task.TEXT_TO_IMAGE, ())
    assert set(found.ignored) == {"betas", "alphas_cumprod"}
    assert found.parts.keys() == COMPONENTS[name].keys()
    for component, arrays in COMPONENTS[name].items():
        write_safetensors(found.parts[component].tensors, tmp_path / "part.safetensors")
        written = safetensors.numpy.load_file(tmp_path / "part.safetensors")
        assert written.keys() == arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(written[key], array, err_msg=key)


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_the_configs_follow_from_the_shapes(tmp_path: Path, name: str) -> None:
    found = apart(save(tmp_path / "m.safetensors", original(name)))
    expected = UNETS[name] | {"sample_size": found.image_size // 8}
    if name in ("sd1", "sd2"):
        expected |= {"transformer_layers_per_block": 1}
    if name == "refiner":
        expected |= {"transformer_layers_per_block": 2}
    config = found.parts["unet"].config
    expected = {"use_linear_projection": False} | expected
    assert {key: config[key] for key in expected} == expected
    vae = found.parts["vae"].config
    assert {key: vae[key] for key in VAE_CONFIG} == VAE_CONFIG
    assert vae["scaling_factor"] == (0.13025 if name in ("sdxl", "refiner") else 0.18215)
    text = found.parts["text_encoder_2" if name == "refiner" else "text_encoder"].config
    layers = 2 if name == "sd2" else 3
    kept = ("hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    assert {key: text[key] for key in kept} == {key: TEXT_CONFIG[key] for key in kept}
    assert text["num_hidden_layers"] == layers


GUIDANCE = {"time_embedding.cond_proj.weight": np.zeros((32, 256), "f2")}


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "refiner"])
@pytest.mark.parametrize("layout", ["diffusers", "original", "bare"])
def test_a_unet_alone_is_taken_if_nothing_else_is_asked_for(
    tmp_path: Path, name: str, layout: str
) -> None:
    arrays = UNIT[name] if layout == "diffusers" else original_unet(UNIT[name])
    if layout == "bare":
        arrays = {key.removeprefix("model.diffusion_model."): one for key, one in arrays.items()}
    path = save(tmp_path / "m.safetensors", arrays)
    assert take_apart(open_checkpoint(path)) is None
    found, whole = apart(path, only_unet=True), apart(save(tmp_path / "w", original(name)))
    assert (found.family, found.task, found.faults) == (whole.family, whole.task, ())
    assert found.parts.keys() == {"unet"}
    assert found.parts["unet"].config == whole.parts["unet"].config
    write_safetensors(found.parts["unet"].tensors, tmp_path / "part.safetensors")
    written = safetensors.numpy.load_file(tmp_path / "part.safetensors")
    assert {key: one.tobytes() for key, one in written.items()} == {
        key: one.tobytes() for key, one in UNIT[name].items()
    }


def test_a_consistency_model_alone_has_its_guidance(tmp_path: Path) -> None:
    found = apart(save(tmp_path / "m.safetensors", UNIT["sd1"] | GUIDANCE), only_unet=True)
    assert (found.faults, found.parts["unet"].config["time_cond_proj_dim"]) == ((), 256)
    lost = UNIT["sd1"] | GUIDANCE
    del lost["conv_out.bias"]
    (fault,) = apart(save(tmp_path / "n.safetensors", lost), only_unet=True).faults
    assert "unet: tensors missing (1): conv_out.bias" in fault.what


def test_the_config_beside_a_unets_file_says_what_its_weights_do_not_show(tmp_path: Path) -> None:
    path = save(tmp_path / "diffusion_pytorch_model.safetensors", UNIT["sd2"])
    own = {"_class_name": "UNet2DConditionModel", **UNETS["sd2"], "attention_head_dim": [2, 4, 4]}
    (tmp_path / "config.json").write_text(json.dumps(own | {"sample_size": 12}))
    found = apart(path, only_unet=True)
    config = found.parts["unet"].config
    assert (found.faults, config["attention_head_dim"], config["sample_size"]) == (
        (),
        [2, 4, 4],
        12,
    )
    asked = apart(path, only_unet=True, image_size=256).parts["unet"].config
    assert (asked["attention_head_dim"], asked["sample_size"]) == ([2, 4, 4], 32)


@pytest.mark.parametrize("other", ["sd1", "sdxl", "deeper"])
def test_the_config_of_another_unet_in_the_folder_is_not_used(tmp_path: Path, other: str) -> None:
    path = save(tmp_path / "dream.safetensors", UNIT["sd2"])
    alone = apart(path, only_unet=True)
    config = UNETS.get(other) or UNETS["sd2"] | {"layers_per_block": 3}
    written = {"_class_name": "UNet2DConditionModel", **config, "attention_head_dim": 7}
    (tmp_path / "config.json").write_text(json.dumps(written))
    found = apart(path, only_unet=True)
    assert (found.faults, found.parts) == ((), alone.parts)
    assert found.notes == ("config.json beside it describes another UNet: not used",)


def test_another_part_alone_is_no_unet(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original_vae(VAE))
    assert take_apart(open_checkpoint(path), only_unet=True) is None


def test_renames_are_one_to_one() -> None:
    for name, config in UNETS.items():
        shapes = parameters("UNet2DConditionModel", config)
        assert shapes
        assert len(original_unet(dict.fromkeys(shapes))) == len(shapes), name


def test_an_inpainting_unet_is_told_by_its_channels(tmp_path: Path) -> None:
    arrays = original("sd1")
    arrays["model.diffusion_model.input_blocks.0.0.weight"] = np.zeros((32, 9, 3, 3), "f2")
    found = apart(save(tmp_path / "m.safetensors", arrays))
    assert (found.task, found.faults) == (Task.INPAINTING, ())


def averages(arrays: Arrays) -> Arrays:
    return {
        "model_ema." + "".join(name.split(".")[1:]): array + np.float16(1)
        for name, array in arrays.items()
        if name.startswith("model.diffusion_model.")
    }


def test_averaged_weights_stand_in_when_asked_for(tmp_path: Path) -> None:
    arrays = original("sd1")
    path = save(tmp_path / "m.safetensors", arrays | averages(arrays))
    trained, averaged = apart(path), apart(path, weights=Weights.AVERAGED)
    assert (trained.has_ema, trained.faults, averaged.faults) == (True, (), ())
    for found, plus in ((trained, 0), (averaged, 1)):
        write_safetensors(found.parts["unet"].tensors, tmp_path / "part.safetensors")
        written = safetensors.numpy.load_file(tmp_path / "part.safetensors")
        for key, array in UNIT["sd1"].items():
            np.testing.assert_array_equal(written[key], array + np.float16(plus))


def test_averages_that_are_not_there_are_a_fault(tmp_path: Path) -> None:
    found = apart(save(tmp_path / "m.safetensors", original("sd1")), weights=Weights.AVERAGED)
    assert [fault.what for fault in found.faults] == ["holds no averaged (EMA) weights"]


def test_averages_of_some_weights_alone_are_a_fault(tmp_path: Path) -> None:
    arrays = original("sd1")
    some = dict([*averages(arrays).items()][:-1])
    path = save(tmp_path / "m.safetensors", arrays | some)
    (fault,) = apart(path, weights=Weights.AVERAGED).faults
    assert fault.what.startswith("averaged tensors missing (1): model_ema.")


def test_what_is_missing_too_much_or_misshapen_is_listed(tmp_path: Path) -> None:
    arrays = original("sd1")
    prefix = "model.diffusion_model."
    del arrays[f"{prefix}out.2.bias"]
    arrays[f"{prefix}time_embed.0.bias"] = np.zeros(7, "f2")
    arrays["control_model.input_hint_block.0.weight"] = np.zeros(1, "f2")
    found = apart(save(tmp_path / "m.safetensors", arrays))
    assert [fault.what for fault in found.faults] == [
        "unet: tensors missing (1): conv_out.bias",
        "unet: tensors of an unexpected shape (1): time_embedding.linear_1.bias",
        "tensors of no known component (1): control_model.input_hint_block.0.weight",
    ]


def test_a_text_encoder_that_lost_its_outer_name_is_read(tmp_path: Path) -> None:
    arrays = {
        name.replace("transformer.text_model.", "transformer."): a
        for name, a in original("sd1").items()
    }
    found = apart(save(tmp_path / "m.safetensors", arrays))
    assert found.faults == ()
    assert {t.name for t in found.parts["text_encoder"].tensors} == TEXT.keys()


def test_other_files_are_no_whole_checkpoints(tmp_path: Path) -> None:
    path = save(tmp_path / "vae.safetensors", original_vae(VAE))
    assert take_apart(open_checkpoint(path)) is None


class TestPrediction:
    def path(self, folder: Path, **more: Any) -> Path:
        return save(folder / "m.safetensors", original("sd2"), **more)

    def test_nothing_tells_it(self, tmp_path: Path) -> None:
        assert apart(self.path(tmp_path), None).prediction.kind is None

    def test_metadata_tells_it(self, tmp_path: Path) -> None:
        metadata = {"modelspec.prediction_type": "epsilon"}
        found = apart(self.path(tmp_path, metadata=metadata), None)
        assert (found.prediction.kind, found.family, found.image_size) == (
            "epsilon",
            Family.SD2_BASE,
            512,
        )

    def test_a_config_beside_the_file_tells_it(self, tmp_path: Path) -> None:
        path = self.path(tmp_path)
        path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
        found = apart(path, None)
        assert (found.prediction.kind, found.family, found.image_size) == (
            "v_prediction",
            Family.SD2_V,
            768,
        )

    def test_the_option_overrules(self, tmp_path: Path) -> None:
        path = self.path(tmp_path, metadata={"modelspec.prediction_type": "epsilon"})
        assert apart(path, "v-prediction").prediction.kind == "v_prediction"

    def test_a_mark_among_the_tensors_tells_it(self, tmp_path: Path) -> None:
        marked = original("sdxl") | {"v_pred": np.zeros(0, "f4")}
        assert (
            apart(save(tmp_path / "m.safetensors", marked), None).prediction.kind == "v_prediction"
        )
        plain = save(tmp_path / "p.safetensors", original("sdxl"))
        assert apart(plain, None).prediction.kind == "epsilon"

    @pytest.mark.parametrize(("step", "said"), [(875_000, "epsilon"), (110_000, "v_prediction")])
    def test_the_training_steps_tell_it(self, tmp_path: Path, step: int, said: str) -> None:
        arrays = {k: np.ascontiguousarray(a) for k, a in original("sd2").items()}
        body = state_dict(arrays)[2:-1]
        pickled = finished(mapping({"global_step": integer(step), "state_dict": body}))
        path = write_zip(tmp_path / "m.ckpt", arrays, pickled=pickled)
        assert apart(path, None).prediction.kind == said


@pytest.mark.parametrize(
    ("marks", "metadata", "expected"),
    [
        ({"ztsnr": (0,)}, {}, {"rescale_betas_zero_snr": True}),
        ({}, {"ss_zero_terminal_snr": "True"}, {"rescale_betas_zero_snr": True}),
        ({"edm_vpred.sigma_max": (1,)}, {}, {"_class_name": "EDMEulerScheduler"}),
        ({"alphas_cumprod": (500,)}, {}, {"num_train_timesteps": 500}),
        ({"alphas_cumprod": (1000,), "v_pred": (0,)}, {}, {"num_train_timesteps": 1000}),
    ],
)
def test_marks_and_the_stored_schedule_tell_the_noise_that_it_was_trained_on(
    tmp_path: Path,
    marks: dict[str, tuple[int, ...]],
    metadata: dict[str, str],
    expected: dict[str, Any],
) -> None:
    arrays = original_unet(UNIT["sdxl"]) | original_vae(VAE)
    arrays |= original_texts("sdxl", TEXT, WIDE, np.concatenate)
    arrays |= {name: np.zeros(shape, "f4") for name, shape in marks.items()}
    found = apart(save(tmp_path / "m.safetensors", arrays, metadata), None)
    assert (found.schedule, found.faults) == (expected, ())


HEADERS = {name: [(k, a.shape) for k, a in original(name).items()] for name in COMPONENTS}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_change_of_names_and_shapes_is_a_fault_or_harmless(data: st.DataObject) -> None:
    named = dict(HEADERS[data.draw(st.sampled_from(sorted(HEADERS)))])
    for _ in range(data.draw(st.integers(0, 6))):
        name = data.draw(st.sampled_from(sorted(named)))
        change = data.draw(st.sampled_from(["drop", "rename", "shape", "number"]))
        shape = named.pop(name)
        match change:
            case "rename":
                named[name.replace(".", data.draw(st.text(max_size=3)), 1)] = shape
            case "shape":
                named[name] = tuple(data.draw(st.lists(st.integers(0, 70), max_size=4)))
            case "number":
                number = data.draw(st.sampled_from(["0", "99999", "-1", "x"]))
                named[re.sub(r"\d+", number, name, count=1)] = shape
    tensors = tuple(
        TensorInfo(name=name, dtype="F16", shape=shape, path=Path("m"), start=0)
        for name, shape in named.items()
    )
    checkpoint = Checkpoint(path=Path("m"), container="x", tensors=tensors, files=(Path("m"),))
    found = take_apart(checkpoint, PredictionSource(option="epsilon"))
    assert found is None or found.faults or len(found.parts) > 1


def test_sd2_in_the_newer_names_is_sd2(tmp_path: Path) -> None:
    old, new = "cond_stage_model.", "conditioner.embedders.0."
    arrays = {name.replace(old, new): array for name, array in original("sd2").items()}
    found = apart(save(tmp_path / "m.safetensors", arrays))
    assert (found.family, found.faults) == (Family.SD2_V, ())
    assert found.parts.keys() == {"unet", "vae", "text_encoder"}


def test_a_unet_of_sd2_beside_an_encoder_with_the_names_of_sd1_is_sd2(tmp_path: Path) -> None:
    parts = original("sd1") | original_unet(UNIT["sd2"])
    found = apart(save(tmp_path / "m.safetensors", parts))
    assert (found.family, found.image_size, found.faults) == (Family.SD2_V, 768, ())
    assert found.parts["text_encoder"].config["hidden_act"] == "gelu"
    assert apart(save(tmp_path / "m.safetensors", parts), None).prediction.kind is None


def test_an_encoder_without_its_last_block_and_what_stands_behind_keeps_all(tmp_path: Path) -> None:
    arrays = {k: a for k, a in original("sd2").items() if "text_projection" not in k}
    found = apart(save(tmp_path / "m.safetensors", arrays))
    assert found.parts["text_encoder"].config["num_hidden_layers"] == 3
    assert found.notes == ("text_encoder: of the usual 24 blocks the file holds 3; 3 are used",)


def test_a_training_config_beside_the_file_tells_its_noise(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sd1"))
    path.with_suffix(".yaml").write_text("    timesteps: 500\n    parameterization: eps\n")
    arrays = {k: a for k, a in original("sd1").items() if "alphas" not in k and "betas" not in k}
    save(path, arrays)
    assert apart(path, None).schedule == {"num_train_timesteps": 500}
