from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sdcoreml.ground.documents import parse_json, read_json, read_object, read_record
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (b"\xef\xbb\xbf{}", {}),
        ("\N{ZERO WIDTH NO-BREAK SPACE}[]", []),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
        (b'["\\ud83d\\ude00", "\\\\ud800"]', ["\N{GRINNING FACE}", "\\ud800"]),
        (b"1000000000000000019884624838656", 1000000000000000019884624838656),
        (b"[" * 100 + b"]" * 100, None),
        (b"[],".join((b"[", *[b""] * 200)) + b"[]]", None),
    ],
)
def test_honest_json_is_read(data: bytes | str, value: object) -> None:
    parsed = parse_json(data, "a.json")
    assert parsed == value or value is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 100_000, "JSON nested more than 100 deep"),
        (b'{"a":' * 100_000, "JSON nested more than 100 deep"),
        (b"[" * 101 + b"]" * 101, "JSON nested more than 100 deep"),
        (b"[" + b"{}," * 500_001 + b"0]", "JSON of more than 1,000,000 values"),
        (b'{"a": 1, "b": 2, "a": 3}', "duplicate key 'a'"),
        (b'{"a": [NaN]}', "NaN is not a number of JSON"),
        (b"-Infinity", "-Infinity is not a number of JSON"),
        (b"1e999", "'1e999' is too large a number"),
        (b"-" + b"9" * 100_000, "a number of 100,001 digits"),
        (b'["\\ud800"]', "half a character ('\\ud800') in a text"),
        (b'{"\\uDC80": 1}', "half a character ('\\udc80') in a text"),
        (b'"\xff"', "not UTF-8 (invalid start byte at byte 1)"),
        (b"  ", "an empty file, not JSON"),
        (
            b"[1}",
            "not valid JSON (Expecting ',' delimiter: line 1 column 3 (char 2))",
        ),
    ],
)
def test_what_has_no_meaning_or_two_is_bad_input(data: bytes, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_json(data, "a.json", remedy="download it again")
    assert str(caught.value) == f"a.json: {said}; download it again"


def test_what_came_from_no_file_has_no_name() -> None:
    with pytest.raises(BadInputError, match=r"^an empty file, not JSON$"):
        parse_json("")


def test_a_key_of_a_megabyte_does_not_fill_the_screen() -> None:
    key = "k" * 1_000_000
    with pytest.raises(BadInputError) as caught:
        parse_json(f'{{"{key}": 1, "{key}": 2}}', "a")
    assert len(str(caught.value)) < 200


def test_a_manifest_may_name_files_whose_names_are_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('["\\udcff"]')
    assert read_json(path, Document.MANIFEST) == ["\udcff"]
    with pytest.raises(BadInputError, match="half a character"):
        read_json(path, Document.CONFIG)
    path.write_text('["\\ud800"]')
    with pytest.raises(BadInputError, match="half a character"):
        read_json(path, Document.MANIFEST)


def test_a_pointer_to_a_file_is_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BadInputError, match="a git-lfs pointer, not the file; run 'git lfs pull'"):
        read_json(path, Document.CONFIG)


def test_what_must_be_an_object_is_one(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1}')
    assert read_object(path, Document.CONFIG) == {"a": 1}
    path.write_text("[]")
    with pytest.raises(BadInputError, match=r"JSON, but not an object; again$"):
        read_object(path, Document.CONFIG, remedy="again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    rows: tuple[int, ...]


def test_a_record_has_types_and_an_error_names_the_value(tmp_path: Path) -> None:
    path = tmp_path / "seat.json"
    path.write_text('{"rows": [1, 2]}')
    assert read_record(path, Document.RECORD, Seat) == Seat(rows=(1, 2))
    path.write_text('{"rows": [1, 2, "3"]}')
    with pytest.raises(BadInputError) as caught:
        read_record(path, Document.RECORD, Seat, remedy="write it again")
    assert str(caught.value) == f"{path}: rows[2]: int is expected, not str; write it again"
