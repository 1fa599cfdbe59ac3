from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.artefact import Artefact
from sdcoreml.lockfiles.change import LockChange, compare_locks, dependents

A, B = "a" * 64, "b" * 64
BEFORE = f"""\
gone==1.0 \\
    --hash=sha256:{A}
    # via top
kept==1.0 \\
    --hash=sha256:{A}
    # via
    #   middle
    #   top
middle==1.0 \\
    --hash=sha256:{A}
    # via top
same==1.0 \\
    --hash=sha256:{A}
    # via -r requirements.in
top==1.0 \\
    --hash=sha256:{A}
    # via -r requirements.in
"""
AFTER = (
    BEFORE.replace("middle==1.0", "middle==1.1")
    .replace(f"kept==1.0 \\\n    --hash=sha256:{A}", f"kept==1.0 \\\n    --hash=sha256:{B}")
    .replace("gone==1.0", "new==2.0")
)


def wheel(project: str, size: int) -> Artefact:
    return Artefact(project=project, version="1", file="", sha256=A, size=size)


def test_what_moved_is_said_with_why_and_size() -> None:
    old = [wheel("middle", 1_000_000), wheel("gone", 2_000_000)]
    new = [wheel("middle", 1_500_000), wheel("new", 250_000)]
    assert [str(change) for change in compare_locks(BEFORE, AFTER, old, new)] == [
        "gone 1.0 is gone (-2.00 MB), asked for by top",
        "kept 1.0: other files, asked for by middle, top",
        "middle 1.0 -> 1.1 (+0.50 MB), asked for by top",
        "new 2.0 is new (+0.25 MB), asked for by top",
    ]


def test_nothing_moved_is_nothing() -> None:
    assert compare_locks(BEFORE, "# another comment\n" + BEFORE) == ()


def test_who_asks_is_read_from_the_comments() -> None:
    assert dependents(BEFORE)["kept"] == ("middle", "top")
    assert dependents(BEFORE)["top"] == ("-r requirements.in",)
    assert dependents("one==1 --hash=x\n") == {}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("", "2.0", "one 2.0 is new, asked for by two"),
        ("1.0", "", "one 1.0 is gone, asked for by two"),
        ("1.0", "1.0", "one 1.0: other files, asked for by two"),
        ("1.0", "2.0", "one 1.0 -> 2.0, asked for by two"),
    ],
)
def test_each_kind_of_change_has_its_words(before: str, after: str, words: str) -> None:
    change = LockChange(project="one", before=before, after=after, via=("two",), size=0)
    assert str(change) == words


@pytest.mark.parametrize(
    ("via", "words"),
    [
        (("-r requirements.in",), "one 1 -> 2, pinned in toolchain.toml"),
        (
            ("-r requirements.in", "two", "six"),
            "one 1 -> 2, pinned in toolchain.toml, asked for by two, six",
        ),
        ((), "one 1 -> 2"),
    ],
)
def test_a_direct_pin_is_said_to_be_one(via: tuple[str, ...], words: str) -> None:
    assert str(LockChange(project="one", before="1", after="2", via=via, size=0)) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(1, " (+0.00 MB)"), (-2_345_678, " (-2.35 MB)"), (0, "")],
)
def test_a_download_that_stays_as_large_is_not_mentioned(size: int, words: str) -> None:
    assert (
        str(LockChange(project="a", before="1", after="2", via=(), size=size)) == f"a 1 -> 2{words}"
    )


def test_a_marker_that_moved_is_a_change() -> None:
    text = f"one==1 ; sys_platform == 'darwin' --hash=sha256:{A}\n"
    other = text.replace("darwin", "linux")
    assert [change.project for change in compare_locks(text, other)] == ["one"]


def test_what_is_no_lock_is_refused() -> None:
    with pytest.raises(LockfileError, match="after: line 1"):
        compare_locks(BEFORE, "nonsense")
    with pytest.raises(LockfileError, match="before: nothing is locked"):
        compare_locks("", AFTER)


@pytest.mark.parametrize(
    ("text", "askers"),
    [
        (f"Foo_Bar==1 --hash=sha256:{A}\n    # via top\n", {"foo-bar": ("top",)}),
        ("# via nobody\none==1\n    # via top\n", {"one": ("top",)}),
        ("one==1\n    # via\n    #   a\n    #   b\n", {"one": ("a", "b")}),
        ("one==1\ntwo==2\n    # via one\n", {"two": ("one",)}),
    ],
)
def test_comments_belong_to_the_package_above_them(
    text: str, askers: dict[str, tuple[str, ...]]
) -> None:
    assert dependents(text) == askers


VERSIONS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), min_size=1)


@given(VERSIONS, VERSIONS)
def test_every_difference_is_one_change_and_back_again(
    before: dict[str, str], after: dict[str, str]
) -> None:
    first, second = (
        "".join(f"{name}=={version} --hash=sha256:{A}\n" for name, version in lock.items())
        for lock in (before, after)
    )
    there, back = compare_locks(first, second), compare_locks(second, first)
    assert {change.project for change in there} == {
        name for name in "abcd" if before.get(name) != after.get(name)
    }
    assert [(one.project, one.before, one.after) for one in there] == [
        (one.project, one.after, one.before) for one in back
    ]
