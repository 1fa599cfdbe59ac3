"""A thousand malformed requests: each is refused in words, none is a fault, none leads outside."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.entry import Kind
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.routes import WAYS
from tests.doctor.studio.asgi import HOST, OWN, Pairs, request
from tests.doctor.studio.open_studio import Opened, open_studio

COUNT = 1_000
SECRET = b"what nobody may read: 5b1c7e"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "", "get", "\xe9")
NASTY = (
    *("", " ", ".", "..", "../../../../etc/passwd", "..%2f..%2fsecret", "%2e%2e%2fsecret"),
    *("/etc/passwd", "//", "\\\\x\\y", "C:\\x", "~", "~root", "$HOME", "`id`", "$(id)", "; id"),
    *("%00", "%ff%fe", "%c0%af", "\x00", "\n", "\r\nx: y", "\x1b[31m", "\u202e", "\U0001f600"),
    *("<script>alert(1)</script>", "' or 1=1 --", "{{7*7}}", "%s%n", "-rf", "--help"),
    *("0", "-1", "1e9", "9" * 50, "NaN", "1.5", "\u0661", "null", "true", "x" * 5_000),
)
HOSTILE_HEADERS: Sequence[Pairs] = (
    (),
    ((b"host", b"evil.example"),),
    (HOST,),
    (HOST, (b"authorization", b"Bearer " + b"x" * 30_000)),
    (*OWN, (b"origin", b"null")),
    (*OWN, (b"cookie", b"\xff\x00")),
    (*OWN, (b"content-type", b"multipart/form-data; boundary=x")),
    (*OWN, (b"content-length", b"-5")),
    (*OWN, (b"transfer-encoding", b"chunked, chunked")),
    (*OWN, (b"range", b"bytes=0-99999999999")),
    (*OWN, (b"x-forwarded-host", b"evil.example"), (b"x-original-url", b"/etc/passwd")),
)
KEYS = ("handle", "name", "drop", "model", "choices", "id", "key", "prompt", "steps", "before")


def some_value(dice: random.Random, handles: Sequence[str], deep: int = 0) -> object:
    """Return a JSON value that no page would send there."""
    kind = dice.randrange(9 if deep < 3 else 6)
    match kind:
        case 0:
            return dice.choice(handles)
        case 1:
            return dice.choice([None, True, False, 0, -1, 10**30, 1.5, 1e308])
        case 2 | 3 | 4 | 5:
            return dice.choice(NASTY)
        case 6:
            return [some_value(dice, handles, deep + 1) for _ in range(dice.randrange(4))]
        case _:
            chosen = dice.sample(KEYS, dice.randrange(4))
            return {key: some_value(dice, handles, deep + 1) for key in chosen}


def some_body(dice: random.Random, handles: Sequence[str]) -> bytes:
    """Return a body: JSON of odd values, damaged JSON, bytes, or the ends of no file."""
    odd = {key: some_value(dice, handles) for key in dice.sample(KEYS, dice.randrange(1, 5))}
    text = json.dumps(odd).encode()
    match dice.randrange(8):
        case 0:
            return b""
        case 1:
            return text[: dice.randrange(len(text))]
        case 2:
            return dice.randbytes(dice.randrange(300))
        case 3:
            return b"[" * dice.randrange(1, 20_000)
        case 4:
            return struct.pack("<I", dice.choice([0, 5, 2**32 - 1])) + dice.randbytes(40)
        case _:
            return text


def some_target(dice: random.Random, handles: Sequence[str]) -> str:
    """Return a route with odd parts and an odd query."""
    path = dice.choice([*(way.path for way in WAYS), "/", "/page/{name}", "/{name}", "/api/{name}"])
    for part in ("{id}", "{file}", "{key}", "{name}"):
        path = path.replace(part, dice.choice([*NASTY, *handles, "1", "a" * 32]))
    names = dice.sample(["handle", "name", "size", "offset", "model", "select", "x"], 3)
    query = "&".join(f"{name}={dice.choice([*NASTY, *handles, '7'])}" for name in names)
    return f"{path}?{query}" if dice.random() < 0.8 else path


def names_no_model_of_the_hub(body: bytes) -> bool:
    """Whether no name in a body is one that would be asked of the hub: tests reach nobody."""
    return b'"name"' not in body or b"/" not in body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("malformed")


@pytest.mark.parametrize("seed", range(10))
def test_malformed_requests_are_refused_in_words(
    folder: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder / f"{seed}" / "studio's"
    place.mkdir(parents=True)
    (place.parent / "secret").write_bytes(SECRET)
    dice = random.Random(seed)  # noqa: S311  no secret
    with open_studio(place) as opened:
        handles = prepare(opened, place)
        for number in range(COUNT // 10):
            headers = OWN if dice.random() < 0.8 else dice.choice(HOSTILE_HEADERS)
            body = some_body(dice, handles)
            if not names_no_model_of_the_hub(body):
                body = body.replace(b"/", b" ")
            method = dice.choice(METHODS) if dice.random() < 0.3 else ""
            target = some_target(dice, handles)
            if target.startswith("/api/doctor"):
                target = "/api/doctor?select=%00"  # half a second of examining proves nothing here
            method = method or method_of(target)
            answered = request(opened.app, method, target, headers, body)
            said = f"request {number} of seed {seed}: {method!r} {target!r} {body[:200]!r}"
            assert answered.status < 500 or answered.status == 507, f"{said}: {answered.body!r}"
            assert SECRET not in answered.body, said
            assert b"Traceback" not in answered.body, said
            if answered.status >= 400:
                assert answered.data["error"]["what"], said
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in place.parent.iterdir()) == ["secret", "studio's"]
    assert {path.name for path in place.iterdir()} <= {"queue", "model.safetensors"}


def prepare(opened: Opened, place: Path) -> Sequence[str]:
    """Give the studio a model and an entry; return handles, true ones and forged ones."""
    (place / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    opened.studio.store.add(New(kind=Kind.DRAW, title="one", words=("draw", "x")))
    true = [opened.sign(place), opened.sign(place / "model.safetensors"), opened.sign(place / "x")]
    forged = Signer(key=b"o" * 32).sign(place.parent / "secret")
    return [*true, forged, true[0][:-1]]


def method_of(target: str) -> str:
    """Return the method of the first route that a target may be meant for."""
    path = target.partition("?")[0]
    begins = (way for way in WAYS if path.startswith(way.path.partition("{")[0]))
    return next((way.method for way in begins), "GET")
