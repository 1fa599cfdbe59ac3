"""The options of a group of choices, each with what a job's table says for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sdcoreml.doctor.studio.bench import Table
from sdcoreml.doctor.studio.choices import Option
from sdcoreml.doctor.studio.wording import BATCHES, Text, say, title, why


def take_option(
    key: str,
    value: str | int,
    *,
    words: str = "",
    sentence: Text = "",
    is_recommended: bool = False,
) -> Option:
    """Return an option in its own words, or with those of another key."""
    return Option(
        value=value,
        title=title(words or key, value),
        sentence=sentence or why(words or key, value),
        is_recommended=is_recommended,
    )


def list_plain(
    key: str, values: Iterable[str | int], words: str = ""
) -> Iterator[tuple[Option, Table]]:
    """Yield the values of a key; the first is what `convert` does unasked, and is not said."""
    for number, value in enumerate(values):
        option = take_option(key, value, words=words, is_recommended=not number)
        yield option, {key: value} if number else {}


def list_batches(*, is_for_apps: bool) -> Iterator[tuple[Option, Table]]:
    """Yield the rows of a UNet, with what they mean there."""
    words = "batch.apps" if is_for_apps else "batch.nodes"
    return list_plain("batch", BATCHES[is_for_apps], words)


def list_told(key: str, values: Iterable[str]) -> Iterator[tuple[Option, Table]]:
    """Yield what a model is said to predict, of which nothing is the default."""
    for value in values:
        if value:
            yield take_option(key, value), {key: value}


def describe_shape(size: str) -> Text:
    """Say which way a picture stands; a size is WIDTHxHEIGHT."""
    width, height = map(int, size.split("x"))
    if width < height:
        return say("shape.portrait")
    return say("shape.landscape" if width > height else "shape.square")
