from __future__ import annotations

import io
import json
from typing import Any

from sdcoreml.doctor.report import write
from tests.doctor.report.reports import REPORT


def written() -> dict[str, Any]:
    stream = io.StringIO()
    write(REPORT, "json", stream)
    content: dict[str, Any] = json.loads(stream.getvalue())
    return content


def test_a_result_with_everything() -> None:
    assert written()["results"][2] == {
        "id": "PIN001",
        "family": "pins",
        "title": "Direct pins",
        "status": "error",
        "findings": [
            {
                "status": "error",
                "what": "not the tested versions: numpy 2.1.0 (tested 1.23.5)",
                "why": "Only the tested combination is known to convert; others fail late or "
                "silently.",
                "fix": {
                    "title": "build the environment again",
                    "commands": [["make", "env", "X=a b"]],
                    "safe": True,
                },
            },
            {"status": "ok", "what": "three others are fine"},
        ],
    }


def test_reasons_ids_and_the_rest() -> None:
    content = written()
    assert content["schema"] == 1
    assert (content["toolchain"], content["target"]) == ("tested", "macos-arm64")
    assert content["results"][3]["reason"] == "slow"
    assert content["results"][6]["ignored"] == "known since May"
    assert content["left_out"] == ["smoke"]
    assert content["costs"]["git"] == 0.04
    assert content["verdicts"][0] == {
        "goal": "env",
        "answer": "yes",
        "sentence": "this machine can build it",
        "because": [],
        "needs": ["6 GB"],
    }
