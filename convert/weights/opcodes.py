"""Interprets pickles by building records, without importing, looking up or calling anything.

The standard library's own disassembler (`pickletools`) reads the opcodes and their arguments; the
table below has each opcode's effect on the stack. Names that a pickle mentions stay names. A
`Builder` provides the results of calls: it knows the few constructors of checkpoints and returns an
inert record for any other.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, Protocol, cast

from sdcoreml.convert.weights.machine import Builder, Inert, Machine, MalformedPickleError, Name


class Stream(Protocol):
    """The methods of a binary file that are needed to read a pickle."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes."""

    def readline(self, size: int = -1, /) -> bytes:
        """Read up to and including the next newline."""

    def tell(self) -> int:
        """Return the position of the next byte."""


def _extend(machine: Machine, items: Iterable[object]) -> None:
    target = machine.stack[-1]
    if type(target) is list:
        target.extend(items)
    elif type(target) is not Inert:
        raise MalformedPickleError(f"it appends to an object of type {type(target).__name__}")


def _update(machine: Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if len(items) % 2:
        raise MalformedPickleError("odd number of dictionary items")
    if type(target) is Inert:
        return
    if not isinstance(target, dict):
        raise MalformedPickleError(
            f"it adds dictionary items to an object of type {type(target).__name__}"
        )
    # Only scalars become keys: hashing a tuple nested a million deep would overflow the C stack.
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) in (str, int, float, bool, bytes, type(None)):
            target[key] = value


def _dict(machine: Machine, _: object) -> None:
    items = machine.since_mark()
    machine.stack.append({})
    _update(machine, items)


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if type(target) is Inert:
        target.state = state
    elif type(target) in (list, tuple, dict, str, int):
        raise MalformedPickleError(
            f"it sets the state of an object of type {type(target).__name__}"
        )


def _remember(machine: Machine, key: int | None) -> None:
    machine.memo[len(machine.memo) if key is None else key] = machine.stack[-1]


def _tuple_of(count: int) -> Step:
    def run(machine: Machine, _: object) -> None:
        if len(machine.stack) < count:
            raise IndexError
        items = tuple(machine.stack[-count:])
        del machine.stack[-count:]
        machine.stack.append(items)

    return run


def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _name(machine: Machine, module: object, name: object) -> Name:
    if type(module) is not str or type(name) is not str:
        raise MalformedPickleError("a name that is not text")
    return machine.builder.name(module, name)


def _global(machine: Machine, argument: str) -> None:
    machine.stack.append(_name(machine, *argument.split(" ", 1)))


def _stack_global(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_name(machine, module, name))


def _reduce(machine: Machine) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.call(function, arguments))


def _new_with_keywords(machine: Machine) -> None:
    machine.stack.pop()
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(Inert(function, arguments))


def _instance(machine: Machine, argument: str) -> None:
    arguments = tuple(machine.since_mark())
    machine.stack.append(Inert(_name(machine, *argument.split(" ", 1)), arguments))


def _object(machine: Machine) -> None:
    function, *arguments = machine.since_mark()
    machine.stack.append(Inert(function, tuple(arguments)))


def _pop(machine: Machine, _: object) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.since_mark()


def _pop_mark(machine: Machine, _: object) -> None:
    machine.since_mark()


def _setitem(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine, [key, value])


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    _extend(machine, [value])


def _push_marked(machine: Machine, make: Callable[[list[object]], object]) -> None:
    items = machine.since_mark()
    machine.stack.append(make(items))


def _push_argument(machine: Machine, argument: object) -> None:
    machine.stack.append(argument)


def _nothing(_: Machine, __: object) -> None:
    """Ignore an opcode that only helps an unpickler to buffer."""


def _protocol(_: Machine, version: int) -> None:
    if version > 5:  # noqa: PLR2004  the highest that exists
        raise MalformedPickleError(f"unknown pickle protocol {version}")


_SET, _FROZENSET = Name("builtins", "set"), Name("builtins", "frozenset")

Step = Callable[[Machine, Any], None]
"""The effect of an opcode; its argument, if it has one, has the type that `pickletools` gives."""

STEPS: Mapping[str, Step] = {
    # the stream
    "PROTO": _protocol,
    "FRAME": _nothing,
    # values
    **dict.fromkeys(
        [
            "BININT",
            "BININT1",
            "BININT2",
            "INT",
            "LONG",
            "LONG1",
            "LONG4",
            "FLOAT",
            "BINFLOAT",
            "STRING",
            "BINSTRING",
            "SHORT_BINSTRING",
            "UNICODE",
            "BINUNICODE",
            "SHORT_BINUNICODE",
            "BINUNICODE8",
            "BINBYTES",
            "SHORT_BINBYTES",
            "BINBYTES8",
            "BYTEARRAY8",
        ],
        _push_argument,
    ),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    # containers
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": lambda machine, _: _push_marked(machine, tuple),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "LIST": lambda machine, _: _push_marked(machine, list),
    "APPEND": lambda machine, _: _append(machine),
    "APPENDS": lambda machine, _: _extend(machine, machine.since_mark()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "DICT": _dict,
    "SETITEM": lambda machine, _: _setitem(machine),
    "SETITEMS": lambda machine, _: _update(machine, machine.since_mark()),
    "EMPTY_SET": lambda machine, _: machine.stack.append(Inert(_SET)),
    "ADDITEMS": lambda machine, _: _extend(machine, machine.since_mark()),
    "FROZENSET": lambda machine, _: _push_marked(machine, lambda _: Inert(_FROZENSET)),
    # the stack and the memo
    "MARK": lambda machine, _: _mark(machine),
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _remember),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, key: machine.stack.append(machine.memo[key]),
    ),
    # names, and calls
    "GLOBAL": _global,
    "STACK_GLOBAL": lambda machine, _: _stack_global(machine),
    "REDUCE": lambda machine, _: _reduce(machine),
    "NEWOBJ": lambda machine, _: _reduce(machine),
    "NEWOBJ_EX": lambda machine, _: _new_with_keywords(machine),
    "INST": _instance,
    "OBJ": lambda machine, _: _object(machine),
    "BUILD": lambda machine, _: _build(machine),
    "BINPERSID": lambda machine, _: machine.stack.append(
        machine.builder.storage(machine.stack.pop())
    ),
}
"""Maps each opcode to its effect. No checkpoint uses the missing ones (EXT1, PERSID, ...)."""


def interpret(stream: Stream, builder: Builder) -> object:
    """Interpret one pickle, leaving `stream` at the first byte after it.

    Raises:
        MalformedPickleError: the stream is damaged, too long, or uses an opcode no checkpoint has.
    """
    with warnings.catch_warnings():
        # The disassembler unescapes strings of protocol 0, and Python warns of invalid escapes.
        warnings.simplefilter("ignore")
        return _interpret(stream, Machine(builder))


def _interpret(stream: Stream, machine: Machine) -> object:
    name, position = "", 0
    try:
        for opcode, argument, at in pickletools.genops(cast("IO[bytes]", stream)):
            name, position = opcode.name, at or 0
            if name != "STOP":  # nothing comes after it
                machine.spend(1)
                STEPS[name](machine, argument)
        return machine.stack.pop()
    except MalformedPickleError as error:
        raise MalformedPickleError(f"{error} (at byte {position:,})") from None
    except KeyError:
        reason = f"opcode {name} is not allowed or refers to nothing"
        raise MalformedPickleError(f"{reason} (at byte {position:,})") from None
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError, struct.error) as error:
        reason = f"damaged pickle: {str(error) or type(error).__name__}"
        raise MalformedPickleError(f"{reason} (after byte {position:,})") from None
