"""Compressed weights: each code must be the nearest, and graphs with such weights are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import QUICK, check_program
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.spec.model import NamedType, Operation, TensorType
from tests.inside.convert import block
from tests.inside.convert.mil.graphs import F16, Graph, bindings
from tests.inside.convert.mil.test_constexpr import pack
from tests.inside.convert.mutations import argument, swapped

Parts = dict[str, np.ndarray]
Compress = Callable[[np.ndarray], tuple[str, Parts]]
LARGE = ("q.weight", "k.weight", "v.weight", "out.weight", "gate.weight", "down.weight")


def palette(weight: np.ndarray) -> tuple[str, Parts]:
    """Compress to an evenly spaced palette of six bits, as coremltools does for iOS 16."""
    table = np.linspace(weight.min(), weight.max(), 64).astype(np.float16)
    distance = np.abs(weight.reshape(-1, 1).astype(np.float32) - table.astype(np.float32))
    codes = distance.argmin(1).astype(np.uint8)
    shape = np.array(weight.shape, np.int32)
    return "constexpr_lut_to_dense", {"indices": pack(codes, 6), "lut": table, "shape": shape}


def linear(weight: np.ndarray) -> tuple[str, Parts]:
    """Quantise to eight bits, with one scale per output channel."""
    wide = weight.astype(np.float32)
    scale = (np.abs(wide).reshape(len(wide), -1).max(1) / 127).astype(np.float16)
    along = scale.astype(np.float32).reshape(-1, *[1] * (weight.ndim - 1))
    codes = np.rint(wide / along).clip(-127, 127).astype(np.int8)
    zero = np.zeros(len(wide), np.int8)
    return "constexpr_affine_dequantize", {
        "quantized_data": codes,
        "scale": scale,
        "zero_point": zero,
        "axis": np.array(0, np.int32),
    }


def sparse(weight: np.ndarray) -> tuple[str, Parts]:
    """Compress to sparse form, which drops the half of the weights with the least magnitude."""
    mask = np.abs(weight) > np.median(np.abs(weight))
    shape = np.array(weight.shape, np.int32)
    return "constexpr_sparse_to_dense", {
        "nonzero_data": weight[mask],
        "mask": pack(mask.astype(np.uint8), 1),
        "shape": shape,
    }


METHODS: Mapping[str, Compress] = {
    "6-bit palette": palette,
    "int8 linear": linear,
    "sparse": sparse,
}


def compressed(compress: Compress, damage: Callable[[Parts], None] | None = None) -> Graph:
    """Return the block with its large weights compressed; `damage` edits the first of them."""
    graph = block.program()
    for name in LARGE:
        place = next(i for i, item in enumerate(graph.operations) if item.outputs[0].name == name)
        content = block.tensors()[name].numpy()[:, :, None, None]
        kind, parts = compress(content)
        if damage is not None and name == LARGE[0]:
            damage(parts)
        graph.operations[place] = Operation(
            type=kind,
            inputs={key: bindings(part) for key, part in parts.items()},
            outputs=(NamedType(name=name, type=TensorType(dtype=F16, shape=content.shape)),),
        )
    return graph


def check(graph: Graph, folder: Path) -> Parity:
    return check_program(block.opened(graph), block.original(folder), QUICK)


@pytest.mark.parametrize("method", METHODS)
def test_a_well_compressed_program_passes_and_says_what_it_cost(
    tmp_path: Path, method: str
) -> None:
    parity = check(compressed(METHODS[method]), tmp_path)
    assert parity.faults() == ()
    assert parity.psnr(Mode.FP32) > 118
    (fidelity,) = parity.fidelity
    assert 15 < fidelity.psnr < 80
    summary = parity.proof().audit.compressed
    assert summary.keys() == {method}
    assert summary[method].weights == 6
    assert parity.proof().fidelity[0].output == "y"


@pytest.mark.parametrize("method", ["6-bit palette", "int8 linear"])
def test_codes_that_are_the_nearest_leave_the_graph_what_it_was(
    tmp_path: Path, method: str
) -> None:
    parity = check(compressed(METHODS[method]), tmp_path)
    assert parity.key == check(block.program(), tmp_path).key


def test_of_a_pruned_weight_nobody_can_say_that_nothing_is_nearer(tmp_path: Path) -> None:
    parity = check(compressed(METHODS["sparse"]), tmp_path)
    assert parity.key
    assert parity.key != check(block.program(), tmp_path).key


def test_one_code_off_by_one_step_is_not_certified(tmp_path: Path) -> None:
    def nudge(parts: Parts) -> None:
        parts["quantized_data"].reshape(-1)[5] += 1

    parity = check(compressed(linear, nudge), tmp_path)
    assert parity.key != check(block.program(), tmp_path).key


def flip_code(parts: Parts) -> None:
    parts["indices"][9] ^= 0x10


def move_entry(parts: Parts) -> None:
    parts["lut"][60] *= np.float16(1.2)


def shift_zero(parts: Parts) -> None:
    parts["zero_point"][3] += 1


def grow_scale(parts: Parts) -> None:
    parts["scale"][0] *= np.float16(1.1)


def flip_quantum(parts: Parts) -> None:
    parts["quantized_data"].reshape(-1)[5] ^= 0x04


def flip_value(parts: Parts) -> None:
    parts["nonzero_data"][5] *= np.float16(-1)


@pytest.mark.parametrize(
    ("compress", "damage"),
    [
        (palette, flip_code),
        (palette, move_entry),
        (linear, shift_zero),
        (linear, grow_scale),
        (linear, flip_quantum),
        (sparse, flip_value),
    ],
)
def test_a_code_that_is_not_the_nearest_is_found(
    tmp_path: Path, compress: Compress, damage: Callable[[Parts], None]
) -> None:
    parity = check(compressed(compress, damage), tmp_path)
    assert parity.audit.compressed["q.weight"].wrong > 0
    assert parity.faults() == (
        "1 compressed weights have codes that are not the nearest: q.weight",
    )


def test_a_compressed_weight_in_another_s_place_is_found(tmp_path: Path) -> None:
    graph = compressed(palette)
    by_name = {item.outputs[0].name: item for item in graph.operations}
    one, other = by_name["q.weight"], by_name["k.weight"]
    for item, source in ((one, other), (other, one)):
        place = graph.operations.index(item)
        graph.operations[place] = Operation(
            type=item.type, inputs=source.inputs, outputs=item.outputs
        )
    assert {
        name for name, item in check(graph, tmp_path).audit.compressed.items() if item.wrong
    } == {
        "q.weight",
        "k.weight",
    }


def test_a_broken_graph_of_compressed_weights_is_found_as_any_other(tmp_path: Path) -> None:
    graph = compressed(linear)
    argument("active", mode="TANH_APPROXIMATION")(graph)
    parity = check(graph, tmp_path)
    assert parity.audit.passed
    assert parity.psnr(Mode.FP32) < 115


def test_the_weights_that_are_not_compressed_are_audited_as_ever(tmp_path: Path) -> None:
    graph = compressed(palette)
    swapped("out.bias", "down.bias")(graph)
    assert check(graph, tmp_path).audit.misplaced == ("out.bias", "down.bias")
