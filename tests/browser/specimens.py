"""A page of every kind, made from literal values; one of each is hostile."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from sdcoreml.convert.compile.package import UNTRIED
from sdcoreml.convert.jobs.manifest import Manifest, parse_manifest
from sdcoreml.convert.jobs.report import page as folder_page
from sdcoreml.doctor.core.runs import RunLog, TimedStep
from sdcoreml.doctor.report import as_page
from sdcoreml.doctor.report.recipe_page import Measured, recipe_page
from sdcoreml.doctor.report.run_page import (
    Picture,
    SheetRow,
    picture_section,
    run_section,
    sheet_page,
)
from tests.convert.jobs.test_report import WHOLE, hostile
from tests.doctor.report.reports import REPORT
from tests.pages import HOSTILE

SHA = "5f" * 32
MANY = {
    f"{block}_{part}_{number}_transformer_blocks_0_attn1_to_{name}_weight": 4 + 2 * (number % 3)
    for block in ("down_blocks_0", "down_blocks_1", "mid_block", "up_blocks_0", "up_blocks_1")
    for part in ("attentions", "resnets")
    for number in range(6)
    for name in ("q", "k", "v")
} | {"conv_in_weight": 16, "time_embedding_linear_1_weight": 8}


def figure(output: str, mode: str, psnr: float, floor: float) -> dict[str, Any]:
    return {"output": output, "mode": mode, "psnr": psnr, "max_error": 0.001, "floor": floor}


def program(component: str, name: str, **changes: Any) -> dict[str, Any]:
    """Return a program as a manifest has it, run here and in 6 bits."""
    audit = {
        "matched": 212,
        "elements": 859_520_964,
        "extras": {},
        "compressed": changes.pop("compressed", {}),
        "anonymous": 0,
        "misplaced": [],
        "unexplained": [],
        "missing": [],
    }
    outputs = [figure(name.lower(), "fp32", 135.2, 115), figure(name.lower(), "fp16", 71.6, 65)]
    checked = {
        "component": component,
        "passed": True,
        "runs": 2,
        "graph": SHA,
        "outputs": outputs,
        "audit": audit,
        **changes.pop("checked", {}),
    }
    files = {f"{name}.mlmodelc/weights/weight.bin": {"size": 64_000_000, "sha256": SHA}}
    return {
        **WHOLE["programs"]["Unet"],
        "component": component,
        "source": "unet",
        "checked": checked,
        "recipe": None,
        "files": files,
        "compiled": {"verdict": UNTRIED, "differences": []},
        **changes,
    }


ROUNDED = {"weights": 187, "psnr": 46.9, "typical": 47.2, "worst": "conv_in.weight"}
FOLDER = {
    **WHOLE,
    "model": {**WHOLE["model"], "name": "dreamlike-photoreal-2.0"},
    "programs": {
        "TextEncoder": program("text_encoder", "TextEncoder"),
        "Unet": program(
            "unet",
            "Unet",
            compressed={"6-bit palette": ROUNDED},
            recipe={"bits": 16, "layers": MANY},
            checked={"fidelity": [figure("noise_pred", "fp32", 43.9, 10)]},
        ),
        "VAEDecoder": WHOLE["programs"]["VAEDecoder"],
        "VAEEncoder": program("vae_encoder", "VAEEncoder"),
    },
}
LOG = RunLog(
    digest=SHA,
    folder="/Users/me/models/dreamlike-photoreal-2.0-split-einsum_512x768",
    version="0.1",
    began=datetime(2026, 11, 29, 12, 30, tzinfo=timezone.utc),
    seconds=187.0,
    cpu_seconds=300.5,
    memory=2_400_000_000,
    cores=2,
    system="darwin",
    steps=tuple(
        TimedStep(text=text, seconds=seconds)
        for text, seconds in (("read the weights", 4.25), ("build Unet", 61.0), ("check it", 120.5))
    ),
    warnings=("the disk is nearly full",),
)
RECIPE = Measured(
    model="dreamlike-photoreal-2.0",
    component="unet",
    layers=MANY,
    average=4.53,
    psnr=41.5,
    uniform={"2": 17.3, "4": 35.0, "6": 47.25},
    effects={name: math.exp(-2 - place % 11) for place, name in enumerate(MANY)},
    elements={name: 320 * 320 + place for place, name in enumerate(MANY)},
)


def png(red: int, side: int = 96) -> bytes:
    """Return a small picture: a disc on a ground that gets darker downwards."""
    rows = b"".join(
        b"\0"
        + b"".join(
            bytes((red, 90, 80))
            if (x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2
            else bytes((230 - y, 225 - y, 210 - y))
            for x in range(side)
        )
        for y in range(side)
    )
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def pictures(title: str = "{}") -> tuple[Picture, ...]:
    return tuple(
        Picture(
            png=png(200 - 30 * number),
            title=title.format(name),
            lines=(f"{size} MB", f"{psnr} dB of the first, SSIM 0.98"),
            steps=(70.5, 64.0, 61.25, 58.0) if number else (),
        )
        for number, (name, size, psnr) in enumerate(
            (("original", 2_130, 99.0), ("fp16", 1_060, 52.1), ("6 bits", 410, 31.4))
        )
    )


def hostile_recipe() -> Measured:
    layers = {f"{HOSTILE}{number}": 4 for number in range(9)}
    effects = dict.fromkeys(layers, 0.1)
    return replace(RECIPE, model=HOSTILE, layers=layers, effects=effects, uniform={HOSTILE: 1.0})


def read(content: Mapping[str, Any]) -> Manifest:
    return parse_manifest(content)


def pages() -> Mapping[str, bytes]:
    """Return every kind of page by its name."""
    net = {"Canny": program("controlnet", "Canny")}
    run = run_section(LOG)
    odd = replace(LOG, folder=HOSTILE, warnings=(HOSTILE,))
    settings = {"Steps": "20", "Guidance": "7.5", "Seed": "7"}
    prompts = ("a red circle on a blue ground", "a yellow star at the left")
    rows = tuple(SheetRow(prompt=prompt, pictures=pictures()) for prompt in prompts)
    odd_rows = (SheetRow(prompt=HOSTILE, pictures=pictures(HOSTILE + "{}")),)
    odd_folder = read(hostile()[0])
    return {
        "folder": folder_page(read(FOLDER)).encode(),
        "folder-of-all-verdicts": folder_page(read(WHOLE)).encode(),
        "folder-of-a-controlnet": folder_page(read({**FOLDER, "programs": net})).encode(),
        "report": folder_page(read(FOLDER), (picture_section(pictures()), run)).encode(),
        "sheet": sheet_page(rows, settings).encode(),
        "doctor": as_page(REPORT),
        "recipe": recipe_page(RECIPE).encode(),
        "hostile-folder": folder_page(odd_folder, (run_section(odd),)).encode(),
        "hostile-sheet": sheet_page(odd_rows, {HOSTILE: HOSTILE}).encode(),
        "hostile-recipe": recipe_page(hostile_recipe()).encode(),
    }
