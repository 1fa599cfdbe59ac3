"""`sdcoreml inspect`: what a checkpoint is, from its headers alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convert.models.identify import Identity, PartFacts, identify_path

HELP = "say what a checkpoint is, and what can run it, from its headers alone"
SCHEMA = 1
"""Version of what `--json` prints."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, help="a model folder, a checkpoint or an index file")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def run(args: argparse.Namespace) -> int:
    """Print what `args.path` is. 0, or the exit code of the gravest fault."""
    identity = identify_path(args.path)
    if args.json:
        json.dump(as_data(identity), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("\n".join(as_text(identity)) + "\n")
    return max((fault.error.exit_code for fault in identity.faults), default=0)


def as_data(identity: Identity) -> dict[str, Any]:
    """The facts as JSON-able values; sizes in bytes."""
    contents = identity.contents
    return {
        "schema": SCHEMA,
        "path": str(identity.path),
        "form": identity.form,
        "kind": contents.kind.name.lower(),
        "family": contents.family.name.lower(),
        "task": contents.task.name.lower() if contents.task else None,
        "flavour": contents.flavour or None,
        "prediction_type": identity.prediction,
        "has_ema": identity.has_ema,
        "parameters": identity.parameters,
        "bytes": identity.nbytes,
        "parts": [
            {
                "name": part.name,
                "class": part.kind or None,
                "parameters": part.parameters,
                "dtypes": dict(part.dtypes),
                "bytes": part.nbytes,
                "files": list(part.files),
                "variant": part.variant,
            }
            for part in identity.parts
        ],
        "missing": list(identity.missing),
        "targets": [
            {"name": verdict.target, "runs": verdict.runs, "reason": verdict.reason}
            for verdict in identity.verdicts
        ],
        "needs": {"disk": identity.needs.disk, "memory": identity.needs.memory},
        "faults": [
            {"path": str(f.path), "what": f.what, "next": f.next, "exit_code": f.error.exit_code}
            for f in identity.faults
        ],
        "notes": list(identity.notes),
    }


def as_text(identity: Identity) -> Iterator[str]:
    """The facts as lines."""
    yield f"{identity.path}: {_headline(identity)}"
    width = max((len(part.name) for part in identity.parts), default=0)
    for part in identity.parts:
        yield f"  {part.name:<{width}}  {_part(part)}"
    if identity.prediction:
        yield f"  predicts {identity.prediction}"
    if identity.missing:
        yield f"  missing: {', '.join(identity.missing)}"
    for note in identity.notes:
        yield f"  note: {note}"
    if identity.parts:
        for verdict in identity.verdicts:
            yield f"  {verdict.target}: {verdict.runs}, {verdict.reason}"
        disk, memory = _size(identity.needs.disk), _size(identity.needs.memory)
        yield f"  converting takes about {disk} of disk, {memory} of memory"
    for fault in identity.faults:
        yield f"  fault: {fault}"


def _headline(identity: Identity) -> str:
    contents = identity.contents
    words = [contents.kind.value]
    if contents.family.value != "unknown":
        words.append(f"of {contents.family.value}")
    if contents.task and contents.task.value not in ("text to image", "other"):
        words.append(f"for {contents.task.value}")
    if contents.flavour:
        words.append(f"({contents.flavour})")
    facts = [identity.form]
    if identity.parts:
        facts += [f"{identity.parameters:,} parameters", _size(identity.nbytes)]
    return f"{' '.join(words)}; {', '.join(facts)}"


def _part(part: PartFacts) -> str:
    types = ", ".join(part.dtypes)
    files = f"{len(part.files)} files" if len(part.files) > 1 else "".join(part.files)
    said = (f"{part.parameters:,}", types, _size(part.nbytes), files, part.variant or "")
    return "  ".join(word for word in said if word)


def _size(nbytes: int) -> str:
    size, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:  # noqa: PLR2004  decimal units
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
