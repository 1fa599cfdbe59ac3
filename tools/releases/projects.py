"""Names the projects whose releases are read, and which of their releases and files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sdcoreml.lockfiles.versions import is_version, key


class Choice(Enum):
    """Which releases of each minor version are read."""

    FIRST = "the first"
    ENDS = "the first and the last"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project whose releases are read.

    `since` is the first release that counts. Files whose paths `skipped` finds are not read. Of
    modules that `inner` matches only the releases are written; of those that `plain` matches
    neither attributes and parameters, nor what they have always had.
    """

    choice: Choice = Choice.ENDS
    since: str = "0"
    skipped: str = r"(?!)"
    inner: str = r"(?!)"
    plain: str = r"(?!)"


_ALL = r""
"""Of all modules only the names are told that came or went."""

_TESTS = r"(?:^|/)_?(?:tests?|testing|testsuite|benchmarks?|conftest)(?:/|\.py$)"

PROJECTS: Mapping[str, Project] = {
    "diffusers": Project(
        skipped=r"/dummy_\w+\.py$",
        inner=r"diffusers\.modular_pipelines\.\w+\.|diffusers\.pipelines\.deprecated\.\w+\.",
        plain=r"diffusers\.(?:commands|experimental|modular_pipelines|hooks|guiders|quantizers"
        r"|pipelines\.(?!stable_diffusion|controlnet|flux|latent_consistency|pipeline|auto|onnx)"
        r"|models\.transformers\.(?!transformer_(?:2d|flux|sd3)))",
    ),
    "transformers": Project(
        choice=Choice.FIRST,
        since="2.0",
        skipped=r"models/\w+/(?:convert_\w+|modeling_(?:tf|flax)_\w+)\.py$|/dummy_\w+\.py$",
        inner=r"transformers\.(?:cli|commands|models$|models\.deprecated|testing_utils|agents|exporters"
        r"|distributed|generation\.continuous)",
        plain=r"transformers\.(?:models\.(?!(?:auto|clip|siglip)\b)|loss|kernels|quantizers|integrations\.(?!peft)"
        r"|data|benchmark|sagemaker|onnx|pipelines\.(?!base))",
    ),
    "huggingface-hub": Project(plain=r"huggingface_hub\.(?:inference|cli|commands)\b"),
    "tokenizers": Project(),
    "safetensors": Project(),
    "accelerate": Project(plain=r"accelerate\.(?:commands|test_utils)\b"),
    "peft": Project(plain=r"peft\.tuners\.(?!lora|tuners_utils)"),
    "coremltools": Project(
        choice=Choice.ALL,
        since="4.0",
        inner=r"coremltools\.(?:test|converters\.mil\.(?:frontend|backend|experimental)\.\w+\."
        r"|converters\.(?:onnx|keras)\._)",
        plain=r"coremltools\.(?:converters\.mil\.|proto|optimize\.torch)",
    ),
    "torch": Project(
        choice=Choice.FIRST,
        since="1.2",
        skipped=r"^(?!torch/)|^torch/(?:testing|_inductor|_refs|_decomp|_vendor|ao|_numpy|_prims|_export"
        r"|include|share|lib|bin|contrib|onnx/(?!__init__|utils))/",
        inner=r"torch\.(?:_(?!dynamo$|six|utils|dynamo\.config)|quantization\.|distributed\.(?:_|\w+\.\w)"
        r"|fx\.(?:experimental|passes)\.|export\.|masked\.|utils\.(?:benchmark|tensorboard|hipify|_sympy)"
        r"|jit\.|package\.|sparse\.|onnx\.|profiler\.|fft\.|distributions\.|nested\.|monitor\.|special\.)",
        plain=r"torch\.(?!nn\b|optim\b|cuda\b|mps\b|amp\b|utils\.(?:checkpoint|data)\b|serialization\b)",
    ),
    "torchvision": Project(
        choice=Choice.FIRST, plain=r"torchvision\.(?:models|datasets|prototype|datapoints)\b"
    ),
    "numpy": Project(
        choice=Choice.FIRST,
        since="1.15",
        skipped=r"^(?!numpy/)|/tests?/|^numpy/(?:f2py|distutils)/",
        inner=r"numpy\.(?:array_api|_?typing\.|testing\.|polynomial\.\w|matlib)",
        plain=r"numpy\.(?:ma|random|polynomial|testing|_\w+|core)\b",
    ),
    "protobuf": Project(
        choice=Choice.FIRST, since="3.9", plain=r"google\.protobuf\.(?!message|desc)"
    ),
    "pytorch-lightning": Project(
        since="0.8",
        skipped=r"^(?!pytorch_lightning/)",
        plain=r"pytorch_lightning\.(?:trainer\.\w|plugins|strategies|accelerators|metrics|loops|cli"
        r"|overrides|profiler|tuner)",
    ),
    "omegaconf": Project(),
    # What web UIs, trainers and their extensions ask for. Of most only the names are told.
    **{
        name: Project(choice=Choice.FIRST, plain=_ALL, skipped=_TESTS)
        for name in (
            *("anyio", "einops", "flax", "jinja2", "markupsafe", "packaging"),
            *("starlette", "timm", "torchmetrics", "werkzeug"),
        )
    },
    "albumentations": Project(choice=Choice.FIRST, since="1.0", plain=_ALL, skipped=_TESTS),
    "compel": Project(choice=Choice.ALL),
    "controlnet-aux": Project(choice=Choice.ALL, plain=_ALL, skipped=_TESTS),
    "datasets": Project(choice=Choice.FIRST, since="1.4", plain=_ALL, skipped=_TESTS),
    "fastapi": Project(choice=Choice.FIRST, since="0.80", plain=_ALL, skipped=_TESTS),
    "gradio": Project(
        choice=Choice.FIRST,
        since="3.0",
        skipped=r"/(?:cli|test_data|templates|themes|_vendor|frpc|demo|media_assets)/",
        plain=r"gradio\.(?!blocks|components|interface|layouts|templates|events|routes|utils)",
    ),
    "gradio-client": Project(choice=Choice.FIRST, skipped=_TESTS),
    "httpcore": Project(skipped=_TESTS, inner=r"httpcore\._sync"),
    "httpx": Project(choice=Choice.FIRST, skipped=_TESTS),
    "jax": Project(
        choice=Choice.ALL,
        since="0.4",
        skipped=r"/(?:tools|experimental)/",
        inner=r"jax\._src\.\w",
        plain=_ALL,
    ),
    "k-diffusion": Project(choice=Choice.ALL),
    "kornia": Project(choice=Choice.FIRST, since="0.5", plain=_ALL, skipped=_TESTS),
    "moviepy": Project(plain=_ALL, skipped=_TESTS),
    "onnx": Project(choice=Choice.FIRST, since="1.10", plain=_ALL, skipped=_TESTS),
    "open-clip-torch": Project(skipped=_TESTS, plain=r"open_clip\.(?!factory|model|$)"),
    "optimum": Project(choice=Choice.FIRST, since="1.2", plain=_ALL, skipped=_TESTS),
    "pillow": Project(choice=Choice.FIRST, since="7.0", skipped=_TESTS),
    "pydantic": Project(
        choice=Choice.FIRST,
        since="1.8",
        skipped=r"^(?!pydantic/)|/_internal/|/v1/(?!__init__)",
        plain=_ALL,
    ),
    "scikit-image": Project(choice=Choice.FIRST, since="0.16", plain=_ALL, skipped=_TESTS),
    "scipy": Project(
        choice=Choice.FIRST, since="1.3", plain=_ALL, skipped=rf"^(?!scipy/)|/_lib/|{_TESTS}"
    ),
    "setuptools": Project(
        choice=Choice.FIRST, since="50", skipped=rf"/_?(?:vendor|distutils)/|{_TESTS}", plain=_ALL
    ),
    "typing-extensions": Project(choice=Choice.FIRST, plain=_ALL),
    "urllib3": Project(choice=Choice.FIRST, since="1.24", skipped=r"/packages/", plain=_ALL),
}


def choose(versions: Iterable[str], project: Project) -> tuple[str, ...]:
    """Choose the releases to read, the oldest first; no previews."""
    minors = dict[tuple[int, ...], list[str]]()
    for version in sorted(filter(_is_release, versions), key=key):
        if key(version) >= key(project.since):
            release = (*(int(part) for part in re.findall(r"\d+", version)), 0)
            minors.setdefault(release[:2], []).append(version)
    return tuple(version for minor in minors.values() for version in _choose(minor, project.choice))


def _choose(minor: Sequence[str], choice: Choice) -> Iterable[str]:
    match choice:
        case Choice.FIRST:
            return minor[:1]
        case Choice.ENDS:
            return dict.fromkeys((minor[0], minor[-1]))
        case Choice.ALL:
            return minor


def _is_release(version: str) -> bool:
    return is_version(version) and not re.search(r"\+|a|b|rc|dev", version)
