"""What a server's refusal is told as: each error whole, for every kind of name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import httpx2

from sdcoreml.convert.hub.failures import (
    Asked,
    broken_connection,
    no_connection,
    off_line,
    refusal,
)
from sdcoreml.convert.hub.names import CivitaiName, FileAddress, HubName, ModelName
from sdcoreml.ground.errors import SdcoremlError
from tests.golden import assert_golden

SERVER = "https://me:secret@hub.invalid"
HUB = HubName(repo="acme/cat", revision="v2")
NAMES: tuple[ModelName, ...] = (
    HUB,
    CivitaiName(version="7"),
    FileAddress(url="https://me:secret@files.invalid/x.safetensors"),
)
ANSWERS: tuple[tuple[int, dict[str, str]], ...] = (
    (400, {}),
    (401, {}),
    (401, {"X-Error-Code": "GatedRepo"}),
    (403, {}),
    (404, {}),
    (404, {"X-Error-Code": "RevisionNotFound"}),
    (404, {"X-Error-Code": "EntryNotFound"}),
    (429, {}),
    (429, {"Retry-After": "30"}),
    (429, {"Retry-After": "Wed, 21 Oct"}),
    (499, {}),
    (500, {}),
    (503, {}),
)


def told(error: SdcoremlError) -> str:
    return f"{type(error).__name__}: {error}"


def refusals() -> Iterator[str]:
    for name, has_token, file in product(NAMES, (False, True), ("", "unet/x.bin")):
        yield f"# {name}{', with a token' * has_token}{', a file' * bool(file)}"
        for status, headers in ANSWERS:
            asked = Asked(name=name, server=SERVER, has_token=has_token, file=file)
            said = told(refusal(httpx2.Response(status, headers=headers), asked))
            yield f"{status} {' '.join(headers.values())}".rstrip() + f"  {said}"


def test_every_refusal_whole() -> None:
    assert_golden("hub-refusals", "\n".join(refusals()))


def connections() -> Iterator[str]:
    errors = (OSError("no route to https://me:secret@proxy.invalid"), TimeoutError())
    for name, error in product(NAMES, errors):
        asked = Asked(name=name, server=SERVER)
        yield told(no_connection(error, asked))
        yield told(broken_connection(error, asked))
    yield told(off_line(Asked(name=HUB, server=SERVER), "HF_HUB_OFFLINE"))


def test_every_failed_connection_whole() -> None:
    assert_golden("hub-connections", "\n".join(connections()))
