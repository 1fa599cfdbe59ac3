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

from convert.weights.machine import Inert, MalformedPickleError, Name, Ordered
from convert.weights.opcodes import STEPS, interpret


class Open:
    """A builder that admits every name and makes everything inert."""

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
        (b"K\x01K\x02a.", "append to a int"),
        (b"K\x01NNs.", "dictionary items given to a int"),
        (b"}(Nu.", "odd number"),
        (b"]}b.", "state given to a list"),
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
