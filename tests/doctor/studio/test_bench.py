"""Models that are open on the bench: looked at once, and again when they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.studio.bench import MOST, MOST_READ, Bench, Table, words_of
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


def test_what_was_read_in_one_way_is_not_read_again_and_few_ways_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    examined = bench.take(save(tmp_path / "m.safetensors", original("sd1")))

    def read(size: int) -> object:
        return examined.refusal({"vae": f"{tmp_path / str(size)}.safetensors"})

    first = examined.read(examined.arguments({}))
    assert examined.read(examined.arguments({"bits": 6})) is first, "it is read as before"
    for number in range(MOST_READ - 1):
        assert read(number) is not None, "there is no such file"
    assert examined.read(examined.arguments({})) is first
    for number in range(MOST_READ):
        read(number)
    assert examined.read(examined.arguments({})) is not first, "it was the longest unused"
    bench.close()


def test_a_change_two_folders_down_is_seen_and_one_farther_is_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    deep = tmp_path / "model" / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("x", "b/x"):
        (deep.parent / name).write_text("1")
    first = bench.take(tmp_path / "model")
    (deep / "x").write_text("22")
    assert bench.take(tmp_path / "model") is first
    (deep.parent / "x").write_text("22")
    assert bench.take(tmp_path / "model") is not first
    bench.close()


def test_what_convert_is_given_is_what_was_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sd1"))
    examined = Bench(tmp_path / "results").take(path)
    args = examined.arguments({"bits": 6})
    assert (args.model, args.into, args.bits) == (path, tmp_path / "results", 6)
    assert args.typed == ("convert", "--bits=6", "--", str(path))
    with pytest.raises(UsageError) as caught:
        examined.arguments({"no-such": True})
    assert (caught.value.where, caught.value.remedy) == ("the choices", "choose again")


@pytest.mark.parametrize("text", ["/a/model", "./model", "model.safetensors"])
def test_a_path_is_never_given_as_a_text(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Bench(tmp_path).take(text)
    assert str(caught.value) == (
        "the name: this is no name of a model; give the name of a model on the hub, as owner/name,"
        " or choose a file or folder"
    )
