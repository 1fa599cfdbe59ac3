"""What a conversion made, for people: each program's figures, and how far they are proven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def summary(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What was made and how well it was checked, for people."""
    unchecked = [p for p in manifest["programs"].values() if "unchecked" in p["checked"]]
    how = "weights audited, numbers not checked" if unchecked else "each checked against its module"
    lines = [f"{folder}: {len(manifest['programs'])} programs, {how}"]
    for name, program in manifest["programs"].items():
        worst: dict[str, float] = {}
        for output in program["checked"]["outputs"]:
            worst[output["mode"]] = min(output["psnr"], worst.get(output["mode"], output["psnr"]))
        figures = ", ".join(f"{psnr:.1f} dB in {mode}" for mode, psnr in worst.items())
        figures = figures or program["checked"].get("unchecked", "")
        lines.append(f"  {name:<12} {figures}; {remark(program['checked'])}")
    toolchain = manifest["toolchain"]
    drift = f" (drift: tested with {toolchain['tested_python']})" if toolchain["drift"] else ""
    lines.append(f"  toolchain    {toolchain['name']}, Python {toolchain['python']}{drift}")
    return "\n".join(lines)


def remark(checked: Mapping[str, Any]) -> str:
    """How the weights stand to the checkpoint's, and whose word stands for the figures."""
    said = [f"{checked['audit']['matched']} weights equal"]
    if checked.get("fidelity"):
        cost = min(item["psnr"] for item in checked["fidelity"])
        said = [f"compressed weights leave {cost:.1f} dB"]
    elif rounded := checked["audit"].get("compressed"):
        worst = min(item["psnr"] for item in rounded.values())
        said = [f"every compressed weight within {worst:.1f} dB of the model's"]
    if proof := checked.get("certificate"):
        said.append(f"graph certified in {proof['toolchain']} on {proof['date']}")
    return ", ".join(said)


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
