"""The weight audit accounts for every constant, and finds a single flipped bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof.audit import PREFIXES, Audit, audit, prefixes_left_out
from sdcoreml.convert.proof.compressed import Compressed
from sdcoreml.convert.proof.tables import describe
from sdcoreml.ground.codec import to_plain
from tests.inside.convert.mil.graphs import F16, F32, Graph, Ref

RNG = np.random.default_rng(11)


@dataclass
class Checkpoint:
    """`Tensors` in memory that stand for a checkpoint."""

    tensors: Mapping[str, np.ndarray]
    asked: list[str] = field(default_factory=list)
    released: int = 0

    def names(self) -> tuple[str, ...]:
        return tuple(self.tensors)

    def __getitem__(self, name: str) -> np.ndarray:
        self.asked.append(name)
        return self.tensors[name]

    def release(self) -> None:
        self.released += 1


def normal(*shape: int, dtype: type = np.float16) -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


def account(
    weights: Mapping[str, np.ndarray],
    tensors: Mapping[str, np.ndarray],
    prefixes: tuple[str, ...] = (),
) -> Audit:
    """Audit a program that has the constants `weights` against a checkpoint of `tensors`."""
    graph = Graph(inputs={"x": (F16, (1,))})
    for name, content in weights.items():
        graph.weight(name, content)
    return audit(graph.function("x"), graph.storage, Checkpoint(tensors), prefixes)


MATRIX, VECTOR = normal(40, 30), normal(40)


def test_weights_are_found_by_content_in_any_order_and_under_any_name() -> None:
    found = account({"k2": VECTOR, "k1": MATRIX}, {"a.weight": MATRIX, "a.bias": VECTOR})
    assert found.passed
    assert found.sources == {"k2": ("a.bias",), "k1": ("a.weight",)}
    assert found.elements == 40 * 30 + 40
    assert to_plain(found.record()) == {
        "matched": 2,
        "elements": 1240,
        "extras": {},
        "compressed": {},
        "anonymous": 2,
        "misplaced": [],
        "unexplained": [],
        "missing": [],
    }


def test_a_weight_under_its_tensor_s_name_is_proved_to_be_in_its_place() -> None:
    tensors = {"to.q": MATRIX, "to.k": normal(40, 30)}
    right = account({"to_q": tensors["to.q"], "to_k": tensors["to.k"]}, tensors)
    wrong = account({"to_q": tensors["to.k"], "to_k": tensors["to.q"]}, tensors)
    strange = account({"const_7": tensors["to.q"], "to_k": tensors["to.k"]}, tensors)
    assert right.placed == {"to_q": "to_q", "to_k": "to_k"}
    assert wrong.misplaced == ("to_q", "to_k")
    assert not wrong.passed
    assert strange.anonymous == ("const_7",)
    assert strange.passed
    assert strange.placed == {"to_k": "to_k"}


def test_equal_tensors_are_in_place_under_either_name() -> None:
    assert account({"a": VECTOR, "b": VECTOR}, {"a": VECTOR, "b": VECTOR.copy()}).placed == {
        "a": "a",
        "b": "b",
    }


def test_each_tensor_is_read_once_however_many_are_alike() -> None:
    graph = Graph(inputs={"x": (F16, (1,))})
    tensors = {f"t.{number}": normal(5) * 0 + 1 for number in range(40)}
    for name, content in tensors.items():
        graph.weight(name.replace(".", "_"), content)
    checkpoint = Checkpoint(tensors)
    assert audit(graph.function("x"), graph.storage, checkpoint).passed
    assert len(checkpoint.asked) == 40


def test_mapped_pages_are_given_back_along_the_way() -> None:
    graph = Graph(inputs={"x": (F16, (1,))})
    tensors = {f"t{number}": np.full(12 << 20, number, np.float16) for number in range(5)}
    for name, content in tensors.items():
        graph.weight(name, content)
    checkpoint = Checkpoint(tensors)
    assert audit(graph.function("x"), graph.storage, checkpoint).passed
    assert checkpoint.released == 14


def test_a_linear_layer_written_as_a_convolution_is_the_same_weight() -> None:
    assert account({"k": MATRIX[:, :, None, None]}, {"a": MATRIX}).passed


@pytest.mark.parametrize("stored", [np.float32, np.float64])
def test_wider_tensors_are_compared_after_rounding(stored: type) -> None:
    tensor = normal(50, dtype=stored)
    assert account({"k": tensor.astype(np.float16)}, {"a": tensor}).passed


def test_a_float32_program_has_the_tensor_itself() -> None:
    tensor = normal(50, dtype=np.float32)
    assert account({"k": tensor}, {"a": tensor}).passed
    assert not account({"k": tensor.astype(np.float16).astype(np.float32)}, {"a": tensor}).passed


@pytest.mark.parametrize("place", [0, 1, 617, 1199])
def test_one_flipped_bit_anywhere_is_found(place: int) -> None:
    damaged = MATRIX.copy()
    damaged.view(np.uint16).reshape(-1)[place] ^= 1
    found = account({"k": damaged}, {"a": MATRIX})
    assert found.unexplained == ("k",)
    assert found.missing == ("a",)
    assert found.faults() == (
        "1 weights equal no tensor of the checkpoint: k",
        "1 tensors are not in the program: a",
    )


def test_a_transposed_weight_is_found_even_when_it_is_square() -> None:
    square = normal(30, 30)
    assert not account({"k": np.ascontiguousarray(square.T)}, {"a": square}).passed
    assert not account({"k": np.ascontiguousarray(MATRIX.T)}, {"a": MATRIX}).passed


def test_the_same_bytes_in_another_shape_are_another_weight() -> None:
    assert not account({"k": MATRIX.reshape(30, 40)}, {"a": MATRIX}).passed


def test_a_missing_tensor_is_named_and_a_foreign_one_too() -> None:
    found = account({"k": VECTOR, "stray": normal(7)}, {"a": MATRIX, "b": VECTOR})
    assert (found.unexplained, found.missing) == (("stray",), ("a",))


def test_equal_tensors_may_share_one_constant() -> None:
    found = account({"k": VECTOR}, {"a": VECTOR, "b": VECTOR.copy()})
    assert found.passed
    assert found.sources == {"k": ("a", "b")}


def test_only_the_tensors_of_the_component_have_to_turn_up() -> None:
    tensors = {"decoder.w": VECTOR, "encoder.w": normal(9), "x.position_ids": np.arange(9)}
    assert account({"k": VECTOR}, tensors, ("decoder.",)).passed
    assert account({"k": VECTOR}, tensors).missing == ("encoder.w",)


def test_a_skipped_layer_need_not_turn_up() -> None:
    config, layer = {"num_hidden_layers": 12}, "text_model.encoder.layers."
    whole = prefixes_left_out(config, ProgramOptions())
    assert f"{layer}11." not in whole
    assert whole[0] == f"{layer}12.", "a block that config.json does not count"
    skipped = prefixes_left_out(config, ProgramOptions(clip_skip=3))
    assert skipped == (f"{layer}10.", f"{layer}11.", *whole)
    graph = Graph(inputs={"x": (F16, (1,))})
    graph.weight("a", VECTOR)
    checkpoint = Checkpoint({"a": VECTOR, f"{layer}11.w": MATRIX, f"{layer}1.w": normal(9)})
    ignored = prefixes_left_out(config, ProgramOptions(clip_skip=2))
    found = audit(graph.function("x"), graph.storage, checkpoint, (), ignored)
    assert found.missing == (f"{layer}1.w",)


def test_a_weight_that_overflows_half_precision_equals_nothing() -> None:
    tensor = np.array([1.0, 1e6], np.float32)
    assert account({"k": np.array([1.0, 65504.0], np.float16)}, {"a": tensor}).missing == ("a",)


def test_scalars_and_integers_are_parameters_not_weights() -> None:
    graph = Graph(inputs={"x": (F32, (2,))})
    graph.op("add", {"x": Ref("x"), "y": np.float32(0.5)}, (F32, (2,)))
    graph.op("reshape", {"x": Ref("x"), "shape": [2, 1]}, (F32, (2, 1)))
    found = audit(graph.function("x"), graph.storage, Checkpoint({}), ())
    assert found == Audit(sources={}, extras={})


def test_a_constant_written_into_an_argument_is_audited_too() -> None:
    graph = Graph(inputs={"x": (F32, (2,))})
    graph.op("add", {"x": Ref("x"), "y": np.array([3.0, 4.0])}, (F32, (2,)), name="sum")
    found = audit(graph.function("x"), graph.storage, Checkpoint({}), ())
    assert found.unexplained == ("sum.y",)


def frequencies(count: int, shift: int) -> np.ndarray:
    exponents = np.arange(count) / (count - shift)
    table: np.ndarray = np.exp(-np.log(10000) * exponents).astype(np.float32)
    return table


KEPT = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)


def causal(value: float, dtype: type) -> np.ndarray:
    return np.triu(np.full((5, 5), value, dtype), 1)[None, None]


@pytest.mark.parametrize(
    ("constant", "kind"),
    [
        (np.zeros(32, np.float16), "zeros"),
        (np.ones(32, np.float16), "ones"),
        (frequencies(160, 0)[None], "timestep frequencies"),
        (frequencies(128, 1), "timestep frequencies"),
        (causal(-10000, np.float16), "causal mask"),
        (causal(-10000, np.float32), "causal mask"),
        ((KEPT**0.5).astype(np.float32), "noise schedule"),
        (((1 - KEPT) ** 0.5).astype(np.float32), "noise schedule"),
        (KEPT.astype(np.float32), None),
        (np.array([1.4] * 4 + [1] * 4, np.float16), "latent scale"),
        (np.array([0] * 4 + [-0.7] * 4, np.float16), "latent scale"),
        (np.array([1.4, 1.4, 1.4, 1.5, 1, 1, 1, 1], np.float16), None),
        (np.full(32, 0.5, np.float16), None),
        (frequencies(160, 0).astype(np.float16), None),
        (frequencies(160, 0) * np.float32(1.00001), None),
        (causal(-np.inf, np.float16), None),
        (causal(10000, np.float16), None),
        (causal(-10000, np.float16).swapaxes(2, 3).copy(), None),
    ],
)
def test_what_builders_add_is_recognised_exactly(constant: np.ndarray, kind: str | None) -> None:
    assert describe(constant) == kind
    found = account({"k": constant}, {})
    assert found.extras == ({"k": kind} if kind else {})
    assert found.passed == (kind is not None)


def weighed(tensor: str, psnr: float, wrong: int = 0, method: str = "6-bit palette") -> Compressed:
    return Compressed(tensor=tensor, method=method, psnr=psnr, wrong=wrong, is_nearest=not wrong)


FULL = Audit(
    sources={"a_weight": ("a.weight",), "b": ("c.weight",), "const_7": ("d.weight",)},
    extras={"mask": "a mask"},
    misplaced=("b",),
    anonymous=("const_7",),
    compressed={
        "e_palettized": weighed("e.weight", 40.005),
        "f_palettized": weighed("f.weight", 30.126, wrong=2),
        "g_palettized": weighed("g.weight", 50.1268),
        "h_integers": weighed("h.weight", 60.0, method="int8 linear"),
    },
    unexplained=("strange",),
    missing=("i.weight", "j.weight"),
    elements=99,
)


def test_all_that_an_audit_says() -> None:
    assert FULL.placed == {
        "a_weight": "a_weight",
        "e_palettized": "e_weight",
        "g_palettized": "g_weight",
        "h_integers": "h_weight",
    }
    assert FULL.wrong == ("f_palettized", "strange", "b")
    assert not FULL.passed
    assert FULL.faults() == (
        "1 compressed weights have codes that are not the nearest: f_palettized",
        "1 weights equal no tensor of the checkpoint: strange",
        "1 weights are another tensor than they are named for: b",
        "2 tensors are not in the program: i.weight, j.weight",
    )
    assert to_plain(FULL.record()) == {
        "matched": 3,
        "elements": 99,
        "extras": {"mask": "a mask"},
        "compressed": {
            "6-bit palette": {"weights": 3, "psnr": 30.13, "typical": 40.01, "worst": "f.weight"},
            "int8 linear": {"weights": 1, "psnr": 60.0, "typical": 60.0, "worst": "h.weight"},
        },
        "anonymous": 1,
        "misplaced": ["b"],
        "unexplained": ["strange"],
        "missing": ["i.weight", "j.weight"],
    }


def test_arguments_of_compressed_weights_are_no_weights() -> None:
    graph = Graph(inputs={"x": (F16, (1,))})
    graph.weight("lut", normal(64))
    arguments = {"indices": np.zeros(1, np.uint8), "lut": Ref("lut"), "scale": normal(7)}
    graph.op("constexpr_lut_to_dense", arguments, (F16, (8,)), name="w")
    graph.op("add", {"x": Ref("w"), "y": normal(8)}, (F16, (8,)), name="y")
    found = audit(graph.function("y"), graph.storage, Checkpoint({}))
    assert found.unexplained == ("w", "y.y")
    assert (found.compressed, found.sources) == ({}, {})


def test_the_tensors_of_a_vae_s_programs_begin_as_the_file_has_them() -> None:
    assert dict(PREFIXES) == {
        "vae_decoder": ("decoder.", "post_quant_conv."),
        "vae_encoder": ("encoder.", "quant_conv."),
    }
