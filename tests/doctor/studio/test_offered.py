"""All that is offered for a model, and all that is said of it, as it is kept in `tests/golden/`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.choices import Choices, Group, Option
from sdcoreml.doctor.studio.offer import make_offer
from tests.convert.models.test_single_file import VAE, original, save
from tests.doctor.studio.models import MODELS, examined, write_lcm, write_lora
from tests.doctor.studio.said import outline_of
from tests.golden import assert_golden

ASKED: Mapping[str, tuple[Choices, ...]] = {
    "sd1 file": (
        {},
        {"app": "apple", "device": "phone", "more": ("full", "force")},
        {"app": "comfyui", "device": "gpu", "size": "512x768", "bits": 6, "batch": 4},
        {"app": "mochi", "device": "phone", "bits": 4, "batch": 4, "clip-skip": 2},
        {"app": "nothing", "bits": 5, "extras": ("controlled", "nothing"), "more": "force"},
    ),
    "sd1 folder": ({},),
    "sd2 folder": ({}, {"prediction-type": "epsilon"}),
    "sd2 file": ({}, {"prediction-type": "v_prediction"}),
    "sdxl file": ({}, {"app": "comfyui", "size": "832x1216"}),
    "refiner file": ({},),
    "controlnet": ({}, {"app": "apple", "extras": ("install",)}),
    "lcm": ({},),
    "unet": ({}, {"prediction-type": "epsilon"}),
    "no vae": ({},),
}


def write_unet(place: Path, _bench: Bench) -> Path:
    """Write a UNet alone, without the scheduler beside it that says what it predicts."""
    return shutil.copytree(MODELS["sd2 folder"](place) / "unet", place / "unet")


def write_without_vae(place: Path, _bench: Bench) -> Path:
    kept = original("sd1").items()
    arrays = {key: one for key, one in kept if "first_stage" not in key}
    return save(place / "no-vae.safetensors", arrays)


def write_vae(place: Path, _bench: Bench) -> Path:
    return save(place / "vae.safetensors", VAE)


def write_style(place: Path, bench: Bench) -> Path:
    (place / "of").mkdir()
    model = bench.take(MODELS["sd1 file"](place / "of"))
    return write_lora(place / "style.safetensors", model.judgement.tensors_of("unet"))


def write_nothing(place: Path, _bench: Bench) -> Path:
    return place / "gone.safetensors"


def write_notes(place: Path, _bench: Bench) -> Path:
    (place / "notes.safetensors").write_text("not a model")
    return place / "notes.safetensors"


def write_without_text_encoder(place: Path, _bench: Bench) -> Path:
    folder = MODELS["sd1 folder"](place)
    shutil.rmtree(folder / "text_encoder")
    return folder


OTHERS: Mapping[str, Callable[[Path, Bench], Path]] = {
    "lcm": lambda place, _: write_lcm(place),
    "unet": write_unet,
    "no vae": write_without_vae,
    "vae": write_vae,
    "lora": write_style,
    "no file": write_nothing,
    "notes": write_notes,
    "no text encoder": write_without_text_encoder,
}


def write(name: str, place: Path, bench: Bench) -> Path:
    place.mkdir()
    return OTHERS[name](place, bench) if name in OTHERS else MODELS[name](place)


def asked(bench: Bench, place: Path) -> Iterator[str]:
    for name, all_choices in ASKED.items():
        examined = bench.take(write(name, place / name, bench))
        for choices in all_choices:
            offer = make_offer(examined, choices)
            yield f"{name} {json.dumps(choices)} -> {json.dumps(offer.table)}"
            yield from (f"  changed {outline_of(one)}" for one in offer.changed)
            yield from (f"  {line_of(group)}" for group in offer.groups)


def line_of(group: Group) -> str:
    """Return a group on one line: its form, what is chosen, and its options."""
    form = {"folded": group.is_folded, "many": group.is_many, "scale": group.has_scale}
    words = (group.key, group.kind, group.takes, *(name for name, is_so in form.items() if is_so))
    chosen = f"{len(group.value)} files" if group.kind == "file" else outline_of(group.value)  # type: ignore[arg-type]
    options = ", ".join(map(told, group.options))
    return f"{' '.join(filter(None, words))} = {chosen}{options and f': {options}'}"


def told(option: Option) -> str:
    """Return an option: a star if it is recommended, and its sentence unless that is usual."""
    named = outline_of(option.title)
    sentence = outline_of(option.sentence)
    parts = (
        "*" * option.is_recommended + named,
        "" if sentence == f"{named}.why" else sentence,
        f"{option.size} bytes" if option.size is not None else "",
        outline_of(option.cost) if option.cost else "",
    )
    return " ".join(filter(None, parts))


def test_all_that_is_offered(tmp_path: Path, bench: Bench) -> None:
    assert_golden("offered", "\n".join(asked(bench, tmp_path)))


SAID = (*ASKED, "vae", "lora", "no file", "notes", "no text encoder")


def said(bench: Bench, place: Path) -> Iterator[str]:
    for name in SAID:
        found = examined(bench, write(name, place / name, bench))
        verdict = found.pop("verdict")
        plan, groups = found.pop("plan") or {}, found.pop("offer")["groups"]
        folders = [{**one, "folder": Path(one["folder"]).name} for one in plan.get("folders", ())]
        told = {"facts": found.pop("facts"), "findings": found.pop("findings"), "folders": folders}
        yield f"{name}: {outline_of(found)} groups={len(groups)}"
        yield f"  {verdict['can']} {outline_of(verdict['sentence'])}"
        yield from (f"  {outline_of(one)}" for one in verdict["apps"])
        for title, ones in told.items():
            yield f"  {title}"
            yield from (f"    {outline_of(one).replace(str(place), 'PLACE')}" for one in ones)


def test_all_that_is_said_of_a_model(tmp_path: Path, bench: Bench) -> None:
    assert_golden("examined", "\n".join(said(bench, tmp_path)))
