from __future__ import annotations

import contextlib
import io
import os
import pickle
import pickletools
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.weights import machine
from sdcoreml.convert.weights.machine import (
    Inert,
    MalformedPickleError,
    Name,
    Ordered,
)
from sdcoreml.convert.weights.opcodes import STEPS, interpret


class Open:
    """A builder that accepts every name; calling one makes an inert object."""

    def name(self, module: str, name: str) -> Name:
        return Name(module, name)

    def call(self, name: Name, arguments: tuple[Any, ...]) -> object:
        return Ordered() if name.name == "OrderedDict" else Inert(name, arguments)

    def storage(self, persistent_id: object) -> object:
        return ("storage", persistent_id)


def run(data: bytes) -> Any:
    return interpret(io.BytesIO(data), Open())


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
        | st.tuples(inner, inner)
    ),
)


@given(PLAIN, st.integers(0, 5))
def test_plain_data_comes_back_as_it_was_from_every_protocol(value: object, protocol: int) -> None:
    assert run(pickle.dumps(value, protocol)) == value


@given(st.binary(), st.integers(3, 5))
def test_bytes_come_back_where_a_protocol_has_them(value: bytes, protocol: int) -> None:
    assert run(pickle.dumps(value, protocol)) == value


def test_shared_values_stay_shared() -> None:
    inner = [1]
    first, second = run(pickle.dumps([inner, inner]))
    assert first is second


def test_a_call_is_a_record_and_nothing_happens() -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("exit 1",)

    result = run(pickle.dumps(Payload()))
    assert str(result.name) == "posix.system"
    assert result.arguments == ("exit 1",)


def test_state_given_to_a_record_is_kept_and_to_an_ordered_dict_is_dropped() -> None:
    record = run(b"cm\nC\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert record.state == {"a": 1}
    assert run(b"ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aK\x01sb.") == {}


def test_keys_that_are_no_scalars_are_left_out() -> None:
    assert run(pickle.dumps({(1, 2): "lost", "kept": 3})) == {"kept": 3}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "exhausted"),
        (b"\x80\x02}", "exhausted"),
        (b"\x80\x09N.", "unknown pickle protocol 9"),
        (b"\x82\x01.", "opcode EXT1 is not allowed"),
        (b"h\x05.", "BINGET is not allowed or refers to nothing"),
        (b"0.", "damaged"),
        (b"NN\x86\x86.", "damaged"),
        (b"Nt.", "damaged"),
        (b"K\x01NR.", "arguments that are not a tuple"),
        (b"K\x01K\x02a.", "it appends to an object of type int"),
        (b"K\x01NNs.", "it adds dictionary items to an object of type int"),
        (b"}(Nu.", "odd number"),
        (b"]}b.", "it sets the state of an object of type list"),
        (b"K\x01K\x02\x93.", "name that is not text"),
        (b"X\xff\xff\xff\x7fab.", "damaged"),
        (b"\xff", "damaged"),
        (b"S'\\o'\n", "exhausted"),
        (b"L" + b"9" * 5000 + b"L\n.", "damaged"),
    ],
)
def test_damage_is_told(data: bytes, why: str) -> None:
    with pytest.raises(MalformedPickleError, match=why):
        run(data)


def test_a_small_file_cannot_ask_for_endless_work() -> None:
    # A list of a thousand items is given to a constructor again and again through the memo.
    items = b"](" + b"N" * 10_000 + b"eq\x010"
    calls = b"ccollections\nOrderedDict\nh\x01\x85R0" * 2_000
    with pytest.raises(MalformedPickleError, match="pickle steps"):
        run(items + calls + b"N.")


def test_a_deeply_nested_value_does_not_overflow_the_stack() -> None:
    nested = b"N" + b"\x85" * 200_000
    assert run(b"}" + nested + b"Ns.") == {}


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read_and_never_raises_anything_else(data: bytes) -> None:
    with contextlib.suppress(MalformedPickleError):
        run(data)


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=40), st.randoms(use_true_random=False))
def test_any_order_of_known_opcodes_is_refused_or_read(names: list[str], random: Random) -> None:
    codes = {op.name: op for op in pickletools.opcodes}
    body = b"".join(
        codes[name].code.encode("latin-1") + (random.randbytes(2) if codes[name].arg else b"")
        for name in names
    )
    with contextlib.suppress(MalformedPickleError):
        run(body + b".")


def record(name: str, *arguments: object) -> tuple[str, tuple[object, ...]]:
    return name, arguments


def as_record(value: Any) -> tuple[str, tuple[object, ...]]:
    assert isinstance(value, Inert)
    assert isinstance(value.arguments, tuple)
    return str(value.name), value.arguments


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x80\x04\x8f.", record("builtins.set")),
        (b"\x80\x04\x8f(K\x01K\x02\x90.", record("builtins.set")),
        (b"\x80\x04(K\x01\x91.", record("builtins.frozenset")),
        (b"cm\nC\n)R.", record("m.C")),
        (b"cm\nC\nK\x01\x85R.", record("m.C", 1)),
        (b"cm\nC\nK\x01\x85\x81.", record("m.C", 1)),
        (b"cm\nC\nK\x01\x85}\x92.", record("m.C", 1)),
        (b"(K\x01K\x02im\nC\n.", record("m.C", 1, 2)),
        (b"(cm\nC\nK\x01K\x02o.", record("m.C", 1, 2)),
        (b"X\x01\x00\x00\x00mX\x01\x00\x00\x00C\x93)R.", record("m.C")),
    ],
)
def test_whatever_would_be_made_is_a_record_of_its_name(
    data: bytes, expected: tuple[str, tuple[object, ...]]
) -> None:
    assert as_record(run(data)) == expected


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"K\x01K\x020.", 1),
        (b"K\x01(K\x02K\x031.", 1),
        (b"K\x01(0.", 1),
        (b"]K\x072ee.", None),
        (b"](K\x01K\x02l.", [1, 2]),
        (b"](K\x01K\x02ld.", None),
        (b"(K\x01K\x02d.", {1: 2}),
        (b"(K\x01K\x02t.", (1, 2)),
        (b"K\x01K\x02K\x03\x87.", (1, 2, 3)),
        (b"\x80\x05K\x01.", 1),
        (b"I01\n.", True),
        (b"\x88\x89\x86.", (True, False)),
        (b"]\x942a.", None),
        (b"K\x05\x94h\x00\x86.", None),
        (b"K\x05p7\ng7\n\x86.", (5, 5)),
        (b"K\x05r\x07\x00\x00\x00j\x07\x00\x00\x00\x86.", (5, 5)),
        (b"K\x05q\x07h\x07\x86.", (5, 5)),
        (b"}(K\x01K\x02K\x03K\x04u.", {1: 2, 3: 4}),
        (b"}K\x01K\x02s.", {1: 2}),
        (b"](K\x01K\x02e.", [1, 2]),
        (b"]K\x01a.", [1]),
    ],
)
def test_each_opcode_does_to_the_stack_what_python_s_does(data: bytes, value: object) -> None:
    """We read the same value as Python, or both reject the pickle; `None` stands for any value."""
    try:
        theirs = pickle.loads(data)  # noqa: S301  our own bytes, without a name in them
    except (pickle.UnpicklingError, IndexError, AttributeError, TypeError, ValueError):
        with pytest.raises(MalformedPickleError):
            run(data)
        return
    if value is not None:
        assert theirs == value
    if theirs is not Ellipsis and "..." not in repr(theirs):
        assert run(data) == theirs


def test_items_given_to_a_record_go_nowhere() -> None:
    for data in (b"cm\nC\n)R(K\x01e.", b"cm\nC\n)RK\x01a.", b"cm\nC\n)R(K\x01K\x02u."):
        assert as_record(run(data)) == ("m.C", ())


def test_every_opcode_is_a_step_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_STEPS", 4)
    assert run(b"NNNN.") is None
    with pytest.raises(MalformedPickleError, match=r"more than 4 pickle steps \(at byte 4\)"):
        run(b"NNNNN.")


def test_the_reader_stops_just_behind_the_pickle() -> None:
    stream = io.BytesIO(b"K\x01.K\x02.")
    assert interpret(stream, Open()) == 1
    assert stream.tell() == 3
    assert interpret(stream, Open()) == 2


def test_a_persistent_id_is_the_builder_s_matter() -> None:
    assert run(b"K\x07Q.") == ("storage", 7)


def test_where_the_damage_is_is_said() -> None:
    with pytest.raises(
        MalformedPickleError, match=r"it appends to an object of type int \(at byte 4\)"
    ):
        run(b"K\x01K\x02a.")
