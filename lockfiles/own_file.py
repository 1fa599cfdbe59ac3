"""Writes the toolchain.toml of a user's own toolchain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sdcoreml.lockfiles.table import quote
from sdcoreml.lockfiles.toolchain import Toolchain

_HEAD = """\
# Made by `sdcoreml env new NAME` from {parent}. If you change it by hand, lock it anew with
# `sdcoreml env lock --toolchain NAME`; `sdcoreml env prove NAME` then records what works.
"""


def write_toolchain(toolchain: Toolchain, changes: Iterable[str] = ()) -> str:
    """Return the text of a toolchain.toml, in the form that `load_toolchain` reads.

    `changes` are lines about what differs from its parent; they become comments.
    """
    return "\n".join(_lines(toolchain, changes)) + "\n"


def _lines(toolchain: Toolchain, changes: Iterable[str]) -> Iterator[str]:
    yield _HEAD.format(parent=toolchain.parent).rstrip()
    if differences := tuple(changes):
        yield "#"
        yield f"# What it has otherwise than {toolchain.parent}:"
        yield from (f"#   {line}" for line in differences)
    yield f"name = {quote(toolchain.name)}"
    yield f"from = {quote(toolchain.parent)}"
    if toolchain.exclude_newer:
        yield f"exclude-newer = {quote(toolchain.exclude_newer)}"
    python, factors, measured = toolchain.python, toolchain.factors, toolchain.measured
    yield from _table("python", {"version": python.version, "accepted": python.accepted})
    yield from _table("pins", toolchain.pins)
    yield from _table("exceptions", toolchain.exceptions)
    conda, upstream = toolchain.conda, toolchain.upstream
    yield from _table("conda", {"name": conda.name, "channel": conda.channel})
    said = {"repository": upstream.repository, "commit": upstream.commit}
    yield from _table("upstream", {key: value for key, value in said.items() if value})
    yield f"\n# Sizes, times and memory are those of {toolchain.parent}, or estimated from them."
    yield "[factors]"
    yield from _numbers(
        {
            "disk": factors.disk,
            "memory": factors.memory,
            "environment": factors.environment,
            "files": factors.files,
        }
    )
    if measured.on:
        yield from ("", "[measured]", f"on = {quote(measured.on)}")
        yield from _numbers({"parallel": measured.parallel})
    numbers = {
        "rates": measured.rates,
        "peaks": measured.peaks,
        "installed": {name: int(size) for name, size in toolchain.installed.items()},
        "unpacked": {name: int(size) for name, size in toolchain.unpacked.items()},
    }
    for name, values in numbers.items():
        if values:
            yield from ("", f"[{name}]", *_numbers(values))
    yield from ("", "[targets]")
    yield f"supported = [{', '.join(map(quote, toolchain.targets))}]"
    yield from _table("refused", toolchain.refused)


def _table(name: str, values: Mapping[str, str]) -> Iterator[str]:
    if values:
        yield from ("", f"[{name}]", *(f"{_key(key)} = {quote(of)}" for key, of in values.items()))


def _numbers(values: Mapping[str, float]) -> Iterator[str]:
    yield from (f"{_key(key)} = {value:_}" for key, value in values.items())


def _key(name: str) -> str:
    """Return a key of TOML: bare if it may be (a project's name may contain dots)."""
    return (
        name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else quote(name)
    )
