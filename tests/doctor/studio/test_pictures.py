"""What `draw` is asked for by the page, and what its answer says in short."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.drawing.wish import Drawn, Likeness, Reading
from sdcoreml.doctor.commands.draw_options import configure, read_request
from sdcoreml.doctor.studio.pictures import (
    PROMPT,
    SAMPLE_PROMPT,
    Wish,
    original_of,
    plan_picture,
    read_result,
    suggest_prompt,
    why_not,
)
from sdcoreml.doctor.studio.wording import say
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import BadInputError, UsageError

OUTPUT = Path("/pictures/0.png")


def parsed(wish: Wish) -> argparse.Namespace:
    """Parse the words of a picture as `draw` does, with what the queue adds."""
    verb, *words = plan_picture(wish).words
    assert verb == "draw"
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args([*words, "--json"])


@pytest.mark.parametrize(
    "prompt",
    ["a cat", "--force", "-o /etc/passwd", "--output=/etc/passwd", "--", "`id` $(id) ; rm -rf /"],
)
def test_any_prompt_is_a_prompt_and_never_an_option(prompt: str) -> None:
    args = parsed(Wish(folder=Path("/models/cat"), output=OUTPUT, prompt=prompt, steps=4))
    assert [one.strip() for one in args.prompt] == [prompt]
    assert (args.output, args.folder, args.json) == (OUTPUT, Path("/models/cat"), True)
    assert read_request(args).steps == 4


def test_the_original_is_drawn_beside_the_folder_with_its_refiner() -> None:
    folder, model = Path("/models/xl"), Path("/models/xl.safetensors")
    request = read_request(
        parsed(Wish(folder=folder, output=OUTPUT, against=model, refiner="/models/refiner"))
    )
    assert (request.against, request.refiner) == (model, Path("/models/refiner"))
    assert request.prompt == PROMPT
    alone = parsed(Wish(folder=folder, output=OUTPUT, refiner="/models/refiner"))
    assert (alone.against, alone.refiner) == (None, None)


@pytest.mark.parametrize("steps", [0, 51, -1, True, 2.5, "4", None, 10**9])
def test_steps_are_few(steps: object) -> None:
    with pytest.raises(UsageError, match="from 1 to 50"):
        plan_picture(Wish(folder=Path("/m"), output=OUTPUT, steps=steps))


@pytest.mark.parametrize("seed", [-1, 2**32, True, 2.5, "4", None])
def test_a_seed_is_one_that_apps_take(seed: object) -> None:
    with pytest.raises(UsageError, match="from 0 to 4294967295"):
        plan_picture(Wish(folder=Path("/m"), output=OUTPUT, seed=seed))


def test_what_is_drawn_is_told_beside_the_picture() -> None:
    wish = Wish(folder=Path("/m"), output=OUTPUT, prompt=" a  star", steps=3, seed=2**32 - 1)
    assert plan_picture(wish).drawn == {"prompt": "a star", "seed": 4294967295, "steps": 3}
    assert read_request(parsed(wish)).seed == 4294967295
    assert plan_picture(Wish(folder=Path("/m"), output=OUTPUT)).drawn["seed"] == 0


def test_a_prompt_is_short_and_printable() -> None:
    for wrong in ("x" * 501, "a\x1b[2Jb", "a\u202eb"):
        with pytest.raises(UsageError, match="no prompt"):
            plan_picture(Wish(folder=Path("/m"), output=OUTPUT, prompt=wrong))


def test_what_cannot_be_drawn_says_why() -> None:
    assert "ComfyUI" in why_not({"app": "comfyui"}, "tested")
    assert "torch" in why_not({"app": "mochi"}, "light")
    assert why_not({"app": "mochi"}, "tested") == ""


def original(model: Path | str, table: object) -> Path | None:
    return original_of({"model": str(model), "table": table})


def test_a_model_that_was_changed_or_is_gone_is_not_drawn_beside(tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    file.touch()
    assert original(file, {"app": "mochi", "bits": 6}) == file
    assert original(file, {"lora": ["/x.safetensors:0.8"]}) is None
    assert original(tmp_path / "gone", {}) is None
    assert original("owner/name", {}) is None
    assert original(file, None) is None, "what was merged into it is not known"
    assert original_of({}) is None


def test_the_sample_gets_a_prompt_that_it_was_trained_on(tmp_path: Path) -> None:
    for name, prompt in (("sdcoreml sample 3", SAMPLE_PROMPT), ("somebody/else", PROMPT)):
        (tmp_path / "model_index.json").write_text(json.dumps({"_name_or_path": name}))
        assert suggest_prompt(tmp_path) == prompt
    (tmp_path / "model_index.json").write_text("{")
    assert suggest_prompt(None) == suggest_prompt(tmp_path) == PROMPT


def said(**changes: Any) -> bytes:
    reading = Reading(ids=(0, 1), beyond=("tail",))
    drawn = Drawn(width=128, height=64, prompt=reading, negative=Reading(ids=()), timesteps=(1,))
    content = {"schema": 1, **to_plain(drawn), "settings": {}, "notes": ["a note"], **changes}
    return b"a line of progress\n" + json.dumps(content).encode() + b"\n"


def test_figures_are_read_from_what_draw_prints(tmp_path: Path) -> None:
    (tmp_path / "0.png").touch()
    near = to_plain(Likeness(steps=(60.0,), psnr=41.26, ssim=0.98765))
    found = read_result(said(likeness=near, unsafe=True), tmp_path / "0.png")
    told = say("figure.near", likeness="41.3 dB", ssim=0.98765)
    size = [say("figure.size"), "128 x 64"]
    assert found["figures"] == [[say("figure.model"), told], size]
    assert found["pictures"] == [{"title": say("picture.both"), "text": told}]
    warnings = found["warnings"]
    assert isinstance(warnings, list)
    assert len(warnings) == 3
    alone = read_result(said(), tmp_path / "0.png")
    assert alone["figures"] == [size]


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{", b"\xff", b"null\n"])
def test_anything_else_is_no_picture(wrong: bytes, tmp_path: Path) -> None:
    (tmp_path / "0.png").touch()
    with pytest.raises(BadInputError):
        read_result(wrong, tmp_path / "0.png")
    with pytest.raises(BadInputError, match="no picture"):
        read_result(said(), tmp_path / "gone.png")


def test_all_that_is_told_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "0.png").touch()
    near = to_plain(Likeness(steps=(60.0,), psnr=41.26, ssim=0.98765))
    half = to_plain(Likeness(steps=(60.0,), psnr=60.04, ssim=1.0))
    notes = [f"note {number}" for number in range(7)]
    found = read_result(
        said(likeness=near, half=half, unsafe=True, notes=notes), tmp_path / "0.png"
    )
    alike = say("figure.near", likeness="41.3 dB", ssim=0.98765)
    assert found == {
        "pictures": [{"title": say("picture.both"), "text": alike}],
        "figures": [
            [say("figure.model"), alike],
            [say("figure.half"), say("figure.near", likeness="60.0 dB", ssim=1.0)],
            [say("figure.size"), "128 x 64"],
        ],
        "warnings": [
            *(f"note {number}" for number in range(5)),
            say("picture.beyond", words="tail"),
            say("picture.unsafe"),
        ],
    }
    alone = read_result(said(prompt={"beyond": []}, notes=None), tmp_path / "0.png")
    assert (alone["pictures"], alone["warnings"]) == (
        [{"title": say("picture.one"), "text": ""}],
        [],
    )
    odd = read_result(said(width="128", half={"psnr": "x"}, prompt=3), tmp_path / "0.png")
    assert odd["figures"] == []


def test_all_the_words_of_a_drawing() -> None:
    wish = Wish(
        folder=Path("/m/cat"),
        output=OUTPUT,
        prompt="-a star",
        against=Path("/model"),
        refiner="/refiner",
        toolchain="mine",
    )
    found = plan_picture(wish)
    assert found.words == (
        *("draw", "--steps=8", "--seed=0", f"--output={OUTPUT}", "--against=/model"),
        *("--refiner=/refiner", "--toolchain=mine", "/m/cat", " -a star"),
    )
    assert (found.title, found.output) == ("cat: -a star", OUTPUT)
    alone = plan_picture(replace(wish, against=None, toolchain=""))
    assert alone.words[4:] == ("/m/cat", " -a star"), "no refiner without the model"
