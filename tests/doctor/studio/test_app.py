from __future__ import annotations

import re
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.routes import WAYS
from tests.doctor.studio.asgi import HOST
from tests.doctor.studio.open_studio import Opened

PAGE = Path(__file__).parents[3] / "doctor" / "studio" / "page"
FILES = "/page/literal-life"


def test_the_page_is_sent_without_a_token_and_everything_else_with_one(studio: Opened) -> None:
    index = studio.get("/", (HOST,))
    written = (PAGE / "index.html").read_bytes()
    assert (index.status, index.body) == (200, written.replace(b'"/page/', b'"/page/literal-life/'))
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    for path in PAGE.iterdir():
        sent = studio.get(f"{FILES}/{path.name}", (HOST,))
        assert (sent.status, sent.body) == (200, path.read_bytes())
    script = studio.get(f"{FILES}/main.js", (HOST,))
    assert script.headers["content-type"].startswith("text/javascript")
    for way in WAYS:
        if way.path.startswith("/api/"):
            assert studio.get(way.path, (HOST,)).status == 401


def test_no_file_of_the_page_has_the_address_that_it_had_in_another_life(studio: Opened) -> None:
    """An impostor's file may stay in a browser's cache for ever: nothing asks for it again."""
    named = re.findall(rb'(?:src|href)="(/[^"]*)"', studio.get("/", (HOST,)).body)
    assert len(named) > 10
    assert {*named} == {one for one in named if one.startswith(b"/page/literal-life/")}


@pytest.mark.parametrize(
    "target",
    [
        "/page/",
        "/page/main.js",
        "/page/another-life/main.js",
        "/page/literal-life/",
        "/page/literal-life/nothing.js",
        "/page/literal-life/../app.py",
        "/page/literal-life/..%2fapp.py",
        "/page/literal-life/%2e%2e/app.py",
        "/page/literal-life/..\\app.py",
        "/page/literal-life//etc/passwd",
        "/page/literal-life/%2fetc%2fpasswd",
        "/page/literal-life/index.html%00.js",
        "/page/literal-life/INDEX.HTML",
        "/index.html",
        "//",
        "/api",
        "/api/",
        "/api/state/",
        "/api/../api/state",
        "/report/",
        "/report/x",
        "/report/..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out(studio: Opened, target: str) -> None:
    answered = studio.get(target)
    assert answered.status in {403, 404}
    assert set(answered.data) == {"error"}


def test_a_method_that_a_route_does_not_have_finds_nothing(studio: Opened) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"):
        assert studio.send(method, "/api/state").status == 404


def test_bodies_have_a_limit(studio: Opened) -> None:
    assert studio.send("POST", "/api/examine", b" " * 70_000).status == 413
    assert studio.send("PUT", "/api/drop/" + "a" * 32, b" " * 10_000_000).status == 413
    assert studio.send("POST", "/api/queue/pause", b" " * 70_000).status == 413
    assert not studio.studio.store.read().is_paused
