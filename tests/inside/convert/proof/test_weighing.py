"""An audit that several processes share finds the same as one process."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.certificates.check import examine
from sdcoreml.convert.packages.write import WEIGHTS
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.proof import weighing
from sdcoreml.convert.proof.compressed import Compressed, measure
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.convert.tasks.build import task
from sdcoreml.ground.crew import Crew
from sdcoreml.ground.events import silent
from tests.inside.convert.programs.models import checkpoint

FORMS: dict[str, dict[str, Any]] = {
    "6 bits": {"recipe": {"bits": 6}},
    "1 bit": {"recipe": {"bits": 1}},
    "halves": {"recipe": {"bits": 4}, "chunk": True},
    "groups": {"recipe": {"bits": 2, "group_size": 16}, "options": {"target": "macOS15"}},
    "integers": {"recipe": {"bits": 8, "method": "linear"}},
}


def build(folder: Path, form: str) -> tuple[Packages, tuple[Any, ...]]:
    """Build the small UNet; return its packages, and what else an audit needs."""
    made = checkpoint("unet", folder)
    config = folder / "config.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    program = {"component": "unet", "package": str(folder / "x.mlpackage"), **FORMS[form]}
    request = {"config": str(config), "weights": str(made.weights), "programs": [program]}
    made_of: Any = task({"components": [request]}, silent)[0]["packages"]
    packages = [Path(path) for path in made_of]
    written = packages[0] if len(packages) == 1 else (packages[0], packages[1])
    return written, ("unet", made.config, made.weights, ProgramOptions())


@pytest.mark.parametrize("form", FORMS)
def test_the_number_of_workers_changes_no_finding(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, subject = build(tmp_path, form)
    alone = examine(written, *subject).audit
    assert len(alone.compressed) > 20
    assert alone.passed
    monkeypatch.setattr(weighing, "WORTH", 0)
    with Crew(3):
        assert examine(written, *subject).audit == alone
    monkeypatch.setattr(weighing, "measure", stall)
    with Crew(2):
        assert examine(written, *subject).audit == alone


def stall(*of: Any) -> Compressed:
    """Measure a weight when the helper has done all the others, so that it did most."""
    for thread in threading.enumerate():
        if thread.name.startswith("helper"):
            thread.join(60)
    return measure(*of)


def test_a_helper_finds_a_wrong_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, subject = build(tmp_path, "6 bits")
    assert isinstance(written, Path)
    weights = written / WEIGHTS
    content = bytearray(weights.read_bytes())
    place = len(content) // 2
    content[place : place + 64] = bytes(byte ^ 0x55 for byte in content[place : place + 64])
    weights.write_bytes(content)
    alone = examine(written, *subject).audit
    assert not alone.passed
    monkeypatch.setattr(weighing, "WORTH", 0)
    with Crew(3):
        assert examine(written, *subject).audit.faults() == alone.faults()
