"""Models given by name on the command line: downloaded to convert, or examined remotely."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sdcoreml.convert.hub.names import (
    HUB_HOSTS,
    CivitaiName,
    FileAddress,
    HubName,
    ModelName,
    PlainWord,
    parse_model,
)
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.sources.find import find_model
from sdcoreml.envs.mirrors.mirror import HUB, mirror_of
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.events import Emit

Located = tuple[Path, FetchedFrom | None]


def as_model(text: str) -> Path | ModelName:
    """Convert an argument to a model's path or name: the argparse `type` of model arguments.

    Raises:
        argparse.ArgumentTypeError: the text begins like a name or URL, but is not a valid one.
    """
    try:
        hosts = {urlsplit(mirror_of(HUB).address).netloc} - {""} if ":" in text else set()
        return parse_model(text, HUB_HOSTS | hosts)
    except SdcoremlError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@contextmanager
def fetch_model(
    given: Path | ModelName,
    emit: Emit,
    examine: Callable[[Path], None],
    *,
    with_checker: bool = False,
) -> Iterator[Located]:
    """Yield the path of a model, downloaded if it was given by name, and its origin.

    Before the download, `examine` is called with a folder of the model's headers; it raises an
    error if the model cannot be converted.
    """
    match given:
        case Path():
            yield given, None
        case PlainWord():
            yield find_model(given.word, emit), None
        case HubName():
            from sdcoreml.convert.hub.access import access_here
            from sdcoreml.convert.hub.obtain import obtain_from_hub

            access = access_here()
            with obtain_from_hub(given, access, emit, examine, with_checker=with_checker) as found:
                yield found.path, found.origin
        case FileAddress() | CivitaiName():
            from sdcoreml.convert.hub.access import access_here
            from sdcoreml.convert.hub.elsewhere import obtain_file

            with obtain_file(given, access_here(), emit, examine) as found:
                yield found.path, found.origin


@contextmanager
def fetch_headers_and_name(given: Path | ModelName) -> Iterator[tuple[Path, Callable[[str], str]]]:
    """Like `fetch_headers`, but also give a function that puts the model's name back into a text.

    Notes and warnings go to stderr, one line each.
    """
    if isinstance(given, Path):
        yield given, str
        return
    from sdcoreml.doctor.report.terminal import Lines

    with fetch_headers(given, Lines(sys.stderr)) as path:
        yield path, lambda text: by_name(text, path, given)


def by_name(text: str, path: Path, given: Path | ModelName) -> str:
    """Return the text with the model's name in place of the temporary path."""
    is_here = isinstance(given, Path | PlainWord)
    return text if is_here else text.replace(str(path), f"{given}")


@contextmanager
def fetch_headers(given: Path | ModelName, emit: Emit) -> Iterator[Path]:
    """Yield the path of a model; for one given by name, a temporary folder of its headers."""
    match given:
        case Path():
            yield given
        case PlainWord():
            yield find_model(given.word, emit)
        case HubName():
            from sdcoreml.convert.hub.access import access_here
            from sdcoreml.convert.hub.obtain import sketch_from_hub

            with sketch_from_hub(given, access_here(), emit) as found:
                yield found.path
        case FileAddress() | CivitaiName():
            from sdcoreml.convert.hub.access import access_here
            from sdcoreml.convert.hub.elsewhere import sketch_file

            with sketch_file(given, access_here(), emit) as found:
                yield found.path
