"""The halves of a program are built and checked as one program, and faults in either are found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.write import write_package, write_packages
from sdcoreml.convert.parity.check import QUICK, check_component
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import DrawnProgram, Weight
from sdcoreml.convert.storage.joined import open_whole
from sdcoreml.convert.tasks import build as build_task
from sdcoreml.convert.tasks import check as parity_task
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import ParityError, UnsupportedError
from sdcoreml.ground.events import Event, silent
from tests.inside.convert.programs.configs import XL
from tests.inside.convert.programs.models import Checkpoint, checkpoint

Pair = tuple[Path, Path]


def write(made: Checkpoint, folder: Path, options: ProgramOptions | None = None) -> Pair:
    pair = chunk_paths(folder / "Unet.mlpackage")
    with TensorFile.open(made.weights) as tensors:
        write_packages(dict(zip(pair, chunk(made.build(options)), strict=True)), tensors)
    return pair


def check(made: Checkpoint, packages: Path | Pair) -> Parity:
    return check_component(made.component, packages, made.config, made.weights, QUICK)


def request(made: Checkpoint, folder: Path, **more: object) -> dict[str, Any]:
    config = folder / "config.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    return {
        "component": made.component,
        "config": str(config),
        "weights": str(made.weights),
        "package": str(folder / "Unet.mlpackage"),
        "chunk": True,
        **more,
    }


def building(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request to build the one program of a request to check."""
    common = ("config", "weights")
    program = {key: value for key, value in asked.items() if key not in common}
    component = {**{key: asked[key] for key in common}, "programs": [program]}
    return {"components": [component]}


def test_a_pair_is_proved_as_the_whole_is_and_has_its_certificate(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    pair = check_component("unet", write(made, tmp_path), made.config, made.weights)
    whole = made.check(tmp_path / "whole.mlpackage")
    assert pair.faults() == ()
    assert pair.figures == whole.figures
    assert pair.audit.sources == whole.audit.sources
    assert pair.key == whole.key  # what crosses is widened and narrowed back: nothing changes
    assert pair.package == str(tmp_path / "UnetChunk1.mlpackage + UnetChunk2.mlpackage")


def test_a_pair_of_sdxl_has_what_describes_it_in_the_first_half(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path, XL)
    pair = write(made, tmp_path)
    with open_whole(pair[0]) as program:
        inputs = {item.name for item in program.function.inputs}
    assert inputs >= {"sample", "time_ids", "text_embeds"}
    assert check(made, pair).faults() == ()


@pytest.mark.parametrize("half", [0, 1])
def test_a_flipped_bit_in_either_half_is_found(half: int, tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    pair = write(made, tmp_path)
    flip_a_bit(pair[half])
    parity = check(made, pair)
    (name,) = parity.audit.unexplained
    with open_whole(pair[half]) as program:
        operations = program.function.block.operations
    assert name in {result.name for item in operations for result in item.outputs}
    assert len(parity.audit.missing) == 1


def flip_a_bit(package: Path) -> None:
    path = package / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(path.read_bytes())
    content[128] ^= 1  # the first byte of the first record
    path.write_bytes(content)


def test_one_half_alone_lacks_the_others_weights(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    first, _ = write(made, tmp_path)
    with pytest.raises(ParityError, match=r"has outputs .*_between'.*, not \['noise_pred'\]"):
        check(made, first)


def test_halves_in_the_wrong_order_do_not_pass(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    first, second = write(made, tmp_path)
    with pytest.raises(ParityError):
        check(made, (second, first))


def test_halves_of_two_conversions_do_not_pass(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    first, _ = write(made, tmp_path / "small")
    _, second = write(made, tmp_path / "large", ProgramOptions(height=24, width=24))
    with pytest.raises(ParityError, match=r"UnetChunk2.mlpackage: takes .*convert again"):
        check(made, (first, second))


def test_the_tasks_build_and_check_a_compressed_pair(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    asked = request(made, tmp_path, recipe={"bits": 8})
    (answer,) = build_task.task(building(asked), silent)
    paths = [str(path) for path in chunk_paths(tmp_path / "Unet.mlpackage")]
    assert answer["packages"] == paths
    assert answer["parameters"] == made.build().parameters
    assert sorted(str(path) for path in tmp_path.glob("*.mlpackage")) == paths
    told: list[Event] = []
    made_of = request(made, tmp_path)  # what is checked is not told how it was compressed
    checked: dict[str, Any] = parity_task.task({"packages": [made_of], "fast": True}, told.append)
    assert told[0].text == "check Unet.mlpackage"
    assert checked["unet"]["passed"]
    assert checked["unet"]["audit"]["missing"] == []
    assert checked["unet"]["audit"]["compressed"]["8-bit palette"]["weights"] > 10


def test_a_program_that_stays_whole_leaves_nothing(tmp_path: Path) -> None:
    made = checkpoint("text_encoder", tmp_path)
    with pytest.raises(UnsupportedError, match="has 2 outputs"):
        build_task.task(building(request(made, tmp_path)), silent)
    assert not list(tmp_path.glob("*.mlpackage"))


def test_a_half_that_cannot_be_written_leaves_the_pair_as_it_was(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    pair = write(made, tmp_path)
    before = contents(pair)
    larger: Mapping[Path, DrawnProgram] = dict(
        zip(pair, chunk(made.build(ProgramOptions(height=24, width=24))), strict=True)
    )
    with TensorFile.open(made.weights) as tensors, pytest.raises(KeyError):
        write_packages(larger, _Failing(tensors, last(larger[pair[1]])))
    assert contents(pair) == before
    assert not list(tmp_path.glob(".*.part"))


def contents(pair: Pair) -> dict[Path, bytes]:
    return {path: path.read_bytes() for half in pair for path in half.rglob("*") if path.is_file()}


def last(built: DrawnProgram) -> str:
    """Return the name of the last tensor of the checkpoint that a half uses."""
    weights = [item.source for item in built.payloads if isinstance(item.source, Weight)]
    return weights[-1].tensor


class _Failing:
    """A checkpoint in which one tensor cannot be read."""

    def __init__(self, tensors: TensorFile, broken: str) -> None:
        self._tensors, self._broken = tensors, broken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tensors, name)

    def __getitem__(self, name: str) -> Any:
        if name == self._broken:
            raise KeyError(name)
        return self._tensors[name]


def test_a_single_package_is_written_as_one_of_several_is(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    pair = write(made, tmp_path)
    alone = tmp_path / "alone.mlpackage"
    with TensorFile.open(made.weights) as tensors:
        write_package(chunk(made.build())[0], tensors, alone)
    inside = "Data/com.apple.CoreML/weights/weight.bin"
    assert (alone / inside).read_bytes() == (pair[0] / inside).read_bytes()
