from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.queue.entry import Kind, State
from tests.convert.stand_ins import StandIn, job_of, write_model
from tests.convert.stand_ins import finish as make
from tests.doctor.commands.test_library import SIZE
from tests.doctor.studio.open_studio import Opened, add, finish


def test_a_picture_is_that_of_its_entry(studio: Opened) -> None:
    folder = studio.studio.folder / "pictures"
    folder.mkdir(parents=True)
    (folder / "abc.png").write_bytes(b"\x89PNG")
    number = add(studio, output=str(folder / "abc.png"))
    found = studio.get(f"/api/pictures/{number}/0.png")
    assert (found.body, found.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert studio.get(f"/api/pictures/{number}/1.png").status == 404
    outside = add(studio, output="/etc/passwd")
    assert studio.get(f"/api/pictures/{outside}/0.png").status == 404
    assert studio.get(f"/api/pictures/{add(studio)}/0.png").status == 404


def test_a_picture_goes_with_its_entry(studio: Opened, tmp_path: Path) -> None:
    folder = studio.studio.folder / "pictures"
    folder.mkdir(parents=True)
    kept, gone, left = (folder / f"{letter * 32}.png" for letter in "abc")
    for path in (kept, gone, left, folder / "mine.png"):
        path.write_bytes(b"\x89PNG")
    damaged = add(studio, output=str(kept))
    number = add(studio, output=str(gone))
    file = studio.studio.store.path(damaged, "json")
    text = file.read_text()
    file.write_text("{")
    studio.studio.sweep()
    assert len([*folder.iterdir()]) == 4, "what a damaged entry has is not known"
    file.write_text(text)
    studio.studio.sweep()
    assert {path.name for path in folder.iterdir()} == {kept.name, gone.name, "mine.png"}
    studio.post(f"/api/queue/{number}/remove")
    assert {path.name for path in folder.iterdir()} == {kept.name, "mine.png"}
    left.write_bytes(b"\x89PNG")
    drawing = {"handle": studio.sign(tmp_path), "prompt": "a star", "steps": 3}
    assert studio.post("/api/pictures", **drawing).status == 200
    assert {path.name for path in folder.iterdir()} == {kept.name, "mine.png"}


def test_what_has_made_nothing_can_neither_be_drawn_with_nor_installed(studio: Opened) -> None:
    number = add(studio)
    assert studio.post("/api/pictures", id=number, prompt="x", steps=3).status == 409
    assert studio.post("/api/install", id=number).status == 409
    assert len(studio.studio.store.read().entries) == 1


def test_a_drawing_is_queued(studio: Opened, tmp_path: Path) -> None:
    handle = studio.sign(tmp_path)
    number = studio.post("/api/pictures", handle=handle, prompt="a star", steps=3).data["id"]
    (entry,) = studio.studio.store.read().entries
    assert (entry.id, entry.kind) == (number, Kind.DRAW)
    assert entry.words[0] == "draw"
    assert entry.words[-2:] == (str(tmp_path), "a star")
    assert entry.about["drawn"] == {"prompt": "a star", "seed": 0, "steps": 3}
    assert studio.begun == 1
    for wrong in (
        {"seed": -1},
        {"seed": "1"},
        {"steps": 0},
        {"steps": "3"},
        {"steps": 3, "prompt": "a\nb\x00"},
    ):
        body = {"handle": handle, "prompt": "x", **wrong}
        assert studio.post("/api/pictures", **body).status == 400


def test_what_was_drawn_is_shown_with_the_picture(studio: Opened) -> None:
    picture = studio.studio.folder / "pictures" / f"{'a' * 32}.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"\x89PNG")
    drawn = {"prompt": "a star", "seed": 7, "steps": 3}
    number = add(studio, output=str(picture), drawn=drawn)
    studio.studio.store.path(number, "events").write_text('{"width": 128, "height": 64}\n')
    finish(studio, number)
    (entry,) = studio.get("/api/queue").data["entries"]
    assert (entry["state"], entry["drawn"], len(entry["pictures"])) == ("done", drawn, 1)


def test_a_folder_of_the_library_is_drawn_with(studio: Opened, tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    shelf = studio.studio.into / "models"
    shelf.mkdir(parents=True)
    make(job_of(model, shelf / "cat_128x128"), StandIn(size=SIZE))
    (shelf / "empty").mkdir()
    library = studio.get("/api/library").data
    assert {*library} == {"folders", "models"}
    cat, empty = library["models"]
    assert (cat["name"], empty["draw"]) == ("cat_128x128", None)
    assert {*cat["draw"]} == {"prompt", "steps", "most_steps"}
    number = studio.post("/api/pictures", handle=cat["handle"], **cat["draw"]).data["id"]
    entry = studio.studio.store.read().find(number)
    assert entry.words[-2] == str(shelf / "cat_128x128")


def test_all_that_is_asked_of_a_drawing(studio: Opened, tmp_path: Path) -> None:
    model = write_model(tmp_path / "cat")
    number = add(studio, model=str(model), table={"refiner": "/refiner"})
    store = studio.studio.store
    with store.changing():
        entry = store.read().find(number)
        store.write(replace(entry, state=State.DONE, folders=(str(tmp_path / "made"), "/other")))
    drawn = studio.post("/api/pictures", id=number, prompt="a star", steps=3, seed=7).data["id"]
    found = store.read().find(drawn)
    output = str(found.about["output"])
    folder = studio.studio.folder / "pictures"
    assert (found.kind, found.title, found.place) == (
        Kind.DRAW,
        "made: a star",
        str(studio.studio.into),
    )
    assert found.words == (
        *("draw", "--steps=3", "--seed=7", f"--output={output}", f"--against={model}"),
        *("--refiner=/refiner", "--toolchain=tested", str(tmp_path / "made"), "a star"),
    )
    assert found.about == {
        "of": number,
        "output": output,
        "drawn": {"prompt": "a star", "seed": 7, "steps": 3},
    }
    assert re.fullmatch(rf"{re.escape(str(folder))}/[0-9a-f]{{32}}\.png", output)
    assert folder.stat().st_mode & 0o777 == 0o700
    usual = studio.post("/api/pictures", handle=studio.sign(tmp_path)).data["id"]
    of_it = store.read().find(usual)
    prompt = "a lighthouse on a cliff in the evening sun"
    assert of_it.about["drawn"] == {"prompt": prompt, "seed": 0, "steps": 8}
    assert (of_it.about["of"], of_it.words[1:3]) == ("", ("--steps=8", "--seed=0"))


def test_what_cannot_be_drawn_with_says_why(studio: Opened, tmp_path: Path) -> None:
    number = add(studio, model=str(tmp_path), table={"app": "comfyui"})
    store = studio.studio.store
    none = studio.post("/api/pictures", id=number)
    assert none.refused == "this entry has made no folder"
    assert none.data["error"]["remedy"] == "wait until it has"
    with store.changing():
        entry = store.read().find(number)
        store.write(replace(entry, state=State.DONE, folders=(str(tmp_path / "made"),)))
    refused = studio.post("/api/pictures", id=number)
    assert (refused.status, refused.refused, refused.data["error"]["where"]) == (
        409,
        "a UNet for ComfyUI draws in ComfyUI only",
        "made",
    )
    assert studio.get(f"/api/pictures/{number}/0.png").refused == "there is no such picture"
    lost = add(studio, output="/x/abc.png")
    gone = studio.get(f"/api/pictures/{lost}/0.png")
    assert (gone.refused, gone.data["error"]["remedy"]) == (
        "the picture is not there",
        "draw it again",
    )
