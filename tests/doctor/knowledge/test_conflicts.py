"""Of pip's list of requirements, the two that exclude each other are told."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.conflicts import exclude, find_conflict, tell_conflict
from sdcoreml.doctor.knowledge.diagnosis import diagnose
from sdcoreml.doctor.knowledge.lines import Line

USER = "    The user requested painthub==0.20.3"
PAINTER = "    painter 0.26.0 depends on painthub>=0.20.2"
BRUSH = "    brush 4.34.1 depends on painthub<1.0 and >=0.16.4"
PENCIL = "    pencil 0.14.1 depends on paint_hub<0.18 and >=0.16.4"
NEWER = "    pencil 0.15.0 depends on painthub>=1.2; python_version > '3'"
ABSENT = "some packages have no matching distributions available for your environment:"


@pytest.mark.parametrize(
    ("texts", "entry", "places"),
    [
        (
            (USER, PAINTER, BRUSH, PENCIL.replace("paint_hub", "Painthub")),
            "resolver-own-pin",
            {"need": "Painthub<0.18,>=0.16.4", "have": "painthub==0.20.3"},
        ),
        (
            (PAINTER, BRUSH, NEWER),
            "resolver-two-packages",
            {"need": "painthub<1.0,>=0.16.4", "have": "painthub>=1.2"},
        ),
        (
            (USER, "***   The user requested (constraint) painthub==0.1"),
            "resolver-asked-twice",
            {"which": "painthub", "need": "painthub==0.20.3", "have": "painthub==0.1"},
        ),
        ((BRUSH, BRUSH.replace("4.34.1", "4.34.0")), "resolver-no-release", {}),
        (
            (
                "    a 1 depends on n<2",
                "    b 1 depends on n>=2",
                "    a 2 depends on n>=2",
                "    a 2 depends on t>=2.4",
                "    c 1 depends on t<2.0",
            ),
            "resolver-two-packages",
            {"need": "t>=2.4", "have": "t<2.0", "seeker": "a 2", "other": "c 1"},
        ),
        (
            ("    The user requested t 2.1.0 (from https://x/t.whl)", "    a 1 depends on t==2.0"),
            "resolver-own-pin",
            {"need": "t==2.0", "have": "t 2.1.0 (from https://x/t.whl)"},
        ),
        (
            ("#9 7.1   a 1 depends on b", PAINTER, "", ABSENT, "   painthub"),
            "resolver-no-release",
            {"which": "painthub>=0.20.2"},
        ),
    ],
)  # fmt: skip
def test_the_two_that_exclude_each_other_are_told(
    texts: tuple[str, ...], entry: str, places: dict[str, str]
) -> None:
    told = find_conflict(texts)
    assert told is not None
    assert told[0] == entry
    assert places.items() <= told[1].items()


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("nothing",),
        (PAINTER, "    ink 1 depends on paper>2"),
        (USER, "    a 1 depends on b==?"),
    ],
)
def test_where_no_two_exclude_each_other_nothing_is_told(texts: tuple[str, ...]) -> None:
    assert find_conflict(texts) is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("==1.0", ">=1.0", False),
        ("==1.0", ">1.0", True),
        ("<2", ">=1.5,!=1.5", False),
        ("~=2.3.1", ">=2.4", True),
        ("==1.*", "<1", True),
        ("==2.0.1+cu118", "==2.0.1", False),
        ("==x", "==y", False),
        ("", "", False),
    ],
)
def test_two_ranges_exclude_each_other_if_no_version_is_in_both(
    one: str, other: str, expected: object
) -> None:
    assert exclude(one, other) is expected


def test_only_a_list_of_pip_s_is_looked_through() -> None:
    lines = [Line(number=1, text="The conflict is caused by:"), Line(number=2, text=USER)]
    assert tell_conflict("resolver-own-pin", 2, {"which": "x"}, lines) == {"which": "x"}
    assert tell_conflict("resolver-own-pin", 2, {"caused": "x"}, lines) is None


def test_the_requirement_to_change_is_told_however_many_releases_pip_tried() -> None:
    tried = [PENCIL.replace("0.14.1", f"0.14.{at}").replace("_", "-") for at in range(30)]
    tried = [one.replace("paint-hub", "painthub") for one in tried]
    head = "ERROR: Cannot install x because these package versions have conflicting dependencies."
    log = "\n".join([head, "", "The conflict is caused by:", USER, PAINTER, *tried])
    first = diagnose(log, entries())[0]
    assert first.entry.id == "resolver-own-pin"
    assert first.cause.startswith("pencil 0.14.0 needs painthub<0.18,>=0.16.4, and painthub==")
