"""Excerpts of what Apple's own Swift sources compute, for comparison.

The values come from `golden/swift-runs` and `golden/swift-tokens`, beside the maintainers'
checkouts, whose READMEs say how they were made. A third of the cases was kept back while this room
was written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RUNS: dict[str, Any] = json.loads((HERE / "swift_runs.json").read_text())
PROMPTS: list[dict[str, Any]] = json.loads((HERE / "swift_tokens.json").read_text("utf-8"))
