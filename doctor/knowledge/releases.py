"""Knows which releases of a package have which names, from tables that its own releases gave.

`python -m tools.releases` writes `released/PROJECT.txt.xz`; how they are written is told in
`tools/releases/tabling.py`. Releases are counted from the oldest, and a set of them is the bits of
a whole number, so that what holds in all that a log allows is a question of `&` and `~`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sdcoreml.lockfiles.versions import key, satisfies

FOLDER = Path(__file__).parent / "released"

ANY = "**"
"""The parameter of a function that takes whatever it is given."""


@dataclass(slots=True, kw_only=True)
class Releases:
    """The releases of a project, the oldest first, the Pythons they need, and their names."""

    versions: tuple[str, ...]
    pythons: tuple[str, ...]
    text: str
    wheels: Mapping[str, str] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)
    _modules: dict[str, int] = field(default_factory=dict)
    _names: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _holders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _defining: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find where each module's part of the text begins."""
        for found in re.finditer(r"^#(\S+) ", self.text, re.MULTILINE):
            self._modules[found[1]] = found.start()
            self._starts.append(found.start())

    @property
    def all(self) -> int:
        """All releases."""
        return (1 << len(self.versions)) - 1

    def first(self, some: int) -> str:
        """Return the oldest of some releases."""
        return self.versions[(some & -some).bit_length() - 1]

    def last(self, some: int) -> str:
        """Return the newest of some releases."""
        return self.versions[some.bit_length() - 1]

    def before(self, some: int) -> int:
        """Return the releases that are older than all of some; none if there are none."""
        return (some & -some) - 1 if some else 0

    def after(self, some: int) -> int:
        """Return the releases that are newer than all of some; none if there are none."""
        return self.all & ~((1 << some.bit_length()) - 1) if some else 0

    def near(self, version: str) -> int:
        """Return the release that a version is, or follows."""
        older = [number for number, one in enumerate(self.versions) if key(one) <= key(version)]
        return 1 << older[-1] if older else 0

    def running(self, python: str) -> int:
        """Return the releases that a version of Python can run."""
        built = self.wheels.get(".".join(python.split(".")[:2]), "")
        return self._join(
            number
            for number, need in enumerate(self.pythons)
            if satisfies(python, need) and satisfies(self.versions[number], built)
        )

    @staticmethod
    def _join(numbers: Iterator[int]) -> int:
        return sum(1 << number for number in numbers)

    def of_module(self, module: str) -> int:
        """Return the releases that have a module."""
        lines = self._lines(module)
        return self._parse(lines[0].partition(" ")[2]) if lines else 0

    def _lines(self, module: str) -> list[str]:
        start = self._modules.get(module)
        if start is None:
            return []
        following = bisect_right(self._starts, start)
        end = self._starts[following] if following < len(self._starts) else len(self.text)
        return self.text[start:end].splitlines()

    def names(self, module: str) -> Mapping[str, int]:
        """Return the names of a module, with the releases that have each; empty if none has it."""
        if module not in self._names:
            self._names[module] = dict(self._read(module))
        return self._names[module]

    def holders(self, name: str) -> tuple[str, ...]:
        """Return the modules in whose part of the text a name stands by itself."""
        if name not in self._holders:
            found = dict[int, None]()
            for hit in re.finditer(rf" {re.escape(name)}(?=[ \n.(<])", self.text):
                found[self._starts[bisect_right(self._starts, hit.start()) - 1]] = None
            heads = (self.text[start + 1 : self.text.index(" ", start)] for start in found)
            self._holders[name] = tuple(heads)
        return self._holders[name]

    def modules_with(self, name: str) -> Mapping[str, int]:
        """Return the modules that have a name, and the releases in which each has it."""
        having = {module: self.names(module).get(name, 0) for module in self.holders(name)}
        return {module: some for module, some in having.items() if some}

    def defines(self, module: str, name: str) -> bool:
        """Return whether a module is where a name is imported from: a package, or its own file."""
        return self.is_package(module) or any(
            one.startswith((f"{name}.", f"{name}(", f"{name}<")) for one in self.names(module)
        )

    def is_package(self, module: str) -> bool:
        """Return whether a module has others in it."""
        return any(one.startswith(f"{module}.") for one in self._modules)

    def attribute(self, kind: str, name: str) -> int:
        """Return the releases in which a class, or one that it inherits from, has an attribute."""
        return self._inherit(kind, name, {})

    def is_made_of_fields(self, kind: str) -> bool:
        """Return whether a class is made with its fields: it has some, and no method for that."""
        takes = any(self.parameter(f"{kind}.__init__", ANY))
        return bool(self.knowing(kind)) and not takes and not self.attribute(kind, "__init__")

    def _inherit(self, kind: str, name: str, known: dict[str, int]) -> int:
        if kind in known:
            return known[kind]
        having = known[kind] = 0
        for module in self._classes(kind):
            names = self.names(module)
            having |= names.get(f"{kind}.{name}", 0)
            for base in _bases(kind, names):
                having |= names[f"{kind}<{base}"] & self._inherit(base, name, known)
        known[kind] = having
        return having

    def parameter(self, call: str, name: str) -> tuple[int, int]:
        """Return the releases in which a function names a parameter, and those where it does not.

        Of two classes of a name one may have it. What takes all that it is given has `ANY`.

        Args:
            call: `function`, or `Class.method`; of a class the method may be inherited.
            name: the parameter's name.
        """
        kind, _, method = call.rpartition(".")
        if not kind:
            found = [self.names(module) for module in self.modules_with(call)]
            takes = [one.get(f"{call}({name}", 0) for one in found]
            lacks = (one.get(call, 0) & ~some for one, some in zip(found, takes, strict=True))
            return _any(takes), _any(lacks)
        return self._inherit_call(kind, method, name, {})

    def _inherit_call(
        self, kind: str, method: str, name: str, known: dict[str, tuple[int, int]]
    ) -> tuple[int, int]:
        if kind in known:
            return known[kind]
        known[kind] = (0, 0)
        taking = lacking = 0
        for module in self._classes(kind):
            names = self.names(module)
            call = f"{kind}.{method}"
            own, takes = names.get(call, 0), names.get(f"{call}({name}", 0)
            taking, lacking = taking | takes, lacking | own & ~takes
            for base in _bases(kind, names):
                edge = names[f"{kind}<{base}"] & ~own
                there = self._inherit_call(base, method, name, known)
                taking, lacking = taking | edge & there[0], lacking | edge & there[1]
        known[kind] = (taking, lacking)
        return taking, lacking

    def of_methods(self, method: str, name: str) -> int:
        """Return the releases in which any class has a method that takes a parameter."""
        found = re.finditer(rf"\({re.escape(name)}(?=[ \n])", self.text)
        starts = {bisect_right(self._starts, one.start()) - 1 for one in found}
        having = 0
        for start in starts:
            head = self._starts[start]
            names = self.names(self.text[head + 1 : self.text.index(" ", head)])
            for one, some in names.items():
                having |= some if one.endswith(f".{method}({name}") else 0
        return having

    def knowing(self, kind: str) -> int:
        """Return the releases of which it is known what a class has: some modules tell no parts."""
        return _any(self.names(module).get(kind, 0) for module in self._classes(kind))

    def _classes(self, kind: str) -> tuple[str, ...]:
        """Return the modules that define a class: those that know its parts."""
        if kind not in self._defining:
            parts = (f"{kind}.", f"{kind}<")
            self._defining[kind] = tuple(
                module
                for module in self.holders(kind)
                if any(name.startswith(parts) for name in self.names(module))
            )
        return self._defining[kind]

    def _read(self, module: str) -> Iterator[tuple[str, int]]:
        heading, *lines = self._lines(module) or [""]
        own = heading.partition(" ")[2]
        for line in lines:
            ranges, *names = line.split(" ")
            some = self._parse(ranges or own)
            head = attribute = ""
            for name in names:
                if name[0] == ".":
                    attribute = name.partition("(")[0]
                elif name[0] != "(":
                    head = _HEAD.split(name, maxsplit=1)[0]
                    attribute = name[len(head) :].partition("(")[0]
                yield {".": head, "(": head + attribute}.get(name[0], "") + name, some

    def _parse(self, ranges: str) -> int:
        some = 0
        for one in ranges.split(","):
            first, _, end = one.partition("-")
            some |= (1 << int(end or len(self.versions))) - (1 << int(first or 0))
        return some


def _bases(kind: str, names: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        name.partition("<")[2] for name in names if name.startswith(f"{kind}<") and names[name]
    )


def _any(some: Iterable[int]) -> int:
    found = 0
    for one in some:
        found |= one
    return found


@cache
def projects() -> tuple[str, ...]:
    """Return the names of the projects whose releases are known."""
    return tuple(sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.txt.xz")))


@cache
def read_releases(project: str) -> Releases | None:
    """Read a project's table; None if there is none, or this Python was built without `lzma`."""
    try:
        import lzma

        text = lzma.decompress((FOLDER / f"{project}.txt.xz").read_bytes()).decode()
    except (FileNotFoundError, ImportError):
        return None
    heading = text.partition("\n")[0].split(" ")
    python, pythons = "", list[str]()
    for one in heading:
        python = one[len(_VERSION.match(one)[0]) :] or python  # type: ignore[index]
        pythons.append(python)
    return Releases(
        versions=tuple(_VERSION.match(one)[0] for one in heading),  # type: ignore[index]
        pythons=tuple(pythons),
        text=text,
        wheels=WHEELS.get(project, {}),
    )


WHEELS = {
    "torch": {
        "3.6": "<1.11",
        "3.7": "<2.0",
        "3.8": ">=1.4,<2.5",
        "3.9": ">=1.7,<2.9",
        "3.10": ">=1.11",
        "3.11": ">=1.13",
        "3.12": ">=2.2",
        "3.13": ">=2.5",
        "3.14": ">=2.9",
    }
}
"""Which releases were built for a Python, of what nobody builds: the metadata allows more."""

_VERSION = re.compile(r"[\w.+]+")
_HEAD = re.compile(r"[.(<]")


WHOLE = frozenset(
    {
        *("diffusers", "transformers", "huggingface-hub", "tokenizers", "safetensors"),
        *("accelerate", "peft", "coremltools", "torch", "torchvision", "numpy", "protobuf"),
        *("pytorch-lightning", "omegaconf"),
    }
)
"""The projects whose tables have all names, so that one which they lack was never there."""
