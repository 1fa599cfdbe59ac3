from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.certificates.store import load, save
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.errors import ParityError, UsageError
from sdcoreml.ground.events import Emit, silent
from tools.certify import __main__ as certify
from tools.certify.issue import Issuer

PROVED = {
    "component": "unet",
    "passed": True,
    "runs": 2,
    "graph": "aa",
    "outputs": [{"output": "noise_pred", "mode": "fp32", "psnr": 121.0}],
    "audit": {"matched": 686},
}
ISSUER = Issuer(toolchain="tested", lock="5f", date="2026-11-25")
CASE = "sd1-unet-original-512x512"


@dataclass
class Prover:
    """A `Runner` with a fixed result for each case, which records its requests."""

    answer: Mapping[str, Any]
    requests: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], _: Emit = silent) -> Outcome:
        assert task == "certify"
        self.requests.append(request)
        return Outcome(value=self.answer, peak_memory=0)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    certify.configure(parser)
    return parser.parse_args(words)


def test_a_program_of_the_same_operations_refers_to_the_one_that_was_run() -> None:
    prover = Prover({"macOS13": PROVED, "macOS14": {"key": "bb", "like": "macOS13"}})
    first, second = certify.certify([CASE], prover, ISSUER, arguments(), silent)
    assert (first.key, first.like) == ("aa", "")
    assert (second.key, second.like) == ("bb", "aa")
    assert second.title == "Stable Diffusion 1.x, ORIGINAL, 512x512, macOS14"
    assert second.outputs == first.outputs
    assert first.module == second.module != ""
    assert [one.options["target"] for one in (first, second)] == ["macOS13", "macOS14"]
    assert first.options["height"] == 64


def test_programs_of_one_module_share_their_weights() -> None:
    names = [CASE, "sd1-unet-split-einsum-512x512", "sdxl-unet-original-1024x1024"]
    prover = Prover({"macOS13": PROVED})
    assert len(list(certify.certify(names, prover, ISSUER, arguments("--runs", "1"), silent))) == 3
    one, same, other = (request["folder"] for request in prover.requests)
    assert one == same != other
    assert not Path(one).exists()
    assert {request["runs"] for request in prover.requests} == {1}


def test_the_list_says_what_is_certified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "certificates.json"
    prover = Prover({"macOS13": PROVED, "macOS14": {"key": "bb", "like": "macOS13"}})
    save(certify.certify([CASE], prover, ISSUER, arguments(), silent), file)
    assert certify.run(arguments("--list", "--file", str(file))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sd1-unet-original-512x512                        macOS13, macOS14" in lines
    assert "sd1-unet-split-einsum-512x512                    not certified" in lines
    assert len(load(file)) == 2


def test_a_case_that_does_not_exist_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"no case sd9-unet; `python -m tools.certify --list`"):
        certify.run(arguments("sd9-unet"))


def test_a_program_that_fails_is_not_certified_and_stops_the_rest() -> None:
    class Failing:
        def run(self, _: str, __: Mapping[str, Any], ___: Emit = silent) -> Outcome:
            raise ParityError("unet: 80 dB")

    with pytest.raises(ParityError, match="80 dB"):
        next(certify.certify([CASE], Failing(), ISSUER, arguments(), silent))


def test_a_place_to_work_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--folder: .*gone is not a folder"):
        certify.run(arguments(CASE, "--folder", str(tmp_path / "gone")))
