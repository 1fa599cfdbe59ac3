"""What is offered is what the planner of `convert` accepts, for every family, and nothing else."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.api.verbs import plan
from sdcoreml.doctor.studio.bench import Bench, Examined, Table
from sdcoreml.doctor.studio.choices import Chosen, File, Offer, as_data
from sdcoreml.doctor.studio.offer import make_offer
from sdcoreml.doctor.studio.wording import say
from sdcoreml.ground.errors import SdcoremlError
from tests.convert.models.test_single_file import VAE, original, save
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.doctor.commands.test_library import SIZE
from tests.doctor.studio.models import MODELS, write_lcm, write_lora


def offered(offer: Offer) -> dict[str, list[object]]:
    return {group.key: [one.value for one in group.options] for group in offer.groups}


def accepts(examined: Examined, table: Table) -> bool:
    """Ask the function of the package, which reads everything anew."""
    options: dict[str, Any] = {key.replace("-", "_"): value for key, value in table.items()}
    try:
        plan(examined.path, **options)
    except SdcoremlError:
        return False
    return True


def wishes(offer: Offer, chance: random.Random) -> dict[str, Chosen]:
    """Choose something in every group that has options."""
    return {
        group.key: chance.choice(group.options).value
        if group.kind == "one"
        else tuple(str(one.value) for one in group.options if chance.random() < 0.5)
        for group in offer.groups
        if group.options
    }


@pytest.mark.parametrize("name", MODELS)
def test_whatever_is_chosen_of_what_is_offered_is_planned(
    name: str, tmp_path: Path, bench: Bench
) -> None:
    examined = bench.take(MODELS[name](tmp_path))
    chance = random.Random(name)  # noqa: S311  the same choices on every run
    told: dict[str, Chosen] = {"prediction-type": "v_prediction"} if name == "sd2 file" else {}
    offer = first = make_offer(examined, told)
    for _ in range(4):
        offer = make_offer(examined, told | wishes(offer, chance))
        assert offer.refused is None
        assert examined.refusal(offer.table) is None
    assert accepts(examined, offer.table)
    for group in first.groups:
        for option in group.options if group.kind == "one" else ():
            again = make_offer(examined, {**told, group.key: option.value})
            assert {one.key: one.value for one in again.groups}[group.key] == option.value
            assert examined.refusal(again.table) is None


@pytest.mark.parametrize("name", [one for one in MODELS if one not in ("controlnet", "sd2 file")])
def test_a_vae_and_loras_are_taken_by_every_whole_model(
    name: str, tmp_path: Path, bench: Bench
) -> None:
    examined = bench.take(MODELS[name](tmp_path))
    tensors = examined.judgement.tensors_of("unet")
    lora = File(path=write_lora(tmp_path / "style.safetensors", tensors), scale=0.5)
    vae = File(path=save(tmp_path / "vae.safetensors", VAE))
    loras = [f"{lora.path}:0.5", f"{lora.path}:0.5"]
    offer = make_offer(examined, {"lora": (lora, lora), "vae": (vae,)})
    assert offer.refused is None
    assert offer.table == {"app": "mochi", "lora": loras, "vae": str(vae.path)}
    assert accepts(examined, offer.table)
    comfyui = make_offer(examined, {"app": "comfyui", "lora": (lora,), "vae": (vae,)})
    assert (comfyui.table["app"], comfyui.table["lora"]) == ("comfyui", loras[:1])
    assert "vae" not in comfyui.table
    assert "vae" not in offered(comfyui)


def test_a_controlnet_takes_no_loras_and_may_be_for_a_folder(tmp_path: Path, bench: Bench) -> None:
    examined = bench.take(MODELS["controlnet"](tmp_path))
    lora = write_lora(tmp_path / "style.safetensors", examined.judgement.tensors_of("controlnet"))
    offer = make_offer(examined, {"lora": (File(path=lora),)})
    assert not {"lora", "vae", "embedding", "clip-skip", "batch"} & {*offered(offer)}
    assert not accepts(examined, {"lora": [str(lora)]})
    missing = make_offer(examined, {"for": (File(path=tmp_path),)})
    assert missing.refused is not None


def test_what_a_controlnet_is_for_decides_device_and_size(tmp_path: Path, bench: Bench) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    folder = finish(job_of(model, tmp_path / "for", controlled=True), StandIn(size=SIZE))
    (tmp_path / "net").mkdir()
    examined = bench.take(MODELS["controlnet"](tmp_path / "net"))
    offer = make_offer(examined, {"for": (File(path=folder),), "extras": ("install",)})
    keys = ["app", "for", "bits", "recipe", "target", "packages", "more"]
    assert (offer.refused, [group.key for group in offer.groups]) == (None, keys)
    assert offer.table == {"app": "mochi", "for": str(folder)}
    assert offer.changed == (say("changed.not", choice=say("extras.install")),)
    assert examined.refusal(offer.table) is None


@pytest.mark.parametrize(
    ("name", "key", "refused"),
    [
        ("sd1 folder", "extras", "safety-checker"),
        ("sdxl file", "extras", "controlled"),
        ("sdxl file", "batch", 1),
        ("sdxl file", "clip-skip", 2),
        ("sd1 file", "more", "own-size"),
        ("sd1 file", "more", "extract-ema"),
        ("controlnet", "app", "comfyui"),
    ],
)
def test_what_the_planner_refuses_is_not_offered(
    name: str, key: str, refused: str | int, tmp_path: Path, bench: Bench
) -> None:
    examined = bench.take(MODELS[name](tmp_path))
    assert refused not in offered(make_offer(examined, {})).get(key, [])
    option: Table = {str(refused): True} if key in ("extras", "more") else {key: refused}
    assert not accepts(examined, {"app": "mochi", **option})


def test_a_choice_limits_those_after_it_and_never_those_before(
    tmp_path: Path, bench: Bench
) -> None:
    examined = bench.take(MODELS["sd1 file"](tmp_path))
    choices: dict[str, Chosen] = {
        "app": "comfyui",
        "device": "phone",
        "clip-skip": 2,
        "bits": 6,
        "batch": 4,
    }
    offer = make_offer(examined, choices)
    assert offer.table == {"app": "comfyui", "bits": 6, "batch": 4}
    assert "clip-skip" not in offered(offer)
    assert offer.changed == (
        say("changed.other", group=say("choice.device"), value=say("device.ne")),
    )
    phone = make_offer(examined, {"app": "apple", "device": "phone"})
    assert phone.table == {"app": "apple", "chunk": True, "bits": 6}
    assert offered(phone)["device"] == ["ne", "gpu", "phone"]


def test_what_is_no_wish_is_recommended_anew_for_another_app(tmp_path: Path, bench: Bench) -> None:
    """The page sends what was chosen by hand alone: a default of one app is no wish in the next."""
    examined = bench.take(MODELS["sd1 file"](tmp_path))
    values = [
        {one.key: one.value for one in make_offer(examined, {"app": app}).groups}["batch"]
        for app in ("mochi", "comfyui", "mochi")
    ]
    assert values == [2, 1, 2]


def test_sizes_are_told_and_shrink_with_the_bits(tmp_path: Path, bench: Bench) -> None:
    offer = make_offer(bench.take(MODELS["sd1 file"](tmp_path)), {})
    (bits,) = (one for one in offer.groups if one.key == "bits")
    sizes = [one.size for one in bits.options]
    assert sizes == sorted((one or 0 for one in sizes), reverse=True)
    assert sizes[0] == 2 * 3_710_955
    assert [one.value for one in bits.options if one.is_recommended] == [16]


def test_a_consistency_model_is_for_comfyui_only(tmp_path: Path, bench: Bench) -> None:
    offer = make_offer(bench.take(write_lcm(tmp_path)), {})
    assert offered(offer)["app"] == ["comfyui"]


def test_a_unet_alone_is_enough_for_comfyui(tmp_path: Path, bench: Bench) -> None:
    unet = MODELS["sd1 folder"](tmp_path) / "unet"
    examined = bench.take(unet)
    offer = make_offer(examined, {})
    assert offered(offer)["app"] == ["comfyui"]
    assert accepts(examined, offer.table)
    assert not {"vae", "embedding", "clip-skip"} & {*offered(offer)}
    vae = bench.take(save(tmp_path / "vae.safetensors", VAE))
    assert make_offer(vae, {}).groups == ()


def test_a_unet_alone_of_sd2_is_asked_what_it_predicts(tmp_path: Path, bench: Bench) -> None:
    unet = MODELS["sd2 folder"](tmp_path) / "unet"
    assert offered(make_offer(bench.take(unet), {}))["app"] == ["comfyui"], "its scheduler says"
    examined = bench.take(shutil.copytree(unet, tmp_path / "alone"))
    assert offered(make_offer(examined, {})) == {"prediction-type": ["epsilon", "v_prediction"]}
    told = make_offer(examined, {"prediction-type": "v_prediction"})
    assert told.table == {"prediction-type": "v_prediction", "app": "comfyui"}
    assert accepts(examined, told.table)


def test_what_a_file_does_not_say_is_asked_first_and_not_guessed(
    tmp_path: Path, bench: Bench
) -> None:
    examined = bench.take(MODELS["sd2 file"](tmp_path))
    offer = make_offer(examined, {})
    (group,) = offer.groups
    assert (group.key, group.value, offer.table) == ("prediction-type", "", {})
    assert not any(one.is_recommended for one in group.options)
    told = make_offer(examined, {"prediction-type": "v_prediction"})
    assert told.table == {"prediction-type": "v_prediction", "app": "mochi"}


def test_a_file_without_a_vae_is_offered_one(tmp_path: Path, bench: Bench) -> None:
    arrays = {name: one for name, one in original("sd1").items() if "first_stage" not in name}
    examined = bench.take(save(tmp_path / "m.safetensors", arrays))
    alone = make_offer(examined, {})
    assert [one.key for one in alone.groups][:2] == ["vae", "app"]
    assert offered(alone)["app"] == ["comfyui"]
    vae = File(path=save(tmp_path / "vae.safetensors", VAE))
    offer = make_offer(examined, {"vae": (vae,)})
    assert offered(offer)["app"] == ["mochi", "apple"]
    assert [one.key for one in offer.groups].count("vae") == 1
    assert offer.table == {"vae": str(vae.path), "app": "mochi"}
    assert accepts(examined, offer.table)


def test_a_file_of_the_wrong_kind_is_refused_with_the_reason(tmp_path: Path, bench: Bench) -> None:
    examined = bench.take(MODELS["sd1 file"](tmp_path))
    vae = File(path=save(tmp_path / "vae.safetensors", VAE), scale=0.5)
    offer = make_offer(examined, {"lora": (vae,)})
    assert offer.table == {"app": "mochi"}
    assert offer.refused is not None
    colon = make_offer(examined, {"lora": (File(path=tmp_path / "a:b.safetensors"),)})
    assert colon.refused is not None
    assert "colon" in colon.refused.what


def test_as_data_has_no_paths_and_says_how_each_group_is_answered(
    tmp_path: Path, bench: Bench
) -> None:
    vae = File(path=save(tmp_path / "vae.safetensors", VAE))
    examined = bench.take(MODELS["sd1 file"](tmp_path))
    data = as_data(make_offer(examined, {"vae": (vae,)}))
    assert str(tmp_path) not in str(data)
    groups = data["groups"]
    assert isinstance(groups, list)
    kinds = {one["key"]: one["kind"] for one in groups}
    assert kinds["app"] == "one"
    assert kinds["extras"] == "many"
    assert kinds["lora"] == "file"
