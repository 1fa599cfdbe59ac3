"""Which apps run a model: none with faults, and not those that the converter refuses it for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.convert.bundle.app_verdicts import app_verdicts, config_refusals
from sdcoreml.convert.bundle.apps import COMFYUI
from sdcoreml.convert.models.identify import Identity, identify_path
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.ground.errors import Fault
from tests.convert.models.folders import write_model

FAULT = Fault(where="cat/unet", what="its blocks are odd", remedy="give another")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identify_path(write_model(tmp_path_factory.mktemp("models") / "cat"))


def test_a_refusal_is_of_the_runtime_that_it_is_for(identity: Identity) -> None:
    assert identity.faults == ()
    plain = app_verdicts(identity, {Runtime.SWIFT: {}, Runtime.COMFYUI: {}})
    assert {one.runs for one in plain if one.target == COMFYUI} != {"no"}
    refused = app_verdicts(identity, {Runtime.SWIFT: {"unet": FAULT}, Runtime.COMFYUI: {}})
    for before, after in zip(plain, refused, strict=True):
        if before.target == COMFYUI or before.runs == "no":
            assert after == before
        else:
            assert (after.runs, after.reason) == (
                "no",
                "the converter refuses it: unet: its blocks are odd; give another",
            )
    assert refused != plain
    other = app_verdicts(identity, {Runtime.SWIFT: {}, Runtime.COMFYUI: {"unet": FAULT}})
    assert {one.target for one, two in zip(plain, other, strict=True) if one != two} == {COMFYUI}


def test_a_model_with_faults_is_run_by_no_app(identity: Identity) -> None:
    faulty = replace(identity, faults=(FAULT,))
    refusals = {Runtime.SWIFT: {"unet": FAULT}, Runtime.COMFYUI: {}}
    plain = app_verdicts(identity, {Runtime.SWIFT: {}, Runtime.COMFYUI: {}})
    for before, after in zip(plain, app_verdicts(faulty, refusals), strict=True):
        assert after.runs == "no"
        if before.runs != "no":
            assert after.reason == "not until its faults are mended"


def judged(*faults: Fault) -> Any:
    """Return what is looked at of a model whose UNet is odd, and whose VAE says nothing."""
    unet = {"_class_name": "UNet2DConditionModel", "in_channels": "four"}
    return SimpleNamespace(configs={"unet": unet, "vae": {}}, faults=faults, path=Path("cat"))


def test_only_configs_that_are_needed_and_known_are_judged() -> None:
    assert config_refusals(judged(), (), Runtime.SWIFT) == {}
    (name,) = refusals = config_refusals(judged(), ("unet",), Runtime.SWIFT)
    assert (name, refusals[name].code, refusals[name].where) == ("unet", "MOD010", "cat")
    assert config_refusals(judged(FAULT), ("unet", "vae"), Runtime.SWIFT).keys() == {"unet"}
