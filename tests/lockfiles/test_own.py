from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.ground.errors import UsageError
from sdcoreml.lockfiles.own import LEFT_OUT, Amendment, amend, require_free
from sdcoreml.lockfiles.toolchain import PythonPin, load_toolchain

TESTED = load_toolchain("tested")
PLACE = Path("toolchains/mine")


def test_pins_are_set_and_dropped() -> None:
    change = Amendment(pins={"diffusers": "0.30.3", "extra": "1.0"}, dropped=("tokenizers",))
    made = amend(TESTED, "mine", PLACE, change)
    assert made.pins == {
        **{name: one for name, one in TESTED.pins.items() if name != "tokenizers"},
        "diffusers": "0.30.3",
        "extra": "1.0",
    }
    assert (made.name, made.parent, made.folder, made.base) == ("mine", "tested", PLACE, "")
    assert made.conda.name == "mine-conda"
    assert not made.is_shipped
    assert (made.targets, made.refused) == (TESTED.targets, TESTED.refused)


def test_a_python_and_targets_are_chosen() -> None:
    pin = PythonPin(version="3.11.9", accepted=">=3.11,<3.12")
    made = amend(TESTED, "mine", PLACE, Amendment(python=pin, targets=("linux-x86_64",)))
    assert (made.python, made.targets) == (pin, ("linux-x86_64",))
    assert made.refused["macos-arm64"] == made.refused["macos-x86_64"] == LEFT_OUT
    assert "linux-aarch64" in made.refused


def test_an_age_limit_is_carried_on_with_its_exceptions() -> None:
    first = amend(
        TESTED,
        "mine",
        PLACE,
        Amendment(exclude_newer="2026-11-01", exceptions={"diffusers": "the fix of 12"}),
    )
    second = amend(first, "next", PLACE, Amendment(exceptions={"numpy": "a wheel for 3.13"}))
    assert second.exclude_newer == "2026-11-01"
    assert second.exceptions == {"diffusers": "the fix of 12", "numpy": "a wheel for 3.13"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            Amendment(dropped=("nope",)),
            f"--drop: nope is not pinned in tested; there are {', '.join(TESTED.pins)}",
        ),
        (
            Amendment(dropped=("torch",), pins={"torch": "2.3"}),
            "--drop: torch is set, and dropped; leave one of them out",
        ),
        (Amendment(targets=("windows-x86_64",)), "windows-x86_64: coremltools has no wheel"),
        (Amendment(targets=("vax",)), "vax: nobody makes locks for it; there are macos-arm64"),
        (Amendment(exceptions={"a": "b"}), "nothing is excluded that it could be an exception"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: Amendment, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        amend(TESTED, "mine", PLACE, change)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("tested", "light", "coreml_stable_diffusion", "data", "host", "", "a/b", "..", "Ä"),
        *("python-paper", "pythonic", "python3", "engine-mine", "dask-1", "upstream-x", "packages"),
    ],
)
def test_names_that_are_taken_or_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="choose another name"):
        require_free(name)


def test_other_names_are_free() -> None:
    for name in ("paper-2026_a", "my-python", "engine", "dask"):
        require_free(name)


def test_a_target_that_was_left_out_may_be_chosen_again() -> None:
    first = amend(TESTED, "mine", PLACE, Amendment(targets=("linux-x86_64",)))
    second = amend(first, "next", PLACE, Amendment(targets=("macos-arm64",)))
    assert second.targets == ("macos-arm64",)
    assert second.refused == {
        **TESTED.refused,
        "macos-x86_64": LEFT_OUT,
        "linux-x86_64": LEFT_OUT,
    }
    both = amend(first, "next", PLACE, Amendment(targets=("linux-x86_64", "macos-arm64")))
    assert both.targets == ("macos-arm64", "linux-x86_64")


def test_names_and_what_is_not_changed() -> None:
    made = amend(TESTED, "mine", PLACE, Amendment())
    assert list(made.pins) == sorted(TESTED.pins)
    assert made == replace(
        TESTED,
        name="mine",
        folder=PLACE,
        description="",
        parent="tested",
        pins=made.pins,
        conda=replace(TESTED.conda, name="mine-conda"),
    )
    limited = amend(TESTED, "mine", PLACE, Amendment(exclude_newer="2026-11-01"))
    again = amend(limited, "next", PLACE, Amendment(exclude_newer="2026-12-01"))
    assert again.exclude_newer == "2026-12-01"


def test_a_name_s_whole_complaint() -> None:
    require_free("a" * 40)
    with pytest.raises(UsageError) as caught:
        require_free("a" * 41)
    assert str(caught.value) == (
        f"'{'a' * 41}': a toolchain's name has lower case letters, digits, - and _, and 40 of them"
        " at most; choose another name"
    )
    with pytest.raises(UsageError) as caught:
        require_free("host")
    assert str(caught.value) == "host: is sdcoreml's own name; choose another name"
