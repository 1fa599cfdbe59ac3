from __future__ import annotations

import re

from sdcoreml.convert.cache.key import ELSEWHERE, builder_version, key_of
from sdcoreml.ground.places import PACKAGE


def test_a_key_is_of_the_content_not_of_the_order() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_the_builder_s_version_is_a_digest_of_its_rooms() -> None:
    assert re.fullmatch("[0-9a-f]{64}", builder_version())
    assert all((PACKAGE / "convert" / room).is_dir() for room in ELSEWHERE)
