"""The generated documents of `doctor/schemas/`, from the types whose values they describe."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from sdcoreml.convert.drawing.choices import Settings
from sdcoreml.convert.drawing.sheets import Nearness
from sdcoreml.convert.drawing.wish import Drawn
from sdcoreml.convert.jobs import manifest
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.loading.record import Machine, Placement, Source, Units
from sdcoreml.convert.proof.answers import Distance
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.doctor.commands import convert_summary, draw, jobs, jobs_run, verify, verify_coreml
from sdcoreml.doctor.commands.convert_plan import MachineFinding, PlannedFolder
from sdcoreml.doctor.commands.convert_upstream import FolderComparison
from sdcoreml.doctor.commands.jobs_plan import JobsPlan
from sdcoreml.doctor.core.overall import Expected, Shortage
from sdcoreml.ground.events import Event
from tools.schemas.shapes import Schema, Shapes, closed
from tools.schemas.words import LEFT_OUT, WORDS

FOLDER = Path(__file__).resolve().parents[2] / "doctor" / "schemas"

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_BYTES: Schema = {"type": "integer", "description": "bytes"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}


def _convert(shapes: Shapes) -> Schema:
    version = _version(convert_summary.SCHEMA)
    code: Schema = {"type": "integer", "description": "see exit-codes.schema.json"}
    made = closed(
        {
            "folder": {**_TEXT, "description": "the finished folder"},
            "manifest": _manifest_in(shapes),
            "coreml": {**_coreml(shapes), "description": "what Core ML said, on a Mac"},
            "installed": {**_TEXT, "description": "where it was put for the app (--install)"},
            "withheld": {**_fault(exit_code=code), "description": "why it was not (--install)"},
        },
        ("coreml", "installed", "withheld"),
    )
    ruling = _ruling(shapes)
    results = {
        **_list_of(made),
        "description": "the folders that were made; none if the model was refused",
    }
    compared = {
        **_list_of(shapes.of(FolderComparison)),
        "description": "with --compare-upstream: what both converters made",
    }
    result = {"schema": version, "verdict": ruling, "results": results, "comparisons": compared}
    return {
        "anyOf": [
            closed(result, ("comparisons",)),
            closed({"schema": version, "verdict": ruling, "plan": _plan(shapes)}),
        ]
    }


def _plan(shapes: Shapes) -> Schema:
    minutes = "the longest that it takes on this machine; null if the toolchain was not measured"
    return closed(
        {
            "from": {
                "type": "object",
                "description": "the files to read, and the bytes of each",
                "additionalProperties": {"type": "integer"},
            },
            "folders": {
                **_list_of(shapes.of(PlannedFolder)),
                "description": "the folders that would be made",
            },
            "needs": closed(
                {
                    "disk": _BYTES,
                    "memory": _BYTES,
                    "minutes": {"type": ["number", "null"], "description": minutes},
                }
            ),
            "machine": closed(
                {
                    "can": {
                        "enum": ["yes", "no", "unknown"],
                        "description": "whether this machine can do it",
                    },
                    "findings": _list_of(shapes.of(MachineFinding)),
                }
            ),
        }
    )


def _manifest_in(shapes: Shapes) -> Schema:
    others = {"schema": _version(manifest.SCHEMA), "digest": _digest()}
    shapes.defs["Manifest"] = shapes.object_of(Manifest, **others)
    return {"$ref": "#/$defs/Manifest"}


def _manifest(shapes: Shapes) -> Schema:
    return shapes.object_of(Manifest, schema=_version(manifest.SCHEMA), digest=_digest())


def _verify(shapes: Shapes) -> Schema:
    absent = "what is missing because it was left out on request, such as packages"
    programs = "the proof of each program that was compared with the model (--against)"
    return closed(
        {
            "schema": _version(verify.SCHEMA),
            "folder": _TEXT,
            "passed": {**_FLAG, "description": "whether there are no faults"},
            "files": {"type": "integer", "description": "how many were compared"},
            "absent": {**_TEXTS, "description": absent},
            "notes": _TEXTS,
            "faults": _list_of(_fault()),
            "programs": {**_map_of(shapes.of(ProgramProof)), "description": programs},
            "coreml": {**_coreml(shapes), "description": "what Core ML said (--with coreml)"},
        },
        ("coreml",),
    )


def _coreml(shapes: Shapes) -> Schema:
    code: Schema = {"type": "integer", "description": "see exit-codes.schema.json"}
    seconds: Schema = {"type": ["number", "null"]}
    program = closed(
        {
            "component": {**_TEXT, "description": "such as unet"},
            "units": {**shapes.of(Units), "description": "the compute units that it may use"},
            "answers": {
                **shapes.of(Source),
                "description": "where the results came from that it was compared with",
            },
            "fault": {
                "anyOf": [{"type": "null"}, _fault(exit_code=code)],
                "description": "why it fails",
            },
            "reason": {**_TEXT, "description": "why its results were not compared, or empty"},
            "psnr": {
                "type": ["number", "null"],
                "description": "the lowest PSNR of an output that an app reads, in dB",
            },
            "outputs": {
                **_map_of(shapes.of(Distance)),
                "description": "how near each output is to the recorded or computed one",
            },
            "cold": {**seconds, "description": "seconds of the first load"},
            "warm": {**seconds, "description": "seconds of the second load"},
            "run": {**seconds, "description": "seconds of a run"},
            "peak_memory": {
                "type": "integer",
                "description": "the most memory that the process used, in bytes",
            },
            "placement": {
                "anyOf": [shapes.of(Placement), {"type": "null"}],
                "description": "where Core ML runs its operations; null if it does not say",
            },
            "coremltools": {"type": ["string", "null"], "description": "its version"},
        }
    )
    shapes.defs["CoreML"] = closed(
        {
            "schema": _version(verify_coreml.SCHEMA),
            "machine": shapes.of(Machine),
            "verdict": {**_TEXT, "description": "the result in a sentence"},
            "passed": {**_FLAG, "description": "whether no program has a fault"},
            "compared": {**_FLAG, "description": "whether the results of all were compared"},
            "programs": _map_of(program),
        }
    )
    return {"$ref": "#/$defs/CoreML"}


def _draw(shapes: Shapes) -> Schema:
    near: Schema = {
        "anyOf": [shapes.of(Nearness), {"type": "null"}],
        "description": "null for the first",
    }
    column = closed(
        {
            "folder": {**_TEXT, "description": "a folder, or the model itself"},
            "bytes": {**_BYTES, "description": "its size in bytes"},
            "near": near,
        }
    )
    row = closed(
        {
            "prompt": _TEXT,
            "pictures": _list_of(shapes.of(Drawn)),
            "near": _list_of(near),
        }
    )
    return closed(
        {
            "schema": _version(draw.SCHEMA),
            "picture": {**_TEXT, "description": "the PNG file"},
            **shapes.properties_of(Drawn),
            "settings": shapes.of(Settings),
            "notes": _TEXTS,
            "compared": {
                **_list_of(column),
                "description": "the columns of a contact sheet, with the figures of its first row",
            },
            "rows": {**_list_of(row), "description": "the rows of a contact sheet"},
        },
        ("compared", "rows"),
    )


def _jobs(shapes: Shapes) -> Schema:
    version = _version(jobs.SCHEMA)
    result = shapes.of(jobs_run.Result)
    events = (
        _line("table", "the last line", results=_list_of(result)),
        _line("folders", "what will be made", folders=_list_of(shapes.of(Expected)), total=_BYTES),
        _line("begin", "folders are made now, together", text=_TEXT, folders=_TEXTS),
        _line("step", "a step of the work begins", text=_TEXT),
        _line("progress", "how far all is", **_progress()),
        _line("wait", "the run waits", text=_TEXT, **shapes.properties_of(Shortage)),
        _line("note", "a sentence", text=_TEXT),
        _line("warning", "a sentence", text=_TEXT),
        _line("end", "what became of a folder", result=result),
    )
    return {"anyOf": [*events, closed({"schema": version, "plan": shapes.of(JobsPlan)})]}


def _line(event: str, what: str, **fields: object) -> Schema:
    """Return the schema of a line that is printed while a run goes on, and of its end."""
    version = _version(jobs.SCHEMA)
    return closed({"schema": version, "event": {"const": event, "description": what}, **fields})


def _progress() -> Schema:
    done: Schema = {"type": "integer", "description": "the bytes that are done"}
    total: Schema = {"type": "integer", "description": "the bytes that there will be"}
    step = closed(
        {
            "text": {**_TEXT, "description": "its name"},
            "done": {"type": "integer", "description": "how much of it is done"},
            "total": {"type": "integer", "description": "how much there is; 0 if unknown"},
            "unit": {**_TEXT, "description": "what is counted; B for bytes"},
        }
    )
    left = "seconds that the rest will take; null while too little is done to say"
    return {
        "done": done,
        "total": total,
        "elapsed": {"type": "number", "description": "seconds since the run began"},
        "left": {"type": ["number", "null"], "description": left},
        "folders": {
            **_list_of(closed({"folder": _TEXT, "done": done, "total": total})),
            "description": "those that are being made",
        },
        "step": {
            "anyOf": [step, {"type": "null"}],
            "description": "the step that is running",
        },
    }


def _event(shapes: Shapes) -> Schema:
    return shapes.object_of(Event)


def _ruling(shapes: Shapes) -> Schema:
    """Return the verdict on a model, as `inspect` describes it."""
    content = json.loads((FOLDER / "inspect.schema.json").read_text("utf-8"))
    shapes.defs["ruling"] = content["$defs"]["ruling"]
    return {"$ref": "#/$defs/ruling"}


def _version(number: int) -> Schema:
    return {"const": number, "description": "rises when a field changes its meaning or goes"}


def _fault(**others: Schema) -> Schema:
    return closed(
        {
            "path": {**_TEXT, "description": "where it is"},
            "what": {**_TEXT, "description": "what is wrong"},
            "next": {**_TEXT, "description": "what to do; empty if nothing is known"},
            **others,
        }
    )


def _digest() -> Schema:
    return {**_TEXT, "description": "the SHA-256 of all other fields, in canonical JSON"}


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _map_of(item: Schema) -> Schema:
    return {"type": "object", "additionalProperties": item}


DOCUMENTS: Mapping[str, tuple[int, str, Callable[[Shapes], Schema]]] = {
    "convert.schema.json": (
        convert_summary.SCHEMA,
        "What `sdcoreml convert --json` prints: a result, a refusal, or a plan (--plan)",
        _convert,
    ),
    "draw.schema.json": (draw.SCHEMA, "What `sdcoreml draw --json` prints", _draw),
    "event.schema.json": (1, "A line that a long task writes of its progress", _event),
    "jobs.schema.json": (
        jobs.SCHEMA,
        "What `sdcoreml jobs --json` prints: a line for each event, or a plan (--plan)",
        _jobs,
    ),
    "manifest.schema.json": (manifest.SCHEMA, "The manifest of a finished folder", _manifest),
    "verify.schema.json": (verify.SCHEMA, "What `sdcoreml verify --json` prints", _verify),
}
"""Maps each file to its version, its title, and what makes the rest of it."""


def document(name: str) -> Schema:
    """Return a generated document."""
    version, title, make = DOCUMENTS[name]
    shapes = Shapes(words=WORDS, left_out=LEFT_OUT)
    content = make(shapes)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"version {version}",
        "title": title,
        **content,
        **({"$defs": dict(sorted(shapes.defs.items()))} if shapes.defs else {}),
    }


def written(name: str) -> str:
    """Return a generated document as its file has it."""
    return json.dumps(document(name), indent=1) + "\n"
