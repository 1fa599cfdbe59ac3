"""What a conversion made, for people: each program's figures, and how far they are proven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdcoreml.convert.proof.decibels import format_db


def summary(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What was made and how well it was checked, for people."""
    programs = manifest["programs"]
    unchecked = [program for program in programs.values() if "unchecked" in program["checked"]]
    how = "weights audited, numbers not checked" if unchecked else "each checked against its module"
    width = max(len(name) for name in ("toolchain   ", *programs))
    lines = [f"{folder}: {len(programs)} program{'s' * (len(programs) != 1)}, {how}"]
    lines += [f"  {name:<{width}} {_line(program)}" for name, program in programs.items()]
    toolchain = manifest["toolchain"]
    drift = f" (drift: tested with {toolchain['tested_python']})" if toolchain["drift"] else ""
    made_in = f"{toolchain['name']}, Python {toolchain['python']}{drift}"
    return "\n".join((*lines, f"  {'toolchain':<{width}} {made_in}", *advice(folder, manifest)))


def figures_of(checked: Mapping[str, Any]) -> str:
    """The worst figure of each mode, or why there is none."""
    worst: dict[str, float] = {}
    for output in checked["outputs"]:
        worst[output["mode"]] = min(output["psnr"], worst.get(output["mode"], output["psnr"]))
    figures = ", ".join(f"{format_db(psnr)} in {mode}" for mode, psnr in worst.items())
    return figures or str(checked.get("unchecked", ""))


def _line(program: Mapping[str, Any]) -> str:
    halves = ", two halves" if program.get("halves") else ""
    return f"{figures_of(program['checked'])}; {remark(program['checked'])}{halves}"


def advice(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What there is to know before an app opens the folder."""
    components = {program.get("component") for program in manifest["programs"].values()}
    options = manifest.get("options", {})
    notes = []
    if "controlnet" in components:
        (name,) = manifest["programs"]
        notes.append(
            f"Mochi Diffusion keeps ControlNets apart: put {folder}/{name}.mlmodelc into"
            " ~/MochiDiffusion/controlnet, never into a model's folder"
        )
    if options.get("batch") == 1:
        notes.append(
            "a UNet of batch 1 makes one image at a time, without ControlNets, in apps built with"
            " Apple's package of 2025 or newer"
        )
    if options.get("states_own_size"):
        notes.append("the UNet is told its own size, whatever size or crop the app states")
    return tuple(f"  note: {line}" for line in notes)


def remark(checked: Mapping[str, Any]) -> str:
    """How the weights stand to the checkpoint's, and whose word stands for the figures."""
    parts = [f"{checked['audit']['matched']} weights equal"]
    if checked.get("fidelity"):
        cost = min(item["psnr"] for item in checked["fidelity"])
        parts = [f"compressed weights leave {cost:.1f} dB"]
    elif rounded := checked["audit"].get("compressed"):
        worst = min(item["psnr"] for item in rounded.values())
        parts = [f"every compressed weight within {worst:.1f} dB of the model's"]
    if proof := checked.get("certificate"):
        parts.append(f"graph certified in {proof['toolchain']} on {proof['date']}")
    if "own" in checked:
        parts.append(f"its module is {checked['own']:.1f} dB from exact itself")
    return ", ".join(parts)


def verdicts(manifests: Mapping[Path, Mapping[str, Any]]) -> tuple[str, ...]:
    """How far the compiled folders are proven, each sentence once, and where compilers differ."""
    compiled = [
        (name, program["compiled"])
        for manifest in manifests.values()
        for name, program in manifest["programs"].items()
    ]
    sentences = dict.fromkeys(outcome["verdict"] for _, outcome in compiled)
    found = (f"{name}: {what}" for name, outcome in compiled for what in outcome["differences"])
    return (*sentences, *dict.fromkeys(found))
