"""The verdicts on a folder, each sentence whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sdcoreml.convert.jobs.manifest import parse_manifest
from sdcoreml.convert.jobs.report_verdicts import judge
from sdcoreml.convert.proof.record import ProgramProof
from tests.convert.jobs.test_manifest import CHECKED, CONTENT, FIGURE
from tests.golden import assert_golden

BASE = parse_manifest(CONTENT)
(NAME, ENTRY), *_ = BASE.programs.items()
CERTIFICATE = {"toolchain": "tested", "lock": "5f", "date": "2026-11-25", "outputs": [FIGURE]}


def proof(**changes: Any) -> ProgramProof:
    """Return what is said of a program, with changes to the JSON of it."""
    program = {**CONTENT["programs"][NAME], "checked": {**CHECKED, **changes}}
    return parse_manifest({**CONTENT, "programs": {NAME: program}}).programs[NAME].checked


def figure(psnr: float, mode: str = "fp32") -> dict[str, object]:
    return {**FIGURE, "psnr": psnr, "mode": mode}


def verdicts(title: str, **proofs: ProgramProof) -> Iterator[str]:
    """Yield the verdicts on a folder whose programs were proved like this."""
    programs = {name: replace(ENTRY, checked=one) for name, one in proofs.items()}
    yield f"# {title}"
    for tone, word, sentence in judge(replace(BASE, programs=programs)):
        yield f"{tone} {word}: {sentence}"


def test_every_verdict_whole() -> None:
    audit = CHECKED["audit"]
    sound = proof()
    several = proof(outputs=[figure(120), figure(110), figure(130), figure(70, "fp16")])
    squeezed = proof(fidelity=[figure(40), figure(30)])
    better = proof(fidelity=[figure(35), figure(60)])
    lines = [
        *verdicts("nothing"),
        *verdicts("one", a=sound),
        *verdicts("two, of which one has several figures", a=sound, b=several),
        *verdicts("five", a=sound, b=sound, c=sound, d=sound, e=sound),
        *verdicts("six", a=sound, b=sound, c=sound, d=sound, e=sound, f=sound),
        *verdicts("compressed", a=better, b=squeezed, c=sound),
        *verdicts("certified", a=proof(certificate=CERTIFICATE)),
        *verdicts(
            "certified twice",
            a=proof(certificate=CERTIFICATE),
            b=proof(certificate=CERTIFICATE),
            c=proof(certificate={**CERTIFICATE, "date": "2026-11-26"}),
        ),
        *verdicts("not run", a=proof(outputs=[], unchecked="no torch")),
        *verdicts("without figures", a=proof(outputs=[]), b=proof(outputs=[])),
        *verdicts("wrong", a=proof(passed=False), b=sound),
        *verdicts("without weights", a=proof(audit={**audit, "matched": 0, "compressed": {}})),
        *verdicts("uncompressed", a=proof(audit={**audit, "compressed": {}})),
        *verdicts("only compressed", a=proof(audit={**audit, "matched": 0})),
        *(
            line
            for kind in ("missing", "misplaced", "unexplained")
            for line in verdicts(kind, a=proof(audit={**audit, kind: ["w"]}), b=sound)
        ),
    ]
    assert_golden("verdicts", "\n".join(lines))
