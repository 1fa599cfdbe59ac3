"""Options read from JSON, and config values that are read, accepted or refused."""

from __future__ import annotations

import pytest

from sdcoreml.convert.programs.config import ConfigReader, refuse_unknown
from sdcoreml.convert.programs.options import (
    Attention,
    Precision,
    Prediction,
    ProgramOptions,
    Target,
    TextStates,
    parse_options,
)
from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.errors import BadInputError, UnsupportedError


def test_options_are_parsed_by_value() -> None:
    fields = {
        "height": 64,
        "attention": "ORIGINAL",
        "precision": "fp32",
        "target": "macOS14",
        "prediction": "v_prediction",
        "text_states": "penultimate",
    }
    assert parse_options(fields) == ProgramOptions(
        height=64,
        attention=Attention.ORIGINAL,
        precision=Precision.FP32,
        target=Target.MACOS14,
        prediction=Prediction.VELOCITY,
        text_states=TextStates.PENULTIMATE,
    )


def test_no_options_are_the_defaults() -> None:
    assert parse_options({}) == ProgramOptions()
    assert ProgramOptions().attention is Attention.SPLIT_EINSUM


def test_an_unknown_option_and_an_unknown_value() -> None:
    with pytest.raises(UnsupportedError, match="options: unknown field 'colour'; see `sdcoreml"):
        parse_options({"hue": 1, "colour": 2})
    with pytest.raises(UnsupportedError, match="one of fp16, fp32 is expected, not 'int8'"):
        parse_options({"precision": "int8"})


@pytest.mark.parametrize(
    ("target", "specification", "opset"),
    [
        ("macOS13", 7, "CoreML6"),
        ("macOS14", 8, "CoreML7"),
        ("macOS15", 9, "CoreML8"),
        ("macOS26", 10, "CoreML9"),
    ],
)
def test_targets(target: str, specification: int, opset: str) -> None:
    assert (Target(target).specification, Target(target).opset) == (specification, opset)


def test_precisions() -> None:
    assert [precision.dtype for precision in Precision] == [DataType.FLOAT16, DataType.FLOAT32]


def test_options_of_a_config_are_read_accepted_descriptive_or_refused() -> None:
    read, accepted = frozenset({"width"}), {"act": ("silu",), "scale": (1, 1.0), "deep": (False,)}
    good = {"_name": "x", "width": 7, "act": "silu", "scale": 1.0, "torch_dtype": "float16"}
    refuse_unknown("unet", good, read, accepted)
    refuse_unknown("unet", {**good, "later": None, "newer": False}, read, accepted)
    bad = {"act": "gelu", "scale": True, "deep": 0, "new": 1}
    with pytest.raises(UnsupportedError) as caught:
        refuse_unknown("unet", {**good, **bad}, read, accepted)
    assert "act='gelu', scale=True, deep=0, new=1;" in str(caught.value)


def test_options_that_must_be_there() -> None:
    reader = ConfigReader(component="vae", config={"a": 1, "b": None})
    reader.require("b", "a")
    with pytest.raises(BadInputError, match=r"vae: config.json lacks c, d; take it"):
        reader.require("c", "a", "d")


def test_options_are_read_as_what_their_class_takes() -> None:
    reader = ConfigReader(component="vae", config={"a": 1, "b": None, "c": "x"})
    assert reader.read("a", int) == reader.read("a", float, 2.0) == 1
    assert reader.read("d", str, "silu") == "silu"
    assert reader.read_nullable("b", int) is reader.read_nullable("d", int) is None
    assert reader.read_nullable("a", int) == 1
    with pytest.raises(BadInputError, match=r"vae: config.json: c: int is expected, not str; take"):
        reader.read("c", int, 3)
    with pytest.raises(BadInputError, match=r"vae: config.json: field 'd' is missing; take"):
        reader.read("d", int)


def test_one_number_for_each_level() -> None:
    reader = ConfigReader(component="unet", config={"heads": 8, "depths": [5, 10]})
    assert reader.read_per_level("heads", 3, 1) == (8, 8, 8)
    assert reader.read_per_level("depths", 2, 1) == (5, 10)
    assert reader.read_per_level("layers", 2, 1) == (1, 1)


def test_targets_by_either_name() -> None:
    assert Target.named("ios26") is Target.named("MACOS26") is Target.MACOS26
    assert Target.names()[:5] == ("macOS13", "macOS14", "macOS15", "macOS26", "iOS16")
    with pytest.raises(ValueError, match="macOS12"):
        Target.named("macOS12")


def test_options_are_written_as_they_are_read() -> None:
    chosen = ProgramOptions(height=8, precision=Precision.FP32, states_own_size=True)
    content = chosen.as_json()
    assert content == {
        "attention": "SPLIT_EINSUM",
        "batch": 2,
        "clip_skip": 1,
        "height": 8,
        "precision": "fp32",
        "states_own_size": True,
        "target": "macOS13",
    }
    assert parse_options(content) == chosen
