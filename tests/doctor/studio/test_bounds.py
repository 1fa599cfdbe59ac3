from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import uvicorn
from uvicorn.server import ServerState

from sdcoreml.doctor.studio.bounds import Bounded
from sdcoreml.doctor.studio.gate import Receive, Scope, Send

ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"here"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await receive()  # the whole body
        await receive()  # and that the page has gone
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


def test_where_all_are_being_answered_the_next_one_is_let_go() -> None:
    async def talk(connect: Connect, state: ServerState) -> None:
        pages = [await connect() for _ in range(3)]
        for page in pages:
            page[1].write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: len(state.tasks) == 3)
        late = await connect()
        assert await ask(late) == b""
        assert len(state.connections) == 3
        await close(late, *pages)

    serve(Patient, talk)
