"""What the fake studio answers: literal values in the form of the true one's; some are hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sdcoreml.doctor.studio.wording import COSTS
from tests.pages import HOSTILE

_TEXT = Path(__file__).with_name("answers.json").read_text("utf-8")
_DATA = json.loads(_TEXT.replace("{HOSTILE}", json.dumps(HOSTILE)[1:-1]))

STATE = _DATA["state"]
FOLDERS = _DATA["folders"]
MODELS = _DATA["models"] | {"owner/name": _DATA["models"]["m-good"] | {"title": "owner/name"}}
_VAE = {"key": "vae", "title": "Another VAE", "sentence": "The file has none.", "kind": "file"}
_LACK = {**_VAE, "is_folded": False, "is_many": False, "has_scale": False, "options": []}
MODELS["m-lacks"] = {
    **MODELS["m-asks"],
    "title": "no-vae",
    "offer": {"groups": [_LACK], "changed": []},
}
FOLDERS["f-home"]["items"].append(
    {"handle": "m-lacks", "name": "no-vae.safetensors", "kind": "model", "size": 1_719_000_000}
)
LIBRARY = _DATA["library"]
VERDICTS = _DATA["verdicts"]
LOG = _DATA["log"]
DONE = _DATA["done"]
DRAWN = _DATA["drawn"]
FAILED = _DATA["failed"]
for _option in MODELS["m-good"]["offer"]["groups"][1]["options"]:
    _option["cost"] = COSTS[_option["value"]].say()  # as long as the true ones
_SIZES = {16: 2_130_000_000, 6: 890_000_000, 4: 610_000_000}


def plan(choices: dict[str, Any], model: str = "") -> dict[str, Any]:
    """Return a plan. 4 bits and a wide picture cannot be together here, nor a GPU and extras."""
    offered = (MODELS.get(model) or {}).get("offer") or {"groups": []}
    if any(group["key"] == HOSTILE for group in offered["groups"]):
        odd: dict[str, Any] = _DATA["odd_plan"]
        return odd
    bits, size = choices.get("bits", 6), choices.get("size", "512x512")
    offer = _offer(choices)
    if (bits, size) == (4, "768x512"):
        refused = {"what": "4 bits are not for 768x512", "remedy": "choose 6 bits"}
        return {"offer": offer, "command": "", "refused": refused}
    needs = {**_DATA["plan"]["needs"], "disk": _SIZES[bits]}
    told = {"verdict": "bad", "what": "No phone holds it.", "remedy": "Choose fewer bits."}
    notes = {"attention": told} if choices.get("attention") == "original" else {}
    command = f"sdcoreml convert dreamlike-photoreal-2.0.safetensors --bits {bits} --size {size}"
    return {**_DATA["plan"], "needs": needs, "notes": notes, "command": command, "offer": offer}


def _offer(choices: dict[str, Any]) -> dict[str, Any]:
    groups, changed = MODELS["m-good"]["offer"]["groups"], []
    if choices.get("attention") == "original":
        groups = [group for group in groups if group["key"] != "programs"]
        changed = ["the GPU has no ControlNet here"] if choices.get("programs") else []
    chosen = [
        {**one, "value": choices[one["key"]]} if one["key"] in choices else one for one in groups
    ]
    if "prediction-type" in choices:
        asks = MODELS["m-asks"]["offer"]["groups"][0]
        chosen = [{**asks, "value": choices["prediction-type"]}, *chosen]
    return {"groups": chosen, "changed": changed}


def findings(fixed: set[str]) -> list[dict[str, Any]]:
    """Return what the doctor finds; what was fixed is fine."""
    found = list(_DATA["findings"])
    return [_DATA["well"], *found[1:]] if "k-env" in fixed else found
