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
    TENTHS = "each tenth, and the last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project whose releases are read.

    `since` is the first release that counts. Files whose paths `skipped` finds are not read. Of
    modules that `inner` matches only the releases are written; of those that `plain` matches
    neither attributes and parameters, nor what they have always had. A release without the module
    `needed` is passed over: what is compiled has names for us only where a stub tells them.
    `is_linux` is whether wheels for Linux are read, too.
    """

    choice: Choice = Choice.ENDS
    since: str = "0"
    skipped: str = r"(?!)"
    inner: str = r"(?!)"
    plain: str = r"(?!)"
    needed: str = ""
    is_linux: bool = False


_ALL = r""
"""Of all modules only the names are told that came or went."""

_TESTS = r"(?:^|/)_?(?:tests?|testing|testsuite|benchmarks?|conftest)(?:/|\.py$)"

_NAMES_SINCE = """
av=8 charset-normalizer=2.0 cryptography=2.5 fsspec=0
imageio=2.5 importlib-metadata=1.0 jsonschema=2.5
llvmlite=0.30 onnxruntime=1.8 pydantic-core=0 pyopenssl=17
requests=2.18 rich=9 torchaudio=0.8 websockets=8
"""
"""Projects of which only the names are told, and the first release that counts."""

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
    # What the packages above, trainers, nodes and web UIs ask others for.
    **{
        name: Project(choice=Choice.ALL, skipped=_TESTS)
        for name in (
            *("dill", "hydra-core", "itsdangerous", "lightning-utilities", "lion-pytorch"),
            *("ml-dtypes", "optimum-quanto", "prodigy-plus-schedule-free", "prodigyopt", "rembg"),
        )
    },
    **{
        name: Project(choice=Choice.FIRST, since=since, plain=_ALL, skipped=_TESTS)
        for name, _, since in (word.partition("=") for word in _NAMES_SINCE.split())
    },
    "aiohttp": Project(since="3.5", plain=_ALL, skipped=_TESTS),
    "attrs": Project(choice=Choice.FIRST, since="18", skipped=_TESTS),
    "bitsandbytes": Project(
        choice=Choice.FIRST, since="0.35", plain=_ALL, skipped=_TESTS, is_linux=True
    ),
    "click": Project(choice=Choice.FIRST, since="7", skipped=_TESTS),
    "facexlib": Project(choice=Choice.ALL, skipped=_TESTS),
    "flask": Project(choice=Choice.FIRST, since="1.0", skipped=_TESTS),
    "gguf": Project(choice=Choice.ALL, skipped=rf"^(?!gguf/)|{_TESTS}", plain=_ALL),
    "keras": Project(
        choice=Choice.FIRST,
        since="2.3",
        plain=_ALL,
        skipped=_TESTS,
        inner=r"keras\.(?:src\.\w|api\.|_tf_keras|integration_test|distribute|wrappers|engine\.\w"
        r"|applications\.\w)",
    ),
    "lightning": Project(
        choice=Choice.FIRST,
        since="2.0",
        plain=_ALL,
        skipped=rf"^lightning/(?!pytorch/|fabric/|__init__)|^(?!lightning/)|{_TESTS}",
    ),
    "matplotlib": Project(
        choice=Choice.FIRST,
        since="3.0",
        skipped=rf"^(?!matplotlib/)|{_TESTS}",
        inner=r"matplotlib\.(?:_|sphinxext|tri\.|projections|backends\.(?!backend_agg))",
        plain=r"matplotlib\.(?!backends\.backend_agg|backend_bases)",
    ),
    "mediapipe": Project(
        choice=Choice.ALL, since="0.8.9", plain=_ALL, skipped=_TESTS, inner=r"mediapipe\.\w+\.\w+\."
    ),
    "mlx": Project(
        choice=Choice.FIRST, plain=r"mlx\.(?!core|nn)", skipped=_TESTS, needed="mlx.core"
    ),
    "networkx": Project(
        choice=Choice.FIRST,
        since="2.2",
        plain=_ALL,
        skipped=_TESTS,
        inner=r"networkx\.algorithms\.\w+\.",
    ),
    "numba": Project(
        choice=Choice.FIRST,
        since="0.48",
        plain=_ALL,
        skipped=rf"/(?:cuda|roc|hsa)/|{_TESTS}",
        inner=r"numba\.(?!core)\w+\.\w|numba\.core\.\w+\.",
    ),
    "pandas": Project(
        choice=Choice.FIRST,
        since="1.0",
        skipped=rf"^(?!pandas/)|{_TESTS}",
        inner=r"pandas\.(?:\w+\.)*_|pandas\.(?:compat|util\.|plotting|io\.(?!parsers|common)"
        r"|core\.(?:ops|reshape|window|groupby|arrays|dtypes|computation|internals|array_algos))",
        plain=r"pandas\.(?!core\.(?:frame|generic|series)$|io\.parsers)",
    ),
    "pyarrow": Project(
        choice=Choice.FIRST, since="6", plain=_ALL, skipped=rf"/(?:include|src)/|{_TESTS}"
    ),
    "scikit-learn": Project(
        choice=Choice.FIRST,
        since="0.20",
        plain=_ALL,
        skipped=rf"^(?!sklearn/)|{_TESTS}",
        inner=r"sklearn\.(?:\w+\.)*_|sklearn\.externals\.\w",
    ),
    "spandrel": Project(
        choice=Choice.ALL, skipped=_TESTS, plain=_ALL, inner=r"spandrel\.architectures\."
    ),
    "streamlit": Project(
        choice=Choice.FIRST,
        since="1.0",
        plain=_ALL,
        skipped=rf"/(?:proto|static|vendor)/|{_TESTS}",
        inner=r"streamlit\.(?:elements|connections|testing|commands|web|watcher|hello|runtime\.\w"
        r"|external)",
    ),
    "sympy": Project(
        choice=Choice.FIRST,
        since="1.5",
        plain=_ALL,
        skipped=_TESTS,
        inner=r"sympy\.(?!core\.|printing\.|utilities\.|external\.|functions\.elementary)\w+\.",
    ),
    "torchao": Project(
        choice=Choice.FIRST,
        plain=_ALL,
        skipped=_TESTS,
        inner=r"torchao\.(?:prototype\.\w+\.|experimental|_models)",
    ),
    "tqdm": Project(choice=Choice.FIRST, since="4.40", skipped=_TESTS),
    "typer": Project(choice=Choice.FIRST, skipped=rf"^(?!typer/)|{_TESTS}"),
    "ultralytics": Project(
        choice=Choice.TENTHS,
        since="8.0",
        plain=_ALL,
        skipped=_TESTS,
        inner=r"ultralytics\.(?:hub|solutions|trackers|models)\.\w",
    ),
    "uvicorn": Project(choice=Choice.FIRST, skipped=_TESTS, plain=r"uvicorn\.(?!config|main)"),
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
        case Choice.TENTHS:
            return dict.fromkeys((*minor[::10], minor[-1]))


def _is_release(version: str) -> bool:
    return is_version(version) and not re.search(r"\+|a|b|rc|dev", version)
