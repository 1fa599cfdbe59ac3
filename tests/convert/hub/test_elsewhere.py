"""Files by URL and models of Civitai: downloaded once and checked; each token goes to its host."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.hub.access import Access
from sdcoreml.convert.hub.elsewhere import obtain_file, sketch_file
from sdcoreml.convert.hub.names import CivitaiName, FileAddress
from sdcoreml.convert.hub.obtain import Obtained
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.identify import identify_path
from sdcoreml.ground.errors import (
    BadInputError,
    FetchError,
    SdcoremlError,
    UnsupportedError,
)
from sdcoreml.ground.events import silent
from tests.convert.hub.server import Fault, Server
from tests.convert.models.folders import save_safetensors
from tests.golden import assert_golden
from tests.listening import Listener

VERSION = CivitaiName(version="128713")
BINARY = "application/octet-stream"


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return save_safetensors(tmp_path / "x.safetensors").read_bytes()


def get(name: FileAddress | CivitaiName, access: Access) -> Obtained:
    with obtain_file(name, access, silent, lambda _: None) as found:
        return found


def publish(hub: Server, content: bytes, **changes: Any) -> dict[str, Any]:
    """Publish a version of a model as on Civitai, with changes to the file or the version."""
    file = {
        "name": "dream_8.safetensors",
        "type": "Model",
        "sizeKB": len(content) / 1024,
        "hashes": {"SHA256": hashlib.sha256(content).hexdigest().upper()},
        "downloadUrl": f"{hub.address}/api/download/models/128713",
        "primary": True,
        "metadata": {"fp": "fp16", "format": "SafeTensor"},
    }
    version = {
        "id": 128713,
        "modelId": 4384,
        "model": {"name": "Dream", "type": "Checkpoint"},
        "baseModel": "SD 1.5",
        "files": [{**file, **changes.pop("file", {})}],
        **changes,
    }
    hub.pages["/api/v1/model-versions/128713"] = ("application/json", json.dumps(version).encode())
    hub.pages["/elsewhere.bin"] = (BINARY, content)
    hub.faults = [
        Fault(
            path="/api/download/",
            times=99,
            status=307,
            headers={"Location": f"{hub.elsewhere}/elsewhere.bin?X-Amz-Signature=abc"},
        )
    ]
    return version


def test_a_file_by_its_address_is_brought_once(hub: Server, access: Access, content: bytes) -> None:
    hub.pages["/dir/my model.safetensors"] = (BINARY, content)
    name = FileAddress(url=f"{hub.address}/dir/my%20model.safetensors?download=1")
    found = get(name, access)
    assert found.path.name == "my model.safetensors"
    assert found.path.read_bytes() == content
    assert found.origin == FetchedFrom(name=name.url, address=name.url)
    before = len(hub.requests)
    assert get(name, access).path == found.path
    assert [request.headers["Range"] for request in hub.requests[before:]] == ["bytes=0-0"]
    offline = replace(access, offline="HF_HUB_OFFLINE")
    assert get(name, offline).path == found.path
    assert len(hub.requests) == before + 1


def test_all_that_is_said_while_a_file_is_brought(
    hub: Server, access: Access, content: bytes, tmp_path: Path
) -> None:
    publish(hub, content)
    said = Listener(tmp_path)
    for time in ("first", "second"):
        said.title(f"the {time} time")
        with obtain_file(VERSION, access, said, lambda _: None):
            pass
    hub.pages["/x.safetensors"] = (BINARY, content)
    said.title("only its header, from an address")
    with sketch_file(FileAddress(url=f"{hub.address}/x.safetensors"), access, said):
        pass
    assert_golden("events-elsewhere", said.whole().replace(hub.address, "HUB"))


def test_a_file_is_seen_from_afar(hub: Server, access: Access, content: bytes) -> None:
    hub.pages["/x.safetensors"] = (BINARY, content)
    name = FileAddress(url=f"{hub.address}/x.safetensors")
    with sketch_file(name, access, silent) as found:
        assert found.is_sketch
        assert identify_path(found.path).parameters == 41
    assert not access.downloads.exists()


@pytest.mark.parametrize(
    ("path", "kind", "error", "said"),
    [
        ("/x.ckpt", "text/html", BadInputError, "this is the address of a web page, not of a file"),
        ("/none.ckpt", "", BadInputError, r"there is no such file \(404\); check the address"),
        ("/x.zip", BINARY, BadInputError, "this is not the address of a weight file"),
        ("/x.safetensors", BINARY, BadInputError, "does not have the header of a safetensors"),
    ],
)
def test_what_is_no_file_of_weights_is_told(
    hub: Server, access: Access, path: str, kind: str, error: type[SdcoremlError], said: str
) -> None:
    if kind:
        hub.pages[path] = (kind, b"<html>log in, please</html>")
    with pytest.raises(error, match=said):
        get(FileAddress(url=f"{hub.address}{path}"), access)
    assert not list(access.downloads.glob("**/*.*"))


def test_a_file_that_is_for_some_only(hub: Server, access: Access) -> None:
    hub.faults = [Fault(path="/x.ckpt", status=403)]
    with pytest.raises(
        FetchError, match=r"access to this file \(403\); download it with a browser"
    ):
        get(FileAddress(url=f"{hub.address}/x.ckpt"), access)


def test_a_version_of_civitai_is_brought_and_checked(
    hub: Server, access: Access, content: bytes
) -> None:
    publish(hub, content)
    offline = replace(access, offline="HF_HUB_OFFLINE")
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        get(VERSION, offline)
    found = get(VERSION, replace(access, civitai_token="c" * 9))
    assert found.path == access.downloads / "civitai-128713" / "dream_8.safetensors"
    assert found.path.read_bytes() == content
    assert found.origin == FetchedFrom(
        name="civitai:128713",
        revision="128713",
        licence="that of SD 1.5, and the terms on its page",
        address="https://civitai.com/models/4384?modelVersionId=128713",
    )
    assert all("Authorization" in request.headers for request in hub.asked("/api/"))
    assert all("Authorization" not in request.headers for request in hub.asked("/elsewhere"))
    (found.path.parent / "later.safetensors").write_bytes(content)
    (found.path.parent / "a.json").touch()
    assert get(VERSION, offline).path == found.path


def test_another_file_than_was_published_is_thrown_away(
    hub: Server, access: Access, content: bytes
) -> None:
    publish(hub, content)
    hub.pages["/elsewhere.bin"] = (BINARY, content[:-1] + b"?")
    with pytest.raises(BadInputError, match="the download differs from the published file"):
        get(VERSION, access)
    assert not list(access.downloads.glob("**/*.safetensors*"))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        (
            {"model": {"type": "LORA"}},
            UnsupportedError,
            "this is a LoRA: `sdcoreml convert MODEL --lora FILE`",
        ),
        ({"model": {"type": "Upscaler"}}, UnsupportedError, "Civitai's type Upscaler"),
        ({"file": {"name": "x.zip"}}, UnsupportedError, r"has no weight file, only x\.zip"),
        ({"file": {"hashes": {}}}, FetchError, "unexpected answer from Civitai"),
        ({"file": {"sizeKB": 1e308}}, FetchError, "unexpected answer from Civitai"),
        ({"file": {"name": "a\0.ckpt"}}, FetchError, "a name that no file can have"),
        ({"file": {"name": f"{'a' * 300}.ckpt"}}, FetchError, "a name that no file can have"),
        (
            {"file": {"downloadUrl": "https://other.invalid/x"}},
            FetchError,
            "the download's address is on another server",
        ),
    ],
)
def test_what_a_version_must_be(
    hub: Server,
    access: Access,
    content: bytes,
    changes: dict[str, Any],
    error: type[SdcoremlError],
    said: str,
) -> None:
    publish(hub, content, **changes)
    with pytest.raises(error, match=said):
        get(VERSION, access)


@pytest.mark.parametrize(
    ("status", "token", "error", "said"),
    [
        (
            401,
            "",
            FetchError,
            r"requires a login for this file \(401\); set CIVITAI_TOKEN to an API key",
        ),
        (403, "t", FetchError, r"refuses your token \(403\)"),
        (404, "", BadInputError, r"has no such version \(404\); give the number after"),
    ],
)
def test_civitai_refuses(
    hub: Server, access: Access, status: int, token: str, error: type[SdcoremlError], said: str
) -> None:
    hub.faults = [Fault(path="/api/v1/", status=status)]
    with pytest.raises(error, match=said):
        get(VERSION, replace(access, civitai_token=token))


def test_of_several_files_the_safe_and_small_one(
    hub: Server, access: Access, content: bytes
) -> None:
    version = publish(hub, content)
    best = version["files"][0]
    others = [
        {**best, "name": "dream.ckpt", "primary": True},
        {**best, "name": "full.safetensors", "metadata": {"fp": "fp32"}},
        {**best, "name": "vae.safetensors", "type": "VAE"},
        {**best, "name": "config.yaml", "type": "Config"},
    ]
    version["files"] = [*others, best]
    hub.pages["/api/v1/model-versions/128713"] = ("application/json", json.dumps(version).encode())
    assert get(VERSION, access).path.name == "dream_8.safetensors"
