"""Files made by others are read only through `ground.files` and `ground.documents`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = ("ground", "lockfiles", "envs", "convert", "doctor")

OWN: Mapping[str, str] = {
    "convert/cache/stock.py": "a file that it keeps and removes, whose state it looks at",
    "convert/deliver/mochi.py": "preferences that the door read",
    "convert/jobs/sheet.py": "the pictures that its child has just made",
    "convert/models/vocabulary.py": "a wheel whose hash is locked",
    "convert/tasks/pictures.py": "a picture, on the door's stream",
    "convert/tasks/shares.py": "the weight file that the process's owner has just made",
    "convert/tasks/serve.py": "the parent's request",
    "convert/tasks/sheet.py": "pictures that its owner has just made",
    "convert/weights/zip_directory.py": "a zip file, bounded, on the door's handle",
    "doctor/commands/draw.py": "the picture that its child has just made",
    "doctor/commands/jobs_run.py": "no file: its opener opens models, by the door",
    "doctor/commands/jobs_task.py": "the request of the worker that started it",
    "doctor/knowledge/reading.py": "no file: a string of a log that was read",
    "doctor/proving/trials.py": "the answer of a child that proves a toolchain",
    "doctor/queue/lines.py": "the lines of our own child",
    "doctor/queue/post.py": "locks of ours",
    "doctor/queue/starting.py": "no file: a log that it begins",
    "doctor/queue/store.py": "a lock of ours",
    "doctor/studio/drop.py": "files that it has made, to write more into them",
    "doctor/studio/kept.py": "a lock of ours",
    "doctor/studio/sketch.py": "files that it makes",
    "doctor/studio/serve.py": "no file: a page, in the browser",
    "doctor/knowledge/releases.py": "tables of our own, in the package",
    "envs/building/normalise.py": "what was installed a moment ago, from locked wheels",
    "envs/care/packing.py": "a tar file on the door's stream",
    "envs/cluster/dask.py": "the answers of our own child",
    "envs/cluster/member.py": "the parent's request",
    "envs/cluster/working.py": "the answers of its own child, and a sign of its own cluster",
    "envs/conda/engine.py": "the answers of our own child",
    "envs/conda/rattler.py": "the parent's request",
    "envs/kept/store.py": "the lock of the folder of environments",
    "envs/kept/users.py": "folders, opened to be locked",
    "envs/locking/compile.py": "what the resolver wrote a moment ago",
    "envs/locking/opinion.py": "what the other resolver wrote a moment ago",
    "envs/mirrors/configuration.py": "tomlkit parses a text that the door read",
    "envs/pythons/apart.py": "our own lock",
    "envs/upstream/objects.py": "git's objects: no link is followed, and what is odd is left out",
    "ground/aside.py": "files that it makes, locks or flushes; one that it is about to replace",
    "ground/crew.py": "the lines of our own processes",
    "ground/documents.py": "the door for JSON",
    "ground/events.py": "the lines of our own child",
    "ground/exits.py": "/dev/null",
    "ground/files.py": "the door",
    "ground/leftovers.py": "a lock of ours, opened without waiting",
    "ground/locks.py": "locks of ours",
    "ground/page.py": "its own stylesheet, which lies beside it",
    "ground/promises.py": "files of ours, in a folder that is ours alone",
    "ground/visible.py": "/dev/null",
    "lockfiles/table.py": "the door for TOML, which parses a text that was read through this one",
}
"""The modules that may open files or parse text themselves, and what each may read so."""

PARSERS = {"load", "loads", "parse"}
READERS = {"read_bytes", "read_text"}
OPENERS = {"FileIO", "TarFile", "ZipFile", "fromfile", "memmap", "open"}
PARSED_BY = {"csv", "json", "pickle", "plistlib", "toml", "tomli", "tomlkit", "tomllib", "yaml"}
NOT_FILES = {"TensorFile", "delta"}


def calls(source: str) -> Iterator[str]:
    """Yield the calls in a module that read a file, or parse the content of one."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id="open" | "ZipFile" | "FileIO" as name) if not writes(node):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id=of)) if of in PARSED_BY | {"_reader"}:
                yield from [f"{of}.{name}"] if name in PARSERS else []
            case ast.Attribute(attr="loads", value=ast.Call()):
                yield "loads"
            case ast.Attribute(attr=name) if name in READERS:
                yield name
            case ast.Attribute(attr=name, value=of) if name in OPENERS and not writes(node):
                if not (isinstance(of, ast.Name) and of.id in NOT_FILES):
                    yield f".{name}"


def writes(call: ast.Call) -> bool:
    """Return True if a call of `open` creates a file or appends to one."""
    modes = (
        one.value
        for one in (*call.args[:2], *(key.value for key in call.keywords))
        if isinstance(one, ast.Constant)
    )
    return any(isinstance(mode, str) and mode[:1] in {"w", "x", "a"} for mode in modes)


@cache
def found() -> dict[str, list[str]]:
    read = {
        path.relative_to(ROOT).as_posix(): sorted(calls(path.read_text(encoding="utf-8")))
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
    }
    return {name: names for name, names in read.items() if names}


def test_others_files_are_read_through_the_door_alone() -> None:
    assert {name: said for name, said in found().items() if name not in OWN} == {}


def test_no_exception_has_outlived_its_reason() -> None:
    assert OWN.keys() - found().keys() == set()


def test_what_reads_is_seen_and_what_writes_is_not() -> None:
    source = """
json.loads(x); tomllib.load(x); path.read_text(); a.b.read_bytes(); open(x)
path.open(); path.open("rb"); os.open(x, y); io.FileIO(x); zipfile.ZipFile(x); reader().loads(x)
path.open("wb"); open(x, "w"); path.open(mode="ab"); TensorFile.open(x); read_text(x); json.dumps(x)
"""
    seen = (
        "json.loads tomllib.load read_text read_bytes open .open .open .open .FileIO .ZipFile loads"
    )
    assert sorted(calls(source)) == sorted(seen.split())
