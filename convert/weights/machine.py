"""The state of an interpreted pickle, and inert records in place of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_BYTES = 64 << 20
"""The size limit for pickles. A checkpoint of 2,600 tensors has about 400 kB."""

MAX_STEPS = 10_000_000
"""The limit for opcodes and the items they move. A checkpoint of 2,600 tensors needs 150,000."""


class MalformedPickleError(ValueError):
    """Raised for a stream that is not a pickle that this interpreter accepts."""


@dataclass(frozen=True, slots=True)
class Name:
    """A module-level name that the pickle mentions: `module.name`, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Inert:
    """Data in place of the result of calling an unknown name: its name, arguments and state."""

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: object, arguments: object = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.state: object = None


class Ordered(dict[object, object]):
    """An `OrderedDict`: a dict that may be given attributes (`_metadata`), which are dropped."""


class Builder(Protocol):
    """Provides the values of names, calls and persistent ids."""

    def name(self, module: str, name: str) -> Name:
        """Accept a name, or raise an error."""

    def call(self, name: Name, arguments: tuple[object, ...]) -> object:
        """Return the value of `name(*arguments)`."""

    def storage(self, persistent_id: object) -> object:
        """Return the storage with this persistent id."""


class Machine:
    """The stack, the marks and the memo of one run of the interpreter."""

    __slots__ = ("builder", "marks", "memo", "stack", "steps")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.steps = 0

    def spend(self, steps: int) -> None:
        """Count work, so that a small file cannot cause an unlimited amount of it."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise MalformedPickleError(f"more than {MAX_STEPS:,} pickle steps")

    def since_mark(self) -> list[object]:
        """Pop everything above the topmost mark."""
        items, self.stack = self.stack, self.marks.pop()
        self.spend(len(items))
        return items

    def call(self, function: object, arguments: object) -> object:
        """Return the value or record of `function(*arguments)`."""
        if type(arguments) is not tuple:
            raise MalformedPickleError("a call has arguments that are not a tuple")
        if type(function) is Name:
            self.spend(sum(len(item) for item in arguments if type(item) in (list, tuple, str)))
            return self.builder.call(function, arguments)
        return Inert(function, arguments)
