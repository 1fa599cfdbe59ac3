"""A model's own modules in the place of its programs, as they are and in half precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from sdcoreml.convert.drawing.programs import Shapes
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.tasks.modules import ModulePrograms, _round_results
from tests.inside.convert.tasks.tiny import BEGIN, END, Tiny

PROMPT = [BEGIN, *range(5, 30), *[END] * 51]
IDS: Mapping[str, Singles] = {"input_ids": np.array([PROMPT], np.float32)}
OUTPUTS = ("last_hidden_state", "pooled_outputs")


@dataclass
class Declared:
    """Programs with these outputs, which only say that they were run."""

    ran: list[str] = field(default_factory=list)

    def inputs(self, name: str) -> Shapes:
        return {f"input of {name}": (1, 77)}

    def outputs(self, _: str) -> tuple[str, ...]:
        return OUTPUTS

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        self.ran.append(name)
        return feeds


def expected(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        found = module(torch.from_numpy(IDS["input_ids"]).int())
    return dict(zip(OUTPUTS, (found.last_hidden_state, found.pooler_output), strict=True))


def test_a_module_computes_in_the_place_of_its_program(tiny: Tiny) -> None:
    programs = Declared()
    modules = ModulePrograms(programs, {"TextEncoder": tiny.originals["TextEncoder"]})
    assert modules.inputs("TextEncoder") == {"input of TextEncoder": (1, 77)}
    found = modules.run("TextEncoder", IDS)
    for name, wanted in expected(tiny.modules["TextEncoder"]).items():
        assert found[name] == pytest.approx(wanted.numpy(), abs=1e-4)
    assert programs.ran == []
    assert modules.run("Canny", IDS) is IDS
    assert programs.ran == ["Canny"]


def test_a_module_is_opened_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = ModulePrograms(Declared(), tiny.originals)
    first = modules.run("TextEncoder", IDS)
    monkeypatch.setattr("sdcoreml.convert.tasks.modules.open_module", None)
    assert np.array_equal(modules.run("TextEncoder", IDS)[OUTPUTS[0]], first[OUTPUTS[0]])


def test_in_half_precision_it_loses_what_rounding_loses(tiny: Tiny) -> None:
    modules = ModulePrograms(Declared(), tiny.originals, in_half=True)
    found = modules.run("TextEncoder", IDS)[OUTPUTS[0]]
    wanted = expected(tiny.modules["TextEncoder"])[OUTPUTS[0]].numpy()
    lost = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert 2e-5 < lost < 2e-2
    assert np.array_equal(found.astype(np.float16).astype(np.float32), found)
    assert found.dtype == np.float32


class Odd(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A layer whose result is whatever it is given."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result

    def forward(self, _: torch.Tensor) -> object:
        return self.result


class Sum(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A module with a layer, which adds to its result what half precision cannot hold."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + 2**-20


def test_each_layer_s_result_is_rounded_and_nothing_else() -> None:
    whole = torch.nn.Sequential(torch.nn.Sequential(Sum()), Sum())
    _round_results(whole)
    x = torch.tensor([1.0001, 2.0002])
    rounded = x.half().float()
    assert torch.equal(whole(x), rounded + 2**-20)
    pair = (torch.tensor([1.0001]), 3)
    for result in (pair, torch.tensor([70001], dtype=torch.int64), None):
        layer = Odd(result)
        _round_results(layer)
        assert layer(x) is result
