"""What the page says of a path: the judgement of `inspect`, in plain and bounded words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.examine import examine
from sdcoreml.ground.errors import UsageError
from tests.bench.models import original_shapes
from tests.convert.models.test_single_file import original, save
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.doctor.commands.test_library import SIZE
from tests.doctor.studio.models import MODELS, examined, write_lcm, write_sparse
from tests.doctor.studio.said import find_text, keys_in
from tests.envs.wheels import toolchain as write_toolchain


def test_a_model_is_judged_planned_and_offered_at_once(tmp_path: Path, bench: Bench) -> None:
    found = examined(bench, MODELS["sd1 file"](tmp_path))
    assert (found["title"], found["family"]) == ("sd1.safetensors", "Stable Diffusion 1.x")
    assert found["form"] == "safetensors"
    assert found["verdict"]["can"] == "headers"
    sentence = found["verdict"]["sentence"]
    assert keys_in(sentence) == ["verdict.can.soon", "verdict.size.bits", "verdict.runs.yes"]
    apps = ["Apple's Swift package", "Mochi Diffusion", "ComfyUI's nodes"]
    assert find_text(sentence, "verdict.runs.yes") == {"names": apps}
    size = find_text(sentence, "verdict.size.bits")
    assert (size["bits"], round(size["bytes"], -6)) == (16, 7_000_000)
    assert not any("`" in one["reason"] for one in found["verdict"]["apps"])
    assert [one["key"] for one in found["offer"]["groups"]][:4] == ["app", "device", "size", "bits"]
    assert len(found["plan"]["folders"][0]["programs"]) == 4
    assert [one["status"] for one in found["findings"]] == ["info"]


def test_a_consistency_model_can_be_converted_for_comfyui(tmp_path: Path, bench: Bench) -> None:
    found = examined(bench, write_lcm(tmp_path))
    assert found["verdict"]["can"] == "headers"
    sentence = found["verdict"]["sentence"]
    assert find_text(sentence, "verdict.runs.yes") == {"names": ["ComfyUI's nodes"]}
    assert find_text(sentence, "verdict.runs.no")["names"][0] == "Apple's Swift package"
    assert found["plan"]["command"].endswith("--app=comfyui")


def test_apps_run_a_model_as_far_as_they_are_offered(tmp_path: Path, bench: Bench) -> None:
    arrays = {name: one for name, one in original("sd1").items() if "first_stage" not in name}
    whole = examined(bench, save(tmp_path / "m.safetensors", arrays))
    assert whole["verdict"]["can"] == "headers"
    assert [one["runs"] for one in whole["verdict"]["apps"]] == ["no", "no", "yes"]
    assert [one["status"] for one in whole["findings"]] == ["warn", "info"]
    unet = examined(bench, MODELS["sd1 folder"](tmp_path) / "unet")
    assert [one["runs"] for one in unet["verdict"]["apps"]] == ["no", "no", "yes"]
    runs = find_text(unet["verdict"]["sentence"], "verdict.runs.yes")
    assert runs == {"names": ["ComfyUI's nodes"]}


def test_what_cannot_be_converted_says_why_and_what_to_do(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "notes.safetensors").write_text("not a model")
    found = examined(bench, tmp_path / "notes.safetensors")
    assert found["verdict"]["can"] == "no"
    assert keys_in(found["verdict"]["sentence"]) == ["verdict.cannot", "verdict.remedy"]
    assert found["findings"][0]["status"] == "bad"
    assert found["plan"] is None
    assert found["offer"]["groups"] == []


def test_a_file_that_says_too_little_is_asked_for_more(tmp_path: Path, bench: Bench) -> None:
    found = examined(bench, MODELS["sd2 file"](tmp_path))
    assert found["verdict"]["can"] == "no"
    assert [one["key"] for one in found["offer"]["groups"]] == ["prediction-type"]


def test_a_finished_folder_is_judged_as_the_library_judges_it(tmp_path: Path, bench: Bench) -> None:
    job = job_of(open_model(write_model(tmp_path / "cat")), tmp_path / "cat_128x128")
    found = examined(bench, finish(job, StandIn(size=SIZE)))
    assert (found["form"], found["offer"], found["verdict"]["can"]) == ("Core ML", None, "no")
    assert keys_in(found["verdict"]["sentence"])[:2] == ["verdict.finished", "shelf.runs.good"]
    assert [one["runs"] for one in found["verdict"]["apps"]] == ["yes", "yes"]


HOSTILE = "<script>alert(1)</script>\x1b[31m\u202egnp.\n"


def test_hostile_names_and_metadata_come_out_as_short_plain_text(
    tmp_path: Path, bench: Bench
) -> None:
    folder = tmp_path / HOSTILE.replace("/", "")
    folder.mkdir()
    metadata = {"modelspec.title": HOSTILE * 2_000, "modelspec.sai_model_spec": "9" * 100_000}
    path = save(folder / f"{HOSTILE.replace('/', '')}.safetensors", original("sd1"), metadata)
    text = json.dumps(examine(bench, path), ensure_ascii=False)
    assert len(text) < 60_000
    assert not {"\x1b", "\u202e"} & {*text}
    assert json.loads(text)["title"].startswith("<script>alert(1)<script>\\x1b[31m\\u202egnp.\\n")


def test_a_path_is_never_a_name(bench: Bench) -> None:
    for text in ("/etc/passwd", "./model", "~/model.safetensors", "model.safetensors"):
        with pytest.raises(UsageError, match="no name of a model"):
            examine(bench, text)


def test_what_takes_minutes_is_told_in_seconds_and_what_was_not_measured_not_at_all(
    tmp_path: Path, bench: Bench
) -> None:
    large = write_sparse(tmp_path / "xl.safetensors", original_shapes("sdxl"))
    found = examined(bench, large)
    minutes = found["plan"]["needs"]["minutes"]
    assert minutes > 1
    sentence = found["verdict"]["sentence"]
    assert find_text(sentence, "verdict.can.time") == {"seconds": 60 * minutes}
    name = write_toolchain(tmp_path / "mine", {"torch==2.2.0": "0" * 64}, name="mine")
    own = Bench(tmp_path / "results", name)
    try:
        small = MODELS["sd1 file"](tmp_path)
        said = keys_in(examined(own, small)["verdict"]["sentence"])
    finally:
        own.close()
    assert said == ["verdict.can", "verdict.size.bits", "verdict.runs.yes"]
