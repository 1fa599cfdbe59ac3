from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.weights.index import (
    Index,
    compare,
    missing_shards,
    read_index,
)
from sdcoreml.ground.errors import BadInputError, Fault

PATH = Path("unet/model.bin.index.json")
INDEX = Index(path=PATH, weights={"a": "1.bin", "b": "1.bin", "c": "2.bin"})


def said(faults: tuple[Fault, ...]) -> list[str]:
    return [fault.what for fault in faults]


def test_an_index_that_fits_has_no_faults() -> None:
    assert compare(INDEX, {"1.bin": ("a", "b"), "2.bin": ("c",)}) == ()


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (
            {"1.bin": ("a", "b"), "2.bin": ("c", "a")},
            ["1 tensor(s) in two shards, such as 'a'"],
        ),
        (
            {"1.bin": ("a",), "2.bin": ()},
            ["2 tensor(s) in the index, but in no shard, such as 'b'"],
        ),
        (
            {"1.bin": ("a",), "2.bin": ("c", "b")},
            ["1 tensor(s) in another shard than the index says, such as 'b'"],
        ),
        (
            {"1.bin": ("a", "b", "x"), "2.bin": ("c",)},
            ["1 tensor(s) in a shard, but not in the index, such as 'x'"],
        ),
        (
            {"1.bin": ("a", "c"), "2.bin": ("y",)},
            [
                "1 tensor(s) in the index, but in no shard, such as 'b'",
                "1 tensor(s) in another shard than the index says, such as 'c'",
                "1 tensor(s) in a shard, but not in the index, such as 'y'",
            ],
        ),
    ],
)
def test_every_difference_is_told(found: dict[str, tuple[str, ...]], what: list[str]) -> None:
    assert said(compare(INDEX, found)) == what


def test_missing_shards_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text(json.dumps({"weight_map": {"a": "1.bin", "b": "2.bin", "c": "3.bin"}}))
    (tmp_path / "2.bin").touch()
    (fault,) = missing_shards(read_index(path))
    assert fault.what == "2 of 3 shards missing: 1.bin, 3.bin"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not valid JSON"),
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ("[]", "no weight_map"),
        (
            '{"_class_name": "UNet2DConditionModel"}',
            "this is a config, which has no weights; give the",
        ),
        ('{"architectures": ["CLIPTextModel"]}', "this is a config, which has no weights"),
        ('{"weight_map": {}}', "no weight_map"),
        ('{"weight_map": {"a": 1}}', "shard name 1 is not a plain file name"),
        ('{"weight_map": {"a": "../../etc/passwd"}}', "not a plain file name"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "not a plain file name"),
        ('{"weight_map": {"a": "sub/1.bin"}}', "not a plain file name"),
        ('{"weight_map": {"a": ".."}}', "not a plain file name"),
        ('{"weight_map": {"a": "c:\\\\1.bin"}}', "not a plain file name"),
        ("[" * 100_000, "JSON nested more than 100 deep"),
    ],
)
def test_a_bad_index_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "i.json"
    path.write_text(content)
    with pytest.raises(BadInputError, match=why):
        read_index(path)


@pytest.mark.parametrize("name", ["", ".", "a/", "./1.bin", "1\n.bin", "1\x1b.bin", "a\\b"])
def test_a_shard_s_name_is_one_that_people_can_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "i.json"
    path.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BadInputError, match="is not a plain file name; download the index"):
        read_index(path)


def test_an_index_that_is_no_index_by_its_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text('{"weight_map": {"a": "1.bin"}}')
    assert read_index(path).weights == {"a": "1.bin"}
    with path.open("r+b") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(BadInputError, match="larger than 33,554,432 bytes, too large for an inde"):
        read_index(path)


def test_shards_are_files_beside_the_index_each_once() -> None:
    assert INDEX.shards == (Path("unet/1.bin"), Path("unet/2.bin"))


def test_what_is_missing_says_what_to_do(tmp_path: Path) -> None:
    found = Index(path=tmp_path / "i.json", weights={"a": "1.bin"})
    (fault,) = missing_shards(found)
    assert fault.remedy == "download the missing files into the same folder"
    (tmp_path / "1.bin").mkdir()
    assert missing_shards(found) != (), "a folder is not a shard"
    (tmp_path / "1.bin").rmdir()
    (tmp_path / "1.bin").touch()
    assert missing_shards(found) == ()
