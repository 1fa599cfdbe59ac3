"""A queue in which all is over costs nothing, whoever listens to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.keeper import Keeper
from sdcoreml.doctor.studio.lineup import Lineup


def test_a_fault_of_the_queue_says_which_button_mends_it(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    store.add(New(kind=Kind.DRAW, title="one", words=("draw", "x")))
    (tmp_path / "order.json").write_text("{")
    keeper = Keeper(store=store, start=lambda: None)
    signer = Signer(key=b"k" * 32)
    lineup = Lineup(store=store, signer=signer, keeper=keeper, toolchain="tested")
    faults: Any = lineup.queue()["faults"]
    (fault,) = faults
    assert "order.json" in fault["first"]
    assert fault["second"]["say"] == "remedy.button"
    assert fault["second"]["button"] == {"say": "resume"}


def test_where_all_is_over_no_entry_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder=tmp_path)
    store.add(New(kind=Kind.DRAW, title="one", words=("draw", "x")))
    keeper = Keeper(store=store, start=lambda: None)
    signer = Signer(key=b"k" * 32)
    lineup = Lineup(store=store, signer=signer, keeper=keeper, toolchain="tested")
    entries = lineup.queue()["entries"]
    assert isinstance(entries, list)
    assert [one["state"] for one in entries] == [State.WAITING.value]
    assert list(lineup.progress()) == []
    store.cancel(entries[0]["id"])
    lineup.queue()
    monkeypatch.setattr(Store, "read", pytest.fail)
    assert list(lineup.progress()) == []
