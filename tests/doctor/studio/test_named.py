"""A model that the page gives by name is examined by its headers, and called by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.examine import examine
from sdcoreml.doctor.studio.planning import order
from sdcoreml.ground.errors import BadInputError
from tests.convert.hub.server import Repository, Server, serving
from tests.doctor.commands.test_inspect import unpacked


@pytest.fixture(scope="module")
def _running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def hub(_running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    folder = unpacked(tmp_path)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    _running.repositories["acme/dream"] = Repository(files=files)
    _running.requests.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "SDCOREML_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", _running.address)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return _running


def test_a_name_is_fetched_once_and_its_temporary_folder_is_never_told(
    hub: Server, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "results")
    found = examine(bench, "acme/dream")
    place = bench.take("acme/dream").path
    text = json.dumps(found)
    assert str(place.parent) not in text
    assert found["title"] == "acme/dream"
    assert "sdcoreml convert acme/dream --app=mochi" in text
    asked = len(hub.requests)
    one = order(bench.take("acme/dream"), {"bits": 6})
    assert len(hub.requests) == asked
    assert one.model == "acme/dream"
    assert one.folders == (str(tmp_path / "results/models/dream-split-einsum-6-bit_512x512"),)
    bench.close()
    assert not place.exists()


@pytest.mark.usefixtures("hub")
def test_a_name_that_nobody_has_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        Bench(tmp_path).take("acme/nothing")
