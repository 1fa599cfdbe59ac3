"""A folder's programs run by the interpreter: opened once, closed with their stack."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.convert.tasks.interpreted import InterpretedPrograms, places_in
from tests.convert.tasks.cores import write

X = np.array([[1.0001, 2.0, 3.0, 4.0]], np.float32)


def test_a_program_is_opened_when_it_is_needed_and_once(tmp_path: Path) -> None:
    places: dict[str, Packages] = {
        "A": write(tmp_path, "A.mlmodelc", "xy", "z"),
        "B": tmp_path / "absent.mlmodelc",
        "C": (write(tmp_path, "C1.mlmodelc", "x", "y"), write(tmp_path, "C2.mlmodelc", "xy", "z")),
    }
    with ExitStack() as stack:
        programs = InterpretedPrograms(places, Mode.FP16, stack)
        assert programs.inputs("nothing") == {}
        assert programs.inputs("A") == {"x": (1, 4), "y": (1, 4)}
        assert programs.outputs("A") == ("z",)
        found = programs.run("A", {"x": X, "y": X})
        assert {name: value.tolist() for name, value in found.items()} == {"z": (X + X).tolist()}
        assert found["z"].dtype == np.float32
        assert np.array_equal(programs.run("C", {"x": X})["z"], X + (X + X))
        (tmp_path / "A.mlmodelc").rename(tmp_path / "gone")
        assert np.array_equal(programs.run("A", {"x": X, "y": -X})["z"], X - X)


def test_halves_have_numbers_in_their_names(tmp_path: Path) -> None:
    assert places_in(tmp_path, {"Unet": True, "VAEDecoder": False}) == {
        "Unet": (tmp_path / "UnetChunk1.mlmodelc", tmp_path / "UnetChunk2.mlmodelc"),
        "VAEDecoder": tmp_path / "VAEDecoder.mlmodelc",
    }
