"""`sdcoreml inspect`: describes a checkpoint, from its headers alone, or a finished program."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import HALVED, NAMES, chunk_paths
from sdcoreml.convert.bundle.facts import ProgramFacts, is_coreml, programs_at
from sdcoreml.convert.bundle.finished import FINISHED
from sdcoreml.convert.bundle.judgement import Judgement, Ruling, judge
from sdcoreml.convert.models.identify import ComponentFacts, Identity
from sdcoreml.doctor.commands.named_models import as_model, fetch_headers_and_name
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.doctor.core.estimate import estimate_disk, estimate_memory
from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.gather.model import describe
from sdcoreml.doctor.gather.toolchain import measured
from sdcoreml.ground.advice import spell
from sdcoreml.ground.errors import Fault
from sdcoreml.ground.quantity import amount

SCHEMA = 1
"""Version of the format that `--json` prints."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    text = "a model, a checkpoint or a Core ML folder, or a name that convert takes"
    parser.add_argument("path", type=as_model, help=text)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def run(args: argparse.Namespace) -> int:
    """Print what `args.path` is; return 0, or the exit code of the gravest fault."""
    with fetch_headers_and_name(args.path) as (args.path, told):
        return _show(args, told)


def look(path: Path) -> tuple[Judgement, tuple[ProgramFacts, ...]]:
    """Judge what a path is by its headers; return the programs of a finished folder, too."""
    judgement = judge(path)
    is_folder = judgement.identity.form == FINISHED and is_coreml(path)
    return judgement, programs_at(path) if is_folder else ()


def _show(args: argparse.Namespace, told: Callable[[str], str]) -> int:
    data: Mapping[str, object]
    lines: Iterable[str]
    judgement, programs = look(args.path)
    if programs:
        data, lines = (
            programs_data(args.path, programs),
            (*programs_text(args.path, programs), ruling_text(judgement.ruling)),
        )
        faults = [fault for program in programs for fault in program.faults]
    else:
        needs = needs_of(judgement)
        data, lines = as_data(judgement, needs), as_text(judgement, needs)
        faults = list(judgement.identity.faults)
    ruling = judgement.ruling
    if args.json:
        data = {**data, "verdict": ruling.as_json()}
        sys.stdout.write(told(json.dumps(data, indent=2)) + "\n")
    else:
        sys.stdout.write(told("\n".join(lines)) + "\n")
    return max((fault.error.exit_code for fault in faults), default=0)


def ruling_text(ruling: Ruling) -> str:
    """Format the verdict as a line of text."""
    if fault := ruling.fault:
        return f"  sdcoreml convert: no ({fault.code}), {replace(fault, where='')}"
    return "  sdcoreml convert: yes, by its headers; the weights themselves are not read here"


def programs_data(path: Path, programs: tuple[ProgramFacts, ...]) -> dict[str, object]:
    """Convert finished programs to plain values for JSON; sizes in bytes."""
    return {
        "schema": SCHEMA,
        "path": str(path),
        "form": "Core ML",
        "programs": [
            {
                "name": program.path.stem,
                "container": program.path.suffix,
                "specification": program.specification,
                "inputs": [asdict(port) for port in program.inputs],
                "outputs": [asdict(port) for port in program.outputs],
                "operations": dict(program.operations or {}),
                "attention": "split" if program.is_split else "original",
                "bytes": program.nbytes,
                "faults": [_fault(fault) for fault in program.faults],
            }
            for program in programs
        ],
    }


def programs_text(path: Path, programs: tuple[ProgramFacts, ...]) -> Iterator[str]:
    """Yield finished programs as lines of text."""
    yield f"{path}: {len(programs)} Core ML program{'s' if len(programs) > 1 else ''}"
    for program in programs:
        count = sum((program.operations or {}).values())
        attention = ", split attention" if program.is_split else ""
        yield (
            f"  {program.path.name}  specification {program.specification}, {count:,} operations"
            f"{attention}, {amount(program.nbytes)} of weights"
        )
        yield from (f"    in   {port}" for port in program.inputs)
        yield from (f"    out  {port}" for port in program.outputs)
        if found := program.comfyui:
            yield f"    {found}"
        yield from (f"    fault: {fault}" for fault in program.faults)
    yield from _halves({program.path.stem: program.path for program in programs})


def _halves(found: Mapping[str, Path]) -> Iterator[str]:
    """Yield which programs are halves of a UNet, and whether the other half exists."""
    for component in sorted(HALVED):
        first, second = chunk_paths(Path(NAMES[component]))
        here = [half.name for half in (first, second) if half.name in found]
        if len(here) > 1:
            yield f"  {first} and {second} are one program"
        elif here:
            yield f"  {here[0]} is half of a program, and the other half is not here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Bytes of disk and memory that a conversion takes in the tested environment."""

    disk: int
    memory: int


def needs_of(judgement: Judgement) -> Needs | None:
    """Estimate what a conversion takes, as the doctor does; `None` if nothing can be converted."""
    if judgement.reasons or not judgement.needed:
        return None
    found, rates = describe(judgement), measured(DEFAULT_TOOLCHAIN)
    memory = estimate_memory(found, Goal(), rates)
    return Needs(disk=estimate_disk(found, rates), memory=memory)


def as_data(judgement: Judgement, needs: Needs | None) -> dict[str, object]:
    """Convert the judgement to plain values for JSON; sizes in bytes."""
    identity, contents = judgement.identity, judgement.identity.contents
    return {
        "schema": SCHEMA,
        "path": str(identity.path),
        "form": identity.form,
        "kind": contents.kind.name.lower(),
        "family": contents.family.name.lower(),
        "task": contents.task.name.lower() if contents.task else None,
        "flavour": contents.flavour or None,
        "prediction_type": identity.prediction,
        "schedule": identity.schedule or None,
        "settings": asdict(identity.settings) if identity.settings else None,
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
            {"name": verdict.target, "runs": verdict.runs, "reason": spell(verdict.reason)}
            for verdict in judgement.verdicts
        ],
        "needs": asdict(needs) if needs else None,
        "faults": [_fault(fault) for fault in identity.faults],
        "notes": list(identity.notes),
    }


def _fault(fault: Fault) -> dict[str, object]:
    """Convert a fault to plain values for JSON."""
    return {
        "path": str(fault.where),
        "what": fault.what,
        "next": fault.remedy,
        "exit_code": fault.error.exit_code,
    }


def as_text(judgement: Judgement, needs: Needs | None) -> Iterator[str]:
    """Yield the judgement as lines of text."""
    identity = judgement.identity
    yield f"{identity.path}: {headline(identity)}"
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
        for verdict in judgement.verdicts:
            yield f"  {verdict.target}: {verdict.runs}, {spell(verdict.reason)}"
    if needs:
        disk, memory = amount(needs.disk), amount(needs.memory)
        yield f"  converting takes about {disk} of disk, {memory} of memory"
    yield ruling_text(judgement.ruling)
    for fault in identity.faults:
        yield f"  fault: {fault}"


def headline(identity: Identity) -> str:
    """Say in a line what was identified: its kind and family, its form, parameters and size."""
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
        known = "" if all(part.dtypes for part in identity.parts) else "at least "
        facts += [f"{known}{identity.parameters:,} parameters", amount(identity.nbytes)]
    return f"{' '.join(words)}; {', '.join(facts)}"


def _part(part: ComponentFacts) -> str:
    if not part.dtypes:
        return "its weights cannot be read"
    types = ", ".join(part.dtypes)
    files = f"{len(part.files)} files" if len(part.files) > 1 else "".join(part.files)
    said = (f"{part.parameters:,}", types, amount(part.nbytes), files, part.variant or "")
    return "  ".join(word for word in said if word)
