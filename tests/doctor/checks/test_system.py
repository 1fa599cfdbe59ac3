from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.facts import Absent, Facts, Memory
from sdcoreml.doctor.core.subjects import ModelFolder
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import GB, HEALTHY, MEMORY, MODEL, SYSTEM, TOOLCHAIN, part, weights
from tests.doctor.specimens import sick, system


def test_a_refused_target_says_why_and_what_else() -> None:
    facts = system(target="linux-aarch64")
    assert said("SYS001", facts) == [
        "error: linux-aarch64 is not supported: coremltools has no wheel for it"
    ]
    assert remedies("SYS001", facts) == ["use one of: linux-x86_64, macos-arm64, macos-x86_64"]


def test_a_target_nobody_thought_of() -> None:
    assert said("SYS001", system(target="windows-x86_64")) == [
        "error: there is no lock for windows-x86_64"
    ]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("13.0", ["warning: macOS 13.0 is older than 13.1"]),
        ("13.1", []),
        ("15.6.1", []),
        ("27.1", []),
        ("27.2", ["info: macOS 27.2 crashes on text encoders made with coremltools before 9.0"]),
        ("", []),
    ],
)
def test_versions_of_macos(version: str, expected: list[str]) -> None:
    assert said("SYS003", system(version=version)) == expected


def test_versions_of_other_systems_are_no_macos() -> None:
    assert said("SYS003", system(name="Linux", version="5.10")) == []


@pytest.mark.parametrize("name", ["utf-8", "UTF-8", "utf8"])
def test_spellings_of_utf8(name: str) -> None:
    assert said("SYS004", system(encoding=name)) == []


def test_a_mac_is_spoken_of_when_there_is_something_to_convert() -> None:
    facts = system(name="Linux")
    assert said("SYS005", facts) == ["info: what is made of sd15 on Linux is tried on a Mac"]
    assert said("SYS005", replace(facts, model=Absent(reason="no model given"))) == [
        "skipped: no model given"
    ]
    nowhere = replace(facts, model=ModelFolder(path="/nowhere", kind="missing"))
    assert said("SYS005", nowhere) == []


NEEDED = "about 2.0 GB for the largest component, 1.0 GB free with swap"


def memory(*, total: int, available: int, swap: int = 0) -> Facts:
    return sick(memory=Memory(total=total, available=available, swap_total=swap, swap_free=swap))


def test_memory_for_the_largest_component_alone() -> None:
    # Factor 2 of the largest part (1 GB), not of the model's 3 GB.
    assert said("MEM001", memory(total=8 * GB, available=2 * GB)) == []
    assert said("MEM001", memory(total=8 * GB, available=GB)) == [
        f"warning: memory is short just now: {NEEDED}"
    ]
    assert said("MEM001", memory(total=GB, available=GB)) == [f"error: not enough memory: {NEEDED}"]
    assert said("MEM001", memory(total=GB, available=GB, swap=GB)) == [], "swap counts"


def test_a_part_in_shards_counts_as_one() -> None:
    shards = tuple(weights(f"unet/{n}", size=3 * GB) for n in range(3))
    model = replace(MODEL, components=(part("unet", weights=shards),))
    facts = replace(HEALTHY, model=model, memory=replace(MEMORY, total=10 * GB))
    assert said("MEM001", facts)[0].startswith("error: not enough memory: about 18.0 GB")


def test_the_summary_of_memory() -> None:
    assert said("MEM002", HEALTHY) == ["ok: 9.0 of 16.0 GB free, 2.0 GB of swap"]
    none = sick(memory=Memory(total=16 * GB, available=9 * GB, swap_total=0, swap_free=0))
    assert said("MEM002", none) == ["ok: 9.0 of 16.0 GB free, no swap"]


def test_rosetta() -> None:
    assert said("SYS002", system(translated=True)) == [
        "error: this Python is an Intel program running under Rosetta 2"
    ]


def test_every_target_of_the_toolchain_is_well() -> None:
    for target in TOOLCHAIN.targets:
        facts = sick(system=replace(SYSTEM, target=target))
        assert said("SYS001", facts) == ["ok: macOS 15.6, Apple M2, 8 cores"]
