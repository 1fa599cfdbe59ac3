from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.ground.locks import hold_folder
from sdcoreml.lockfiles.evidence import (
    Evidence,
    append_evidence,
    find_proof,
    load_evidence,
)
from sdcoreml.lockfiles.toolchain import load_toolchain, toolchain_names

PROOF = Evidence(
    when="2026-11-24T03:30:00+00:00",
    target="linux-x86_64",
    system="Linux 6.1",
    cpu="x86_64",
    python="3.10.13",
    lock="10cc",
    seal="5ea1",
    ran="pytest -q",
    result="12 passed",
)


def test_proofs_are_appended_and_read_back(tmp_path: Path) -> None:
    toolchain = replace(load_toolchain(), folder=tmp_path)
    assert load_evidence(toolchain) == ()
    later = replace(PROOF, when="2026-11-25T00:00:00+00:00", seal="5ea2")
    assert append_evidence(toolchain, PROOF) == tmp_path / "evidence.toml"
    append_evidence(toolchain, later)
    assert load_evidence(toolchain) == (PROOF, later)
    assert [path.name for path in tmp_path.iterdir()] == ["evidence.toml"]


def test_of_two_that_append_at_once_neither_is_lost(tmp_path: Path) -> None:
    toolchain = replace(load_toolchain(), folder=tmp_path / "mine")
    toolchain.folder.mkdir()
    first, second = PROOF, replace(PROOF, when="2026-11-25T00:00:00+00:00")
    waiting = threading.Thread(target=append_evidence, args=(toolchain, second))
    with hold_folder(toolchain.folder):
        before = replace(toolchain, folder=tmp_path)
        text = append_evidence(before, first).read_text()
        waiting.start()
        waiting.join(0.2)
        (toolchain.folder / "evidence.toml").write_text(text)
    waiting.join()
    assert load_evidence(toolchain) == (first, second)


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_survives(result: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        toolchain = replace(load_toolchain(), folder=Path(folder))
        append_evidence(toolchain, replace(PROOF, result=result))
        assert load_evidence(toolchain)[0].result == result


def test_what_works_of_the_families_is_read_back_and_said(tmp_path: Path) -> None:
    toolchain = replace(load_toolchain(), folder=tmp_path)
    proof = replace(
        PROOF,
        psnr={"fp32": 130.1},
        families={"sd1": "4 programs", "sd2": "5 programs", "sdxl": "fails: no such class"},
        certificates="30 of 44",
    )
    append_evidence(toolchain, proof)
    assert load_evidence(toolchain) == (proof,)
    assert proof.figures() == (
        "sd1 sd2 work, sdxl fails, 30 of 44 certificates hold, the miniatures' programs at least"
        " 130.1 dB in fp32"
    )
    assert replace(proof, families={"sd1": "x"}, certificates="", psnr={}).figures() == "sd1 works"


def found(proofs: list[Evidence], seal: str = "5ea1", **changes: str) -> Evidence | None:
    mine = {"target": "linux-x86_64", "python": "3.10.13", "lock": "10cc", **changes}
    return find_proof(proofs, seal=seal, **mine)


def test_the_last_proof_of_just_this_environment_counts() -> None:
    later = replace(PROOF, when="2027-01-01T00:00:00+00:00")
    other = replace(PROOF, seal="5ea2")
    assert found([PROOF, later, other]) == later


def test_a_proof_of_one_family_does_not_hide_one_of_all() -> None:
    full = replace(PROOF, families={"sd1": "4 programs", "sd2": "4 programs"})
    part = replace(PROOF, families={"sd1": "4 programs"})
    again = replace(full, when="2027-01-01T00:00:00+00:00")
    assert found([full, part]) == full
    assert found([full, again, part]) == again


def test_another_seal_of_the_same_lock_is_found_when_there_is_no_better() -> None:
    assert found([PROOF], seal="5ea2") == PROOF


@pytest.mark.parametrize(
    "changes", [{"target": "macos-arm64"}, {"python": "3.10.10"}, {"lock": "10cd"}]
)
def test_of_another_environment_nothing_was_proven(changes: dict[str, str]) -> None:
    assert found([PROOF], **changes) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[[proof]]\nwhen = "now"\n', r"proof\[0\]\.target is missing; proof\[0\]\.system"),
        ("proof = 3\n", "`proof` is not an array of tables"),
        ("proof =", "not valid TOML"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "evidence.toml").write_text(text)
    with pytest.raises(LockfileError, match=what) as caught:
        load_evidence(replace(load_toolchain(), folder=tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", toolchain_names())
def test_the_shipped_evidence_can_be_read(name: str) -> None:
    for proof in load_evidence(load_toolchain(name)):
        assert len(proof.seal) == len(proof.lock) == 64


def test_what_stood_in_the_file_stays_to_the_letter(tmp_path: Path) -> None:
    toolchain = replace(load_toolchain(), folder=tmp_path)
    append_evidence(toolchain, PROOF)
    path = tmp_path / "evidence.toml"
    noted = path.read_text() + "# looked at by hand\n"
    path.write_text(noted)
    append_evidence(toolchain, replace(PROOF, result='13 "passed" \N{CHECK MARK}\nand more'))
    assert path.read_text().startswith(noted)
    assert [proof.result for proof in load_evidence(toolchain)] == [
        "12 passed",
        '13 "passed" \N{CHECK MARK}\nand more',
    ]


def test_a_file_says_who_writes_it(tmp_path: Path) -> None:
    append_evidence(replace(load_toolchain(), folder=tmp_path), PROOF)
    assert (tmp_path / "evidence.toml").read_text() == (
        "# Written by `sdcoreml env prove`: what was proven on which environment."
        " Append only.\n"
        '\n[[proof]]\nwhen = "2026-11-24T03:30:00+00:00"\ntarget = "linux-x86_64"\n'
        'system = "Linux 6.1"\ncpu = "x86_64"\npython = "3.10.13"\nlock = "10cc"\n'
        'seal = "5ea1"\nran = "pytest -q"\nresult = "12 passed"\n'
    )


def test_figures_survive_and_stand_in_words() -> None:
    measured = replace(PROOF, tests=788, psnr={"fp32": 127.14, "fp16": 68.8})
    with tempfile.TemporaryDirectory() as folder:
        toolchain = replace(load_toolchain(), folder=Path(folder))
        append_evidence(toolchain, measured)
        assert load_evidence(toolchain) == (measured,)
    assert (
        measured.figures()
        == "788 tests, the sample's programs at least 127.1 dB in fp32, 68.8 dB in fp16"
    )
    no_tests = replace(measured, tests=0, result="32 files identical")
    assert (
        no_tests.figures()
        == "32 files identical, the sample's programs at least 127.1 dB in fp32, 68.8 dB in fp16"
    )
    assert replace(measured, psnr={}).figures() == "788 tests"
    assert PROOF.figures() == "12 passed"


def test_figures_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    toolchain = replace(load_toolchain(), folder=tmp_path)
    path = append_evidence(toolchain, replace(PROOF, tests=1))
    path.write_text(path.read_text().replace("tests = 1", 'tests = "1"\npsnr = { fp32 = "x" }'))
    with pytest.raises(LockfileError, match=r"psnr\.fp32 is 'x', .*tests is '1', not a int"):
        load_evidence(toolchain)
