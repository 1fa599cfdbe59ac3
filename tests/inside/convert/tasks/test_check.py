"""What the task `check` asks for each package, and what it says of those that fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import CheckOptions
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.tasks.check import task
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import ParityError
from sdcoreml.ground.events import Event, silent
from tests.convert.stand_ins import CERTIFICATE

SOUND = Audit(sources={"a": ("b",)}, extras={})
Asked = tuple[str, object, Mapping[str, object], Path, CheckOptions]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Let every check find what its request's audit says; return what was asked."""
    calls: list[Asked] = []

    def check(*arguments: Any) -> Parity:
        component, package, config, weights, options, emit = arguments
        calls.append((component, package, config, weights, options))
        emit(Event(kind="note", text=component))
        return Parity(
            component=component, package=component, figures=(), audit=options.audit or SOUND, runs=2
        )

    monkeypatch.setattr("sdcoreml.convert.tasks.check.check_component", check)
    return calls


def package(folder: Path, component: str, **more: Any) -> dict[str, Any]:
    config = folder / f"{component}.json"
    config.write_text(json.dumps({"of": component}))
    return {
        "component": component,
        "package": str(folder / f"{component}.mlpackage"),
        "config": str(config),
        "weights": f"{component}.safetensors",
        **more,
    }


def test_each_package_is_checked_with_what_it_was_made_from(
    tmp_path: Path, asked: list[Asked]
) -> None:
    told: list[Event] = []
    options = {"height": 16, "width": 24}
    packages = [
        package(tmp_path, "unet", chunk=True, options=options),
        package(tmp_path, "vae_decoder", foreign=True),
    ]
    request = {"packages": packages, "certificates": [to_plain(CERTIFICATE)], "draws": True}
    found = task(request, told.append)
    (unet, vae) = asked
    assert unet[1] == chunk_paths(tmp_path / "unet.mlpackage")
    assert (unet[0], unet[2], unet[3]) == ("unet", {"of": "unet"}, Path("unet.safetensors"))
    assert (unet[4].program.height, unet[4].program.width) == (16, 24)
    assert (unet[4].lenient, unet[4].draws, unet[4].certificates) == (
        True,
        True,
        (CERTIFICATE,),
    )
    assert (unet[4].runs, unet[4].small) == (None, False)
    assert vae[1] == tmp_path / "vae_decoder.mlpackage"
    assert (vae[4].lenient, vae[4].draws, vae[4].certificates) == (False, False, ())
    assert [event.text for event in told] == [
        *("check unet.mlpackage", "unet"),
        *("check vae_decoder.mlpackage", "vae_decoder"),
    ]
    assert [event.kind for event in told] == ["step", "note"] * 2
    assert {name: (proof["passed"], proof["runs"]) for name, proof in found.items()} == {  # type: ignore[index]
        "unet": (True, 2),
        "vae_decoder": (True, 2),
    }


def test_with_fast_a_program_is_run_once_and_small(tmp_path: Path, asked: list[Asked]) -> None:
    task({"packages": [package(tmp_path, "unet")], "fast": True}, silent)
    (call,) = asked
    assert (call[4].runs, call[4].small, call[4].modes) == (1, True, (Mode.FP32,))
    assert (call[4].draws, call[4].audit) == (False, None)


def test_all_that_fail_are_named_together(tmp_path: Path, asked: list[Asked]) -> None:
    wrong = to_plain(replace(SOUND, missing=("a.weight",)))
    packages = [
        package(tmp_path, "unet", audit=wrong),
        package(tmp_path, "vae_decoder"),
        package(tmp_path, "vae_encoder", audit=wrong),
    ]
    with pytest.raises(ParityError) as caught:
        task({"packages": packages}, silent)
    assert len(asked) == 3
    said = str(caught.value)
    assert said.index("unet") < said.index("; vae_encoder")
    assert "vae_decoder" not in said
