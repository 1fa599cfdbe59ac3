"""The examples of the Python API that convert run on the host, with this environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.manifest import MARKER, read_manifest
from sdcoreml.convert.models.sample import write_sample
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from tests.doctor.api.examples import PAGE, examples

ROOT = PAGE.parents[2]
HOST = ROOT / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("api")
    (place / "model").mkdir()
    write_sample(place / "model", vocabulary_folder())
    return place


def run(text: str, place: Path) -> str:
    done = subprocess.run(
        [str(HOST), "-W", "error", "-c", text],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SDCOREML_ENVS": str(Path(sys.prefix).parent),
            "SDCOREML_CACHE": str(place / "cache"),
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_conversion_is_made_and_another_is_cancelled(place: Path) -> None:
    whole, cancelled = (text for text in examples() if "output=" in text)
    folder, passed = run(whole, place).splitlines()
    assert folder == "folder Stable Diffusion 1.x TextEncoder Unet VAEDecoder VAEEncoder"
    assert passed == "True"
    assert (place / "folder" / MARKER).is_file()
    assert set(read_manifest(place / "folder").programs) == {
        *("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"),
    }
    before = {path.name for path in place.iterdir()}
    run(cancelled, place)
    assert {path.name for path in place.iterdir()} == before
