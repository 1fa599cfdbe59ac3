"""What each measure against half-precision errors achieves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.programs import attention, draw, unet
from sdcoreml.convert.programs.attention import scales
from sdcoreml.convert.programs.blocks import PERIOD
from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import concat, mul
from sdcoreml.convert.programs.options import Precision
from sdcoreml.convert.programs.payload import ComputedConstant
from sdcoreml.convert.spec.blobs import open_weights
from sdcoreml.convert.spec.model import DataType, Operation, TensorType
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.storage.elements import FLOATS, array
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.configs import CROSS, CROSS_UP, PLAIN, PLAIN_UP, TEXT
from tests.inside.convert.programs.models import Checkpoint, checkpoint, save


def operations(made: Checkpoint, kind: str) -> list[Operation]:
    block = made.build().model.program.functions["main"].block
    return [operation for operation in block.operations if operation.type == kind]


def dtype(operation: Operation) -> DataType:
    kind = operation.outputs[0].type
    assert isinstance(kind, TensorType)
    return kind.dtype


def test_the_phase_of_a_timestep_is_computed_in_float32(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    waves = operations(made, "sin") + operations(made, "cos")
    assert [dtype(wave) for wave in waves] == [DataType.FLOAT32] * 2
    exact = made.check(tmp_path / "exact.mlpackage")

    def halved(g: Graph, t: Var, width: int, *, flip: bool, shift: float) -> Var:
        """Compute the time embedding as upstream does: frequencies and phases in float16."""
        half = width // 2
        exponents = np.arange(half, dtype=np.float64) / (half - shift)
        table = (PERIOD**-exponents).astype(np.float16)[np.newaxis]
        t = g.emit("expand_dims", x=g.cast(t, DataType.FLOAT16), axes=[1])
        phase = mul(g, t, g.table(table, "frequencies"))
        order = ("cos", "sin") if flip else ("sin", "cos")
        return concat(g, [g.emit(wave, x=phase) for wave in order])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unet, "sinusoids", halved)
        rounded = made.check(tmp_path / "rounded.mlpackage")
    assert exact.psnr(Mode.FP32) > 120
    assert rounded.psnr(Mode.FP32) < 100  # by the table alone
    # By the phases, too: 981 * 0.6 is rounded to a multiple of a half.
    assert rounded.psnr(Mode.FP16) < exact.psnr(Mode.FP16) - 2


def test_the_causal_mask_is_finite_and_no_weight() -> None:
    drawn = draw("text_encoder", {**TEXT, "max_position_embeddings": 5})
    (table,) = [s for s in drawn.graph.sources.values() if isinstance(s, ComputedConstant)]
    mask = table.array
    assert mask.shape == (1, 1, 5, 5)
    assert mask.dtype == np.float16
    assert np.isfinite(mask).all()
    assert (mask[0, 0] == np.triu(np.full((5, 5), -1e4), 1)).all()


def test_attention_of_the_text_encoder_has_four_dimensions(tmp_path: Path) -> None:
    products = operations(checkpoint("text_encoder", tmp_path), "matmul")
    assert len(products) == 2 * TEXT["num_hidden_layers"]
    for product in products:  # a frontend traces them as 3-D: heads and batch in one dimension
        kind = product.outputs[0].type
        assert isinstance(kind, TensorType)
        assert len(kind.shape) == 4


def test_large_logits_do_not_overflow_on_their_way(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path, {"attention_head_dim": 1})
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    for name, tensor in state.items():
        if "attn1.to_q" in name or "attn1.to_k" in name:
            tensor.mul_(10 / tensor.std())
    loud = Checkpoint(
        component="unet", config=made.config, weights=save(state, tmp_path / "loud.safetensors")
    )
    package = loud.write(tmp_path / "x.mlpackage")
    largest = []

    def watch(operation: Operation, _: str, result: torch.Tensor) -> None:
        if operation.type == "einsum":
            largest.append(float(result.abs().max()))

    generator = torch.Generator().manual_seed(1)
    feeds = {
        "sample": torch.randn((2, 4, 16, 16), generator=generator).half().float(),
        "timestep": torch.tensor([981.0, 981.0]),
        "encoder_hidden_states": torch.randn((2, 24, 1, 77), generator=generator).half().float(),
    }
    with open_package(package) as executable:
        result = executable.run(feeds, Mode.FP16, watch)["noise_pred"]
    assert result.isfinite().all()
    # Scaled only afterwards, by 32 ** -0.5, these very products would not fit float16.
    assert max(largest) * 32**0.5 > 65504 > max(largest)


@pytest.mark.parametrize("width", [8, 24, 40, 64, 80, 160])
def test_the_scale_of_attention_is_more_exact_than_float16(width: int) -> None:
    of_queries, of_keys = scales(width, Precision.FP16)
    assert of_queries == np.float16(of_queries)
    assert of_keys == np.float16(of_keys)
    assert of_queries * of_keys == pytest.approx(width**-0.5, rel=4e-6)
    assert (of_keys == 1) is (width == 64)
    assert scales(width, Precision.FP32) == (width**-0.5, 1)


def test_sharp_attention_with_the_heads_of_sd_1_keeps_its_temperature(tmp_path: Path) -> None:
    changes = {
        "block_out_channels": [160, 160],
        "attention_head_dim": 4,
        "down_block_types": [CROSS, PLAIN],
        "up_block_types": [PLAIN_UP, CROSS_UP],
        "norm_num_groups": 16,
    }
    made = checkpoint("unet", tmp_path, changes)
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    for name, tensor in state.items():
        if ".to_q." in name or ".to_k." in name:
            tensor.mul_(3)
    sharp = Checkpoint(
        component="unet", config=made.config, weights=save(state, tmp_path / "sharp.safetensors")
    )
    exact = sharp.check(tmp_path / "exact.mlpackage").psnr(Mode.FP32)
    with pytest.MonkeyPatch.context() as patch:  # as upstream has it: one number, in float16
        patch.setattr(attention, "scales", lambda width, _: (width**-0.5, 1))
        rounded = sharp.check(tmp_path / "rounded.mlpackage").psnr(Mode.FP32)
    assert exact > 120
    assert rounded < 110


def test_a_norm_whose_weight_is_zero_passes_its_bias_on(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    state = dict(load_file(made.weights))
    zeroed = [name for name in state if name.endswith("norm1.weight")]
    for name in zeroed:
        state[name] = state[name].clone()
        state[name][::2] = 0
    assert any("transformer_blocks" in name for name in zeroed)
    with np.errstate(divide="ignore"):  # upstream's layer stores the bias over the weight
        biases = {name: state[name.replace("weight", "bias")].numpy() for name in zeroed}
        quotients = [bias / state[name].numpy() for name, bias in biases.items()]
    assert not any(np.isfinite(quotient).all() for quotient in quotients)
    zero = Checkpoint(
        component="unet", config=made.config, weights=save(state, tmp_path / "zero.safetensors")
    )
    parity = zero.check(tmp_path / "x.mlpackage")
    assert parity.passed, parity.faults()


def test_every_weight_of_the_graph_is_written_as_it_is(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    package = read_package(made.write(tmp_path / "x.mlpackage"))
    state = load_file(made.weights)
    assert package.weights is not None
    with open_weights(package.weights) as storage:
        found = {
            operation.outputs[0].name: array(operation.attributes["val"], storage)
            for operation in package.model.program.functions["main"].block.operations
            if operation.type == "const" and dtype(operation) in FLOATS
        }
        for name, tensor in state.items():
            stored = found[name.replace(".", "_")]
            assert (stored.reshape(-1) == tensor.numpy().reshape(-1)).all(), name
