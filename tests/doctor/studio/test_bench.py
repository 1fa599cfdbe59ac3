"""Models that are open on the bench: looked at once, and again when they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.studio.bench import MOST, Bench, Table, words_of
from sdcoreml.ground.errors import UnsupportedError, UsageError
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.models import MODELS


def test_a_model_is_looked_at_once_until_it_changes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = MODELS["sd1 file"](tmp_path)
    first = bench.take(path)
    assert bench.take(path) is first
    path.write_bytes(b"something else")
    again = bench.take(path)
    assert again is not first
    assert again.judgement.ruling.can == "no"


def test_a_change_within_a_folder_is_seen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = MODELS["sd2 folder"](tmp_path)
    first = bench.take(path)
    (path / "tokenizer" / "vocab.json").unlink()
    assert bench.take(path) is not first
    assert bench.take(path).judgement.ruling.can == "no"


def test_few_models_stay_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    closed: list[int] = []
    for number in range(MOST + 2):
        path = tmp_path / f"{number}.safetensors"
        path.touch()
        bench.take(path).held.callback(closed.append, number)
    assert closed == [0, 1]
    bench.take(tmp_path / "2.safetensors")  # the one that would be the next to go
    (tmp_path / "more.safetensors").touch()
    bench.take(tmp_path / "more.safetensors")
    assert closed == [0, 1, 3]
    bench.close()
    assert sorted(closed) == list(range(MOST + 2))


def test_options_are_judged_as_convert_judges_them(tmp_path: Path) -> None:
    examined = Bench(tmp_path).take(save(tmp_path / "m.safetensors", original("sd1")))
    (job,) = examined.jobs({"bits": 6, "size": "512x768"})
    assert job.output == tmp_path / "models" / "m-split-einsum-6-bit_512x768"
    assert examined.nbytes({"bits": 8}) < examined.nbytes({})
    assert isinstance(examined.refusal({"own-size": True}), UnsupportedError)
    assert isinstance(examined.refusal({"bits": 5}), UsageError)
    assert isinstance(examined.refusal({"no-such": True}), UsageError)


def test_words_are_those_of_the_command_line() -> None:
    table: Table = {"app": "mochi", "full": True, "force": False, "bits": 6, "lora": ["a:0.5", "b"]}
    assert [*words_of(table)] == ["--app=mochi", "--full", "--bits=6", "--lora=a:0.5", "--lora=b"]


@pytest.mark.parametrize("name", ["hf:", "owner/name/../x@..", "civitai:x"])
def test_a_wrong_name_is_wrong_usage(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Bench(tmp_path).take(name)
