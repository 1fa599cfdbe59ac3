from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from doctor.cli import main
from envs.audit import Vulnerability, audit
from envs.errors import UnauditedError
from envs.frozen import freeze
from lockfiles.toolchain import load_toolchain

TARGET = "linux-x86_64"
KNOWN = {
    "id": "GHSA-1",
    "summary": "bad things",
    "details": "much",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "aliases": ["CVE-2026-1"],
    "affected": [
        {
            "package": {"name": "attrs", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "27"}]}],
        }
    ],
}


@contextmanager
def osv(*, known: bool) -> Iterator[tuple[str, list[str]]]:
    """A stand-in of the OSV service that knows one thing against attrs, or nothing."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            names = [query["package"]["name"] for query in body["queries"]]
            asked.extend(names)
            one = {"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]}
            self.answer({"results": [one if known and n == "attrs" else {} for n in names]})

        def do_GET(self) -> None:
            self.answer(KNOWN)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_every_locked_package_is_asked_about() -> None:
    frozen = freeze(load_toolchain("light"), TARGET)
    with osv(known=False) as (service, asked):
        outcome = audit(frozen, service=service)
    assert sorted(asked) == [artefact.project for artefact in frozen.artefacts]
    assert (outcome.packages, outcome.found) == (len(frozen.artefacts), ())


def test_what_is_known_is_one_line_each() -> None:
    frozen = freeze(load_toolchain("light"), TARGET)
    with osv(known=True) as (service, _):
        outcome = audit(frozen, service=service)
        assert audit(frozen, ["GHSA-1"], service).found == ()
    (found,) = outcome.found
    version = next(a.version for a in frozen.artefacts if a.project == "attrs")
    assert str(found) == f"attrs {version}: GHSA-1 (CVE-2026-1): bad things; fixed in 27"


def test_without_a_fix_that_is_said() -> None:
    one = Vulnerability(
        project="x", version="1", name="X-1", aliases=(), summary="s", fixed=(), link=""
    )
    assert str(one) == "x 1: X-1: s; no version without it"


def test_a_service_that_does_not_answer_says_nothing_about_the_packages() -> None:
    frozen = freeze(load_toolchain("light"), TARGET)
    with pytest.raises(UnauditedError, match="the vulnerability service cannot be asked") as caught:
        audit(frozen, service="http://127.0.0.1:9/")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_the_command_tells_the_three_ends_apart(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["env", "audit", "--toolchain", "light", "--target", TARGET, "--service"]
    with osv(known=False) as (service, _):
        assert main([*words, service]) == 0
    out = capsys.readouterr().out
    assert out == "light on linux-x86_64: no known vulnerabilities in 13 packages\n"
    with osv(known=True) as (service, _):
        assert main([*words, service]) == 1
        assert capsys.readouterr().out.splitlines()[-1].startswith("light on linux-x86_64: 1 known")
        assert main([*words, service, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["packages"], told["vulnerabilities"][0]["name"]) == (13, "GHSA-1")
    assert main([*words, "http://127.0.0.1:9/"]) == 3
    assert capsys.readouterr().err.count("\n") == 1
