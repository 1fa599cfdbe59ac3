from __future__ import annotations

import asyncio

import pytest

from sdcoreml.doctor.studio.gate import KNOWN, POLICY, Gate, Message, Receive, Scope, Send
from sdcoreml.doctor.studio.proof import Secret
from tests.doctor.studio.asgi import (
    HOST,
    OWN,
    PASS,
    PORT,
    SECRET,
    TOKEN,
    Pairs,
    converse,
    request,
    scope_of,
)

LOCALHOST = (b"host", b"localhost:7523")
LOGIN = (b"authorization", b"Bearer " + PASS)
ORIGIN = (b"origin", b"http://127.0.0.1:7523")
OPENED = ((b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document"))


async def inside(scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(b"Content-Type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


GATE = Gate(app=inside, port=PORT, secret=SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        (LOCALHOST, LOGIN),
        (*OWN, ORIGIN, (b"sec-fetch-site", b"same-origin")),
        (*OWN, (b"origin", b"http://localhost:7523"), (b"sec-fetch-site", b"none")),
        (HOST, (b"Authorization", b"bearer " + PASS)),
    ],
)
def test_the_own_page_is_let_in(headers: Pairs) -> None:
    answered = request(GATE, "POST", "/api/x", headers)
    assert (answered.status, answered.body) == (200, b"/api/x")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        # Whose name was made to lead here (DNS rebinding), or who says no name, or two.
        (((b"host", b"evil.example"), LOGIN), 421),
        (((b"host", b"evil.example:7523"), LOGIN), 421),
        (((b"host", b"127.0.0.1"), LOGIN), 421),
        (((b"host", b"127.0.0.1:7524"), LOGIN), 421),
        (((b"host", b"127.0.0.1:7523.evil.example"), LOGIN), 421),
        (((b"host", b"0.0.0.0:7523"), LOGIN), 421),
        (((b"host", b"[::1]:7523"), LOGIN), 421),
        (((b"host", b"LOCALHOST:7523"), LOGIN), 421),
        (((b"host", b"\xff:7523"), LOGIN), 421),
        ((LOGIN,), 421),
        ((HOST, HOST, LOGIN), 421),
        # Another site's page.
        ((*OWN, (b"origin", b"http://evil.example")), 403),
        ((*OWN, (b"origin", b"http://127.0.0.1:8080")), 403),
        ((*OWN, (b"origin", b"https://127.0.0.1:7523")), 403),
        ((*OWN, (b"origin", b"null")), 403),
        ((*OWN, ORIGIN, (b"origin", b"http://evil.example")), 403),
        ((*OWN, (b"sec-fetch-site", b"cross-site")), 403),
        ((*OWN, (b"sec-fetch-site", b"same-site")), 403),
        # Another user of this machine, and the token itself, which is never sent.
        ((HOST, (b"authorization", b"Bearer literal-token-0123456789")), 401),
        ((HOST,), 401),
        ((HOST, (b"authorization", b"")), 401),
        ((HOST, (b"authorization", b"Bearer ")), 401),
        ((HOST, (b"authorization", b"Bearer " + PASS[:-1])), 401),
        ((HOST, (b"authorization", b"Bearer " + PASS + b"0")), 401),
        ((HOST, (b"authorization", b"Basic " + PASS)), 401),
        ((HOST, (b"authorization", PASS)), 401),
        ((HOST, (b"authorization", b"Bearer \xff\x00")), 401),
        ((HOST, LOGIN, LOGIN), 401),
    ],
)
def test_nobody_else_is(headers: Pairs, status: int) -> None:
    answered = request(GATE, "POST", "/api/x", headers)
    assert answered.status == status
    assert answered.headers["connection"] == "close"
    assert answered.headers["cache-control"] == "no-store"
    assert set(answered.data) == {"error"}


def test_an_empty_token_opens_nothing() -> None:
    gate = Gate(app=inside, port=PORT, secret=Secret(token=""))
    for said in (b"", b"Bearer ", b"Bearer"):
        assert request(gate, "GET", "/api/x", (HOST, (b"authorization", said))).status == 401
    assert request(GATE, "GET", "/api/x?token=literal-token-0123456789", (HOST,)).status == 401


def test_a_page_that_has_no_pass_gets_a_proof_and_another_site_s_none() -> None:
    nonce = "/api/proof?nonce=literal-nonce-0123"
    proof = "6094a0bb277d147ceb4263e1b856d42353fcfe03e422304f4bdb9544aef6c7be"
    answered = request(GATE, "GET", nonce, (HOST,))
    assert (answered.status, answered.data) == (200, {"id": "literal-life", "proof": proof})
    evil = (b"origin", b"http://evil.example")
    assert request(GATE, "GET", nonce, (HOST, evil)).status == 403
    assert request(GATE, "GET", nonce, ((b"host", b"evil.example"),)).status == 421
    for query in ("", "?nonce=", "?nonce=short", "?nonce=" + "a" * 65, "?nonce=%00" + "a" * 20):
        assert request(GATE, "GET", f"/api/proof{query}", (HOST,)).status == 400


def test_static_files_need_no_token_but_the_own_page() -> None:
    assert request(GATE, "GET", "/page/main.js", (HOST,)).status == 200
    site = (b"sec-fetch-site", b"cross-site")
    assert request(GATE, "GET", "/page/main.js", (HOST, site)).status == 403
    assert request(GATE, "GET", "/", ((b"host", b"evil.example"),)).status == 421


def test_what_asks_for_a_file_has_no_body() -> None:
    """Its answer would not wait for the body, and the connection be held by whoever owes it."""
    for said in ((b"content-length", b"1000"), (b"transfer-encoding", b"chunked")):
        for path in ("/", "/page/main.js", "/report/x", "/nothing"):
            answered = request(GATE, "GET", path, (HOST, said))
            assert (answered.status, answered.headers["connection"]) == (413, "close")
    assert request(GATE, "GET", "/", (HOST, (b"content-length", b"0"))).status == 200
    assert request(GATE, "POST", "/api/x", (*OWN, (b"content-length", b"9"))).status == 200


def test_whose_request_has_the_pass_is_known_from_then_on() -> None:
    known = {}
    for path, headers in (("/api/x", OWN), ("/api/x", (HOST,)), ("/page/x", OWN)):
        scope = scope_of("GET", path, headers)
        asyncio.run(converse(GATE, scope, ()))
        known[path, headers] = KNOWN in scope
    assert [*known.values()] == [True, False, False]


def test_a_person_may_open_the_page_from_anywhere() -> None:
    site = (b"sec-fetch-site", b"cross-site")
    assert request(GATE, "GET", "/", (HOST, site, *OPENED)).status == 200
    framed = (OPENED[0], (b"sec-fetch-dest", b"iframe"))
    assert request(GATE, "GET", "/", (HOST, site, *framed)).status == 403
    assert request(GATE, "POST", "/", (HOST, site, *OPENED)).status == 403
    assert request(GATE, "GET", "/api/x", (*OWN, site, *OPENED)).status == 403


def test_every_answer_says_what_the_browser_may_do() -> None:
    static = request(GATE, "GET", "/page/main.js", (HOST,)).headers
    refused = request(GATE, "GET", "/api/x", (HOST,)).headers
    for headers in (static, refused):
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert (static["cache-control"], static["content-type"]) == ("no-cache", "text/plain")
    assert "'unsafe" not in POLICY
    assert POLICY.startswith("default-src 'none'")


def test_an_answer_with_a_policy_of_its_own_keeps_it() -> None:
    async def report(_scope: Scope, _receive: Receive, send: Send) -> None:
        own = [(b"Content-Security-Policy", b"sandbox")]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b""})

    gate = Gate(app=report, port=PORT, secret=SECRET)
    headers = request(gate, "GET", "/report/x", (HOST,)).headers
    assert headers["content-security-policy"] == "sandbox"


def test_a_ticket_is_exchanged_for_the_token_once() -> None:
    gate = Gate(app=inside, port=PORT, secret=SECRET)
    ticket = gate.tickets.issue()
    given = (HOST, (b"authorization", b"Bearer " + ticket.encode()))
    assert request(gate, "POST", "/api/x", given).status == 401, "it is no token"
    evil = (*given, (b"origin", b"http://evil.example"))
    assert request(gate, "POST", "/api/token", evil).status == 403, "and is not used up by others"
    assert request(gate, "POST", "/api/token", given).data == {"token": TOKEN}
    assert request(gate, "POST", "/api/token", given).status == 401
    assert request(gate, "POST", "/api/token", OWN).status == 401
    assert request(gate, "POST", "/api/token", (HOST,)).status == 401


def test_web_sockets_are_closed() -> None:
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message)

    asyncio.run(GATE({"type": "websocket", "path": "/api/events", "headers": []}, receive, send))
    assert [one["type"] for one in said] == ["websocket.close"]


@pytest.mark.parametrize("headers", [OWN, ()])
def test_a_server_that_cannot_send_any_more_is_left_in_peace(headers: Pairs) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        raise RuntimeError("whatever it says")

    asyncio.run(GATE(scope_of("GET", "/api/x", headers), receive, send))
