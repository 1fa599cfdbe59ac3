"""What is told of shared work, when it is shared, and what is sent to another process."""

from __future__ import annotations

from io import BufferedRandom
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.compression.forms import Codes, Form, Integers
from sdcoreml.convert.compression.recipe import Method
from sdcoreml.convert.programs.payload import (
    ComputedConstant,
    Payload,
    RecordSource,
    Weight,
    lay_out,
)
from sdcoreml.convert.spec.model import DataType, TensorType
from sdcoreml.convert.tasks import shares
from sdcoreml.convert.tasks.shares import Piece, Shares, amount_of_writing
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.crew import Crew
from sdcoreml.ground.errors import WorkerError
from sdcoreml.ground.events import Event

F16 = DataType.FLOAT16
PALETTE = np.array([[0, 1], [2, 3]], "<f2")
CODES = Codes(source=Weight(tensor="w"), palettes=PALETTE, bits=1, each=8)
NONE = "raise SystemExit"
"""The code of a helper that ends at once: whoever asks it for anything fails."""


def payloads(count: int, shape: tuple[int, ...] = (4, 4)) -> tuple[Payload, ...]:
    kind = TensorType(dtype=F16, shape=shape)
    return lay_out((f"c{number}", kind, Weight(tensor=f"{number}.w")) for number in range(count))


def open_tensors(folder: Path, count: int, shape: tuple[int, ...] = (4, 4)) -> TensorFile:
    path = folder / "w.safetensors"
    size = int(np.prod(shape))
    arrays = {
        f"{number}.w": np.arange(number, number + size, dtype="<f2").reshape(shape)
        for number in range(count)
    }
    safetensors.numpy.save_file(arrays, path)
    return TensorFile.open(path)


@pytest.mark.parametrize(
    ("count", "workers", "groups"),
    [(1, 1, [1]), (5, 1, [4, 1]), (21, 1, [5, 5, 5, 5, 1]), (42, 2, [5] * 8 + [2])],
)
def test_weights_are_fitted_a_few_together(
    count: int, workers: int, groups: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "WORTH", 0)
    told: list[Event] = []
    form = Form(method=Method.LINEAR, bits=8)
    with open_tensors(tmp_path, count) as tensors, Crew(workers, emit=told.append) as crew:
        found = Shares(tensors=tensors, crew=crew).find(payloads(count), form)
    largest = [np.arange(number + 3, number + 19, 4) / 127 for number in range(count)]
    assert [[*one] for one in found] == [[*one.astype("<f2")] for one in largest]
    each = 3.3 * 16 + 72e6
    assert sorted((one.text, one.done) for one in told) == sorted(
        ("cluster", round(each * size)) for size in groups
    )


def test_weights_of_sixteen_channels_at_most_are_fitted_together(tmp_path: Path) -> None:
    told: list[Event] = []
    with open_tensors(tmp_path, 100) as tensors:
        made = Shares(tensors=tensors, crew=Crew(emit=told.append))
        made.find(payloads(100), Form(method=Method.LINEAR, bits=8))
    assert [one.done for one in told] == [round(16 * (3.3 * 16 + 72e6))] * 6 + [
        round(4 * (3.3 * 16 + 72e6))
    ]


@pytest.mark.parametrize(("worth", "is_shared"), [(160, True), (161, False)])
def test_helpers_are_asked_from_so_many_bytes_on(
    worth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_shared: bool
) -> None:
    monkeypatch.setattr(shares, "WORTH", worth)
    form = Form(method=Method.LINEAR, bits=8)
    with open_tensors(tmp_path, 5) as tensors, Crew(2, NONE) as crew:
        made = Shares(tensors=tensors, crew=crew)
        if is_shared:
            with pytest.raises(WorkerError):
                made.find(payloads(5), form)
        else:
            assert len(made.find(payloads(5), form)) == 5


def write(folder: Path, records: tuple[Payload, ...], crew: Crew) -> bytes:
    with (
        open_tensors(folder, len(records)) as tensors,
        (folder / "weight.bin").open("w+b") as file,
    ):
        assert isinstance(file, BufferedRandom)
        Shares(tensors=tensors, crew=crew).write(file, records, None)
        file.seek(0)
        return file.read()


@pytest.mark.parametrize(("at_once", "groups"), [(64, [2, 2, 2]), (65, [3, 3])])
def test_records_are_written_where_the_program_expects_them(
    at_once: int, groups: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "_AT_ONCE", at_once)
    monkeypatch.setattr(shares, "WORTH", 1)
    told: list[Event] = []
    # Nothing is rounded, so helpers are not asked, which could not answer.
    content = write(tmp_path, payloads(6), Crew(2, NONE, told.append))
    assert content == b"".join(
        (
            bytes.fromhex("06000000 02000000").ljust(64, b"\0"),
            *(
                bytes.fromhex("efbeadde 01000000 2000000000000000").ljust(16, b"\0")
                + (64 + 128 * number + 64).to_bytes(8, "little").ljust(48, b"\0")
                + np.arange(number, number + 16, dtype="<f2").tobytes().ljust(64, b"\0")
                for number in range(6)
            ),
        )
    ).removesuffix(bytes(32))
    assert [(one.text, one.done) for one in told] == [
        ("write", round(2.9 * 16 * size)) for size in groups
    ]


def test_only_rounded_weights_are_shared_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "WORTH", 2 * 16)
    monkeypatch.setattr(shares, "_AT_ONCE", 1)
    with Crew(2, NONE) as crew:
        assert len(write(tmp_path, payloads(2), crew)) == 64 + 128 + 64 + 32
        kind = TensorType(dtype=F16, shape=(4, 4))
        both = lay_out(
            [
                ("plain", kind, Weight(tensor="0.w")),
                ("table", kind, ComputedConstant(np.zeros((4, 4), "<f2"))),
            ]
        )
        with pytest.raises(WorkerError):
            write(tmp_path, both, crew)


@pytest.mark.parametrize(
    ("source", "amount"),
    [
        (Weight(tensor="w"), 2.9 * 6),
        (ComputedConstant(np.zeros(6)), 2.9 * 6),
        (Integers(source=Weight(tensor="w"), scale=np.ones(2, "<f2")), 7.8 * 6),
        (CODES, 7.8 * 16),  # its record counts bytes, not elements
    ],
)
def test_what_writing_takes(source: RecordSource, amount: float) -> None:
    kind = TensorType(dtype=DataType.UINT8, shape=(2, 3))
    record = Payload(name="c", type=kind, offset=64, source=source)
    assert amount_of_writing(record) == pytest.approx(amount)


def record(source: RecordSource) -> Payload:
    kind = TensorType(dtype=DataType.UINT8, shape=(2, 3))
    return Payload(name="c", type=kind, offset=192, source=source)


@pytest.mark.parametrize("source", [Weight(tensor="w"), Weight(tensor="")])
def test_a_record_is_the_same_in_another_process(source: RecordSource) -> None:
    assert Piece.of(record(source)).as_payload() == record(source)


def test_tables_are_the_same_in_another_process() -> None:
    sent = Piece.of(record(CODES)).as_payload()
    assert isinstance(sent.source, Codes)
    assert (sent.source.source, sent.source.bits, sent.source.each) == (Weight(tensor="w"), 1, 8)
    assert np.array_equal(sent.source.palettes, PALETTE)
    integers = Integers(source=Weight(tensor="w"), scale=np.array([1, 2], "<f2"))
    sent = Piece.of(record(integers)).as_payload()
    assert isinstance(sent.source, Integers)
    assert sent.source.source == Weight(tensor="w")
    assert [*sent.source.scale] == [1, 2]
    sent = Piece.of(record(ComputedConstant(np.array([[5]], "<f2")))).as_payload()
    assert isinstance(sent.source, ComputedConstant)
    assert sent.source.array.tolist() == [[5]]
    kind = TensorType(dtype=F16, shape=(None, 3))
    open_ended = Payload(name="c", type=kind, offset=64, source=Weight(tensor="w"))
    assert Piece.of(open_ended).as_payload().type.shape == (1, 3)


def test_other_sources_stay_here() -> None:
    codes = Codes(source=ComputedConstant(PALETTE), palettes=PALETTE, bits=1, each=8)
    with pytest.raises(TypeError, match=r"cannot be sent to another process$"):
        Piece.of(record(codes))
