"""Packages written from literal programs: layout, casts, and nothing half-written after errors."""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.compression.forms import Codes, Integers
from sdcoreml.convert.packages.write import (
    WEIGHTS,
    Shelf,
    layout_of,
    manifest,
    write_package,
    write_packages,
)
from sdcoreml.convert.programs.payload import (
    ComputedConstant,
    DrawnProgram,
    RecordSource,
    Weight,
    lay_out,
)
from sdcoreml.convert.spec.blobs import open_weights
from sdcoreml.convert.spec.model import (
    DataType,
    Description,
    Model,
    Program,
    TensorType,
)
from sdcoreml.ground.errors import BadInputError, SdcoremlError

EMPTY = Model(
    specification_version=7,
    description=Description(inputs=(), outputs=()),
    program=Program(version=1, functions={}),
)
F16, F32 = DataType.FLOAT16, DataType.FLOAT32


@dataclass
class Shape:
    shape: tuple[int, ...]
    dtype: str = "F16"


@dataclass
class Memory:
    """`Tensors` in a dictionary, which counts calls of `release`."""

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    released: int = 0

    def names(self) -> tuple[str, ...]:
        return tuple(self.arrays)

    def info(self, name: str) -> Shape:
        return Shape(self.arrays[name].shape)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def release(self) -> None:
        self.released += 1


def built(*records: tuple[TensorType, RecordSource]) -> DrawnProgram:
    payloads = lay_out((f"w{n}", kind, source) for n, (kind, source) in enumerate(records))
    return DrawnProgram(component="unet", model=EMPTY, payloads=payloads, parameters=0)


def kind(dtype: DataType, *shape: int) -> TensorType:
    return TensorType(dtype=dtype, shape=shape)


def write(package: Path, *records: tuple[TensorType, RecordSource], **arrays: np.ndarray) -> bytes:
    write_package(built(*records), Memory(arrays), package)
    return (package / "Data/com.apple.CoreML/weights/weight.bin").read_bytes()


def test_records_lie_on_64_byte_bounds_each_behind_its_description(tmp_path: Path) -> None:
    half = np.arange(33, dtype=np.float16)
    single = np.arange(3, dtype=np.float32)
    data = write(
        tmp_path / "x.mlpackage",
        (kind(F16, 33), Weight(tensor="a")),
        (kind(F32, 3), ComputedConstant(single)),
        a=half,
    )
    assert data == b"".join(
        (
            struct.pack("<II56x", 2, 2),
            struct.pack("<IIQQ40x", 0xDEADBEEF, 1, 66, 128),
            half.tobytes() + bytes(62),
            struct.pack("<IIQQ40x", 0xDEADBEEF, 2, 12, 320),
            single.tobytes(),
        )
    )


def test_the_house_reads_what_it_writes(tmp_path: Path) -> None:
    package = tmp_path / "x.mlpackage"
    write(package, (kind(F16, 2, 5), Weight(tensor="a")), a=np.ones((5, 2), np.float16))
    with open_weights(package / "Data/com.apple.CoreML/weights/weight.bin") as storage:
        (record,) = storage.records()
        assert (record.offset, record.dtype, record.nbytes) == (64, F16, 20)
        assert bytes(storage.data(record)) == np.ones(10, np.float16).tobytes()


def test_float32_is_rounded_to_float16_to_nearest_even(tmp_path: Path) -> None:
    values = np.array([1.0, 1 + 2**-11, 1 + 3 * 2**-11, 65504.0, -1e-8], np.float32)
    data = write(tmp_path / "x.mlpackage", (kind(F16, 5), Weight(tensor="a")), a=values)
    assert np.frombuffer(data[128:], np.float16).tolist() == [1, 1, 1 + 2**-9, 65504, 0]


def test_float16_is_widened_for_a_float32_program(tmp_path: Path) -> None:
    values = np.array([1.5, -0.25], np.float16)
    data = write(tmp_path / "x.mlpackage", (kind(F32, 2), Weight(tensor="a")), a=values)
    assert np.frombuffer(data[128:], np.float32).tolist() == [1.5, -0.25]


def test_large_tensors_are_cast_in_blocks() -> None:
    count = (1 << 22) + 5
    values = np.linspace(-1, 1, count, dtype=np.float32)
    blocks = list(Weight(tensor="a").blocks(Memory({"a": values}), F16))
    assert [block.size for block in blocks] == [*(1 << 18,) * 16, 5]
    assert (np.concatenate(blocks) == values.astype(np.float16)).all()


@pytest.mark.parametrize("value", [65520.0, -7e4])
def test_a_number_too_large_for_float16_leaves_the_old_package_alone(
    value: float, tmp_path: Path
) -> None:
    package = tmp_path / "x.mlpackage"
    good = write(package, (kind(F16, 1), Weight(tensor="a")), a=np.ones(1, np.float32))
    bad = np.array([1, value, 2], np.float32)
    with pytest.raises(BadInputError, match=r"^b: holds .*float16 can hold .* --precision fp32$"):
        write(package, (kind(F16, 3), Weight(tensor="b")), b=bad)
    assert (package / "Data/com.apple.CoreML/weights/weight.bin").read_bytes() == good
    assert [path.name for path in tmp_path.iterdir()] == ["x.mlpackage"]


def test_a_tensor_that_changed_size_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(SdcoremlError, match=r"^w0: 20 bytes expected, but 18 read;"):
        write(
            tmp_path / "x.mlpackage",
            (kind(F16, 10), Weight(tensor="a")),
            a=np.zeros(9, np.float16),
        )


def test_pages_are_given_back_on_the_way(tmp_path: Path) -> None:
    tensors = Memory({"a": np.zeros(1 << 23, np.float16)})
    wanted = [(kind(F16, 1 << 23), Weight(tensor="a"))] * 4
    write_package(built(*wanted), tensors, tmp_path / "x.mlpackage")
    assert tensors.released == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_pages_of_a_large_tensor_are_given_back_before_its_end(
    dtype: type[np.floating], tmp_path: Path
) -> None:
    tensors = Memory({"a": np.zeros((1 << 25) + 1, dtype)})
    weight = (kind(F16, (1 << 25) + 1), Weight(tensor="a"))
    write_package(built(weight), tensors, tmp_path / "x.mlpackage")
    assert tensors.released == 1


def test_a_folder_that_is_no_package_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "x.mlpackage"
    place.mkdir()
    (place / "diary.txt").write_text("dear diary", encoding="utf-8")
    with pytest.raises(BadInputError):
        write(place)
    assert (place / "diary.txt").read_text(encoding="utf-8") == "dear diary"


def test_the_manifest_names_both_items_by_ids_that_follow_from_the_model() -> None:
    first, again, other = (json.loads(manifest(digest)) for digest in ("00", "00", "01"))
    assert first == again
    assert set(first["itemInfoEntries"]).isdisjoint(other["itemInfoEntries"])
    root = first["itemInfoEntries"][first["rootModelIdentifier"]]
    assert root["path"] == "com.apple.CoreML/model.mlmodel"
    assert sorted(item["path"] for item in first["itemInfoEntries"].values()) == [
        "com.apple.CoreML/model.mlmodel",
        "com.apple.CoreML/weights",
    ]


@pytest.mark.parametrize(
    ("dtype", "shape", "nbytes"),
    [(F16, (3, 5), 30), (F32, (2,), 8), (DataType.INT8, (7,), 7), (DataType.UINT8, (2, 2), 4)],
)
def test_sizes(dtype: DataType, shape: tuple[int, ...], nbytes: int) -> None:
    (payload,) = lay_out([("w", kind(dtype, *shape), Weight(tensor="a"))])
    assert (payload.offset, payload.nbytes) == (64, nbytes)


class TestShelf:
    SHAPE = kind(F16, 16)
    TENSORS = Memory({name: np.full(16, n, np.float16) for n, name in enumerate("ab")})

    def write(self, folder: Path, shelf: Shelf, *sources: RecordSource) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.mlpackage"
        program = built(*((self.SHAPE, source) for source in sources))
        write_packages({path: program}, self.TENSORS, shelf)
        return path / WEIGHTS

    def test_equal_weights_are_written_once(self, tmp_path: Path) -> None:
        shelf, table = Shelf(), ComputedConstant(np.arange(16, dtype=np.float16))
        first = self.write(tmp_path, shelf, Weight(tensor="a"), table)
        again = self.write(
            tmp_path, shelf, Weight(tensor="a"), ComputedConstant(table.array.copy())
        )
        assert again.samefile(first)

    @pytest.mark.parametrize(
        "sources",
        [
            (Weight(tensor="b"), ComputedConstant(np.arange(16, dtype=np.float16))),
            (Weight(tensor="a"), ComputedConstant(np.ones(16, np.float16))),
            (Weight(tensor="a"),),
            (ComputedConstant(np.arange(16, dtype=np.float16)), Weight(tensor="a")),
        ],
        ids=["another tensor", "another table", "fewer", "another order"],
    )
    def test_others_are_not(self, tmp_path: Path, sources: tuple[RecordSource, ...]) -> None:
        shelf = Shelf()
        table = ComputedConstant(np.arange(16, dtype=np.float16))
        first = self.write(tmp_path, shelf, Weight(tensor="a"), table)
        assert not self.write(tmp_path, shelf, *sources).samefile(first)

    def test_what_was_removed_meanwhile_is_written(self, tmp_path: Path) -> None:
        written = self.write(tmp_path, Shelf(), Weight(tensor="a"))
        payloads = built((self.SHAPE, Weight(tensor="a"))).payloads
        shelf = Shelf({layout_of(payloads): tmp_path / "gone" / "weight.bin"})
        assert self.write(tmp_path, shelf, Weight(tensor="a")).read_bytes() == written.read_bytes()

    def test_a_disk_without_hard_links_has_them_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "no links")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
        shelf = Shelf()
        first = self.write(tmp_path, shelf, Weight(tensor="a"))
        again = self.write(tmp_path, shelf, Weight(tensor="a"))
        assert not again.samefile(first)
        assert again.read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("value", "dtype", "what"),
    [
        (np.nan, np.float16, "holds NaN"),
        (np.inf, np.float16, "holds an infinite number"),
        (-np.inf, np.float32, "holds an infinite number"),
        (np.nan, np.float64, "holds NaN"),
    ],
)
def test_numbers_that_are_none_are_told_by_their_tensor(
    tmp_path: Path, value: float, dtype: type[np.floating], what: str
) -> None:
    spoilt = np.array([1.0, value, -65504.0], dtype)
    with pytest.raises(BadInputError, match=f"^b: {what}; the model is damaged"):
        write(tmp_path / "x.mlpackage", (kind(F16, 3), Weight(tensor="b")), b=spoilt)
    assert not (tmp_path / "x.mlpackage").exists()


def test_the_manifest_names_the_model_and_its_weights() -> None:
    model, weights = "AD928205-AE71-5561-A3A4-8409ECF02119", "696346F7-B4AB-5F49-A5E7-08EAA2A7EB68"
    assert json.loads(manifest("5f" * 32)) == {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {
            model: {
                "author": "com.apple.CoreML",
                "description": "CoreML Model Specification",
                "name": "model.mlmodel",
                "path": "com.apple.CoreML/model.mlmodel",
            },
            weights: {
                "author": "com.apple.CoreML",
                "description": "CoreML Model Weights",
                "name": "weights",
                "path": "com.apple.CoreML/weights",
            },
        },
        "rootModelIdentifier": model,
    }
    assert manifest("5f" * 32).startswith('{\n    "fileFormatVersion": "1.0.0",\n')
    assert manifest("5f" * 32).endswith("}\n")


def test_weights_that_were_kept_before_are_still_known() -> None:
    """Kept weight files are found by the digest of their layout."""
    codes = Codes(source=Weight(tensor="w"), palettes=np.ones((1, 2), "<f2"), bits=1, each=8)
    integers = Integers(source=Weight(tensor="w"), scale=np.ones(2, "<f2"))
    records: tuple[RecordSource, ...] = (
        Weight(tensor="w"),
        ComputedConstant(np.ones(2, "<f2")),
        codes,
        integers,
    )
    found = layout_of(built(*((kind(F16, 2), one) for one in records)).payloads)
    assert found == "7f85daf7fbbd0bac2d105fbc12557d2105a23e9442ba7faa51d361a723dd9fc0"
