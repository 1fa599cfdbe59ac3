"""The layouts of attention, operation by operation, and the factors that stand for its scale."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sdcoreml.convert.programs.attention import (
    LAYOUTS,
    Heads,
    attention,
    mask_scores,
    scales,
)
from sdcoreml.convert.programs.blocks import Norm, Transformer, resnet, sinusoids, transformer
from sdcoreml.convert.programs.graph import Graph, Step, port
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.options import Attention, Precision, ProgramOptions
from sdcoreml.convert.spec.model import DataType

F16 = DataType.FLOAT16


def graph(queries: int = 1280, **options: object) -> Graph:
    ports = (
        port("x", F16, (2, 80, 1, queries), "x"),
        port("context", F16, (2, 24, 1, 77), "context"),
        port("mask", F16, (1, 1, queries, 77), "mask"),
        port("image", F16, (2, 80, 4, 6), "image"),
        port("time", F16, (2, 16, 1, 1), "time"),
        port("steps", DataType.FLOAT32, (2,), "steps"),
    )
    return Graph(ports, replace(ProgramOptions(), **options))  # type: ignore[arg-type]


def kinds(g: Graph) -> Counter[str]:
    return Counter(step.type for step in g.steps if step.type != "const")


def steps(g: Graph, kind: str) -> list[Step]:
    return [step for step in g.steps if step.type == kind]


def attend(g: Graph, kind: Attention, heads: int = 2) -> Var:
    x, context = g.inputs["x"], g.inputs["context"]
    return attention(g, x, context, "attn", Heads(count=heads, layout=LAYOUTS[kind]))


@pytest.mark.parametrize("width", [40, 64, 80, 160, 16])
def test_two_numbers_of_half_precision_stand_for_the_scale(width: int) -> None:
    queries, keys = scales(width, Precision.FP16)
    assert (float(np.float16(queries)), float(np.float16(keys))) == (queries, keys)
    assert queries * keys == pytest.approx(width**-0.5, rel=4e-6)
    is_exact = float(np.float16(width**-0.5)) == width**-0.5
    assert is_exact == (keys == 1.0) == (width in {64, 16})
    assert 0.5 <= keys <= 1
    assert scales(width, Precision.FP32) == (width**-0.5, 1.0)


def test_original_attention_is_two_products_of_all_heads() -> None:
    g = graph()
    found = attend(g, Attention.ORIGINAL)
    assert found.shape == (2, 80, 1, 1280)
    assert kinds(g) == {"conv": 4, "mul": 2, "reshape": 4, "matmul": 2, "softmax": 1}
    scores, mixed = steps(g, "matmul")
    assert scores.results[0].shape == (2, 2, 1280, 77)
    assert mixed.results[0].shape == (2, 2, 40, 1280)
    assert g.declared["attn.to_k.weight"] == (80, 24, 1, 1)
    assert "attn.to_q.bias" not in g.declared
    assert g.declared["attn.to_out.0.bias"] == (80,)


def test_an_exact_scale_needs_one_factor() -> None:
    g = graph()
    attend(g, Attention.ORIGINAL, heads=5)
    assert kinds(g)["mul"] == 1


def test_a_mask_is_added_to_the_scores_alone() -> None:
    g = graph()
    x, context, mask = (g.inputs[name] for name in ("x", "context", "mask"))
    attention(g, x, context, "attn", Heads(count=2, layout=mask_scores(mask)))
    (added,) = steps(g, "add")
    assert added.results[0].shape == (2, 2, 1280, 77)
    assert added.arguments["y"] is mask


@pytest.mark.parametrize(
    ("kind", "queries", "pieces"),
    [
        (Attention.SPLIT_EINSUM, 1280, [1280]),
        (Attention.SPLIT_EINSUM_V2, 1280, [512, 512, 256]),
        (Attention.SPLIT_EINSUM_V2, 1024, [512, 512]),
        (Attention.SPLIT_EINSUM_V2, 24, [24]),
    ],
)
def test_split_attention_handles_each_head_by_itself(
    kind: Attention, queries: int, pieces: list[int]
) -> None:
    g = graph(queries)
    assert attend(g, kind).shape == (2, 80, 1, queries)
    einsums = steps(g, "einsum")
    shapes = [step.results[0].shape for step in einsums]
    each = [shape for piece in pieces for shape in ((2, 77, 1, piece), (2, 40, 1, piece))]
    assert shapes == each * 2
    assert len(steps(g, "softmax")) == 2 * len(pieces)
    (turned,) = steps(g, "transpose")
    assert turned.results[0].shape == (2, 77, 1, 80)


def test_a_residual_block_turns_its_input_only_where_channels_differ() -> None:
    g = graph()
    image, time, norm = g.inputs["image"], g.inputs["time"], Norm(groups=8, eps=1e-5)
    assert resnet(g, image, time, "same", 80, norm).shape == (2, 80, 4, 6)
    assert resnet(g, image, None, "other", 40, norm).shape == (2, 40, 4, 6)
    layers = {name.rpartition(".")[0] for name in g.declared}
    assert layers == {
        *(f"same.{name}" for name in ("norm1", "conv1", "time_emb_proj", "norm2", "conv2")),
        *(f"other.{name}" for name in ("norm1", "conv1", "norm2", "conv2", "conv_shortcut")),
    }
    assert g.declared["other.conv1.weight"] == (40, 80, 3, 3)
    assert g.declared["other.conv_shortcut.weight"] == (40, 80, 1, 1)


def test_a_transformer_has_its_blocks_in_order_and_the_size_of_its_input() -> None:
    g = graph()
    shape = Transformer(heads=2, depth=2, groups=8)
    found = transformer(g, g.inputs["image"], g.inputs["context"], "t", shape)
    assert found.shape == (2, 80, 4, 6)
    blocks = {name.split(".")[2] for name in g.declared if name.startswith("t.transformer_blocks")}
    assert blocks == {"0", "1"}
    assert g.declared["t.transformer_blocks.1.attn1.to_k.weight"] == (80, 80, 1, 1)
    assert g.declared["t.transformer_blocks.1.attn2.to_k.weight"] == (80, 24, 1, 1)
    assert g.declared["t.transformer_blocks.0.ff.net.0.proj.weight"] == (640, 80, 1, 1)
    assert g.declared["t.transformer_blocks.0.ff.net.2.weight"] == (80, 320, 1, 1)


@pytest.mark.parametrize(("flip", "order"), [(True, ["cos", "sin"]), (False, ["sin", "cos"])])
def test_phases_are_computed_in_float32(*, flip: bool, order: list[str]) -> None:
    g = graph()
    found = sinusoids(g, g.inputs["steps"], 12, flip=flip, shift=0.0)
    assert (found.shape, found.dtype) == ((2, 12), F16)
    waves = [step for step in g.steps if step.type in order]
    assert [step.type for step in waves] == order
    assert {step.results[0].dtype for step in waves} == {DataType.FLOAT32}
