"""A named model is listed, judged by headers, downloaded, checked, found by huggingface_hub."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from sdcoreml.convert.hub.access import Access
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.obtain import obtain_from_hub, sketch_from_hub
from sdcoreml.convert.hub.selection import have_weights
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.identify import identify_path
from sdcoreml.convert.models.layout import read_model
from sdcoreml.ground.errors import (
    BadInputError,
    FetchError,
    NoSpaceError,
    SdcoremlError,
    UnsupportedError,
)
from sdcoreml.ground.events import Event, silent
from tests.convert.hub.server import COMMIT, Fault, Repository, Server, sibling
from tests.convert.models.folders import save_safetensors, write_model
from tests.golden import assert_golden
from tests.listening import Listener

NAME = HubName(repo="acme/dream")
CARD = b"---\nlicense: other\nlicense_name: dream-1\n---\n"


def accept(path: Path) -> None:
    """Return no findings: an examination that accepts any model."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def source(tmp_path: Path, hub: Server) -> dict[str, bytes]:
    """Publish a model of safetensors files on the hub, with files that no conversion needs."""
    folder = write_model(tmp_path / "source")
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        for old in (folder / part).glob("*.bin*"):
            old.unlink()
        save_safetensors(folder / part / f"{stem}.safetensors")
    files = {**files_of(folder), "README.md": CARD, "dream.ckpt": b"all of it"}
    hub.repositories["acme/dream"] = Repository(files=files, licence="openrail")
    return files


WEIGHTS = {
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
}


def test_a_model_is_brought_once_with_what_is_needed(
    source: dict[str, bytes], hub: Server, access: Access
) -> None:
    said: list[Event] = []
    with obtain_from_hub(NAME, access, said.append, accept) as found:
        assert found.path.name == "dream", "the model's name, for the result's"
        expected = {path: content for path, content in source.items() if "/" in path}
        expected["model_index.json"] = source["model_index.json"]
        assert files_of(found.path) == expected
        assert found.origin == FetchedFrom(
            name="hf:acme/dream",
            revision=COMMIT,
            licence="openrail",
            address="https://huggingface.co/acme/dream",
        )
    assert not found.path.exists()
    note = (
        "acme/dream at 01234567, diffusers folder, 10 files, all to download: 1 kB;"
        " licence openrail"
    )
    assert said[0].text.replace("2 kB", "1 kB") == note
    assert not hub.asked("dream.ckpt")
    before = len(hub.requests)
    with obtain_from_hub(NAME, access, said.append, accept):
        pass
    assert [request.path for request in hub.requests[before:]] == [
        "/api/models/acme/dream/revision/main?blobs=true"
    ]
    assert said[-1].text.endswith("10 files, all in the cache already; licence openrail")


def test_all_that_is_said_while_a_model_is_brought(
    source: dict[str, bytes], hub: Server, access: Access, tmp_path: Path
) -> None:
    large = b"{}" + b" " * 1_100_000
    files = {"unet/config.json": large}
    hub.repositories["acme/dream"] = Repository(files={**source, **files}, licence="openrail")
    said = Listener(tmp_path)
    for title in ("the first time", "the second time, with a damaged file"):
        said.title(title)
        with obtain_from_hub(NAME, access, said, accept):
            pass
        place = next(access.cache.glob("**/unet/*.safetensors")).resolve()
        place.write_bytes(place.read_bytes()[::-1])
    text = said.whole().replace(hub.address, "HUB")
    # How many pieces come is the network's affair: only the last of them is compared.
    assert_golden("events-hub", re.sub(r"(?m)^(progress .*\n)+(?=progress)", "", text))


def test_a_cache_that_has_it_all_is_only_read(source: dict[str, bytes], access: Access) -> None:
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    next(access.cache.glob("**/README.md")).unlink()
    before = {path: path.lstat().st_mtime_ns for path in access.cache.rglob("*")}
    with obtain_from_hub(NAME, access, silent, accept) as found:
        assert set(files_of(found.path)) >= WEIGHTS <= source.keys()
    assert {path: path.lstat().st_mtime_ns for path in access.cache.rglob("*")} == before


def test_what_came_before_is_said(source: dict[str, bytes], access: Access) -> None:
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    place = next(access.cache.glob("**/unet/*.safetensors"))
    blob = place.resolve()
    blob.rename(blob.with_name(f"{blob.name}.incomplete"))
    said: list[Event] = []
    with obtain_from_hub(NAME, access, said.append, accept) as found:
        assert files_of(found.path)[f"unet/{place.name}"] == source[f"unet/{place.name}"]
    size = f"{len(source[f'unet/{place.name}'])} bytes"
    assert (
        f"10 files, 3 of them to download: {size} (of which {size} are here already);"
        in said[0].text
    )


def test_the_hub_s_own_library_finds_what_was_brought(
    source: dict[str, bytes], access: Access
) -> None:
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    for path in WEIGHTS:
        found = huggingface_hub.hf_hub_download(
            "acme/dream", path, cache_dir=access.cache, local_files_only=True
        )
        assert Path(found).read_bytes() == source[path]
    (listed,) = huggingface_hub.scan_cache_dir(access.cache).repos
    assert listed.repo_id == "acme/dream"
    assert set(next(iter(listed.revisions)).refs) == {"main"}


def test_what_the_hub_s_own_library_brought_is_found(
    source: dict[str, bytes], hub: Server, access: Access
) -> None:
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    hub.requests.clear()
    offline = replace(access, offline="HF_HUB_OFFLINE", hub="http://127.0.0.1:9")
    with obtain_from_hub(NAME, offline, silent, accept) as found:
        assert set(files_of(found.path)) >= WEIGHTS
        assert found.origin.licence == "dream-1"
    (snapshot,) = access.cache.glob("*/snapshots/*")
    (snapshot / "README.md").unlink()
    with obtain_from_hub(NAME, offline, silent, accept) as found:
        assert found.origin.licence == ""
    assert hub.requests == []
    assert source


def test_without_a_network_the_cache_is_taken_and_that_is_said(
    source: dict[str, bytes], access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.convert.hub.web.PAUSES", ())
    gone = replace(access, hub="http://127.0.0.1:9")
    with (
        pytest.raises(FetchError, match="cannot be reached"),
        obtain_from_hub(NAME, gone, silent, accept),
    ):
        pass
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    said: list[Event] = []
    with obtain_from_hub(NAME, gone, said.append, accept) as found:
        assert read_model(found.path).components.keys() == {"unet", "vae", "text_encoder"}
    assert said[0].kind == "warning"
    assert said[0].text.endswith("using the files in the hub's cache")
    assert source


@pytest.mark.parametrize("missing", ["unet/", "vae/", "text_encoder/"])
def test_a_cache_without_weights_stands_in_for_nothing(
    source: dict[str, bytes], hub: Server, access: Access, missing: str
) -> None:
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    (weights,) = (path for path in WEIGHTS if path.startswith(missing))
    next(access.cache.glob(f"**/snapshots/*/{weights}")).unlink()
    hub.faults = [Fault(path="/api/", status=403, headers={"X-Error-Code": "GatedRepo"})]
    with (
        pytest.raises(FetchError, match=r"^acme/dream: the model is gated"),
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass
    offline = replace(access, offline="HF_HUB_OFFLINE")
    with (
        pytest.raises(FetchError, match=r"^acme/dream: is not in the cache"),
        obtain_from_hub(NAME, offline, silent, accept),
    ):
        pass
    assert source


def test_a_cache_with_some_of_the_shards_stands_in_for_nothing() -> None:
    names = [f"unet/diffusion_pytorch_model-0000{number}-of-00003.bin" for number in (1, 2, 3)]
    index = "unet/diffusion_pytorch_model.bin.index.json"
    assert have_weights([*names, index], ["unet"])
    assert not have_weights([*names[:2], index], ["unet"])
    assert not have_weights([index], ["unet"])


def test_a_connection_that_breaks_while_headers_are_read_is_one_line(
    source: dict[str, bytes], hub: Server, access: Access
) -> None:
    hub.faults = [Fault(path="/cdn/", times=9, cut=10)]
    with (
        pytest.raises(
            FetchError, match=r"^acme/dream: the connection to http\S+ broke \("
        ) as caught,
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert source


def test_a_file_that_the_hub_lists_and_lacks_is_named(
    source: dict[str, bytes], hub: Server, access: Access
) -> None:
    hub.faults = [Fault(path="/cdn/", times=9, status=404)]
    with (
        pytest.raises(BadInputError, match=r"the model has no file \w+/\w+\.safetensors; see"),
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass
    assert source


def test_a_file_that_is_at_fault_is_called_as_it_was_asked_for(hub: Server, access: Access) -> None:
    hub.repositories["acme/dream"] = Repository(files={"unet/x.ckpt": b"all of it"})
    name = HubName(repo="acme/dream", file="unet/x.ckpt", revision="main")

    with (
        pytest.raises(UnsupportedError, match=rf"^{name}: no$"),
        obtain_from_hub(name, access, silent, accept) as found,
    ):
        raise UnsupportedError("no", where=found.path)


def test_offline_what_is_not_in_the_cache_is_told(access: Access, hub: Server) -> None:
    offline = replace(access, offline="HF_HUB_OFFLINE")
    with (
        pytest.raises(
            FetchError, match=r"^acme/dream: is not in the cache, and HF_HUB_OFFLINE forbids"
        ),
        obtain_from_hub(NAME, offline, silent, accept),
    ):
        pass
    assert hub.requests == []


def test_it_is_judged_before_anything_large_is_brought(
    source: dict[str, bytes], hub: Server, access: Access
) -> None:
    seen: list[int] = []

    def refuse(path: Path) -> None:
        seen.append(identify_path(path).parameters)
        raise UnsupportedError("no", where=path / "unet")

    with (
        pytest.raises(UnsupportedError, match=r"^acme/dream/unet: no$"),
        obtain_from_hub(NAME, access, silent, refuse),
    ):
        pass
    assert seen == [3 * 41]
    assert not list(access.cache.glob("**/*.safetensors"))
    large = sum(len(source[path]) for path in WEIGHTS)
    assert all("Range" in request.headers for request in hub.asked("/cdn/"))
    assert large


def test_a_sketch_has_the_full_length_and_the_header(
    source: dict[str, bytes], access: Access
) -> None:
    with sketch_from_hub(NAME, access, silent) as found:
        assert found.is_sketch
        for path in WEIGHTS:
            assert (found.path / path).stat().st_size == len(source[path])
        assert identify_path(found.path).parameters == 3 * 41
        assert identify_path(found.path).form == "diffusers folder"


def test_pickles_are_not_judged_from_afar(hub: Server, access: Access, tmp_path: Path) -> None:
    hub.repositories["acme/dream"] = Repository(files=files_of(write_model(tmp_path / "source")))
    said = r"pickles.*; `sdcoreml convert acme/dream` downloads them"
    with pytest.raises(FetchError, match=said), sketch_from_hub(NAME, access, silent):
        pass
    with obtain_from_hub(NAME, access, silent, accept) as found:
        assert read_model(found.path).components.keys() == {"unet", "vae", "text_encoder"}


def test_what_is_damaged_in_the_cache_is_brought_again(
    source: dict[str, bytes], access: Access
) -> None:
    with obtain_from_hub(NAME, access, silent, accept):
        pass
    place = next(access.cache.glob("**/unet/*.safetensors"))
    place.resolve().write_bytes(b"?" * place.stat().st_size)
    said: list[Event] = []
    with obtain_from_hub(NAME, access, said.append, accept) as found:
        assert files_of(found.path)[f"unet/{place.name}"] == source[f"unet/{place.name}"]
    assert "is damaged and is downloaded again" in " ".join(event.text for event in said)


def test_a_file_of_its_own(source: dict[str, bytes], access: Access) -> None:
    name = HubName(repo="acme/dream", file="dream.ckpt", revision=COMMIT)
    with obtain_from_hub(name, access, silent, accept) as found:
        assert found.path.name == "dream.ckpt"
        assert found.path.read_bytes() == source["dream.ckpt"]


@pytest.mark.parametrize(
    ("name", "fault", "error", "said"),
    [
        (
            HubName(repo="acme/none"),
            None,
            BadInputError,
            r"^acme/none: there is no such model on the hub \(401\), and no file .*set HF_TOKEN",
        ),
        (
            HubName(repo="acme/dream", revision="v9"),
            None,
            BadInputError,
            r"^acme/dream: the model has no revision v9; omit the revision",
        ),
        (
            HubName(repo="acme/dream", file="x.ckpt"),
            None,
            BadInputError,
            r"^acme/dream/x.ckpt: the model has no file x.ckpt; it has dream.ckpt",
        ),
        (
            NAME,
            Fault(path="/resolve/", status=403, headers={"X-Error-Code": "GatedRepo"}),
            FetchError,
            r"licence \(403\); accept it with your account at .*, then set HF_TOKEN to",
        ),
        (
            NAME,
            Fault(path="/resolve/", status=401, headers={"X-Error-Code": "GatedRepo"}),
            FetchError,
            r"accept its licence \(401\)",
        ),
        (NAME, Fault(path="/resolve/", status=404), BadInputError, "the model has no file"),
        (
            NAME,
            Fault(path="/api/", status=429, headers={"Retry-After": "300"}),
            FetchError,
            r"the server limits requests .*\(429\); try again in 300 s",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_with_a_way_out(
    hub: Server,
    access: Access,
    name: HubName,
    fault: Fault | None,
    error: type[SdcoremlError],
    said: str,
) -> None:
    hub.repositories["acme/dream"] = Repository(files={"dream.ckpt": b"all of it"})
    hub.faults = [fault] if fault else []
    with (
        pytest.raises(error, match=said) as caught,
        obtain_from_hub(name, access, silent, accept),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_network_that_wants_a_login_is_told(hub: Server, access: Access) -> None:
    hub.pages["/api/models/acme/dream/revision/main"] = ("text/html", b"<html>log in</html>")
    with (
        pytest.raises(FetchError, match="the answer is not JSON; it may be a login page"),
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass


@pytest.mark.parametrize(
    "changes",
    [
        {"sha": "../../../../escaped"},
        {"siblings": [sibling("../escaped.ckpt", b"x")]},
        {"siblings": [sibling("dream\0.ckpt", b"x")]},
        {"siblings": [sibling("dream.ckpt", b"x") | {"blobId": "../../../../escaped"}]},
        {"siblings": [sibling("dream.bin", b"x") | {"lfs": {"sha256": "/x", "size": 1}}]},
        {"siblings": [sibling("dream.bin", b"x") | {"lfs": {"sha256": "a" * 64, "size": []}}]},
        {"siblings": [sibling("a.json", b"x") | {"size": -1}]},
        {"siblings": [sibling("a.json", b"x") | {"size": "1"}]},
    ],
)
def test_no_value_of_a_listing_is_believed(
    hub: Server, access: Access, changes: dict[str, object]
) -> None:
    said = {"id": "acme/dream", "sha": COMMIT, "siblings": [sibling("dream.ckpt", b"x")]} | changes
    hub.pages["/api/models/acme/dream/revision/main"] = (
        "application/json",
        json.dumps(said).encode(),
    )
    with (
        pytest.raises(FetchError, match="unexpected answer from the hub"),
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass
    assert not list(access.cache.parent.rglob("*escaped*"))


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[" + b" " * (33 << 20) + b"]"])
def test_an_answer_beyond_measure_is_no_json(hub: Server, access: Access, content: bytes) -> None:
    hub.pages["/api/models/acme/dream/revision/main"] = ("application/json", content)
    with (
        pytest.raises(FetchError, match="the answer is not JSON"),
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass


def test_a_wrong_token_is_told_from_none(hub: Server, access: Access) -> None:
    mine = replace(access, hub_token="t" * 9)
    with (
        pytest.raises(FetchError, match=r"your token has no access to it \(401\)"),
        obtain_from_hub(HubName(repo="acme/none"), mine, silent, accept),
    ):
        pass
    assert hub.requests[0].headers["Authorization"] == f"Bearer {'t' * 9}"
    assert "ttt" not in repr(mine)


def test_a_disk_without_room_is_told_before_anything_comes(
    hub: Server, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["acme/dream"] = Repository(files={"dream.ckpt": b"x"})
    answer = json.dumps(
        {
            "id": "acme/dream",
            "sha": COMMIT,
            "siblings": [{"rfilename": "dream.ckpt", "size": 10**18, "blobId": "0" * 40}],
        }
    )
    hub.pages["/api/models/acme/dream/revision/main"] = ("application/json", answer.encode())
    with pytest.raises(NoSpaceError), obtain_from_hub(NAME, access, silent, accept):
        pass
    assert not hub.asked("/resolve/")
    monkeypatch.undo()


def test_a_listing_cannot_lead_out_of_the_cache(hub: Server, access: Access) -> None:
    answer = {"id": "a/b", "sha": COMMIT, "siblings": [{"rfilename": "../x.ckpt", "size": 1}]}
    content = json.dumps(answer).encode()
    hub.pages["/api/models/acme/dream/revision/main"] = ("application/json", content)
    with (
        pytest.raises(FetchError, match="a file lies outside of the model"),
        obtain_from_hub(NAME, access, silent, accept),
    ):
        pass
