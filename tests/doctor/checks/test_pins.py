from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.checks.pins import find_differences, list_some
from sdcoreml.doctor.core.facts import EvidenceFacts, Facts, LockFacts
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import ENVIRONMENT, HEALTHY, INSTALLED, SYSTEM, TOOLCHAIN
from tests.doctor.specimens import environment


def with_versions(**versions: str) -> Facts:
    """Return the healthy facts with these packages installed (`_` in a name stands for `-`)."""
    installed = {name.replace("_", "-"): version for name, version in versions.items()}
    return environment(installed={**INSTALLED, **installed})


def test_long_lists_are_cut_and_counted() -> None:
    names = tuple(f"p{n}" for n in range(9))
    assert said("PIN004", environment(duplicates=names)) == [
        "error: recorded twice: p0, p1, p2, p3, p4, p5 and 3 more"
    ]


def test_a_missing_pin_is_named_as_missing() -> None:
    installed = {name: version for name, version in INSTALLED.items() if name != "torch"}
    assert said("PIN001", environment(installed=installed)) == [
        "error: not the tested versions: torch missing (tested 2.2.0)"
    ]
    assert said("PIN002", environment(installed=installed)) == [
        "error: 1 of 9 locked packages differ: torch missing (tested 2.2.0)"
    ]


def test_what_a_virtual_environment_brings_is_no_stranger() -> None:
    installed = {**INSTALLED, "pip": "26.3", "setuptools": "80", "wheel": "0.45"}
    assert said("PIN003", environment(installed=installed)) == []


def test_a_patch_release_is_within_the_ceiling() -> None:
    assert said("PIN006", environment(installed={**INSTALLED, "torch": "2.2.2"})) == []
    assert said("PIN006", environment(installed={**INSTALLED, "torch": "2.3.0"})) == [
        "warning: torch 2.3.0 is newer than 2.2.0, the last that coremltools was tested with"
    ]


def test_a_harmless_clash_is_information() -> None:
    installed = {**INSTALLED, "mlx": "0.30"}
    assert said("PIN005", environment(installed=installed)) == [
        "info: mlx 0.30 with diffusionkit 0.4.0: mlx-too-new-for-diffusionkit"
    ]


def test_a_whole_environment_is_two_facts() -> None:
    assert said("PIN001", HEALTHY) == ["ok: 4 direct pins"]
    assert said("PIN002", HEALTHY) == ["ok: 9 locked packages as tested"]
    for name in ("PIN003", "PIN004", "PIN005", "PIN006"):
        assert said(name, HEALTHY) == []


def test_every_pin_that_moved_is_named_with_both_versions() -> None:
    facts = with_versions(numpy="2.1.0", torch="2.3.0")
    assert said("PIN001", facts) == [
        "error: not the tested versions: numpy 2.1.0 (tested 1.23.5), torch 2.3.0 (tested 2.2.0)"
    ]
    assert remedies("PIN001", facts) == [
        "restore the environment to what was sealed and tested",
        "sdcoreml env repair",
    ]


def test_an_indirect_package_that_moved_is_no_matter_of_the_pins() -> None:
    facts = with_versions(transformers="4.40.0")
    assert said("PIN001", facts) == ["ok: 4 direct pins"]
    assert said("PIN002", facts) == [
        "error: 1 of 9 locked packages differ: transformers 4.40.0 (tested 4.34.1)"
    ]


def test_what_differs_is_found_by_any_spelling_of_a_name() -> None:
    have = replace(ENVIRONMENT, installed={"scikit-learn": "1.1.2", "torch": "2.2.0+cpu"})
    wanted = {"Scikit_Learn": "1.1.2", "torch": "2.2.0", "gone": "1"}
    assert find_differences(have, wanted) == {
        "torch": "torch 2.2.0+cpu (tested 2.2.0)",
        "gone": "gone missing (tested 1)",
    }


def test_strangers_are_named_in_order() -> None:
    assert said("PIN003", with_versions(zebra="1", xformers="0.0.2")) == [
        "warning: installed, but not in the lock: xformers, zebra"
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "p0"), (6, "p0, p1, p2, p3, p4, p5"), (7, "p0, p1, p2, p3, p4, p5 and 1 more")],
)
def test_six_are_named(count: int, text: str) -> None:
    names = [f"p{n}" for n in range(count)]
    assert list_some(names) == list_some(tuple(names)) == text


def test_a_clash_of_two_versions() -> None:
    assert said("PIN005", with_versions(huggingface_hub="0.26.0")) == [
        "error: huggingface-hub 0.26.0 with diffusers 0.23.1: hub-cached-download-removed"
    ]
    assert said("PIN005", with_versions(huggingface_hub="0.25.2")) == []
    assert said("PIN005", with_versions(huggingface_hub="0.26.0", diffusers="0.31.0")) == []


def test_a_clash_that_the_toolchain_locks_is_a_warning() -> None:
    facts = with_versions(huggingface_hub="0.26.0")
    assert isinstance(facts.lock, LockFacts)
    packages = {**facts.lock.packages, "huggingface-hub": "0.26.0"}
    proved = replace(facts, lock=replace(facts.lock, packages=packages))
    own = replace(proved, evidence=EvidenceFacts(proofs=()))
    clash = "huggingface-hub 0.26.0 with diffusers 0.23.1: hub-cached-download-removed"
    assert said("PIN005", own) == [f"warning: {clash}, locked so by the toolchain"]
    asked = "try it, and record what works with these versions (minutes)"
    assert remedies("PIN005", own) == [asked, "sdcoreml env prove"]
    mine = replace(own, toolchain=replace(TOOLCHAIN, name="mine", address="/a/toolchains/mine"))
    prove = "sdcoreml env prove --toolchain /a/toolchains/mine"
    assert remedies("PIN005", mine) == [asked, prove]
    assert said("PIN005", proved) == [f"info: {clash}, locked so by the toolchain, and proved"]


def test_clashes_with_macos_are_those_of_a_mac_alone() -> None:
    facts = environment(python="3.10.10")
    linux = replace(facts, system=replace(SYSTEM, name="Linux", version="6.1"))
    assert said("PIN005", linux) == []


def test_a_ceiling_is_for_what_is_installed() -> None:
    installed = {name: version for name, version in INSTALLED.items() if name != "torch"}
    assert said("PIN006", environment(installed=installed)) == []
    assert said("PIN006", with_versions(scikit_learn="1.2.0")) == [
        "warning: scikit-learn 1.2.0 is newer than 1.1.2, the last that coremltools was tested with"
    ]
    assert said("PIN006", with_versions(scikit_learn="1.0.9")) == []
