from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.dating import (
    ANY_CLASS,
    Asked,
    Dating,
    Side,
    find_allowed,
    find_dating,
    find_quiet,
    put_aside,
)
from sdcoreml.doctor.knowledge.releases import Releases, read_releases

RELEASES = Releases(
    versions=("1.0", "1.1", "2.0", "2.1", "3.0"),
    pythons=("", "", ">=3.9", ">=3.9", ">=3.9"),
    text="""\
1.0 1.1 2.0>=3.9 2.1 3.0
#p -
 K always
-2 gone
2- came
1-4 between
1-2,3- back
#p.file -
 K .m .n
-3 =py K.old moved moved(x
2- K.n(late
3- =dir new_run
#p.sub -
 leaf
3- moved moved(x
""",
)


def side(dating: Dating | None) -> tuple[Side, str, str, str] | None:
    return None if dating is None else (dating.side, dating.since, dating.until, dating.need)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked(name="came", module="p"), (Side.OLD, "2.0", "", ">=2.0")),
        (Asked(name="gone", module="p"), (Side.NEW, "", "2.0", "<2.0")),
        (Asked(name="between", module="p"), (Side.UNSURE, "1.1", "3.0", ">=1.1,<3.0")),
        (Asked(name="back", module="p"), (Side.OLD, "1.1", "", ">=1.1")),
        (Asked(name="always", module="p"), (Side.ALWAYS, "1.0", "", ">=1.0")),
        (Asked(name="never", module="p"), (Side.NEVER, "", "", "")),
        (Asked(name="came", module="q"), None),
        (Asked(name="old", owner="K"), (Side.NEW, "", "2.1", "<2.1")),
        (Asked(name="old", owner="Stranger"), None),
        (Asked(name="late", owner="K.n", is_parameter=True), (Side.OLD, "2.0", "", ">=2.0")),
        (Asked(name="never", owner="K.n", is_parameter=True), (Side.NEVER, "", "", "")),
        (
            Asked(name="late", owner=f"{ANY_CLASS}.n", is_parameter=True),
            (Side.OLD, "2.0", "", ">=2.0"),
        ),
    ],
)
def test_the_side_is_that_of_all_releases_that_lack_it(
    asked: Asked, told: tuple[Side, str, str, str] | None
) -> None:
    assert side(find_dating(RELEASES, asked, RELEASES.all)) == told


@pytest.mark.parametrize(("allowed", "told"), [(0b00001, Side.OLD), (0b10000, Side.NEW)])
def test_what_a_log_can_be_of_decides(allowed: int, told: Side) -> None:
    dating = find_dating(RELEASES, Asked(name="between", module="p"), allowed)
    assert dating is not None
    assert dating.side is told


def test_a_gap_of_one_release_is_none_where_the_log_can_be_of_another_that_lacks_the_name() -> None:
    for allowed in (0b11111, 0b00101, 0b01010):
        gap = find_dating(RELEASES, Asked(name="back", module="p"), allowed)
        assert side(gap) == (Side.OLD, "1.1", "", ">=1.1")
        assert gap is not None
        assert gap.is_sure == (allowed != 0b01010)


def test_a_gap_of_one_release_is_one_where_the_log_can_be_of_no_other() -> None:
    for allowed in (0b00100, 0b01110):
        gap = find_dating(RELEASES, Asked(name="back", module="p"), allowed)
        assert side(gap) == (Side.NEW, "1.1", "2.0", ">=1.1,<2.0")


UNTOLD = Releases(
    versions=("1.0", "2.0", "3.0", "4.0"),
    pythons=("", "", "", ""),
    text="""\
1.0 2.0 3.0 4.0
#p -
 K
#p.k -
 K.go K.run
-1 K.go(** K.run(**
1- Two.go
2 K.run(x
3- K.go(x
#p.old -2
 Gone.part
#p.other -3
 Two.go (x
#p.plain 2-
 Gone
""",
)


@pytest.mark.parametrize(
    ("asked", "told", "is_sure"),
    [
        (Asked(name="x", owner="K.go", is_parameter=True), (Side.OLD, "4.0", "", ">=4.0"), True),
        (Asked(name="part", owner="Gone"), None, False),
    ],
)
def test_what_takes_anything_or_is_not_told_dates_nothing(
    asked: Asked, told: tuple[Side, str, str, str] | None, *, is_sure: bool
) -> None:
    dating = find_dating(UNTOLD, asked, UNTOLD.all)
    assert side(dating) == told
    assert bool(dating and dating.is_sure) is is_sure


def test_where_a_name_went_or_what_is_spelled_alike_is_said() -> None:
    moved = find_dating(RELEASES, Asked(name="moved", module="p.file"), RELEASES.all)
    wrong = find_dating(RELEASES, Asked(name="leaf", module="p"), RELEASES.all)
    near = find_dating(RELEASES, Asked(name="alway", module="p"), RELEASES.all)
    assert (moved and moved.now, wrong and wrong.now, near and near.near) == (
        *("p.sub", "", "always"),
    )


@pytest.mark.parametrize(
    ("steps", "python", "allowed"),
    [
        ((), "", 0b11111),
        ((), "3.8", 0b00011),
        (("/x/site-packages/p/file.py f",), "", 0b00111),
        (("/x/site-packages/p/file/__init__.py f",), "", 0b11000),
        (("/x/site-packages/p/file.py moved",), "", 0b00111),
        (("/x/site-packages/q/file.py f", "<stdin> <module>"), "", 0b11111),
        (("/x/site-packages/p/__init__.py came",), "", 0b11100),
        (("/x/site-packages/p/file.py new_run",), "3.8", 0b00011),
    ],
)
def test_frames_and_the_python_tell_which_releases_ran(
    steps: tuple[str, ...], python: str, allowed: int
) -> None:
    assert find_allowed(RELEASES, "p", steps, python) == allowed


def test_other_releases_of_who_asks_may_not_ask() -> None:
    assert find_quiet(RELEASES, "p", "gone", Side.NEW) == "2.0 or newer"
    assert find_quiet(RELEASES, "p", "came", Side.OLD) == "before 2.0"
    assert find_quiet(RELEASES, "p", "came", Side.NEW) == ""
    assert find_quiet(RELEASES, "p", "never", Side.NEW) == ""


def test_names_that_a_package_makes_up_while_it_runs_end_where_it_dropped_them() -> None:
    releases = read_releases("transformers")
    assert releases is not None
    first = releases.near("4.52.1")
    names = releases.names("transformers")
    gone = [one for one, some in names.items() if some & first >> 1 and not some & first]
    assert len(gone) < 30, "agents, which are a package of their own"
    old = find_dating(releases, Asked(name="TFCLIPModel", module="transformers"), releases.all)
    assert (old and old.until, old and old.is_sure) == ("5.0.0", True)
    old_forms = ("CLIPTokenizerFast", "CLIPImageProcessorFast", "CLIPTextModel")
    assert all(names[one] & releases.near("5.24.0") for one in old_forms)


def test_of_two_modules_that_have_a_name_now_the_shorter_one_is_told() -> None:
    moved = Releases(
        versions=("1.0", "2.0"),
        pythons=("", ""),
        text="""\
1.0 2.0
#p -
-1 moved
#p.longer -
1- moved moved(x
#p.file -
1- moved moved(x
#p.file.inner -
1- moved moved(x
""",
    )
    dating = find_dating(moved, Asked(name="moved", module="p"), moved.all)
    assert dating is not None
    assert dating.now == "p.file"


@pytest.mark.parametrize(
    ("project", "side", "since", "wanted"),
    [
        ("transformers", Side.OLD, "2.3.0", Side.ALWAYS),
        ("transformers", Side.UNSURE, "3.0.0", Side.NEW),
        ("transformers", Side.OLD, "4.20.0", Side.OLD),
        ("transformers", Side.NEW, "2.3.0", Side.NEW),
        ("diffusers", Side.OLD, "0.2.4", Side.OLD),
    ],
)
def test_releases_that_nobody_has_are_no_side(
    project: str, side: Side, since: str, wanted: Side
) -> None:
    assert put_aside(project, Dating(side=side, since=since)).side is wanted
