"""One transformer block, as a torch module and as a hand-written program, for mutation tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from sdcoreml.convert.parity.check import Original
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.references.components import Reference
from sdcoreml.convert.references.inputs import Feeds, Shapes
from sdcoreml.convert.spec.model import Description, Model
from sdcoreml.convert.spec.model import Program as MilProgram
from sdcoreml.convert.storage.package import OpenProgram
from tests.inside.convert.mil.graphs import F16, F32, Graph, Ref

CHANNELS, HEADS, LENGTH, BATCH = 16, 2, 6, 2
DEPTH = CHANNELS // HEADS
SHAPE = (BATCH, CHANNELS, 1, LENGTH)


class Block(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A transformer block: norm, self-attention and a gated feed-forward layer, with residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(CHANNELS)
        self.q = torch.nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.k = torch.nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.v = torch.nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.out = torch.nn.Linear(CHANNELS, CHANNELS)
        self.gate = torch.nn.Linear(CHANNELS, 4 * CHANNELS)
        self.down = torch.nn.Linear(2 * CHANNELS, CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output for an input of shape (B, S, C), in the same shape."""
        y = self.norm(x)
        q, k, v = (
            part(y).unflatten(-1, (HEADS, DEPTH)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) / DEPTH**0.5, -1)
        x = x + self.out((weights @ v).transpose(1, 2).flatten(2))
        value, gate = self.gate(x).chunk(2, -1)
        return x + self.down(value * torch.nn.functional.gelu(gate))


def feeds(_: Mapping[str, Any], shapes: Shapes) -> tuple[Feeds, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        {"x": torch.randn(shapes["x"], generator=generator).half().float()} for _ in range(2)
    )


def call(module: torch.nn.Module, inputs: Feeds, _: ProgramOptions) -> dict[str, torch.Tensor]:
    states = inputs["x"].squeeze(2).transpose(1, 2)
    return {"y": module(states).transpose(1, 2).unsqueeze(2)}


JUDGE = Reference(build=lambda _: Block(), feeds=feeds, call=call)


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    block = Block().requires_grad_(requires_grad=False)
    block.norm.weight.uniform_(0.5, 1.5)
    block.norm.bias.normal_(std=0.3)
    return {name: tensor.half() for name, tensor in block.state_dict().items()}


def original(folder: Path) -> Original:
    weights = folder / "block.safetensors"
    save_file(tensors(), weights)
    return Original(component="block", reference=JUDGE, config={}, weights=weights)


def opened(graph: Graph) -> OpenProgram:
    """Return the graph as if it were read from a package."""
    function = graph.function("y")
    model = Model(
        specification_version=7,
        description=Description(inputs=(), outputs=()),
        program=MilProgram(version=1, functions={"main": function}),
    )
    return OpenProgram(
        path=Path("block.mlpackage"), model=model, function=function, storage=graph.storage
    )


def program(weights: Mapping[str, torch.Tensor] | None = None) -> Graph:
    """Return the block as a graph over (B, C, 1, S), with linear layers as 1x1 convolutions."""
    graph = Graph(inputs={"x": (F16, SHAPE)})
    for name, tensor in (weights or tensors()).items():
        content = tensor.numpy()
        graph.weight(name, content[:, :, None, None] if content.ndim > 1 else content)

    def conv(name: str, source: str, channels: int, *, biased: bool = True) -> str:
        bias = {"bias": Ref(f"{name}.bias")} if biased else {}
        arguments = {"x": Ref(source), "weight": Ref(f"{name}.weight"), "pad_type": "valid", **bias}
        return graph.op("conv", arguments, (F16, (BATCH, channels, 1, LENGTH)), name=name)

    def reshape(name: str, source: str, *shape: int) -> str:
        return graph.op(
            "reshape", {"x": Ref(source), "shape": list(shape)}, (F16, shape), name=name
        )

    norm = {"gamma": Ref("norm.weight"), "beta": Ref("norm.bias"), "epsilon": np.float16(1e-5)}
    graph.op("layer_norm", {"x": Ref("x"), "axes": [1], **norm}, (F16, SHAPE), name="norm")
    for name in "qkv":
        conv(name, "norm", CHANNELS, biased=False)
        reshape(f"{name}_heads", name, BATCH, HEADS, DEPTH, LENGTH)
    square = (F16, (BATCH, HEADS, LENGTH, LENGTH))
    graph.op(
        "matmul",
        {"x": Ref("q_heads"), "y": Ref("k_heads"), "transpose_x": True, "transpose_y": False},
        square,
        name="scores",
    )
    scale = np.float16(DEPTH**-0.5)
    graph.op("mul", {"x": Ref("scores"), "y": scale}, square, name="scaled")
    graph.op("softmax", {"x": Ref("scaled"), "axis": 3}, square, name="attention")
    graph.op(
        "matmul",
        {"x": Ref("v_heads"), "y": Ref("attention"), "transpose_x": False, "transpose_y": True},
        (F16, (BATCH, HEADS, DEPTH, LENGTH)),
        name="mixed",
    )
    reshape("joined", "mixed", *SHAPE)
    conv("out", "joined", CHANNELS)
    graph.op("add", {"x": Ref("out"), "y": Ref("x")}, (F16, SHAPE), name="middle")
    conv("gate", "middle", 4 * CHANNELS)
    half = (F16, (BATCH, 2 * CHANNELS, 1, LENGTH))
    graph.op("split", {"x": Ref("gate"), "num_splits": 2, "axis": 1}, half, half, name="part")
    graph.op("gelu", {"x": Ref("part_1"), "mode": "EXACT"}, half, name="active")
    graph.op("mul", {"x": Ref("part"), "y": Ref("active")}, half, name="gated")
    conv("down", "gated", CHANNELS)
    graph.op("add", {"x": Ref("down"), "y": Ref("middle")}, (F16, SHAPE), name="end")
    graph.op("cast", {"x": Ref("end"), "dtype": "fp32"}, (F32, SHAPE), name="y")
    return graph
