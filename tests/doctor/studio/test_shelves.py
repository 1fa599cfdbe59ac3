"""The library for the page: entries, verdicts and texts of `sdcoreml library`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.studio.shelves import as_data, judge_folder, list_shelves
from sdcoreml.doctor.studio.wording import say
from sdcoreml.ground.errors import BadInputError
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.doctor.commands.test_library import SIZE
from tests.doctor.gather.test_gathered import weigh, write_shelf
from tests.doctor.studio.said import keys_in, outline_of
from tests.golden import assert_golden


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    (shelf,) = list_shelves([folder])
    data = json.loads(json.dumps(as_data(shelf), ensure_ascii=False))
    return {one["name"]: one for one in data["models"]}


def test_each_entry_has_a_verdict_in_a_word_and_in_plain_words(tmp_path: Path) -> None:
    shelf = tmp_path / "models"
    shelf.mkdir()
    job = job_of(open_model(write_model(tmp_path / "cat")), shelf / "cat_128x128")
    made = finish(job, StandIn(size=SIZE))
    shutil.copytree(made, shelf / "broken_128x128")
    shutil.rmtree(shelf / "broken_128x128" / "VAEDecoder.mlmodelc")
    (shelf / "empty").mkdir()
    found = listed(shelf)
    assert found["cat_128x128"]["verdict"] == "good"
    assert keys_in(found["cat_128x128"]["text"])[0] == "shelf.runs.good"
    assert found["cat_128x128"]["picture"] == "128 x 128"
    assert found["cat_128x128"]["size"] > 0
    assert Path(found["cat_128x128"]["path"]) == made
    assert found["broken_128x128"]["verdict"] == "bad"
    assert found["broken_128x128"]["findings"]
    assert found["empty"]["verdict"] == "open"
    assert keys_in(found["empty"]["text"]) == ["Empty.", "shelf.passed"]
    assert {one["folder"] for one in found.values()} == {str(shelf)}
    can_draw = {name: one["can_draw"] for name, one in found.items()}
    assert can_draw == {"cat_128x128": True, "broken_128x128": False, "empty": False}


def test_what_is_wrong_is_said_once_with_what_to_do(tmp_path: Path) -> None:
    job = job_of(open_model(write_model(tmp_path / "cat")), tmp_path / "shelf" / "cat_128x128")
    made = finish(job, StandIn(size=SIZE))
    shutil.rmtree(made / "VAEDecoder.mlmodelc")
    (made / "merges.txt").unlink()
    (book,) = listed(tmp_path / "shelf").values()
    found = {one["what"]: one for one in book["findings"]}
    mend = found["Not compiled yet: VAEDecoder"]
    assert mend["why"].startswith("Swift apps load .mlmodelc")
    assert mend["remedy"].startswith("Compile them")
    assert mend["command"].endswith(f"compile {made / 'VAEDecoder.mlpackage'}")
    assert [(one["id"], one["status"], bool(one["command"])) for one in book["findings"]] == [
        ("BUN001", "info", True),
        ("BUN008", "error", False),
    ]
    told = {what[:1].lower() + what[1:] for what in found}
    reasons = {one["reason"] for one in book["apps"]} & told
    assert reasons
    assert not [one for one in reasons if one.lower() in f"{keys_in(book['text'])}".lower()]


def test_hostile_names_are_plain_and_short(tmp_path: Path) -> None:
    (tmp_path / ("<b>\x1b[31m\u202e" + "x" * 200)).mkdir()
    (name,) = listed(tmp_path)
    assert name.startswith("<b>\\x1b[31m\\u202e")
    assert len(name) <= 120


def test_without_mochi_the_library_is_empty(tmp_path: Path) -> None:
    assert list_shelves() == ()
    with pytest.raises(BadInputError):
        list_shelves([tmp_path / "gone"])


def test_a_file_is_judged_as_its_folder_s_entry(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "packed.zip").write_bytes(b"PK\5\6" + bytes(18))
    assert judge_folder(tmp_path / "packed.zip")["size"] == 22


def test_all_that_is_told_of_a_library_and_of_a_finished_folder(tmp_path: Path) -> None:
    shelf = write_shelf(tmp_path)
    (found,) = list_shelves([shelf])
    data: Any = as_data(found)
    models = {one["name"]: one for one in data.pop("models")}
    lines = [outline_of(data)]
    for name, model in models.items():
        assert model.pop("size") == weigh(shelf / name)
        parts = {key: model.pop(key) for key in ("apps", "findings")}
        lines += [name, f"  {outline_of(model)}"]
        lines += [f"    {outline_of(one)}" for ones in parts.values() for one in ones]
    for name in ("cat_128x128", "cat_128x128/Unet.mlmodelc", "Canny", "empty", "packed.ZIP"):
        judged = judge_folder(shelf / name)
        size = judged.pop("size")
        assert size == weigh(shelf / name)
        assert judged.pop("facts") == [[say("figure.disk"), say("figure.bytes", bytes=size)]]
        lines.append(f"{name}: {outline_of(judged)}")
    assert_golden("shelves", "\n".join(lines).replace(str(tmp_path), "PLACE"))
