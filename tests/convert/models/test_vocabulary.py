from __future__ import annotations

import gzip
import json
import re
import zipfile
from pathlib import Path

import pytest

from sdcoreml.convert.models.vocabulary import (
    DIGESTS,
    LOCK,
    MEMBER,
    derive,
    vocabulary_folder,
)
from sdcoreml.ground.errors import SdcoremlError, UnreachableError
from sdcoreml.ground.events import Event
from sdcoreml.ground.places import environments_folder


def wheel(folder: Path, name: str = MEMBER, content: bytes = b"") -> None:
    with zipfile.ZipFile(folder / "open_clip_torch-3.3.0-py3-none-any.whl", "w") as archive:
        archive.writestr(name, content)


def shut(_: Path) -> None:
    raise UnreachableError("the package index cannot be reached")


def empty(_: Path) -> None:
    """Bring no vocabulary: leave the folder empty."""


def other_wheel(folder: Path) -> None:
    wheel(folder, "open_clip/other.txt.gz")


def no_gzip(folder: Path) -> None:
    wheel(folder, content=b"not gzip")


def cut_gzip(folder: Path) -> None:
    wheel(folder, content=gzip.compress(b"version\ni n\n" * 100)[:-9])


def other_merges(folder: Path) -> None:
    wheel(folder, content=gzip.compress(b"version\ni n\n"))


@pytest.mark.parametrize(
    ("bring", "reason"),
    [
        (shut, "the package index cannot be reached"),
        (empty, "no wheel was downloaded"),
        (other_wheel, "no item named"),
        (no_gzip, "Not a gzipped file"),
        (cut_gzip, "ended before"),
        (other_merges, "the list of merges is not CLIP's: it gives a different vocab.json"),
    ],
)
def test_what_cannot_be_had_is_told_in_a_line_with_a_way_out(
    tmp_path: Path, bring: object, reason: str
) -> None:
    assert callable(bring)
    with pytest.raises(SdcoremlError, match="give --tokenizer FOLDER") as caught:
        vocabulary_folder(bring=bring, home=tmp_path / "home")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "home").exists()


def test_a_list_of_merges_must_be_clips() -> None:
    with pytest.raises(ValueError, match=r"it gives a different vocab\.json"):
        derive("version\ni n\nt h")


def test_the_wheel_is_locked_to_one_file() -> None:
    said = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    assert re.fullmatch(r"open-clip-torch==[\d.]+ \\", said[0])
    assert re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}", said[1])
    assert len(said) == 2


@pytest.fixture(scope="module")
def folder() -> Path:
    return vocabulary_folder()


class TestReal:
    """Tests of the real vocabulary, which is downloaded from the package index the first time."""

    def test_it_is_kept_beside_the_environments_and_brought_once(self, folder: Path) -> None:
        events: list[Event] = []
        assert vocabulary_folder(events.append, bring=shut) == folder
        assert (folder.parent, events) == (environments_folder(), [])
        assert sorted(path.name for path in folder.iterdir()) == sorted(DIGESTS)

    def test_known_tokens_have_their_numbers(self, folder: Path) -> None:
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        assert len(vocabulary) == 49408
        words = ("!", "<|startoftext|>", "<|endoftext|>", "a", "photo", "of", "cat")
        numbers = [vocabulary.get(f"{word}</w>", vocabulary.get(word)) for word in words[3:]]
        assert [vocabulary[word] for word in words[:3]] == [0, 49406, 49407]
        assert numbers == [320, 1125, 539, 2368]

    def test_a_changed_file_is_brought_again(self, folder: Path, tmp_path: Path) -> None:
        def again(place: Path) -> None:
            merges = (folder / "merges.txt").read_bytes()
            wheel(place, content=gzip.compress(b"version" + merges[len("#version: 0.2") :]))

        made = vocabulary_folder(bring=again, home=tmp_path)
        (made / "merges.txt").write_text("i n\n")
        assert vocabulary_folder(bring=again, home=tmp_path) == made
        for name in DIGESTS:
            assert (made / name).read_bytes() == (folder / name).read_bytes()
