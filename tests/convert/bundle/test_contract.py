from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.bundle.contract import chunk_paths


def test_halves_lie_beside_the_whole() -> None:
    assert chunk_paths(Path("cat/Unet.mlpackage")) == (
        Path("cat/UnetChunk1.mlpackage"),
        Path("cat/UnetChunk2.mlpackage"),
    )
