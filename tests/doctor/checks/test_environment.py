from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    EvidenceFacts,
    Facts,
    Smoke,
    VerificationFacts,
)
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import CONDA, HEALTHY, INSTALLED, LOCK, PROOF
from tests.doctor.specimens import NOT_BUILT, environment, sick


def test_not_built_is_a_warning_and_the_rest_is_skipped() -> None:
    facts = sick(environment=NOT_BUILT)
    assert said("ENV001", facts) == ["warning: the tested environment is not built yet"]
    assert remedies("ENV001", facts) == [
        "build it (3.0 GB to download unless cached, 6.0 GB on disk)",
        "sdcoreml env",
    ]
    unlocked = sick(environment=NOT_BUILT, lock=Absent(reason="no lock for it"))
    assert remedies("ENV001", unlocked) == ["build it (6.0 GB on disk)", "sdcoreml env"]
    for name in ("ENV002", "ENV003", "ENV006", "PIN001", "PIN005", "LIB001"):
        assert said(name, facts) == ["skipped: the environment is not built (`sdcoreml env`)"]


def test_another_lock_is_built_anew_and_damage_repaired() -> None:
    assert remedies("ENV002", environment(lock_digest="old"))[-1] == "sdcoreml env"
    assert remedies("ENV003", environment(hollow=("torch",)))[-1] == "sdcoreml env repair"


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
            "error: 1 file differs from the seal; first a.py: altered (torch)",
        ),
        ((), ("x.pyc",), "warning: files that are not in the seal: x.pyc"),
        (
            ("a.py: missing (torch)",),
            ("x",),
            "error: 1 file differs from the seal; first a.py: missing (torch)",
        ),
    ],
)
def test_the_seal(faults: tuple[str, ...], strays: tuple[str, ...], expected: str) -> None:
    verification = VerificationFacts(depth="every byte", files=5, faults=faults, strays=strays)
    assert said("ENV004", sick(verification=verification)) == [expected]


def test_a_python_that_changed_is_told_by_whose_it_is() -> None:
    beneath = ("/usr/lib/python3.10/os.py: altered (python)", "/usr/bin/python3.10: altered")
    changed = VerificationFacts(depth="every byte", files=5, beneath=beneath)
    (text,) = said("ENV004", sick(verification=changed))
    assert text == (
        "warning: the Python beneath is not as it was when the environment was sealed:"
        " 2 files differ, first /usr/lib/python3.10/os.py: altered (python)"
    )
    assert remedies("ENV004", sick(verification=changed))[-1] == "sdcoreml env build --fresh"
    ours = replace(changed, brought=True)
    assert said("ENV004", sick(verification=ours))[0].startswith("error: the Python beneath")
    assert remedies("ENV004", sick(verification=ours))[-1] == "sdcoreml env repair"


def test_one_of_the_former_format_is_told_with_the_remedy() -> None:
    former = VerificationFacts(depth="every byte", files=5, former=True)
    assert said("ENV004", sick(verification=former)) == [
        "ok: 5 files as sealed (every byte)",
        "info: sealed in the format of an earlier version",
    ]
    assert remedies("ENV004", sick(verification=former))[-1] == "sdcoreml env"


def test_much_damage_is_told_by_whose_it_is() -> None:
    faults = ("a.py: missing (numpy)", *(f"{n}.py: altered (torch)" for n in range(3)))
    verification = VerificationFacts(
        depth="every byte", files=5, owners={"numpy": 1, "torch": 3}, faults=faults
    )
    assert said("ENV004", sick(verification=verification)) == [
        "error: 4 files differ from the seal, of torch, numpy; first a.py: missing (numpy)"
    ]


def test_each_failing_import_is_a_finding() -> None:
    smoke = Smoke(
        imported=("numpy",), failures={"torch": "OSError: x", "diffusers": "ImportError: y"}
    )
    assert said("ENV005", sick(smoke=smoke)) == [
        "error: import torch fails: OSError: x",
        "error: import diffusers fails: ImportError: y",
    ]


def test_what_was_proven_is_told_with_its_figures_and_machine() -> None:
    (text,) = said("ENV007", HEALTHY)
    figures = "788 tests, the sample's programs at least 127.1 dB in fp32, 68.8 dB in fp16"
    assert text == f"ok: proven on 2026-11-25: {figures} (macOS 14.5, Apple M2 (8 cores))"


def test_other_bytes_than_the_proven_ones_are_a_warning() -> None:
    facts = environment(seal="0123456789abcdef0123")
    assert said("ENV007", facts) == [
        "warning: sealed 0123456789abcdef, but what was proven is seal-1"
    ]
    assert remedies("ENV007", facts)[-1] == "sdcoreml env --no-cache"


@pytest.mark.parametrize(
    "facts",
    [
        environment(python="3.10.13"),
        environment(lock_digest="lock-2"),
        sick(evidence=EvidenceFacts(proofs=())),
    ],
)
def test_what_nobody_proved_is_said_and_no_fault(facts: Facts) -> None:
    (text,) = said("ENV007", facts)
    assert text.startswith("info: nothing was proven of this lock with Python 3.10.1")
    asked = "try it, and record what works with these versions (minutes)"
    assert remedies("ENV007", facts) == [asked, "sdcoreml env prove"]


def test_of_several_proofs_the_last_of_just_this_environment_counts() -> None:
    later = replace(PROOF, when="2027-01-01T00:00:00+00:00", figures="12 tests")
    other = replace(PROOF, seal="seal-9", when="2028-01-01T00:00:00+00:00")
    facts = sick(evidence=EvidenceFacts(proofs=(PROOF, later, other)))
    assert said("ENV007", facts)[0].startswith("ok: proven on 2027-01-01: 12 tests")


def test_a_seal_of_conda_s_is_not_held_against_a_proof_of_a_venv() -> None:
    facts = environment(seal="seal-2", backend="conda")
    assert said("ENV007", facts) == [
        "info: nothing was proven of this lock with Python 3.10.10 of conda"
    ]


def conda(**changes: object) -> Facts:
    return sick(conda=replace(CONDA, **changes))  # type: ignore[arg-type]


NAME = "the conda environment coreml_stable_diffusion"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (HEALTHY, f"ok: {NAME} is as locked"),
        (
            conda(python="3.10.13"),
            f"warning: {NAME} is not as locked: Python 3.10.13 (tested 3.10.10)",
        ),
        (
            conda(python=""),
            f"warning: {NAME} is not as locked: Python missing (tested 3.10.10)",
        ),
        (
            conda(installed={**INSTALLED, "diffusers": "0.30.2", "scipy": "1.15.3"}),
            f"warning: {NAME} is not as locked: diffusers 0.30.2 (locked 0.23.1)",
        ),
        (
            conda(builds={"python": "3.10.10 other_0", "pip": "23.0 py_0"}),
            f"info: {NAME} has builds not in the lock: python 3.10.10 other_0, tzdata missing",
        ),
        (
            sick(conda=Absent(reason="no conda environment named x")),
            "skipped: no conda environment named x",
        ),
    ],
)
def test_a_conda_environment_of_the_name(facts: Facts, expected: str) -> None:
    assert said("ENV008", facts) == [expected]


def test_without_locked_conda_packages_versions_are_what_counts() -> None:
    facts = sick(conda=replace(CONDA, builds={}), lock=replace(LOCK, conda={}))
    assert said("ENV008", facts) == [f"ok: {NAME} is as locked"]


def test_a_conda_environment_that_is_not_as_locked_is_left_alone() -> None:
    other = {"python": "3.10.10 other_0", "pip": "23.0 py_0"}
    for facts in (conda(python="3.11.0"), conda(builds=other)):
        assert remedies("ENV008", facts) == [
            "`sdcoreml env --backend conda` makes one that is, apart from it; or remove it"
        ]
