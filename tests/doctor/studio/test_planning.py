"""Choices become the plan of `convert --plan`, its command, and a table of a job file."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.choices import Choices, File
from sdcoreml.doctor.studio.planning import order, plan, read_choices
from sdcoreml.ground.errors import SdcoremlError, UsageError
from tests.convert.models.test_single_file import VAE, original, save
from tests.doctor.studio.models import MODELS


def resolve(sent: Mapping[str, object]) -> Path:
    """Stand in for the server's handles."""
    handle = sent.get("handle")
    if not isinstance(handle, str) or not handle.startswith("signed:"):
        raise UsageError("no such handle")
    return Path(handle.removeprefix("signed:"))


def planned(bench: Bench, path: Path, choices: Choices) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(plan(bench.take(path), choices, "tested")))
    return found


def test_the_plan_is_the_one_that_convert_prints(
    tmp_path: Path, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    model = MODELS["sd1 file"](tmp_path)
    found = planned(bench, model, {"app": "apple", "bits": 6, "extras": ("controlled",)})
    verb, *words = shlex.split(found["command"])[1:]
    assert verb == "convert"
    assert main([verb, "--plan", "--json", *words]) == 0
    told = json.loads(capsys.readouterr().out)["plan"]
    (mine,), (theirs,) = found["folders"], told["folders"]
    assert mine["programs"] == theirs["programs"]
    assert mine["folder"] == str(bench.into / theirs["folder"])
    assert (found["from"], found["needs"]) == (told["from"], told["needs"])
    assert found["sentence"]["count"] == 5
    assert found["result"] == sum(one["bytes"] for one in mine["programs"])
    assert found["room"]["needed"] == told["needs"]["disk"]
    assert found["room"]["free"] > 0
    assert "refused" not in found


@pytest.mark.parametrize(
    ("name", "choices", "count", "systems"),
    [
        ("sd1 file", {}, 4, "macOS 13, iOS 16"),
        ("sd1 file", {"target": "macOS15"}, 4, "macOS 15, iOS 18"),
        ("sd1 file", {"app": "comfyui"}, 1, "macOS 13"),
        ("sdxl file", {}, 5, "macOS 14"),
    ],
)
def test_the_systems_that_run_the_result_are_told(
    name: str, choices: Choices, count: int, systems: str, tmp_path: Path, bench: Bench
) -> None:
    said = {"say": "plan.programs.for", "count": count, "systems": systems}
    assert planned(bench, MODELS[name](tmp_path), choices)["sentence"] == said


def test_for_a_phone_it_is_judged_whether_that_can_hold_it(tmp_path: Path, bench: Bench) -> None:
    choices: Choices = {"app": "apple", "device": "phone"}
    found = planned(bench, MODELS["sd1 file"](tmp_path), choices)
    assert found["notes"]["device"]["verdict"] == "good"
    (unet,) = (one for one in found["folders"][0]["programs"] if one["name"] == "Unet")
    assert found["notes"]["device"]["what"]["bytes"] == unet["bytes"] // 2 > 0
    assert "notes" not in planned(bench, MODELS["sd1 file"](tmp_path), {"app": "apple"})
    assert (
        planned(bench, MODELS["sdxl file"](tmp_path), choices)["notes"]["device"]["verdict"]
        == "bad"
    )


def test_what_a_machine_lacks_is_said_in_the_pages_words(tmp_path: Path, bench: Bench) -> None:
    found = planned(bench, MODELS["sd1 file"](tmp_path), {})
    assert found["machine"]["findings"]
    for one in found["machine"]["findings"]:
        assert one["status"] in {"ok", "info", "unknown", "warn", "bad", "skipped"}
        assert not one["what"][:1].islower()


def test_an_order_is_a_table_of_a_job_file_and_a_command_that_say_the_same(
    tmp_path: Path, bench: Bench
) -> None:
    model = MODELS["sd1 file"](tmp_path)
    vae = File(path=save(tmp_path / "vae.safetensors", VAE))
    choices: Choices = {"app": "mochi", "device": "gpu", "bits": 4, "vae": (vae,), "batch": 1}
    one = order(bench.take(model), choices)
    table = {"model": one.model, **one.table}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in table.items()]
    (tmp_path / "jobs.toml").write_text("[[models]]\n" + "".join(lines))
    (request,) = read_job_file(tmp_path / "jobs.toml").requests
    parser = argparse.ArgumentParser()
    declare(parser)
    typed = parser.parse_args(shlex.split(one.command)[2:])
    assert vars(typed) == vars(request.args)
    assert (typed.attention, typed.bits, typed.vae) == (["original"], 4, vae.path)
    assert one.title == "sd1-original-4-bit_512x512"
    assert one.folders == (str(bench.into / "models" / one.title),)


def test_what_would_be_changed_or_refused_is_not_ordered(tmp_path: Path, bench: Bench) -> None:
    examined = bench.take(MODELS["sd1 file"](tmp_path))
    with pytest.raises(UsageError, match=r"\bnot all of these are possible together"):
        order(examined, {"app": "mochi", "device": "phone"})
    wrong = File(path=tmp_path / "gone.safetensors")
    with pytest.raises(SdcoremlError, match="gone"):
        order(examined, {"lora": (wrong,)})
    found = planned(bench, examined.path, {"lora": (wrong,)})
    assert found["refused"]["where"] == "gone.safetensors"
    assert found["folders"]
    assert planned(bench, examined.path, {"device": "phone"})["offer"]["changed"]


def test_what_is_no_model_is_refused_with_the_reason(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "m.ckpt").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    found = planned(bench, tmp_path / "m.ckpt", {})
    assert found["refused"]["what"]
    assert found["refused"]["code"]
    assert "folders" not in found
    with pytest.raises(SdcoremlError):
        order(bench.take(tmp_path / "m.ckpt"), {})


def test_a_name_that_cannot_be_typed_gives_no_command(tmp_path: Path, bench: Bench) -> None:
    path = save(tmp_path / "a\x1b[31m\nb.safetensors", original("sd1"))
    one = order(bench.take(path), {})
    assert (one.command, one.model) == ("", str(path))
    assert not {"\x1b", "\n"} & {*one.title}


def test_choices_are_values_or_files_by_their_handles(tmp_path: Path) -> None:
    sent = {
        "app": "mochi",
        "bits": 6,
        "extras": ["controlled"],
        "lora": [{"handle": f"signed:{tmp_path}", "scale": 0.8}, {"handle": "signed:/b"}],
        "vae": [],
    }
    assert read_choices(sent, resolve) == {
        "app": "mochi",
        "bits": 6,
        "extras": ("controlled",),
        "lora": (File(path=tmp_path, scale=0.8), File(path=Path("/b"))),
        "vae": (),
    }


@pytest.mark.parametrize(
    "sent",
    [
        [],
        "app",
        None,
        {"app": None},
        {"app": True},
        {"app": 0.5},
        {"app": {"handle": "signed:/etc/passwd"}},
        {"app": "x" * 300},
        {"x" * 300: "mochi"},
        {"lora": [{"handle": "/etc/passwd"}]},
        {"lora": [{"handle": 5}]},
        {"lora": [{"handle": "signed:/a", "scale": "1"}]},
        {"lora": [{"handle": "signed:/a", "scale": True}]},
        {"lora": [{"handle": "signed:/a", "scale": float("nan")}]},
        {"lora": [{"handle": "signed:/a", "scale": float("inf")}]},
        {"lora": [{"handle": "signed:/a"}, "b"]},
        {"lora": [{"handle": "signed:/a"}] * 21},
        {"lora": [[["a"]]]},
        {f"{number}": 1 for number in range(41)},
    ],
)
def test_anything_else_is_refused_as_wrong_usage(sent: object) -> None:
    with pytest.raises(UsageError):
        read_choices(sent, resolve)


@pytest.mark.parametrize(
    "choices",
    [
        {"app": "--force"},
        {"size": "64x64; rm"},
        {"size": "99999x99999"},
        {"bits": -1},
        {"extras": ("force", "install", "plan")},
        {"more": ("app", "json")},
        {"nothing": 5},
        {"lora": "style.safetensors"},
        {"app": ("mochi",)},
    ],
)
def test_what_is_not_offered_is_never_an_option(
    choices: Choices, tmp_path: Path, bench: Bench
) -> None:
    examined = bench.take(MODELS["sd1 file"](tmp_path))
    assert plan(examined, choices, "tested")["command"] == plan(examined, {}, "tested")["command"]


def test_all_that_is_told_of_a_plan(tmp_path: Path, bench: Bench) -> None:
    model = MODELS["sd1 file"](tmp_path)
    found = planned(bench, model, {"app": "apple", "device": "phone", "bits": 6})
    offer, room, machine = found.pop("offer"), found.pop("room"), found.pop("machine")
    assert {*offer} == {"groups", "changed"}
    assert {*room} == {"needed", "free"}
    assert {*machine} == {"can", "findings"}
    assert all({*one} == {"id", "status", "what", "remedy"} for one in machine["findings"])
    needs = found.pop("needs")
    assert needs["disk"] == room["needed"] == 2 * model.stat().st_size
    (folder,) = found.pop("folders")
    assert folder["folder"] == str(bench.into / "models/sd1-split-einsum-6-bit_512x512")
    assert found == {
        "from": {str(model): model.stat().st_size},
        "sentence": {"say": "plan.programs.for", "count": 4, "systems": "macOS 13, iOS 16"},
        "command": f"sdcoreml convert {model} --app=apple --chunk --bits=6",
        "result": sum(one["bytes"] for one in folder["programs"]),
        "notes": found["notes"],
    }
    assert found["result"] == 4_533_065
