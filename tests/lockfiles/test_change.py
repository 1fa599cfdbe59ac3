from __future__ import annotations

from pathlib import Path

import pytest

from lockfiles.artefact import Artefact
from lockfiles.change import asked_by, changes
from lockfiles.derive import closure
from lockfiles.errors import LockfileError

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
    assert [str(change) for change in changes(BEFORE, AFTER, old, new)] == [
        "gone 1.0 is gone (-2.00 MB), asked for by top",
        "kept 1.0: other files, asked for by middle, top",
        "middle 1.0 -> 1.1 (+0.50 MB), asked for by top",
        "new 2.0 is new (+0.25 MB), asked for by top",
    ]


def test_nothing_moved_is_nothing() -> None:
    assert changes(BEFORE, "# another comment\n" + BEFORE) == ()


def test_who_asks_is_read_from_the_comments() -> None:
    assert asked_by(BEFORE)["kept"] == ("middle", "top")
    assert asked_by(BEFORE)["top"] == ("-r requirements.in",)
    assert asked_by("one==1 --hash=x\n") == {}


@pytest.mark.parametrize(
    ("roots", "names"),
    [
        (["top"], ["gone", "kept", "middle", "top"]),
        (["middle"], ["kept", "middle"]),
        (["same"], ["same"]),
        (["same", "gone"], ["gone", "same"]),
    ],
)
def test_a_part_of_a_lock_holds_all_it_needs(roots: list[str], names: list[str]) -> None:
    assert [package.name for package in closure(BEFORE, roots, Path("lock"))] == names


def test_a_root_that_is_not_locked_is_refused() -> None:
    with pytest.raises(LockfileError, match="lock: other not locked in it"):
        closure(BEFORE, ["top", "other"], Path("lock"))
