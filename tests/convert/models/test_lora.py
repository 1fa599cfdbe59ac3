from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan
from sdcoreml.convert.models.lora import LoraSource, merge_loras, parse_lora
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.writer import write_safetensors
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from sdcoreml.ground.events import Event
from tests.convert.models.originals import TEXT_CONFIG, UNETS

Arrays = dict[str, np.ndarray]
RANK = 2
LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
CONV = "down_blocks.0.resnets.0.conv1"
POINT = "down_blocks.0.attentions.0.proj_in"
TEXT = "text_model.encoder.layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def weights() -> dict[str, Arrays]:
    generator = np.random.default_rng(0)
    shapes = {
        "unet": parameters("UNet2DConditionModel", UNETS["sd1"]),
        "text_encoder": parameters("CLIPTextModel", TEXT_CONFIG),
    }
    return {
        component: {n: generator.standard_normal(s).astype("f4") for n, s in (found or {}).items()}
        for component, found in shapes.items()
    }


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, Arrays]) -> FolderPlan:
    folder = tmp_path_factory.mktemp("model")
    configs = {"unet": UNETS["sd1"], "text_encoder": TEXT_CONFIG}
    parts = {}
    for component, arrays in weights.items():
        path = folder / f"{component}.safetensors"
        safetensors.numpy.save_file(arrays, path)
        tensors = open_checkpoint(path).tensors
        parts[component] = ComponentFiles(
            kind="", config=configs[component], tensors=tensors, whole=path
        )
    return FolderPlan(parts=parts, files={})


def factors(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return random LoRA matrices (down, up) whose product fits `weight`."""
    generator = np.random.default_rng(1)
    kernel = (1,) * (weight.ndim - 2)
    down = generator.standard_normal((RANK, *weight.shape[1:])).astype("f4")
    up = generator.standard_normal((weight.shape[0], RANK, *kernel)).astype("f4")
    return down, up


def expected(weight: np.ndarray, scale: float) -> np.ndarray:
    down, up = factors(weight)
    flat = up.reshape(len(weight), RANK) @ down.reshape(RANK, -1)
    return np.asarray(weight + np.float32(scale) * flat.reshape(weight.shape))


def save(folder: Path, arrays: Arrays) -> Path:
    path = folder / "lora.safetensors"
    safetensors.numpy.save_file(arrays, path)
    return path


def merged(folder: Path, plan: FolderPlan, lora: Arrays, scale: float = 1.0) -> dict[str, Arrays]:
    source = LoraSource(path=save(folder, lora), scale=scale)
    found = merge_loras(plan, [source])
    written = {}
    for component, part in found.parts.items():
        write_safetensors(part.tensors, folder / "out.safetensors")
        written[component] = dict(safetensors.numpy.load_file(folder / "out.safetensors"))
    return written


def kohya(layer: str) -> tuple[str, str, str]:
    stem = f"lora_unet_{layer.replace('.', '_')}"
    return f"{stem}.lora_down.weight", f"{stem}.lora_up.weight", f"{stem}.alpha"


class Merged:
    """Merges a LoRA of one layer, with given names of its matrices, and checks the weight."""

    def __init__(self, folder: Path, plan: FolderPlan, weights: dict[str, Arrays]) -> None:
        self.folder, self.plan, self.weights = folder, plan, weights

    def check(self, component: str, layer: str, down: str, up: str) -> None:
        weight = self.weights[component][f"{layer}.weight"]
        lora = dict(zip((down, up), factors(weight), strict=True))
        found = merged(self.folder, self.plan, lora)[component][f"{layer}.weight"]
        np.testing.assert_allclose(found, expected(weight, 1), rtol=1e-5, atol=1e-5)


@pytest.fixture
def factor(tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]) -> Merged:
    return Merged(tmp_path, plan, weights)


STYLES: dict[str, Callable[[str], tuple[str, str]]] = {
    "kohya": lambda layer: kohya(layer)[:2],
    "PEFT": lambda layer: (f"unet.{layer}.lora_A.weight", f"unet.{layer}.lora_B.weight"),
    "PEFT, named": lambda layer: (
        f"base_model.model.{layer}.lora_A.default.weight",
        f"base_model.model.{layer}.lora_B.default.weight",
    ),
    "diffusers": lambda layer: (f"unet.{layer}.lora.down.weight", f"unet.{layer}.lora.up.weight"),
}


@pytest.mark.parametrize("layer", [LINEAR, OUT, CONV, POINT])
@pytest.mark.parametrize("style", list(STYLES))
def test_every_style_changes_the_layer_and_only_it(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays], style: str, layer: str
) -> None:
    name = f"{layer}.weight"
    down, up = factors(weights["unet"][name])
    names = STYLES[style](layer)
    found = merged(tmp_path, plan, dict(zip(names, (down, up), strict=True)))
    for key, before in weights["unet"].items():
        after = found["unet"][key]
        if key == name:
            np.testing.assert_allclose(after, expected(before, 1), rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(after, before)


def test_the_processors_of_diffusers_name_the_layer_beside_them(factor: Merged) -> None:
    stem = f"unet.{OUT.removesuffix('.to_out.0')}.processor.to_out_lora"
    factor.check("unet", OUT, f"{stem}.down.weight", f"{stem}.up.weight")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.down.weight", "up"),
        (f"text_encoder.{TEXT}.lora_linear_layer.down.weight", "up"),
        ("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", "lora_up"),
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", "lora_up"),
    ],
)
def test_text_encoders_are_merged_too(factor: Merged, before: str, after: str) -> None:
    other = before.replace("lora_down" if after == "lora_up" else "down", after)
    factor.check("text_encoder", TEXT, before, other)


@pytest.mark.parametrize(
    ("original", "layer"),
    [
        ("input_blocks_1_1_transformer_blocks_0_attn1_to_q", LINEAR),
        ("input_blocks_1_0_in_layers_2", CONV),
        ("middle_block_1_proj_in", "mid_block.attentions.0.proj_in"),
        ("output_blocks_3_1_proj_in", "up_blocks.1.attentions.0.proj_in"),
    ],
)
def test_original_names_are_understood(factor: Merged, original: str, layer: str) -> None:
    stem = f"lora_unet_{original}"
    factor.check("unet", layer, f"{stem}.lora_down.weight", f"{stem}.lora_up.weight")


def test_alpha_and_scale_multiply(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    weight = weights["unet"][f"{LINEAR}.weight"]
    down, up = factors(weight)
    lora = dict(zip(kohya(LINEAR), (down, up, np.array(1.0, "f4")), strict=True))
    found = merged(tmp_path, plan, lora, scale=0.5)["unet"][f"{LINEAR}.weight"]
    np.testing.assert_allclose(found, expected(weight, 0.5 * 1 / RANK), rtol=1e-5, atol=1e-5)


def test_a_convolution_in_three_parts(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    weight = weights["unet"][f"{CONV}.weight"]
    generator = np.random.default_rng(2)
    down = generator.standard_normal((RANK, weight.shape[1], 1, 1)).astype("f4")
    mid = generator.standard_normal((RANK, RANK, 3, 3)).astype("f4")
    up = generator.standard_normal((weight.shape[0], RANK, 1, 1)).astype("f4")
    names = kohya(CONV)
    lora = {
        names[0]: down,
        names[1]: up,
        names[0].replace("lora_down", "lora_mid"): mid,
    }
    found = merged(tmp_path, plan, lora)["unet"][f"{CONV}.weight"]
    delta = np.einsum("mnhw,im,nj->ijhw", mid, up[:, :, 0, 0], down[:, :, 0, 0])
    np.testing.assert_allclose(found, weight + delta, rtol=1e-4, atol=1e-4)


def test_several_add_up_and_the_file_is_no_longer_whole(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    weight = weights["unet"][f"{LINEAR}.weight"]
    down, up = factors(weight)
    source = LoraSource(path=save(tmp_path, dict(zip(kohya(LINEAR), (down, up), strict=False))))
    found = merge_loras(plan, [source, source])
    assert found.parts["unet"].whole is None
    assert found.parts["text_encoder"].whole is not None
    write_safetensors(found.parts["unet"].tensors, tmp_path / "out.safetensors")
    changed = safetensors.numpy.load_file(tmp_path / "out.safetensors")[f"{LINEAR}.weight"]
    np.testing.assert_allclose(changed, expected(weight, 2), rtol=1e-5, atol=1e-5)


def test_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    weight = np.full((4, 4), 1.0, "f2")
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"x.weight": weight}, path)
    part = ComponentFiles(kind="", config={}, tensors=open_checkpoint(path).tensors)
    down, up = np.full((1, 4), 1e-4, "f2"), np.full((4, 1), 1e-4, "f2")
    lora = {"lora_unet_x.lora_down.weight": down, "lora_unet_x.lora_up.weight": up}
    found = merged(tmp_path, FolderPlan(parts={"unet": part}, files={}), lora, scale=1e5)
    exact = 1 + 1e5 * np.float32(down[0, 0]) * np.float32(up[0, 0])
    np.testing.assert_array_equal(found["unet"]["x.weight"], np.full((4, 4), exact).astype("f2"))


def test_a_lora_of_another_model_is_refused(tmp_path: Path, plan: FolderPlan) -> None:
    down, up = np.zeros((2, 8), "f4"), np.zeros((8, 2), "f4")
    stray = {"lora_unet_nowhere.lora_down.weight": down, "lora_unet_nowhere.lora_up.weight": up}
    with pytest.raises(BadInputError, match="2 tensors have no counterpart in this model, such as"):
        merged(tmp_path, plan, stray)
    narrow = dict(zip(kohya(LINEAR), (down, up), strict=False))
    with pytest.raises(BadInputError, match=r"does not fit a tensor of shape \[32, 32\]"):
        merged(tmp_path, plan, narrow)


def test_half_a_lora_is_refused(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    down, _ = factors(weights["unet"][f"{LINEAR}.weight"])
    with pytest.raises(BadInputError, match=r"has no counterpart 'up'; download it again$"):
        merged(tmp_path, plan, {kohya(LINEAR)[0]: down})


@pytest.mark.parametrize("end", ["hada_t1", "lokr_t2", "dora_scale"])
def test_other_adapters_are_named(tmp_path: Path, plan: FolderPlan, end: str) -> None:
    with pytest.raises(UnsupportedError, match=f"has tensors '{end}', so it is an adapter"):
        merged(tmp_path, plan, {f"lora_unet_x.{end}": np.zeros((1, 1), "f4")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.safetensors", LoraSource(path=Path("a.safetensors"))),
        ("a.safetensors:0.75", LoraSource(path=Path("a.safetensors"), scale=0.75)),
        ("a:-1", LoraSource(path=Path("a"), scale=-1.0)),
        ("odd:dir/a", LoraSource(path=Path("odd:dir/a"))),
    ],
)
def test_a_lora_on_the_command_line(text: str, expected: LoraSource) -> None:
    assert parse_lora(text) == expected


@pytest.mark.parametrize("text", ["a:much", "a:nan", "a:inf"])
def test_a_scale_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a scale: "):
        parse_lora(text)


@pytest.mark.parametrize(
    "alpha",
    [
        np.array([], "f4"),
        np.array([1, 2], "f4"),
        np.array(np.nan, "f4"),
        np.array(np.inf, "f4"),
    ],
)
def test_an_alpha_that_is_no_number_is_refused_before_it_spoils_a_weight(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays], alpha: np.ndarray
) -> None:
    lora = dict(
        zip(kohya(LINEAR), (*factors(weights["unet"][f"{LINEAR}.weight"]), alpha), strict=True)
    )
    with pytest.raises(
        BadInputError, match=r"alpha' is not a single finite number; download it again"
    ):
        merged(tmp_path, plan, lora)


@pytest.mark.parametrize("kind", ["f2", "f8", "i4", "i8"])
def test_an_alpha_may_be_of_any_type(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays], kind: str
) -> None:
    weight = weights["unet"][f"{LINEAR}.weight"]
    alpha = np.array([2], kind)
    lora = dict(zip(kohya(LINEAR), (*factors(weight), alpha), strict=True))
    found = merged(tmp_path, plan, lora)["unet"][f"{LINEAR}.weight"]
    np.testing.assert_allclose(found, expected(weight, 2 / RANK), rtol=1e-5, atol=1e-5)


def test_an_alpha_without_a_layer_changes_nothing(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    _, _, alpha = kohya(LINEAR)
    found = merged(tmp_path, plan, {alpha: np.array(1.0, "f4")})
    for name, before in weights["unet"].items():
        np.testing.assert_array_equal(found["unet"][name], before)


@pytest.mark.parametrize("part", ["q", "k", "v", "out"])
def test_every_projection_of_a_processor_is_known(factor: Merged, part: str) -> None:
    layer = f"text_model.encoder.layers.0.self_attn.{part}_proj"
    stem = f"text_encoder.text_model.encoder.layers.0.self_attn.to_{part}_lora"
    factor.check("text_encoder", layer, f"{stem}.down.weight", f"{stem}.up.weight")


def test_a_lora_for_what_the_model_lacks_is_refused(tmp_path: Path, plan: FolderPlan) -> None:
    name = f"lora_te2_{TEXT.replace('.', '_')}.lora_down.weight"
    with pytest.raises(
        BadInputError, match="have no counterpart in this model, such as 'lora_te2_"
    ):
        merged(tmp_path, plan, {name: np.zeros((RANK, 3), "f4")})


def test_a_few_tensors_that_mean_nothing_are_left_out_and_named(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    layers = [n for n, a in weights["unet"].items() if n.endswith(".weight") and a.ndim == 2][:4]
    lora: Arrays = {"lora_unet_mystery.lora_up.weight": np.zeros((4, RANK), "f4")}
    for layer in layers:
        down, up = factors(weights["unet"][layer])
        lora |= dict(zip(kohya(layer.removesuffix(".weight"))[:2], (down, up), strict=True))
    events: list[Event] = []
    source = LoraSource(path=save(tmp_path, lora))
    merge_loras(plan, [source], events.append)
    what = "1 tensors have no counterpart in the model and are skipped"
    left = f"{what}: lora_unet_mystery.lora_up.weight"
    assert [event.text for event in events] == [f"lora.safetensors: {left}"]


def test_what_is_for_text_encoders_is_left_to_an_app_that_has_them(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, Arrays]
) -> None:
    alone = FolderPlan(parts={"unet": plan.parts["unet"]}, files={})
    # It fits no text encoder, and is of a kind that is refused in a UNet: neither is our matter.
    text = {
        f"lora_te_{TEXT.replace('.', '_')}.lora_down.weight": np.zeros((RANK, 3), "f4"),
        f"lora_te_{TEXT.replace('.', '_')}.dora_scale": np.zeros((RANK, 3), "f4"),
    }
    changes = factors(weights["unet"][f"{LINEAR}.weight"])
    lora = text | dict(zip(kohya(LINEAR)[:2], changes, strict=True))
    source = LoraSource(path=save(tmp_path, lora))
    for one in (alone, plan):
        events: list[Event] = []
        merged_plan = merge_loras(one, [source], events.append, only_unet=True)
        said = "lora.safetensors: its 2 tensors for text encoders are left to the app"
        assert [(event.kind, event.text) for event in events] == [("note", said)]
        assert merged_plan.parts["unet"].whole is None
        assert merged_plan.parts.get("text_encoder") == one.parts.get("text_encoder")
    with pytest.raises(BadInputError, match="'lora_unet_mystery"):
        merged(tmp_path, alone, {"lora_unet_mystery.lora_up.weight": np.zeros((4, RANK), "f4")})


def test_what_changes_no_unet_is_refused_where_nothing_else_is_converted(
    tmp_path: Path, plan: FolderPlan
) -> None:
    text = {f"lora_te_{TEXT.replace('.', '_')}.lora_down.weight": np.zeros((RANK, 3), "f4")}
    source = LoraSource(path=save(tmp_path, text))
    with pytest.raises(BadInputError, match="changes text encoders only"):
        merge_loras(plan, [source], only_unet=True)
