"""The generated schemas are what the types say."""

from __future__ import annotations

import pytest

from tools.schemas.documents import DOCUMENTS, FOLDER, written
from tools.schemas.words import WORDS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_file_is_what_its_types_say(name: str) -> None:
    told = "write it again: python -m tools.schemas"
    assert (FOLDER / name).read_text("utf-8") == written(name), told


def test_every_description_is_of_a_field() -> None:
    everything = "".join(written(name) for name in DOCUMENTS)
    assert [name for name, words in WORDS.items() if words not in everything] == []
