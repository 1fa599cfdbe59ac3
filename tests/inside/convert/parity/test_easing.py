"""For a module that amplifies rounding errors, parity is judged by the module's own precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import FULL, check_component, own_precision
from sdcoreml.convert.parity.figures import UNREAD_FLOOR
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs.options import ProgramOptions, TextStates
from sdcoreml.convert.references.components import REFERENCES
from tests.inside.convert.programs.configs import TEXT
from tests.inside.convert.programs.models import Checkpoint, checkpoint, save

SHARPENED = {
    "controlled_unet": (("to_q.", "to_k."), 6),
    "controlnet": (("to_q.", "to_k."), 8),
    "unet": (("to_q.", "to_k."), 6),
    "unet_refiner": (("to_q.", "to_k."), 4),
    "vae_decoder": (("to_q.", "to_k."), 40),
    "vae_encoder": (("to_q.", "to_k."), 12),
    "safety_checker": (("q_proj.", "k_proj."), 12),
    "text_encoder": (("q_proj.", "k_proj."), 20),
    "text_encoder_2": (("q_proj.", "k_proj."), 40),
}
"""For each component: parts of the names of weights to enlarge, and the factor."""

CHANGES = {"text_encoder_2": {**TEXT, "projection_dim": 24, "num_hidden_layers": 3}}
OPTIONS = {
    "controlnet": ProgramOptions(height=16, width=16),
    "text_encoder_2": ProgramOptions(text_states=TextStates.PENULTIMATE),
}


def sharpened(component: str, folder: Path) -> Checkpoint:
    changes = (
        {**TEXT, "projection_dim": 24, "num_hidden_layers": 3}
        if component == "text_encoder_2"
        else {}
    )
    made = checkpoint(component, folder, changes)
    parts, gain = SHARPENED[component]
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    for name, tensor in state.items():
        if any(part in name for part in parts):
            tensor.mul_(gain)
    return replace(made, weights=save(state, folder / "sharp.safetensors"))


def check(made: Checkpoint, package: Path, *, lenient: bool) -> Parity:
    options = replace(FULL, lenient=lenient)
    return check_component(made.component, package, made.config, made.weights, options)


@pytest.mark.parametrize("component", SHARPENED)
def test_a_module_that_amplifies_roundings_is_not_refused_for_it(
    component: str, tmp_path: Path
) -> None:
    made = sharpened(component, tmp_path)
    package = made.write(tmp_path / "x.mlpackage", OPTIONS.get(component))
    assert not check(made, package, lenient=False).passed
    parity = check(made, package, lenient=True)
    assert parity.passed, parity.faults()
    assert parity.own is not None
    assert torch.get_default_dtype() is torch.float32


def test_scores_that_do_not_vary_are_compared_by_their_size(tmp_path: Path) -> None:
    """An untrained safety checker has equal weights for all concepts, so its scores are equal."""
    made = checkpoint("safety_checker", tmp_path)
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    for name, tensor in state.items():
        if "embeds" in name:
            tensor.fill_(1)
    made = replace(made, weights=save(state, tmp_path / "untrained.safetensors"))
    parity = check(made, made.write(tmp_path / "x.mlpackage"), lenient=False)
    assert parity.passed, parity.faults()


def test_every_component_is_tried() -> None:
    assert SHARPENED.keys() == REFERENCES.keys()


def test_what_no_client_reads_decides_nothing_unless_it_is_something_else(tmp_path: Path) -> None:
    """With SD 1.x, apps read only the hidden states: an imprecise pooled output is no fault."""
    made = checkpoint("text_encoder", tmp_path)
    package = made.write(tmp_path / "x.mlpackage")
    floors = {Mode.FP32: 100.0, Mode.FP16: 50.0}
    options = replace(FULL, floors=floors)
    parity = check_component(made.component, package, made.config, made.weights, options)
    assert {(item.output, item.floor) for item in parity.figures} == {
        ("last_hidden_state", 100.0),
        ("last_hidden_state", 50.0),
        ("pooled_outputs", UNREAD_FLOOR),
    }


def test_a_module_is_as_precise_as_its_worst_output_that_is_read() -> None:
    ramp = torch.linspace(-1, 1, 201)
    exact = [{"read": ramp, "idle": ramp}]
    rounded = [{"read": ramp + 2e-5, "idle": ramp + 0.02}]
    assert own_precision(exact, rounded) == pytest.approx(40, abs=0.1)
    assert own_precision(exact, rounded, {"idle"}) == pytest.approx(100, abs=0.1)
