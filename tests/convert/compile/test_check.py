from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.compile import check
from sdcoreml.convert.compile.check import (
    differences,
    faults,
    function_differences,
    weight_faults,
)
from sdcoreml.convert.compile.compiled import (
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    CompiledModel,
    blobs,
    read_compiled,
)
from sdcoreml.convert.compile.coremldata import write_coremldata
from sdcoreml.convert.compile.metadata import write_metadata
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.spec.blobs import MappedWeights
from sdcoreml.convert.spec.reader import parse_model, read_package
from sdcoreml.ground.errors import BadInputError
from tests.convert.compile.texts import OPERATIONS, STATEFUL, package, source
from tests.convert.spec.packages import model


def compiled(tmp_path: Path) -> CompiledModel:
    return compile_package(package(tmp_path / "A.mlpackage"), tmp_path / "A.mlmodelc")


def whats(found: tuple[object, ...]) -> list[str]:
    return [str(fault).removesuffix("; compile the package again") for fault in found]


def changed(tmp_path: Path, old: str, new: str) -> list[str]:
    """Replace a text in a compiled model; return the faults that the check finds."""
    folder = compiled(tmp_path).path
    content = (folder / TEXT).read_text()
    assert old in content
    (folder / TEXT).write_text(content.replace(old, new))
    found, package = read_compiled(folder), read_package(tmp_path / "A.mlpackage")
    return whats(differences(found, package.model, "A") + faults(found))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("3500.32.1", "1.0", "build information differs"),
        ("ios16", "ios17", "function 'main': opset or attributes differ"),
        ("[1, 4, 2, 2]> sample", "[1]> sample", "function 'main': inputs differ"),
        ("0x1.5p-17", "0x1.6p-17", "function 'main': operation 9 (const) differs"),
        ("x = waves", "x = crests", "function 'main': operation 34 (mul) differs"),
        ("uint64, []>(64)", "uint64, []>(192)", "function 'main': operation 12 (const) differs"),
        ("(doubled, gate)", "(gate, doubled)", "function 'main': outputs differ"),
    ],
)
def test_a_changed_text_is_found(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert f"{tmp_path / 'A.mlmodelc' / TEXT}: {what}" in changed(tmp_path, old, new)


def test_a_missing_operation_is_found(tmp_path: Path) -> None:
    (line,) = [line for line in OPERATIONS.splitlines(keepends=True) if " equal(" in line]
    found = changed(tmp_path, line, "")
    assert any(what.endswith("operation 44 (equal) differs") for what in found)
    assert any("the histogram does not count the operations" in what for what in found)


def test_an_offset_without_a_record_is_found(tmp_path: Path) -> None:
    found = changed(tmp_path, "uint64, []>(192)", "uint64, []>(4096)")
    assert any("no record at offset 4096 of" in what for what in found)


def test_a_record_of_another_size_is_found(tmp_path: Path) -> None:
    found = changed(
        tmp_path,
        "val = tensor<fp32, [4]>(BLOB",
        "val = tensor<fp32, [5]>(BLOB",
    )
    path = tmp_path / "A.mlmodelc" / WEIGHTS
    what = "the record at offset 192 has 4 elements, but the program needs shape [5]"
    assert f"{path}: {what}" in found


def test_a_record_of_unknown_size_is_found(tmp_path: Path) -> None:
    found = changed(
        tmp_path,
        "val = tensor<fp32, [4]>(BLOB",
        "val = tensor<fp32, [?]>(BLOB",
    )
    assert any("the constant at offset 192 has an unknown shape" in what for what in found)


def test_inputs_and_outputs_must_be_described(tmp_path: Path) -> None:
    found = changed(tmp_path, "sample", "latent")
    path = tmp_path / "A.mlmodelc" / COREMLDATA
    assert (
        f"{path}: inputs ['input_ids', 'sample'] are not those of function 'main' in model.mil"
        in found
    )


def test_outputs_must_be_described(tmp_path: Path) -> None:
    found = changed(tmp_path, "-> (doubled, gate)", "-> (doubled)")
    assert any("outputs ['doubled', 'gate'] are not those of function" in what for what in found)


def test_every_function_must_be_described(tmp_path: Path) -> None:
    found = replace(compiled(tmp_path), program=source(STATEFUL))
    assert any("function 'decode' of model.mil is not described" in str(f) for f in faults(found))


def test_few_pages_of_a_weight_file_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compiled(tmp_path)
    released: list[int] = []
    monkeypatch.setattr(check, "AT_ONCE", 2)
    monkeypatch.setattr(MappedWeights, "release", lambda _: released.append(1))
    assert weight_faults(made.program, made.weights, tmp_path) == ()
    assert len(released) == len(list(blobs(made.program))) // 2 > 0


def test_another_description_is_found(tmp_path: Path) -> None:
    given = read_package(package(tmp_path / "A.mlpackage"))
    folder = compile_package(given.path, tmp_path / "A.mlmodelc").path
    other = parse_model(model(given.model.program, b"", 8))
    (folder / COREMLDATA).write_bytes(write_coremldata(other))
    found = whats(differences(read_compiled(folder), given.model, "A"))
    assert found == [
        f"{folder / COREMLDATA}: specification version differs",
        f"{folder / COREMLDATA}: description differs",
    ]


def edit(tmp_path: Path, change: Callable[[list[dict[str, object]]], object]) -> list[str]:
    """Change values in `metadata.json`; return the faults that the check finds."""
    found = compiled(tmp_path)
    content = json.loads((found.path / METADATA).read_text())
    changed = change(content)
    (found.path / METADATA).write_text(json.dumps(content if changed is None else changed))
    return whats(faults(read_compiled(found.path)))


def test_metadata_must_be_one_object(tmp_path: Path) -> None:
    (what,) = edit(tmp_path, lambda content: content * 2)
    assert what.endswith(
        "not an array of exactly one object that has an input and an output schema"
    )


def test_schemas_must_be_of_strings(tmp_path: Path) -> None:
    def number(content: list[dict[str, object]]) -> None:
        content[0]["inputSchema"] = [{"name": "x", "shape": [1, 2]}]

    (what,) = edit(tmp_path, number)
    assert "a schema has values other than strings" in what


def test_a_histogram_must_be_there(tmp_path: Path) -> None:
    def remove(content: list[dict[str, object]]) -> None:
        del content[0]["mlProgramOperationTypeHistogram"]

    (what,) = edit(tmp_path, remove)
    assert "no histogram of operations: Mochi Diffusion would not list the model" in what


def test_the_histogram_must_tell_the_kind_of_attention(tmp_path: Path) -> None:
    def rename(content: list[dict[str, object]]) -> None:
        counts = content[0]["mlProgramOperationTypeHistogram"]
        assert isinstance(counts, dict)
        counts["Einsum"] = counts.pop("Ios16.einsum")

    (what,) = edit(tmp_path, rename)
    assert "the histogram is wrong about Ios16.einsum" in what


def test_the_order_of_metadata_does_not_matter(tmp_path: Path) -> None:
    assert edit(tmp_path, lambda content: [dict(reversed(content[0].items()))]) == []


def test_other_metadata_is_found(tmp_path: Path) -> None:
    given = read_package(package(tmp_path / "A.mlpackage"))
    folder = compile_package(given.path, tmp_path / "A.mlmodelc").path
    (folder / METADATA).write_text(write_metadata(given.model, "B"))
    (what,) = whats(differences(read_compiled(folder), given.model, "A"))
    assert what == f"{folder / METADATA}: content differs"


def test_a_program_without_blobs_needs_no_weight_file(tmp_path: Path) -> None:
    assert weight_faults(source(STATEFUL), None, tmp_path) == ()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TEXT, b"\xff", "model.mil: not UTF-8"),
        (TEXT, b"program(", "model.mil: line 1: text version"),
        (COREMLDATA, b"", "coremldata.bin: "),
        (METADATA, b"{", "metadata.json: not valid JSON"),
        (METADATA, b"[" * 100_000, "metadata.json: "),
        (TEXT, None, "model.mil: no such file"),
        (METADATA, None, "metadata.json: no such file"),
    ],
)
def test_damaged_folders_are_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    folder = compiled(tmp_path).path
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(BadInputError, match=message) as caught:
        read_compiled(folder)
    assert str(caught.value).endswith("; compile the package again")


def test_programs_of_other_functions_differ() -> None:
    one, more = source(OPERATIONS), source(STATEFUL)
    found = list(function_differences(one, more))
    assert found[0] == "list of functions differs"
    assert list(function_differences(one, one)) == []
