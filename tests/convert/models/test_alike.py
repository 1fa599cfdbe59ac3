from __future__ import annotations

import pytest

from sdcoreml.convert.models.alike import one_for_all


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([768, 768], 768),
        ((768,), 768),
        ([True, True], True),
        ([768, 1024, 768], [768, 1024, 768]),
        ([1, 2], [1, 2]),
        ([], []),
        (768, 768),
        ("aa", "aa"),
        (None, None),
    ],
)
def test_a_list_that_repeats_one_value_is_that_value(value: object, found: object) -> None:
    assert one_for_all(value) == found
