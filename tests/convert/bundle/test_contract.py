from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.bundle.contract import FILES, KNOWN, UNETS, chunk_paths, first_macos


def test_halves_lie_beside_the_whole() -> None:
    assert chunk_paths(Path("cat/Unet.mlpackage")) == (
        Path("cat/UnetChunk1.mlpackage"),
        Path("cat/UnetChunk2.mlpackage"),
    )


def test_names_are_those_of_the_swift_sources() -> None:
    halves = ("UnetChunk1", "UnetChunk2", "ControlledUnetChunk1", "ControlledUnetChunk2")
    assert set(KNOWN) == {
        *("TextEncoder", "TextEncoder2", "Unet", "ControlledUnet", "UnetRefiner"),
        *("VAEDecoder", "VAEEncoder", "SafetyChecker", *halves),
        *("UnetRefinerChunk1", "UnetRefinerChunk2", "TextEncoderT5"),
        *("MultiModalDiffusionTransformer", "MultilingualTextEncoderProjection"),
    }
    assert UNETS == ("Unet", "UnetChunk1", "ControlledUnet", "ControlledUnetChunk1")


def test_a_folder_holds_these_files() -> None:
    assert FILES[".mlmodelc"] == (
        *("coremldata.bin", "metadata.json", "model.mil", "weights/weight.bin"),
    )
    data = "Data/com.apple.CoreML"
    assert FILES[".mlpackage"] == (
        *("Manifest.json", f"{data}/model.mlmodel", f"{data}/weights/weight.bin"),
    )


@pytest.mark.parametrize(
    ("specification", "plain", "large"),
    [(5, "", ""), (6, "12", "14"), (7, "13", "14"), (8, "14", "14"), (9, "15", "15"), (10, "", "")],
)
def test_the_first_macos_that_runs_a_program(specification: int, plain: str, large: str) -> None:
    assert first_macos(specification, is_xl=False) == plain
    assert first_macos(specification, is_xl=True) == large
