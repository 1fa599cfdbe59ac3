"""Compares our compiler's output with Apple's, for packages that Apple's compiler has compiled.

The pairs of package and compiled model are public, under free licences: most are in `reference`.
The others, and large weights, are beside the maintainers' checkouts, and are compared only there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.compile.check import differences, faults
from sdcoreml.convert.compile.compiled import (
    ANALYTICS,
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    read_compiled,
)
from sdcoreml.convert.compile.coremldata import order_fields, write_analytics, write_coremldata
from sdcoreml.convert.compile.histogram import histogram
from sdcoreml.convert.compile.layout import pretty
from sdcoreml.convert.compile.lower import lower
from sdcoreml.convert.compile.metadata import metadata
from sdcoreml.convert.compile.names import TEXT_VERSIONS
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.spec.wire import join, split
from tools.reference_pairs import unpack

HERE = Path(__file__).parent / "reference"
LISTED: dict[str, dict[str, Any]] = json.loads((HERE / "files.json").read_text())
BESIDE = HERE.parents[4] / "shared" / "golden"
"""The whole collection, beside the maintainers' checkouts."""

SEEN = [name for name, said in LISTED.items() if said["shipped"] or BESIDE.is_dir()]
PAIRS = sorted({name.partition("/")[0] for name in SEEN if "/package.mlpackage/" in name})
TEXTS = sorted(name for name in SEEN if name.endswith(".mil"))
POINTER = b"version https://git-lfs"
"""The first bytes of a Git LFS pointer: only the hash of such a file is here."""


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the collection: all of it, or what of it is shipped."""
    if BESIDE.is_dir():
        return BESIDE
    folder = tmp_path_factory.mktemp("golden")
    unpack((HERE / "pairs.tar.xz").read_bytes(), folder)
    return folder


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest, golden: Path) -> Path:
    return golden / str(request.param)


def test_at_least_thirteen_pairs_are_in_every_clone() -> None:
    shipped = [name for name, said in LISTED.items() if said["shipped"]]
    assert sum(name.endswith("/package.mlpackage/Manifest.json") for name in shipped) == 13
    assert sum(path.stat().st_size for path in HERE.iterdir()) < 2_000_000


def test_what_is_shipped_is_what_is_listed(tmp_path: Path) -> None:
    unpack((HERE / "pairs.tar.xz").read_bytes(), tmp_path)
    found = {
        path.relative_to(tmp_path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == {name: said["sha256"] for name, said in LISTED.items() if said["shipped"]}


def source(pair: Path) -> Model:
    return read_package(pair / "package.mlpackage").model


def apples(pair: Path, name: str) -> bytes:
    return (pair / "compiled.mlmodelc" / name).read_bytes()


def whole(pair: Path) -> bool:
    """Return True if the weights of the pair are here, and not only their hash."""
    file = pair / "compiled.mlmodelc" / WEIGHTS
    return file.is_file() and not file.read_bytes().startswith(POINTER)


def test_the_text_is_apples_byte_for_byte(pair: Path) -> None:
    model = source(pair)
    text = write(lower(model), TEXT_VERSIONS[model.specification_version])
    assert text.encode() == apples(pair, TEXT)


def test_metadata_is_apples_as_json(pair: Path) -> None:
    (theirs,) = json.loads(apples(pair, METADATA))
    assert metadata(source(pair), theirs["generatedClassName"]) == theirs
    assert pretty([theirs]).encode() == apples(pair, METADATA)


def test_coremldata_is_apples_in_one_order_of_the_map(pair: Path) -> None:
    model, theirs = source(pair), apples(pair, COREMLDATA)
    found = re.search(rb"sha256:([0-9a-f]{64})", theirs)
    wanted = found[1].decode() if found else hashlib.sha256(theirs).hexdigest()
    orders = (hashlib.sha256(data).hexdigest() for data in every_order(model))
    assert wanted in orders


def every_order(model: Model) -> list[bytes]:
    """Return `coremldata.bin` for every possible order of the user-defined metadata."""
    ours = write_coremldata(model)
    raw = order_fields(model.description.raw)
    before, after = ours.split(raw)
    *rest, about = split(raw)
    entries = list(split(bytes(about[2])))
    fixed = [entry for entry in entries if entry[0] != about[0]]
    moving = [entry for entry in entries if entry[0] == about[0]]
    orders = []
    for order in itertools.permutations(moving):
        inner = b"".join(join(*entry) for entry in (*fixed, *order))
        orders.append(b"".join(join(*field) for field in (*rest, (about[0], about[1], inner))))
    return [before + content + after for content in orders]


def test_analytics_are_apples_byte_for_byte(pair: Path) -> None:
    theirs = apples(pair, ANALYTICS)
    if theirs.startswith(POINTER):
        pytest.skip("not published")
    spec = pair / "package.mlpackage" / "Data" / "com.apple.CoreML" / "model.mlmodel"
    assert write_analytics(spec.read_bytes(), "model") == theirs


def test_a_compiled_folder_is_apples(pair: Path, tmp_path: Path) -> None:
    if not whole(pair):
        pytest.skip("its weights are not here")
    made = compile_package(pair / "package.mlpackage", tmp_path / "package.mlmodelc")
    for name in (TEXT, ANALYTICS, WEIGHTS):
        assert (made.path / name).read_bytes() == apples(pair, name)


def test_apples_folders_are_sound_and_say_what_their_sources_say(pair: Path) -> None:
    if not whole(pair):
        pytest.skip("its weights are not here")
    compiled = read_compiled(pair / "compiled.mlmodelc")
    assert faults(compiled) == ()
    stem = compiled.metadata[0]["generatedClassName"]
    described = replace(compiled.description, raw=order_fields(compiled.description.raw))
    assert differences(replace(compiled, description=described), source(pair), stem) == ()


@pytest.mark.parametrize("name", TEXTS)
def test_real_texts_are_parsed_and_written_back(golden: Path, name: str) -> None:
    text = (golden / name).read_bytes().decode()
    parsed = parse(text)
    assert write(parsed.program, parsed.version) == text.rstrip("\n")


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("compiled_only/")])
def test_real_histograms_are_counted_alike(golden: Path, name: str) -> None:
    folder = (golden / name).parent
    (content,) = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    program = parse((folder / TEXT).read_text(encoding="utf-8")).program
    counted = histogram(program.functions["main"])
    assert counted == content["mlProgramOperationTypeHistogram"]
