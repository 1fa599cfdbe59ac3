"""What `sdcoreml convert` makes of its words; what was not given can be told from what was."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.convert.models.lora import LoraSource
from sdcoreml.doctor.commands.convert_options import declare

NOTHING: dict[str, object] = {
    "model": None,
    "sample": False,
    "output": None,
    "name": None,
    "force": False,
    "toolchain": "tested",
    "workers": None,
    "index": None,
    "plan": False,
    "json": False,
    "app": None,
    "install": False,
    "converter": "sdcoreml",
    "compare_upstream": False,
    "vae": None,
    "lora": [],
    "embedding": [],
    "extract_ema": False,
    "tokenizer": None,
    "bits": None,
    "group_size": None,
    "method": None,
    "recipe_file": None,
    "packages": "keep",
    "full": False,
}


@pytest.fixture(autouse=True)
def tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLCHAIN", "tested")


def parsed(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    declare(parser)
    return vars(parser.parse_args(words))


def test_what_an_earlier_result_may_say_is_absent_unless_it_is_given() -> None:
    assert parsed() == NOTHING


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("./cat", {"model": Path("cat")}),
        ("--sample", {"sample": True}),
        ("-o out", {"output": Path("out")}),
        ("--output out", {"output": Path("out")}),
        ("--name fluffy", {"name": "fluffy"}),
        ("--force --plan --json", {"force": True, "plan": True, "json": True}),
        ("--toolchain light", {"toolchain": "light"}),
        ("--workers 3", {"workers": 3}),
        ("--index https://x", {"index": "https://x"}),
        ("--app mochi --install", {"app": "mochi", "install": True}),
        ("--converter upstream", {"converter": "upstream"}),
        ("--backend upstream", {"converter": "upstream"}),
        ("--compare-upstream", {"compare_upstream": True}),
        ("--vae v", {"vae": Path("v")}),
        ("--vae_path v", {"vae": Path("v")}),
        ("--extract-ema --tokenizer t", {"extract_ema": True, "tokenizer": Path("t")}),
        ("--attention original --attention SPLIT_EINSUM", {"attention": "original split-einsum"}),
        ("--size 512x768 --size 64x64", {"size": "(512, 768) (64, 64)"}),
        ("--batch 1 --tokens 75", {"batch": 1, "tokens": 75}),
        ("--controlled --safety-checker", {"controlled": True, "safety_checker": True}),
        ("--refiner xl --chunk", {"refiner_folder": Path("xl"), "chunk": True}),
        ("--for made", {"beside": Path("made")}),
        ("--clip-skip 2", {"clip_skip": 2}),
        ("--prediction-type v_prediction", {"prediction": "v_prediction"}),
        ("--prediction_type epsilon", {"prediction": "epsilon"}),
        ("--accept-schedule --own-size", {"accept_schedule": True, "states_own_size": True}),
        ("--pad-id 0 --latent-scale 0.5", {"pad_id": 0, "latent_scale": 0.5}),
        ("--bits 3 --group-size 8", {"bits": 3, "group_size": 8}),
        ("--method linear --recipe r", {"method": "linear", "recipe_file": Path("r")}),
        ("--packages drop --full", {"packages": "drop", "full": True}),
    ],
)
def test_what_is_given_is_there_by_its_name(words: str, said: dict[str, object]) -> None:
    found = parsed(*words.split())
    changed = {
        name: " ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in found.items()
        if value != NOTHING.get(name)
    }
    assert changed == said


def test_a_word_of_several_may_be_said_again() -> None:
    found = parsed("--lora", "a", "--lora", "b:0.5", "--precision", "fp32", "--precision=vae=fp16")
    loras = [
        LoraSource(path=Path("a")),
        LoraSource(path=Path("b"), scale=0.5),
    ]
    assert found["lora"] == loras
    assert len(found["precision"]) == 2  # type: ignore[arg-type]
    assert len(parsed("--embedding", "x", "--embedding", "y:z")["embedding"]) == 2  # type: ignore[arg-type]
    assert parsed()["lora"] == []  # nothing is left of an earlier parser


@pytest.mark.parametrize(
    "words",
    [
        "cat dog",
        "--app finder",
        "--attention none",
        "--bits 5",
        "--method zip",
        "--packages sell",
        "--prediction-type other",
        "--workers 0",
        "--batch 0",
        "--tokens x",
        "--group-size 0",
        "--pad-id x",
        "--latent-scale 0",
        "--name a/b",
        "--size big",
        "--target macOS1",
        "--converter other",
    ],
)
def test_a_value_that_is_none_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words.split())
    assert "error: " in capsys.readouterr().err
