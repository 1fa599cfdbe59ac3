"""What a folder was made from and in, and what it holds, as its page lists it."""

from __future__ import annotations

from collections.abc import Iterator

from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.ground.charts import bar
from sdcoreml.ground.markup import Child, Markup, code, link
from sdcoreml.ground.page import Column, facts, folded, table
from sdcoreml.ground.quantity import amount

_FILES = (
    Column(title="File"),
    Column(title="Size", kind="number"),
    Column(title="SHA-256", kind="code"),
)


def made_from(manifest: Manifest) -> Iterator[Markup]:
    """Yield the model's origin, and its files with their hashes."""
    fetched = manifest.model.fetched
    found: list[tuple[str, Child]] = [
        ("Model", code(manifest.model.name)),
        ("Family", manifest.model.family),
    ]
    if fetched:
        found += [
            ("Name on the hub", code(fetched.name)),
            ("Revision", code(fetched.revision) if fetched.revision else ""),
            ("Licence as stated", fetched.licence),
            ("Address", link(fetched.address)),
        ]
    found += [
        (name.replace("_", " ").capitalize(), _plain(value))
        for name, value in manifest.model.made_from.items()
    ]
    yield facts(found)
    yield table(
        "The model's files that the programs were made from",
        _FILES,
        ((name, amount(one.size), one.sha256) for name, one in sorted(manifest.inputs.items())),
    )


def _plain(value: object) -> str:
    """Return a value of an unknown form as text."""
    match value:
        case dict():
            return "; ".join(f"{name}: {_plain(one)}" for name, one in value.items())
        case list() | tuple():
            return ", ".join(map(_plain, value))
        case None:
            return ""
        case _:
            return f"{value}"


def programs(manifest: Manifest) -> Iterator[Markup]:
    """Yield the sizes of what apps load, and all files with their hashes."""
    sizes = {name: _loaded(entry) for name, entry in manifest.programs.items()}
    most = max(sizes.values(), default=0)
    yield table(
        "What apps load; equal weights of two programs are stored once",
        (
            Column(title="Program"),
            Column(title="Size", kind="number"),
            Column(title="Share of the largest", kind="chart"),
        ),
        ((name, amount(size), bar(size, most)) for name, size in sizes.items()),
    )
    files = {
        name: one for entry in manifest.programs.values() for name, one in entry.loaded.items()
    }
    everything = {**files, **manifest.tokenizer, **manifest.answers}
    rows = ((name, amount(one.size), one.sha256) for name, one in sorted(everything.items()))
    yield folded(
        f"All {len(everything)} files with their hashes",
        table("Files that apps load, and those beside them", _FILES, rows),
    )


def _loaded(entry: ProgramEntry) -> int:
    return sum(one.size for one in entry.loaded.values())


def environment(manifest: Manifest) -> Iterator[Markup]:
    """Yield the toolchain and the environment's seal."""
    made = manifest.toolchain
    if not made.name:
        return
    yield facts(
        (
            ("Toolchain", made.name),
            ("Python", made.python),
            ("Machine", made.target),
            ("Lock", code(made.lock) if made.lock else ""),
            ("Seal", code(made.seal) if made.seal else ""),
        )
    )
