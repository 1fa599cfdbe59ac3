from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.facts import Absent, Evidence, Facts, Smoke, Verification
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import ENVIRONMENT, HEALTHY, INSTALLED, PROOF
from tests.doctor.specimens import NOT_BUILT, environment, sick


def test_not_built_is_a_warning_and_the_rest_is_skipped() -> None:
    facts = sick(environment=NOT_BUILT)
    assert said("ENV001", facts) == ["warning: the tested environment is not built yet"]
    assert remedies("ENV001", facts) == [
        "build it (3.0 GB to download unless cached, 6.0 GB on disk)",
        "make env",
    ]
    unlocked = sick(environment=NOT_BUILT, lock=Absent(absent="no lock for it"))
    assert remedies("ENV001", unlocked) == ["build it (6.0 GB on disk)", "make env"]
    for name in ("ENV002", "ENV003", "ENV006", "PIN001", "PIN005", "LIB001"):
        assert said(name, facts) == ["skipped: the environment is not built (make env)"]


def test_another_lock_is_built_anew_and_damage_repaired() -> None:
    assert remedies("ENV002", environment(lock_digest="old"))[-1] == "make env"
    assert remedies("ENV003", environment(hollow=("torch",)))[-1] == "make env ARGS=repair"


def test_an_environment_without_a_record_of_its_lock_is_not_accused() -> None:
    assert said("ENV002", environment(lock_digest="")) == []


def test_hollow_and_headless_are_two_findings() -> None:
    assert said("ENV003", environment(hollow=("torch",), headless=("numpy", "tqdm"))) == [
        "error: recorded as installed, but their files are gone: torch",
        "error: without METADATA or RECORD: numpy, tqdm",
    ]


@pytest.mark.parametrize(
    ("faults", "strays", "expected"),
    [
        ((), (), "ok: 5 files as sealed (every byte)"),
        (
            ("a.py: altered (torch)",),
            (),
            "error: 1 files differ from the seal: a.py: altered (torch)",
        ),
        ((), ("x.pyc",), "warning: 1 files that nobody sealed: x.pyc"),
        (
            ("a.py: missing (torch)",),
            ("x",),
            "error: 1 files differ from the seal: a.py: missing (torch)",
        ),
    ],
)
def test_the_seal(faults: tuple[str, ...], strays: tuple[str, ...], expected: str) -> None:
    verification = Verification(depth="every byte", files=5, faults=faults, strays=strays)
    assert said("ENV004", sick(verification=verification)) == [expected]


def test_each_failing_import_is_a_finding() -> None:
    smoke = Smoke(
        imported=("numpy",), failures={"torch": "OSError: x", "diffusers": "ImportError: y"}
    )
    assert said("ENV005", sick(smoke=smoke)) == [
        "error: import torch fails: OSError: x",
        "error: import diffusers fails: ImportError: y",
    ]


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


def test_wheels_of_another_python_and_of_none() -> None:
    wheels = {"torch": ("cp311-cp311-linux_x86_64",), "coremltools": ("py3-none-any",)}
    assert said("LIB002", environment(wheels=wheels)) == [
        "error: torch is a wheel for another Python (cp311-cp311-linux_x86_64)",
        "error: coremltools was built from source, without native code (py3-none-any)",
    ]


@pytest.mark.parametrize(
    "tag",
    ["cp310-cp310-linux_x86_64", "cp310-none-macosx_11_0_arm64", "cp38-abi3-linux_x86_64"],
)
def test_wheels_that_fit(tag: str) -> None:
    assert said("LIB002", environment(wheels={"safetensors": (tag,)})) == []


def test_native_parts_are_named() -> None:
    native = {"coremltools/libmilstoragepython.so": False, "torch/lib/libtorch_cpu.so": True}
    assert said("LIB001", environment(native=native)) == [
        "error: compiled parts are missing: coremltools/libmilstoragepython.so"
    ]
    assert said("LIB001", HEALTHY) == ["ok: compiled parts of coremltools and torch are there"]


def test_origins_are_named() -> None:
    facts = sick(environment=replace(ENVIRONMENT, origins={"x": "file:///src/x"}))
    assert said("LIB003", facts) == ["error: not installed from the index: x (file:///src/x)"]


def test_what_was_proven_is_told_with_its_figures_and_machine() -> None:
    (text,) = said("ENV007", HEALTHY)
    figures = "788 tests, at least 127.1 dB in fp32, 68.8 dB in fp16"
    assert text == f"ok: proven on 2026-11-25: {figures} (macOS 14.5, Apple M2 (8 cores))"


def test_other_bytes_than_the_proven_ones_are_a_warning() -> None:
    facts = environment(seal="0123456789abcdef0123")
    assert said("ENV007", facts) == [
        "warning: sealed 0123456789abcdef, but what was proven is seal-1"
    ]
    assert remedies("ENV007", facts)[-1] == "make env ARGS=--no-cache"


@pytest.mark.parametrize(
    "facts",
    [
        environment(python="3.10.13"),
        environment(lock_digest="lock-2"),
        sick(evidence=Evidence(proofs=())),
    ],
)
def test_what_nobody_proved_is_said_and_no_fault(facts: Facts) -> None:
    (text,) = said("ENV007", facts)
    assert text.startswith("info: nothing was proven of this lock with Python 3.10.1")


def test_of_several_proofs_the_last_of_just_this_environment_counts() -> None:
    later = replace(PROOF, when="2027-01-01T00:00:00+00:00", figures="12 tests")
    other = replace(PROOF, seal="seal-9", when="2028-01-01T00:00:00+00:00")
    facts = sick(evidence=Evidence(proofs=(PROOF, later, other)))
    assert said("ENV007", facts)[0].startswith("ok: proven on 2027-01-01: 12 tests")
