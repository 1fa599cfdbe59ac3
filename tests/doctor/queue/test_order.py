"""The order's file: one that cannot be read stops the queue until somebody resumes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.queue.entry import Kind
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import Store
from sdcoreml.ground.errors import BadInputError

NEW = New(kind=Kind.FIX, title="mend", words=("env", "repair"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "an empty file"),
        ("{", "not valid JSON"),
        ('{"schema": 1, "order": 3}', "order: "),
        ('{"order": []}', "schema: 1 is expected, not None"),
        ('{"schema": 2, "order": [], "next": 9}', "a newer version of sdcoreml wrote it"),
        ('{"schema": true, "order": []}', "schema: 1 is expected, not True"),
    ],
)
def test_an_order_that_cannot_be_read_pauses_the_queue(
    text: str, what: str, tmp_path: Path
) -> None:
    store, order = Store(folder=tmp_path), tmp_path / "order.json"
    store.add(NEW)
    store.add(NEW)
    store.move("2", "1")
    order.write_text(text)
    queue = store.read()
    (fault,) = queue.faults
    assert fault.what.startswith(what)
    assert fault.remedy.startswith("until `sdcoreml queue resume`, the queue is paused")
    assert ([one.id for one in queue.entries], queue.is_paused) == (["1", "2"], True)
    assert store.add(NEW) == "3"
    store.remove("1")
    store.pause()
    with pytest.raises(BadInputError, match="queue resume"):
        store.move("3", "2")
    assert order.read_text() == text
    store.resume()
    assert (store.read().faults, store.read().is_paused) == ((), False)
    assert store.add(NEW) == "4"
    store.move("4", "2")
    assert [one.id for one in store.read().entries] == ["4", "2", "3"]
