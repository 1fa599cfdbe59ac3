"""What the tables say of the installed releases is what these packages say of themselves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from importlib.metadata import version
from types import ModuleType

import pytest

from sdcoreml.doctor.knowledge.releases import Releases, read_releases

MODULES = (
    ("diffusers", "diffusers.models.attention_processor"),
    ("diffusers", "diffusers.models.unet_2d_condition"),
    ("diffusers", "diffusers.schedulers.scheduling_pndm"),
    ("diffusers", "diffusers.loaders"),
    ("transformers", "transformers.modeling_utils"),
    ("transformers", "transformers.models.clip.modeling_clip"),
    ("huggingface-hub", "huggingface_hub.file_download"),
    ("huggingface-hub", "huggingface_hub.hf_api"),
    ("accelerate", "accelerate.accelerator"),
    ("coremltools", "coremltools.converters._converters_entry"),
    ("torch", "torch.nn.functional"),
    ("numpy", "numpy.linalg"),
)


def read(project: str) -> tuple[Releases, int]:
    """Return a project's releases, and the installed one."""
    releases = read_releases(project)
    assert releases is not None
    return releases, releases.near(version(project))


def public(module: ModuleType) -> Iterator[str]:
    """Yield the names of a module that are functions and classes of its own package."""
    package = module.__name__.partition(".")[0]
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", "").partition(".")[0] == package
        if (
            is_own
            and not name.startswith("_")
            and (inspect.isclass(value) or inspect.isfunction(value))
        ):
            yield name


@pytest.mark.parametrize(("project", "name"), MODULES)
def test_a_module_has_the_names_that_its_table_says(project: str, name: str) -> None:
    releases, installed = read(project)
    module = importlib.import_module(name)
    having = {one for one, some in releases.names(name).items() if some & installed}
    told = {one for one in having if one.isidentifier()}
    assert set(public(module)) <= told
    hidden = {one for one in told if not hasattr(module, one)}
    assert len(hidden) <= len(told) // 4, "what only another machine or library has"


@pytest.mark.parametrize(
    ("project", "module", "kind"),
    [
        ("diffusers", "diffusers", "UNet2DConditionModel"),
        ("diffusers", "diffusers", "StableDiffusionPipeline"),
        ("diffusers", "diffusers", "DDIMScheduler"),
        ("transformers", "transformers", "CLIPTextModel"),
        ("huggingface-hub", "huggingface_hub", "HfApi"),
        ("accelerate", "accelerate", "Accelerator"),
    ],
)
def test_a_class_has_the_methods_that_its_table_says_and_those_their_parameters(
    project: str, module: str, kind: str
) -> None:
    releases, installed = read(project)
    found = getattr(importlib.import_module(module), kind)
    package = module.partition(".")[0]
    for name, value in inspect.getmembers(found, inspect.isfunction):
        plain = inspect.unwrap(value)
        if name.startswith("_") or plain.__module__.partition(".")[0] != package:
            continue
        assert releases.attribute(kind, name) & installed, name
        for parameter in list(inspect.signature(plain).parameters.values())[1:]:
            is_named = parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
            taking, _ = releases.parameter(f"{kind}.{name}", parameter.name)
            assert taking & installed or not is_named, (name, parameter.name)
