from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.places import MOST, list_folder, list_roots, short
from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.wording import say
from tests.bench.jobs import write_hollow

SIGNER = Signer(key=b"k" * 32)
LORA = {
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320, 1, 1),
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (320, 4, 1, 1),
    "lora_unet_down_blocks_0_attentions_0_proj_in.alpha": (),
}


def listed(found: Mapping[str, Any]) -> Sequence[tuple[str, str, object]]:
    return [(one["name"], one["kind"], one["size"]) for one in found["items"]]


def items(found: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [*found["items"]]


def test_folders_come_first_then_models_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b folder", "A folder", ".hidden", "Unet.mlmodelc"):
        (tmp_path / name).mkdir()
    for name in ("notes.txt", ".secret.safetensors", "x.CKPT", "photo.png"):
        (tmp_path / name).write_bytes(b"1234")
    (tmp_path / "sd").mkdir()
    (tmp_path / "sd" / "model_index.json").write_text("{}")
    (tmp_path / "link.ckpt").symlink_to("nowhere")
    found = list_folder(tmp_path, SIGNER)
    assert listed(found) == [
        ("A folder", "folder", None),
        ("b folder", "folder", None),
        ("sd", "model", None),
        ("Unet.mlmodelc", "model", None),
        ("x.CKPT", "model", 4),
    ]
    assert not found["is_cut"]


def test_what_a_model_is_stands_beside_it(tmp_path: Path) -> None:
    write_hollow(tmp_path / "style.safetensors", LORA)
    (item,) = items(list_folder(tmp_path, SIGNER))
    assert "LoRA" in item["what"]
    late = iter([0.0, 9.0])
    (item,) = items(list_folder(tmp_path, SIGNER, clock=lambda: next(late)))
    assert item["what"] is None, "a listing is not kept waiting by what it lists"


def test_a_folder_of_programs_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "done" / "Unet.mlmodelc").mkdir(parents=True)
    (item,) = items(list_folder(tmp_path, SIGNER))
    assert (item["kind"], item["what"]) == ("model", say("place.coreml"))


def test_every_way_up_and_down_is_a_handle(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    found: Any = list_folder(tmp_path, SIGNER)
    assert SIGNER.resolve(found["handle"]) == tmp_path
    above = [SIGNER.resolve(one["handle"]) for one in found["parents"]]
    assert above == list(reversed(tmp_path.parents))
    assert found["parents"][0]["name"] == "/"
    (item,) = found["items"]
    assert SIGNER.resolve(item["handle"]) == tmp_path / "below"


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff<b>.pt"))
    odd.write_bytes(b"1")
    found: Any = list_folder(tmp_path, SIGNER)
    assert found["items"][0]["name"] == "\ufffd<b>.pt"
    assert SIGNER.resolve(found["items"][0]["handle"]) == odd
    json.dumps(found).encode("ascii")


def test_a_folder_of_thousands_is_cut(tmp_path: Path) -> None:
    for number in range(MOST + 1):
        (tmp_path / f"{number}").mkdir()
    found: Any = list_folder(tmp_path, SIGNER)
    assert (len(found["items"]), found["is_cut"]) == (MOST, True)


def test_thousands_of_folders_hide_no_model(tmp_path: Path) -> None:
    for number in range(2_010):
        (tmp_path / f"{number}").mkdir()
    write_hollow(tmp_path / "z.safetensors", LORA)
    found: Any = list_folder(tmp_path, SIGNER)
    assert (len(found["items"]), found["is_cut"]) == (2_000, True)
    assert [one["name"] for one in found["items"] if one["kind"] == "model"] == ["z.safetensors"]


@pytest.mark.parametrize("name", ["gone", "file", "a\0b", "x" * 300])
def test_what_is_no_folder_is_not_listed(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AbsentError):
        list_folder(tmp_path / name, SIGNER)


def test_it_begins_at_home_and_where_the_studio_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here, models = (tmp_path / name for name in ("home", "here", "models"))
    for folder in (home, here, models, home / "MochiDiffusion" / "models"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SDCOREML_MODELS", f"{models}{os.pathsep}{home}")
    monkeypatch.chdir(here)
    found: Any = list_roots(SIGNER)
    places = [(SIGNER.resolve(one["handle"]), one["what"]) for one in found["items"]]
    assert places[:4] == [
        (home, say("place.home")),
        (here, say("place.here")),
        (models, say("place.others")),
        (home / "MochiDiffusion" / "models", say("place.mochi")),
    ]
    assert found["handle"] is None


def test_it_begins_at_home_though_the_folder_that_it_was_started_in_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    found: Any = list_roots(SIGNER)
    assert found["items"][0]["handle"] == SIGNER.sign(tmp_path / "home")


def test_a_source_that_cannot_be_asked_hides_no_other_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "sdcoreml").mkdir()
    (tmp_path / "sdcoreml" / "config.toml").write_text("[sources")
    assert list_roots(SIGNER)["items"]


def test_a_path_is_told_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert short(tmp_path) == "~"
    assert short(tmp_path / "a b") == "~/a b"
    assert short(Path("/other")) == "/other"
    assert short(Path(os.fsdecode(b"/\xff"))) == "/\ufffd"


def test_all_that_is_told_of_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "here"
    (place / "below").mkdir(parents=True)
    (place / "made" / "Unet.mlmodelc").mkdir(parents=True)
    write_hollow(place / "style.safetensors", LORA)
    (place / "damaged.pt").write_bytes(b"1234")
    size = (place / "style.safetensors").stat().st_size

    def item(name: str, kind: str, size: int | None = None, what: object = None) -> dict[str, Any]:
        handle = SIGNER.sign(place / name)
        return {"handle": handle, "name": name, "kind": kind, "size": size, "what": what}

    assert list_folder(place, SIGNER) == {
        "handle": SIGNER.sign(place),
        "name": "here",
        "parents": [
            {"handle": SIGNER.sign(one), "name": one.name or "/"} for one in reversed(place.parents)
        ],
        "items": [
            item("below", "folder"),
            item("made", "model", what=say("place.coreml")),
            item("damaged.pt", "model", 4, "unknown"),
            item("style.safetensors", "model", size, "a LoRA"),
        ],
        "is_cut": False,
    }


def test_all_that_is_told_of_where_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("Downloads", "MochiDiffusion/models"):
        (tmp_path / name).mkdir(parents=True)
    found: Any = list_roots(SIGNER)
    disks = [one for one in found.pop("items") if one["what"] == say("place.disk")]
    told = [
        one
        for one in list_roots(SIGNER)["items"]  # type: ignore[attr-defined]
        if one not in disks
    ]
    assert found == {"handle": None, "name": "", "parents": [], "is_cut": False}
    places = {
        tmp_path: "place.home",
        tmp_path / "Downloads": "place.downloads",
        tmp_path / "MochiDiffusion/models": "place.mochi",
    }
    assert told == [
        {
            "handle": SIGNER.sign(path),
            "name": path.name,
            "kind": "folder",
            "size": None,
            "what": say(what),
        }
        for path, what in places.items()
    ]
