from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.convert.weights import machine
from sdcoreml.convert.weights.machine import (
    Inert,
    Machine,
    MalformedPickleError,
    Name,
    Ordered,
)


class Recorder:
    """A builder of values that records its calls."""

    def __init__(self) -> None:
        self.called: list[tuple[Name, tuple[Any, ...]]] = []

    def name(self, module: str, name: str) -> Name:
        return Name(module, name)

    def call(self, name: Name, arguments: tuple[Any, ...]) -> object:
        self.called.append((name, arguments))
        return "made"

    def storage(self, persistent_id: object) -> object:
        return persistent_id


SIZE = Name("torch", "Size")


def test_a_name_is_written_as_python_does() -> None:
    assert str(Name("torch._utils", "_rebuild_tensor")) == "torch._utils._rebuild_tensor"


def test_a_named_call_is_the_builder_s_matter() -> None:
    builder = Recorder()
    assert Machine(builder).call(SIZE, (1, 2)) == "made"
    assert builder.called == [(SIZE, (1, 2))]


@pytest.mark.parametrize("function", [Inert(SIZE), 3, "os.system", print, Ordered])
def test_whatever_else_is_called_is_a_record(function: object) -> None:
    builder = Recorder()
    record = Machine(builder).call(function, ("touch evil",))
    assert isinstance(record, Inert)
    assert (record.name, record.arguments, record.state) == (function, ("touch evil",), None)
    assert builder.called == []


@pytest.mark.parametrize("arguments", [None, [], {}, "text", 3])
def test_arguments_are_a_tuple(arguments: object) -> None:
    with pytest.raises(MalformedPickleError, match="arguments that are not a tuple"):
        Machine(Recorder()).call(SIZE, arguments)


def test_what_lies_above_the_mark_is_taken() -> None:
    run = Machine(Recorder())
    run.marks.append([1, 2])
    run.stack = [3, 4]
    assert run.since_mark() == [3, 4]
    assert (run.stack, run.marks, run.steps) == ([1, 2], [], 2)


def test_work_is_counted_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_STEPS", 10)
    run = Machine(Recorder())
    run.spend(10)
    with pytest.raises(MalformedPickleError, match="more than 10 pickle steps"):
        run.spend(1)


def test_a_call_costs_what_its_arguments_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_STEPS", 10)
    run = Machine(Recorder())
    run.call(SIZE, ([1, 2, 3], (4, 5), "six78", 9))
    assert run.steps == 10
    with pytest.raises(MalformedPickleError, match="pickle steps"):
        run.call(SIZE, ([1],))


def test_an_ordered_dict_is_a_dict() -> None:
    assert Ordered({"a": 1}) == {"a": 1}
