"""`verify` with the model finds false statements in a manifest whose digests all match."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import Against, Verification, verify
from tests.convert.stand_ins import StandIn, finish, job_of, write_model, write_raw

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model `cat`, and convert it to a folder `out` beside it; return their parent."""
    place = tmp_path_factory.mktemp("claims")
    job = job_of(open_model(write_model(place / "cat")), place / "out", "SPLIT_EINSUM")
    finish(job, StandIn(size=SIZE))
    return place


def verified(
    made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> Verification:
    folder = copytree(made / "out", tmp_path / "out")
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    write_raw(content, folder)
    return verify(folder, StandIn(size=SIZE), Against(model=made / "cat", certificates={}))


def whats(made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> list[str]:
    result = verified(made, tmp_path, change)
    ours = (fault for fault in result.faults if Path(fault.where).name == "manifest.json")
    return [fault.what for fault in ours]


def put(*path: str, value: object) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        for name in path[:-1]:
            content = content[name]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("model", "name"), "dog", "the model's name should be 'cat', and it says 'dog'"),
        (("model", "family"), "FLUX", "its family should be 'Stable Diffusion 1.x', and it says"),
        (("model", "notes"), ["made by me"], "its notes should be"),
        (("inputs", "unet/b"), {"size": 1, "sha256": "5f"}, "source files is not the model's"),
        (("options", "height"), 24, "Unet: its options should be"),
        (("options", "recipe"), {"bits": 4}, "Unet: its compression should be"),
        (("options", "accept_schedule"), True, "the model's is the apps'"),
        (("options", "controlled"), True, "ask for controlled_unet, which is missing"),
        (("options", "states_own_size"), True, "its options cannot be used: only SDXL's UNet"),
        (("toolchain", "lock"), "5f", "its lock is none of tested on linux-x86_64"),
        (("toolchain", "target"), "", "its lock is none of tested on no target that is known"),
        (("toolchain", "tested_python"), "3.9.1", "tested was not tested with Python 3.9.1"),
        (("toolchain", "drift"), True, "drift: it was made with Python 3.10.10, tested with 3.10."),
        (("toolchain", "python"), "3.11.2", "no lock of tested is for Python 3.11.2"),
        (("toolchain", "seal"), "5f", "its seal is no digest"),
        (("toolchain", "seal"), "-" * 64, "its seal is no digest"),
        (("programs", "Unet", "recipe"), {"bits": 4}, "Unet: its compression should be None"),
        (("programs", "Unet", "compiled", "verdict"), "fine", "no compiler here says 'fine'"),
        (("programs", "Unet", "checked", "runs"), 9, "Unet: it was run 9 times"),
    ],
)
def test_what_does_not_follow_from_the_model(
    made: Path, tmp_path: Path, path: tuple[str, ...], value: object, what: str
) -> None:
    found = whats(made, tmp_path, put(*path, value=value))
    assert any(what in one for one in found), found


def test_what_is_true_has_no_fault(made: Path, tmp_path: Path) -> None:
    assert whats(made, tmp_path, lambda _: None) == []


def test_a_toolchain_of_somebody_s_own_is_noted_and_no_fault(made: Path, tmp_path: Path) -> None:
    result = verified(made, tmp_path, put("toolchain", "name", value="mine"))
    assert result.passed
    assert result.notes == (
        "its toolchain mine is not one of sdcoreml's: its lock was not compared",
    )
