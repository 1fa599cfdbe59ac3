"""Builds tiny packages, and compares their files' digests with those in `golden.json`.

To write `golden.json` again after an intended change of bytes:

    .envs/tested/bin/python -m tests.inside.convert.golden

With `--check` it only compares, and runs in the environment of any toolchain. Weights are computed
by SHAKE-256 from the tensors' names, so that they depend on no library's random generator.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sdcoreml.convert.programs import draw
from sdcoreml.convert.programs.options import parse_options
from sdcoreml.convert.tasks import build
from sdcoreml.convert.weights.writer import Computed, write_safetensors
from sdcoreml.ground.digest import files_below, sha256
from sdcoreml.ground.events import silent
from tests.inside.convert.programs.configs import CONFIGS, TEXT, UNET, XL

FILE = Path(__file__).with_suffix(".json")
AGAIN = ".envs/tested/bin/python -m tests.inside.convert.golden"
KINDS: Mapping[str, tuple[str, int, int]] = {
    "F16": ("<u2", 0x8FFF, 0x2000),
    "BF16": ("<u2", 0x81FF, 0x3C00),
    "F32": ("<u4", 0x81FFFFFF, 0x3C000000),
}
"""For each dtype of weights: an integer type of its width, the bits drawn at random, the bits set.

The resulting numbers have either sign, and magnitudes from 1/128 to 1/8.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A program to build: its component, config and options; `dtype` is the checkpoint's."""

    component: str
    config: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "F16"
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    chunk: bool = False

    @property
    def checkpoint(self) -> str:
        """A key that is equal for programs with the same weights."""
        return json.dumps([self.component, self.config, self.dtype], sort_keys=True)


_CONFIGS: Mapping[str, Mapping[str, Any]] = {
    **CONFIGS,
    "text_encoder_2": {**TEXT, "hidden_act": "gelu", "projection_dim": 24},
}
_SIZE = {"height": 16, "width": 16}
_COMFYUI = {"runtime": "comfyui"}
_NEWER = {"target": "macOS15"}
_LAYERS = (
    "down_blocks_0_resnets_0_conv1_weight",
    "down_blocks_1_resnets_0_conv1_weight",
    "mid_block_resnets_0_conv1_weight",
    "mid_block_resnets_1_conv2_weight",
    "up_blocks_0_resnets_0_conv1_weight",
)


def _clustered(*bits: int) -> Mapping[str, Any]:
    """Return a recipe that uses k-means for a few layers only, since k-means is slow."""
    return {"bits": 16, "layers": dict(zip(_LAYERS, bits, strict=False))}


def _whole() -> Iterator[tuple[str, Golden]]:
    """Yield every component in fp16 and fp32, and the UNet from weights of every dtype."""
    for component, config in _CONFIGS.items():
        for dtype in KINDS if component == "unet" else ("F16",):
            for precision in ("fp16", "fp32"):
                options = {**_SIZE, "precision": precision}
                golden = Golden(component=component, config=config, dtype=dtype, options=options)
                yield f"{component}, {precision} from {dtype}", golden


def _unet(options: Mapping[str, Any], recipe: Mapping[str, Any] | None = None) -> Golden:
    return Golden(component="unet", config=UNET, options=options, recipe=recipe or {})


def _uniform(bits: int) -> Mapping[str, Any]:
    return {"method": "uniform", "bits": bits}


CASES: Mapping[str, Golden] = {
    **dict(_whole()),
    "unet, ORIGINAL": _unet({"attention": "ORIGINAL"}),
    "unet, ORIGINAL, fp32": _unet({"attention": "ORIGINAL", "precision": "fp32"}),
    "unet, SPLIT_EINSUM_V2": _unet({"attention": "SPLIT_EINSUM_V2", "height": 24, "width": 28}),
    "unet, SPLIT_EINSUM_V2, fp32": _unet({"attention": "SPLIT_EINSUM_V2", "precision": "fp32"}),
    "unet, one row of 9 tokens": _unet({"batch": 1, "tokens": 9, "height": 12, "width": 4}),
    "unet, velocity": _unet({"prediction": "v_prediction"}),
    **{f"unet, {name}": _unet({"target": name}) for name in ("macOS14", "macOS15", "macOS26")},
    "unet, k-means, 1 to 8 bits": _unet({}, _clustered(1, 2, 4, 6, 8)),
    "unet, k-means, 3 bits, macOS15": _unet(_NEWER, _clustered(3, 3, 4, 1)),
    "unet, k-means, groups, macOS15": _unet(_NEWER, {**_clustered(4, 6, 8), "group_size": 16}),
    **{f"unet, uniform, {bits} bits": _unet({}, _uniform(bits)) for bits in (1, 2, 4, 6, 8)},
    "unet, uniform, 3 bits, macOS15": _unet(_NEWER, _uniform(3)),
    "unet, integers": _unet({}, {"method": "linear", "bits": 8}),
    "unet, integers, macOS15": _unet(_NEWER, {"method": "linear", "bits": 8}),
    "unet, halves": Golden(component="unet", config=UNET, chunk=True),
    "unet, halves, 6 bits": Golden(component="unet", config=UNET, recipe=_uniform(6), chunk=True),
    "unet of SDXL": Golden(component="unet", config={**UNET, **XL}),
    "unet of SDXL, its own size": Golden(
        component="unet", config={**UNET, **XL}, options={"states_own_size": True, "height": 24}
    ),
    "unet for ComfyUI": _unet({**_COMFYUI, "batch": 1}),
    "unet for ComfyUI, odd size": _unet({**_COMFYUI, "height": 13, "width": 17}),
    "unet for ComfyUI, fp32": _unet({**_COMFYUI, "precision": "fp32"}),
    "unet of SDXL for ComfyUI": Golden(
        component="unet", config={**UNET, **XL}, options={**_COMFYUI, "attention": "ORIGINAL"}
    ),
    "controlled_unet for ComfyUI, consistency model": Golden(
        component="controlled_unet",
        config={**UNET, "time_cond_proj_dim": 256},
        options=_COMFYUI,
    ),
    "text_encoder, padded otherwise, a block less": Golden(
        component="text_encoder", config=TEXT, options={"pad_id": 0, "clip_skip": 2}
    ),
    "text_encoder_2, penultimate": Golden(
        component="text_encoder_2",
        config=_CONFIGS["text_encoder_2"],
        options={"text_states": "penultimate"},
    ),
    "vae_decoder, another scale": Golden(
        component="vae_decoder", config=CONFIGS["vae_decoder"], options={"runtime_scale": 0.13025}
    ),
    "vae_encoder, another scale": Golden(
        component="vae_encoder", config=CONFIGS["vae_encoder"], options={"runtime_scale": 0.13025}
    ),
}


Build: TypeAlias = Callable[[Mapping[str, Any]], object]
"""A function that runs the task `build` for a request."""


def build_here(request: Mapping[str, Any]) -> None:
    """Run a build in this process, since `light` lacks psutil, which a child process needs."""
    build.task(request, silent)


def digests(
    run: Build, folder: Path, cases: Mapping[str, Golden] = CASES
) -> dict[str, dict[str, str]]:
    """Build the cases with `run`; return the SHA-256 of each file of each package.

    One run builds them all: a child takes longer to start than to build one.
    """
    ordered = sorted(cases.items(), key=lambda item: item[1].checkpoint)
    groups = [dict(group) for _, group in groupby(ordered, key=lambda item: item[1].checkpoint)]
    places = {name: folder / str(number) for number, name in enumerate(cases)}
    for place in places.values():
        place.mkdir()
    run({"components": [_request(group, places) for group in groups]})
    return {
        name: {it.relative_to(place).as_posix(): sha256(it) for it in files_below(place)}
        for name, place in places.items()
    }


@cache
def _shapes(component: str, config: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of a checkpoint's tensors; every dtype and every Python has the same."""
    read = json.loads(config)
    options = {**_SIZE, **(_COMFYUI if read.get("time_cond_proj_dim") else {})}
    return draw(component, read, parse_options(options)).graph.declared


def _request(cases: Mapping[str, Golden], places: Mapping[str, Path]) -> Mapping[str, object]:
    """Write a checkpoint beside its programs' folders; return the request to build them."""
    name, first = next(iter(cases.items()))
    beside = places[name].with_suffix(".checkpoint")
    beside.mkdir()
    config, weights = beside / "config.json", beside / "weights.safetensors"
    config.write_text(json.dumps(first.config), encoding="utf-8")
    shapes = _shapes(first.component, json.dumps(first.config))
    write_safetensors([_tensor(name, first.dtype, shapes[name]) for name in shapes], weights)
    programs = [
        {
            "component": case.component,
            "package": str(places[name] / "Program.mlpackage"),
            "options": case.options,
            "recipe": case.recipe,
            "chunk": case.chunk,
        }
        for name, case in cases.items()
    ]
    return {"config": str(config), "weights": str(weights), "programs": programs}


def _tensor(name: str, dtype: str, shape: tuple[int, ...]) -> Computed:
    def blocks() -> Iterator[memoryview]:
        style, random, fixed = KINDS[dtype]
        size = math.prod(shape) * np.dtype(style).itemsize
        noise = np.frombuffer(hashlib.shake_256(name.encode()).digest(size), style)
        yield memoryview((noise & random | fixed).astype(style).tobytes())

    return Computed(name=name, dtype=dtype, shape=shape, blocks=blocks)


def main(arguments: Sequence[str]) -> int:
    """Write `golden.json` from this environment's builds, or compare; return 1 if they differ."""
    with tempfile.TemporaryDirectory() as folder:
        found = digests(build_here, Path(folder))
    files = f"{len(found)} programs, {sum(map(len, found.values()))} files"
    if arguments != ["--check"]:
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{FILE}: {files}")
        return 0
    golden = json.loads(FILE.read_bytes())
    differing = [name for name in found | golden if found.get(name) != golden.get(name)]
    for name in differing:
        print(f"{name}: bytes differ from {FILE.name}")
    if not differing:
        print(f"{files} identical to {FILE.name}")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
