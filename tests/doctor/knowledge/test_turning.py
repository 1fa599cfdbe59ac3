"""Tests of datings that a log's version turns round."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.asking import FAILS
from sdcoreml.doctor.knowledge.diagnosis import diagnose
from sdcoreml.doctor.knowledge.releases import read_releases
from sdcoreml.doctor.knowledge.turning import turn

NEW = {"skew": "torchvision is too new", "cure": "older", FAILS: ">=0.17.0"}
OLD = {"skew": "torchvision is too old", "cure": "newer", FAILS: "<0.15.0"}


def test_what_is_older_than_the_table_is_too_old_for_what_was_removed() -> None:
    releases = read_releases("torchvision")
    assert releases is not None
    first = releases.versions[0]
    told = turn("torchvision", "transforms.functional_tensor", NEW, "0.2.2")
    assert told["skew"] == (
        f"torchvision is too old: 0.2.2 has no functional_tensor yet, which {first} and newer have,"
        " and which 0.17.0 removed again"
    )
    assert told["cure"].startswith(f"torchvision {first} or newer, before 0.17.0: ")
    assert told[FAILS] == f"<{first}"
    assert told["confidence"] == Confidence.LIKELY.value


def test_what_is_newer_than_the_table_may_have_lost_what_it_had() -> None:
    releases = read_releases("torchvision")
    assert releases is not None
    last = releases.versions[-1]
    told = turn("torchvision", "io", OLD, "99.0")
    assert told == {
        "skew": f"torchvision 99.0 is newer than the code that asks for io, which was in {last}",
        "cure": f"torchvision {last} or older",
        FAILS: f">{last}",
        "confidence": Confidence.GUESS.value,
    }


@pytest.mark.parametrize(
    ("project", "told", "stated"),
    [
        ("torchvision", NEW, "0.17.1"),
        ("torchvision", NEW, "0.9.0"),
        ("torchvision", NEW, "99.0"),
        ("torchvision", NEW, ""),
        ("torchvision", OLD, "0.2.2"),
        ("torchvision", OLD, "0.13.0"),
        ("torchvision", {"skew": "x"}, "0.2.2"),
        ("frobs", NEW, "0.2.2"),
    ],
)
def test_all_else_stays(project: str, told: dict[str, str], stated: str) -> None:
    releases = read_releases("torchvision")
    assert releases is not None
    assert turn(project, "functional_tensor", told, stated) == told
    edges = releases.versions[0], releases.versions[-1]
    assert turn(project, "a", NEW, edges[0]) == NEW
    assert turn(project, "a", OLD, edges[1]) == OLD


def test_a_log_s_version_says_the_direction() -> None:
    log = "ModuleNotFoundError: No module named 'torchvision.transforms.functional_tensor'\n"
    new, *_ = diagnose(log + "torchvision 0.18.0\n", entries())
    old, *_ = diagnose(log + "torchvision 0.2.2\n", entries())
    assert "too new" in new.cause
    assert "too old" in old.cause
