"""The task `certify` on a small case; its certificates also cover real conversions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdcoreml.convert.certificates.architecture import READ
from sdcoreml.convert.certificates.check import examine
from sdcoreml.convert.certificates.digest import certificate_key, graph_digest, module_digest
from sdcoreml.convert.certificates.store import Certificate, load
from sdcoreml.convert.parity.drawn import Drawing, draw_without_weights
from sdcoreml.convert.programs.options import Attention, Prediction, ProgramOptions, parse_options
from sdcoreml.convert.proof.record import parse_proof
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.events import silent
from tests.inside.convert.programs.configs import CONFIGS
from tests.inside.convert.programs.models import checkpoint
from tools.certify import specimen, task
from tools.certify.cases import CASES, TARGETS, Case
from tools.certify.issue import Issuer
from tools.certify.models import MODELS

NAME = "sd1-unet-split-einsum-512x512"
ISSUER = Issuer(toolchain="tested", lock="5f", date="2026-11-25")


def drawn_key(component: str, config: Mapping[str, Any], options: ProgramOptions) -> str:
    """Return the certificate key of a program as today's builder would make it."""
    return key_of(draw_without_weights(component, config, options), component, config, options)


def key_of(
    drawing: Drawing, component: str, config: Mapping[str, Any], options: ProgramOptions
) -> str:
    """Return the certificate key of a drawn program, with the labels of the options' target."""
    opset = options.target.opset
    drawn = drawing.program
    model = replace(drawn.model, specification_version=options.target.specification)
    function = replace(drawn.function, opset=opset, blocks={opset: drawn.function.block})
    labelled = replace(drawn, model=model, function=function)
    return certificate_key(graph_digest(labelled, drawing.placed), component, config, options)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the case with a tiny model instead of the published one."""
    case = replace(CASES[NAME], width=128, height=192)
    tiny = replace(MODELS[case.model], configs={"unet": CONFIGS["unet"]})
    monkeypatch.setitem(MODELS, case.model, tiny)
    monkeypatch.setitem(CASES, NAME, case)
    return NAME


def test_what_was_certified_covers_another_checkpoint(tiny: str, tmp_path: Path) -> None:
    answers: dict[str, Any] = task.task({"case": tiny, "folder": str(tmp_path)}, silent)
    assert list(answers) == list(TARGETS)
    assert answers["macOS13"]["passed"]
    assert answers["macOS14"]["like"] == "macOS13"
    certificate = ISSUER.issue(parse_proof(answers["macOS13"]), "")
    assert certificate is not None
    made = checkpoint("unet", tmp_path / "other")
    options = replace(CASES[NAME].options("macOS13"), height=24, width=16)
    package = made.write(tmp_path / "x.mlpackage", options)
    certificates = {certificate.key: certificate}
    short = examine(package, "unet", made.config, made.weights, options)
    assert short.certified("unet", certificates)
    other = {**made.config, "norm_eps": 1e-6}
    changed = examine(package, "unet", other, made.weights, options)
    assert not changed.certified("unet", certificates)


@pytest.mark.parametrize("component", sorted(CONFIGS))
def test_a_package_has_the_key_of_what_the_builder_draws(component: str, tmp_path: Path) -> None:
    made = checkpoint(component, tmp_path)
    options = ProgramOptions(attention=Attention.SPLIT_EINSUM_V2, height=16, width=24)
    path = made.write(tmp_path / "x.mlpackage", options)
    key = drawn_key(component, made.config, options)
    certificate = Certificate(
        key=key, component=component, title="", outputs=(), runs=1, toolchain="", lock="", date=""
    )
    found = examine(path, component, made.config, made.weights, options)
    assert found.certified(component, {key: certificate})


def test_random_weights_are_the_same_every_time_and_no_two_tensors_are_alike(
    tmp_path: Path,
) -> None:
    shapes = {"a.weight": (40, 30), "b.weight": (40, 30), "n.weight": (50,), "n.bias": (50,)}
    paths = (tmp_path / "one", tmp_path / "two")
    for path in paths:
        specimen.write_specimen(path, shapes)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with TensorFile.open(paths[0]) as tensors:
        assert (tensors["a.weight"] != tensors["b.weight"]).any()
        assert 0.5 <= tensors["n.weight"].min() <= tensors["n.weight"].max() <= 1.5
        assert 0.05 < tensors["n.bias"].std() < 0.2


def test_every_case_has_a_module_of_its_parameters() -> None:
    shapes = task.shapes_of(CASES[NAME])
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 859_520_964


def test_the_defaults_are_those_of_the_pinned_libraries() -> None:
    import inspect

    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextConfig

    classes = {
        "unet": UNet2DConditionModel,
        "controlnet": ControlNetModel,
        "vae_decoder": AutoencoderKL,
        "text_encoder_2": CLIPTextConfig,
    }
    for component, kind in classes.items():
        parameters = inspect.signature(kind.__init__).parameters
        for name, default in READ[component].items():
            own = parameters[name].default
            assert (list(own) if isinstance(own, tuple) else own) == default, (component, name)


DRAWN_APART = frozenset({"text_encoder", "text_encoder_2"})
"""The components whose operations differ from target to target, not only the labels. So do those
of a UNet that predicts velocity."""


# The attentions are those of one code: the UNet has each, and the others one.
@pytest.mark.parametrize(
    ("component", "attention"),
    [
        *(("unet", attention) for attention in Attention),
        *((name, Attention.ORIGINAL) for name in sorted(CONFIGS.keys() - DRAWN_APART - {"unet"})),
    ],
)
def test_a_target_is_but_a_label(component: str, attention: Attention) -> None:
    """So one drawing of a large program, below, is enough for all targets."""
    config = CONFIGS[component]
    options = ProgramOptions(attention=attention, height=16, width=24)
    drawing = draw_without_weights(component, config, options)
    for name in TARGETS:
        target = replace(options, target=parse_options({"target": name}).target)
        assert key_of(drawing, component, config, target) == drawn_key(component, config, target)


SHIPPED = load()
CERTIFIED = [
    case
    for case in CASES.values()
    if case.title
    in {
        it.title.rpartition(", ")[0] for it in SHIPPED.values() if it.component == case.part.program
    }
]


def test_every_shipped_certificate_is_of_a_case() -> None:
    titles = {
        (case.part.program, f"{case.title}, {name}") for case in CERTIFIED for name in TARGETS
    }
    assert {(it.component, it.title) for it in SHIPPED.values()} <= titles


@pytest.mark.parametrize("case", CERTIFIED, ids=[case.name for case in CERTIFIED])
def test_a_shipped_certificate_covers_what_the_builder_draws_today(case: Case) -> None:
    """If this fails after a change of a graph, certify it again: python -m tools.certify CASE."""
    component, config = case.part.program, case.config
    drawing = draw_without_weights(component, config, case.options(TARGETS[0]))
    for target in TARGETS:
        found = {
            key
            for key, it in SHIPPED.items()
            if (it.component, it.title) == (component, f"{case.title}, {target}")
        }
        options = case.options(target)
        if component in DRAWN_APART or options.prediction is Prediction.VELOCITY:
            drawing = draw_without_weights(component, config, options)
        key = key_of(drawing, component, config, options)
        assert found == {key}
        assert parse_options(SHIPPED[key].options) == options
        assert SHIPPED[key].module == module_digest(component, config, options)
