from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.derive import closure, dependents

HASH = "sha256:" + "a" * 64
PATH = Path("lock")


def lock(**askers: str) -> str:
    """Return a lock as uv writes it.

    `askers` has the locked packages; each value lists, separated by blanks, what depends on it.
    """
    lines: list[str] = []
    for name, via in askers.items():
        lines += [f"{name}==1.0 \\", f"    --hash={HASH}"]
        asked = via.split()
        lines += [f"    # via {asked[0]}"] if len(asked) == 1 else ["    # via"]
        lines += [f"    #   {who}" for who in asked if len(asked) > 1]
    return "\n".join(lines) + "\n"


TREE = lock(gone="top", kept="middle top", middle="top", same="requirements.in", top="in")
CIRCLE = lock(one="three", two="one", three="two", other="in")


@pytest.mark.parametrize(
    ("text", "roots", "names"),
    [
        (TREE, ["top"], "gone kept middle top"),
        (TREE, ["middle"], "kept middle"),
        (TREE, ["same"], "same"),
        (TREE, ["same", "gone"], "gone same"),
        (TREE, [], ""),
        (CIRCLE, ["two"], "one three two"),
        (lock(deepest="deep", deep="less", less="root", root="in"), ["root"], "deep deepest less"),
    ],
)
def test_a_part_of_a_lock_holds_all_it_needs(text: str, roots: list[str], names: str) -> None:
    found = {package.name for package in closure(text, roots, PATH)}
    assert found == set(names.split()) | set(roots)


def test_the_part_is_of_the_very_same_files_in_the_lock_s_order() -> None:
    found = closure(TREE, ["top"], PATH)
    assert [(package.name, package.version, package.hashes) for package in found] == [
        (name, "1.0", (HASH,)) for name in ("gone", "kept", "middle", "top")
    ]


def test_roots_that_are_not_locked_are_refused_all_at_once() -> None:
    with pytest.raises(LockfileError) as caught:
        closure(TREE, ["top", "other", "another"], PATH)
    assert str(caught.value) == "lock: does not lock another, other"


NAMES = ("a", "b", "c", "d", "e")


@given(
    st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES), min_size=1) for name in NAMES}),
    st.sets(st.sampled_from(NAMES)),
)
def test_nothing_in_a_part_needs_what_is_not_in_it(
    asks: dict[str, set[str]], roots: set[str]
) -> None:
    text = lock(**{name: " ".join(sorted(via)) for name, via in asks.items()})
    part = {package.name for package in closure(text, roots, PATH)}
    assert roots <= part
    for name, via in asks.items():
        assert (name in part) == (name in roots or bool(via & part))


def test_who_depends_on_what_is_read_from_the_comments() -> None:
    text = "# via nobody\nMy.Pkg==1.0 \\\n    --hash=x\n    # via a\nother == 2\n    # via\n"
    text += "    #   b\n    #   -r requirements.in\nlast==3\n"
    assert dependents(text) == {"my-pkg": ["a"], "other": ["b", "-r requirements.in"]}
