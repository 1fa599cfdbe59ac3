from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from sdcoreml.lockfiles.versions import is_version, key, satisfies

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)
SUFFIXES = st.sampled_from(["", "a1", "b2", "rc1", ".dev3", ".post1", "b1.dev2", "+cu121"])
VERSIONS = st.builds("{}{}".format, NUMBERS, SUFFIXES)
OPERATORS = st.sampled_from(["==", "!=", ">=", "<=", ">", "<"])


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("3.10.13", ">=3.10,<3.11", True),
        ("3.11.0", ">=3.10,<3.11", False),
        ("3.10.13", "==3.10.*", True),
        ("3.1.0", "==3.10.*", False),
        ("3.10.13", "!=3.10.*", False),
        ("2.2.0+cu121", "==2.2", True),
        ("7.0b1", "<7.0", False),
        ("7.0", ">=7.0b1,<7.1", True),
        ("2.5.1", "~=2.2", True),
        ("3.0", "~=2.2", False),
        ("1.0", "", True),
        ("1.0.dev3", "<1.0a0.dev2", True),
    ],
)
def test_ranges(version: str, specifier: str, expected: bool) -> None:  # noqa: FBT001  a table
    assert satisfies(version, specifier) is expected


@given(VERSIONS, VERSIONS)
def test_order_is_that_of_packaging(one: str, other: str) -> None:
    ours = (key(one) > key(other)) - (key(one) < key(other))
    left, right = (Version(text.partition("+")[0]) for text in (one, other))
    assert ours == (left > right) - (left < right)


@given(NUMBERS, OPERATORS, NUMBERS)
def test_releases_are_judged_as_packaging_does(version: str, operator: str, bound: str) -> None:
    assert satisfies(version, operator + bound) is SpecifierSet(operator + bound).contains(version)


@given(VERSIONS, OPERATORS, VERSIONS)
def test_stages_are_judged_as_packaging_does(version: str, operator: str, bound: str) -> None:
    version, bound = (text.partition("+")[0] for text in (version, bound))
    expected = SpecifierSet(operator + bound).contains(version, prereleases=True)
    assert satisfies(version, operator + bound) is expected


@pytest.mark.parametrize("text", ["", "one", "1..2", "2.x"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        key(text)


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(ValueError, match="not a version range: 'about 3'"):
        satisfies("3.0", "about 3")


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("2.2.0.post1", ">2.2.0", False),
        ("2.2.0.post1", ">2.2.0.post0", True),
        ("2.2.0.post1", ">2.2.0.dev1", True),
        ("2.2.0.post1", ">2.2.0rc1", True),
        ("2.2.1", ">2.2.0", True),
        ("2.2.0", ">2.2.0", False),
        ("3.13.0rc1", "<3.13.0", False),
        ("3.13.0.dev1", "<3.13", False),
        ("3.12.9", "<3.13.0", True),
        ("3.13.0rc1", "<3.13.0rc2", True),
        ("3.13.0.dev1", "<3.13.0.dev2", True),
        ("3.13.0", "<3.13.0.post1", True),
        ("3.13.0.post1.dev1", "<3.13.0.post1", False),
        ("2.2.5", "~=2.2.4", True),
        ("2.3", "~=2.2.4", False),
        ("2.2.3", "~=2.2.4", False),
        ("3", "==3.0.*", True),
        ("3.10.1", "!=3.10.*,!=3.11", False),
        (" 2.0 ", " >= 2.0 , ", True),
        ("v2.0", "==2", True),
        ("2.0-alpha.1", "==2.0a1", True),
        ("2.0c1", "==2.0rc1", True),
        ("2.0.post", "==2.0.post0", True),
        ("2.0a", "==2.0a0", True),
        ("2.0.dev", "==2.0.dev0", True),
    ],
)
def test_every_operator_at_its_border(version: str, specifier: str, expected: bool) -> None:  # noqa: FBT001
    assert satisfies(version, specifier) is expected


def test_a_key_is_sorted_as_versions_are() -> None:
    ordered = ["1.0.dev3", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc3", "1.0", "1.0.post1.dev2"]
    ordered += ["1.0.post1", "1.1"]
    assert sorted(ordered, key=key) == ordered
    assert key("1.0.0+cu121") == ((1,), 4, 0, -1, 1 << 31)
    assert key("0.0") == ((0,), 4, 0, -1, 1 << 31)
    assert key("1.0b2.post3.dev4") == ((1,), 2, 2, 3, 4)


def test_what_is_a_version() -> None:
    assert is_version(" 3.10.10 ")
    assert not is_version("3.10.x")
