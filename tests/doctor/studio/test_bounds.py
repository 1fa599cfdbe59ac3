from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import uvicorn
from uvicorn.server import ServerState

from sdcoreml.doctor.studio.bounds import Bounded
from sdcoreml.doctor.studio.gate import KNOWN, Receive, Scope, Send

ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"here"
MUCH = bytes(32 << 20)
"""More than the system and a client's reader take of a connection that nobody reads."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/page":
        scope[KNOWN] = True
    if scope["path"] in ("/slow", "/page"):
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if scope["path"] == "/much":
        headers = [(b"content-length", b"%d" % len(MUCH))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": MUCH})
        return
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


class Patient(Bounded):
    """Lets nobody go for want of a request."""

    patience: ClassVar[float] = 600.0
    most: ClassVar[int] = 3


class Hasty(Bounded):
    """Lets everybody go at once."""

    patience: ClassVar[float] = 0.05


def serve(kind: type[Bounded], talk: Callable[[Connect, ServerState], Awaitable[None]]) -> None:
    """Talk to a server whose connections are of this kind."""

    async def run() -> None:
        config, state = uvicorn.Config(answer, log_config=None, lifespan="off"), ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: kind(config, state, {}), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await asyncio.wait_for(
                talk(lambda: asyncio.open_connection("127.0.0.1", port), state), 30
            )

    asyncio.run(run())


async def ask(streams: Streams, sent: bytes = ASKED) -> bytes:
    """Send a request; return the body of the answer, b"" if the connection is closed."""
    streams[1].write(sent)
    return await streams[0].readexactly(4) if await _has_head(streams[0]) else b""


async def _has_head(reader: asyncio.StreamReader) -> bool:
    try:
        await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return True


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  the server has no event for it
        await asyncio.sleep(0)


async def close(*streams: Streams) -> None:
    for _, writer in streams:
        writer.close()


def test_whoever_asks_nothing_or_not_to_the_end_is_let_go() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        silent, slow, after = [await connect() for _ in range(3)]
        assert await ask(after) == ANSWER
        assert await ask(after, b"GET / HTTP/1.1\r\n") == b""
        slow[1].write(b"GET / HTTP/1.1\r\nHost")
        for one in (silent, slow, after):
            assert await _has_head(one[0]) is False
        await until(lambda: not state.connections)
        await close(silent, slow, after)

    serve(Hasty, talk)


def test_an_answer_takes_as_long_as_it_takes() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        page, silent = await connect(), await connect()
        page[1].write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await _has_head(silent[0]) is False  # which is let go later than the page would be
        assert len(state.connections) == 1
        await close(page, silent)

    serve(Hasty, talk)


def test_the_page_is_heard_beside_any_number_that_ask_nothing() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        silent = [await connect() for _ in range(3)]
        await until(lambda: len(state.connections) == 3)
        page = await connect()
        assert await ask(page) == ANSWER
        assert await _has_head(silent[0][0]) is False, "the oldest has made room"
        assert len(state.connections) == 3
        assert await ask(page) == ANSWER
        await close(page, *silent)

    serve(Patient, talk)


SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
OWING = b"GET %b HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n"


def test_who_has_shown_no_pass_makes_room_though_it_is_being_answered() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        page = await connect()
        page[1].write(PAGE)
        await until(lambda: len(state.tasks) == 1)
        others = [await connect() for _ in range(2)]
        for one in others:
            one[1].write(SLOW)
        await until(lambda: len(state.tasks) == 3)
        late = await connect()
        assert await ask(late) == ANSWER
        assert await _has_head(others[0][0]) is False
        assert not page[0].at_eof()
        await until(lambda: len(state.connections) == 3)
        await close(late, page, *others)

    serve(Patient, talk)


def test_where_all_have_shown_the_pass_the_next_one_is_let_go() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        pages = [await connect() for _ in range(3)]
        for page in pages:
            page[1].write(PAGE)
        await until(lambda: len(state.tasks) == 3)
        late = await connect()
        assert await ask(late) == b""
        assert len(state.connections) == 3
        await close(late, *pages)

    serve(Patient, talk)


def test_a_body_must_come_in_time_unless_the_page_sends_it() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        page, other = await connect(), await connect()
        page[1].write(OWING % b"/page")
        other[1].write(OWING % b"/slow")
        await until(lambda: len(state.tasks) == 2)
        while len(state.connections) == 2:
            other[1].write(b"x")  # a part of it keeps nobody here
            await asyncio.sleep(0.01)
        assert await _has_head(other[0]) is False
        assert len(state.connections) == 1
        await close(page, other)

    serve(Hasty, talk)


def test_who_does_not_take_its_answer_is_let_go() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        idle = await connect()
        idle[1].write(b"GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await until(lambda: bool(state.connections))
        await until(lambda: not state.connections)
        await close(idle)

    serve(Hasty, talk)


def test_many_that_connect_at_once_are_no_more_than_may_be() -> None:
    """A connection is there until the loop's next turn after it was let go."""

    async def run() -> None:
        config, state = uvicorn.Config(answer, log_config=None, lifespan="off"), ServerState()
        made = [Made() for _ in range(20)]
        for one in made:
            Patient(config, state, {}).connection_made(one)
        assert [one.is_aborted for one in made] == [True] * 17 + [False] * 3

    asyncio.run(run())


class Made(asyncio.Transport):
    """A connection of which nothing is heard; it ends in another turn of the loop."""

    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted
