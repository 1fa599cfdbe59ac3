"""Builds and writes full-size programs from random weights, beside `cp` of the same bytes.

    python -m tests.bench.programs [NAME ...] [--python BUILT_ENVIRONMENT] [--dtype F16|F32]

The weights are made here, without torch; a program is built by a fresh child process of the built
environment, whose CPU time and highest resident memory the operating system counts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_CROSS_UP, _PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"
SD15_UNET: Mapping[str, Any] = {
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": [_CROSS, _CROSS, _CROSS, _PLAIN],
    "up_block_types": [_PLAIN_UP, _CROSS_UP, _CROSS_UP, _CROSS_UP],
    "sample_size": 64,
}
SDXL_UNET: Mapping[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": [_PLAIN, _CROSS, _CROSS],
    "up_block_types": [_CROSS_UP, _CROSS_UP, _PLAIN_UP],
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
}
VAE: Mapping[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "sample_size": 512,
}
CLIP_L: Mapping[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "eos_token_id": 2,
}
CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sd15-text-encoder": ("text_encoder", CLIP_L),
    "sd15-unet": ("unet", SD15_UNET),
    "sd15-vae-decoder": ("vae_decoder", VAE),
    "sd15-vae-encoder": ("vae_encoder", VAE),
    "sdxl-unet": ("unet", SDXL_UNET),
}
LIMITS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("sd15-unet", "F16"): (8.0, 256.0),
    ("sd15-unet", "F32"): (16.0, 320.0),
    ("sdxl-unet", "F16"): (25.0, 320.0),
}
"""CPU seconds and MB at the peak that building may take, by case and the weights' dtype on disk."""
_CHUNK = 1 << 22
_STYLES = {"F16": "<f2", "F32": "<f4"}


def main(arguments: list[str]) -> int:
    """Run the named cases; without names, those of SD 1.5."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(CASES)}")
    parser.add_argument("--python", type=Path, default=ROOT / ".envs" / "tested" / "bin" / "python")
    parser.add_argument("--dtype", choices=_STYLES, default="F16", help="of the weights on disk")
    parser.add_argument("--bits", type=int, help="palettize with k-means to so many bits")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args(arguments)
    print(
        f"{'program':<20}{'parameters':>15}{'CPU s':>8}{'peak MB':>9}{'cp CPU s':>10}{'wall s':>8}"
    )
    for name in given.names or [name for name in CASES if name.startswith("sd15")]:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            recipe = {"recipe": {"bits": given.bits}} if given.bits else {}
            (Path(folder) / "request.json").write_text(json.dumps(recipe), encoding="utf-8")
            line, cpu, peak = _measure(name, given.python, given.dtype, Path(folder))
            most = None if given.bits else LIMITS.get((name, given.dtype))
            print(f"{line}  {verdict(cpu, peak, most)}".rstrip(), flush=True)
    return 0


def verdict(cpu: float, peak: float, most: tuple[float, float] | None) -> str:
    """The limits of a line, and whether both are met; nothing where there are none."""
    if most is None:
        return ""
    met = cpu <= most[0] and peak <= most[1]
    return f"limits {most[0]:.0f} CPU s, {most[1]:.0f} MB: {'met' if met else 'MISSED'}"


def _measure(name: str, python: Path, dtype: str, folder: Path) -> tuple[str, float, float]:
    """The line to print, CPU seconds, and MB at the peak."""
    component, config = CASES[name]
    weights = folder / "weights.safetensors"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shapes = json.loads(_child(python, "declare", component, folder)[0])
    write_random(weights, shapes, dtype)
    started = time.perf_counter()
    answer, cpu, peak = _child(python, "build", component, folder)
    wall = time.perf_counter() - started
    _, copying, _ = _run(["cp", str(weights), str(folder / "copy")])
    parameters = json.loads(answer)["parameters"]
    peak_mb = peak / 1e6
    line = f"{name:<20}{parameters:>15,}{cpu:>8.1f}{peak_mb:>9.0f}{copying:>10.1f}{wall:>8.1f}"
    return line, cpu, peak_mb


def _child(python: Path, task: str, component: str, folder: Path) -> tuple[str, float, int]:
    return _run(
        [str(python), str(Path(__file__).resolve()), "--child", task, component, str(folder)]
    )


def _run(command: list[str]) -> tuple[str, float, int]:
    """Standard output, CPU seconds and highest resident memory in bytes of a process."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def write_random(path: Path, shapes: Mapping[str, list[int]], dtype: str) -> None:
    """A safetensors file of these tensors: small normal numbers, drawn once and repeated."""
    import numpy as np

    style = np.dtype(_STYLES[dtype])
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape) * style.itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    noise = (np.random.default_rng(0).standard_normal(_CHUNK, np.float32) * 0.02).astype(style)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            left = math.prod(shape)
            while left:
                left -= file.write(noise[: min(left, _CHUNK)].tobytes()) // style.itemsize


def child(task: str, component: str, folder: Path) -> None:
    """What runs inside the built environment."""
    sys.path.append(str(ROOT))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if task == "declare":
        from convert.programs import draw

        print(json.dumps(dict(draw(component, config).graph.declared)))
        return
    from convert.programs.task import task as build
    from envs.events import silent

    extra = folder / "request.json"
    program = {
        "component": component,
        "package": str(folder / "out.mlpackage"),
        **(json.loads(extra.read_text(encoding="utf-8")) if extra.exists() else {}),
    }
    request = {
        "config": str(folder / "config.json"),
        "weights": str(folder / "weights.safetensors"),
        "programs": [program],
    }
    (answer,) = build(request, silent)
    print(json.dumps(answer))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        sys.exit(main(sys.argv[1:]))
