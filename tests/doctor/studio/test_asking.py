from __future__ import annotations

import asyncio

import pytest

from sdcoreml.doctor.studio.asking import Ask, read_body, require_small
from sdcoreml.doctor.studio.gate import Message, Receive
from sdcoreml.doctor.studio.refusals import LargeError, RequestError, SlowError


def coming(*messages: Message) -> Receive:
    rest = iter(messages)

    async def receive() -> Message:
        for message in rest:
            return message
        await asyncio.Event().wait()
        return {}

    return receive


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_in_parts() -> None:
    receive = coming(part(b"ab", more=True), part(b"", more=True), part(b"cd", more=False))
    assert asyncio.run(read_body(receive, 4)) == b"abcd"


def test_a_body_that_is_too_large_is_refused_before_all_of_it_came() -> None:
    receive = coming(part(b"abc", more=True), part(b"de", more=True))
    with pytest.raises(LargeError, match="larger than 4 bytes"):
        asyncio.run(read_body(receive, 4))


def test_a_body_that_does_not_come_is_given_up() -> None:
    with pytest.raises(SlowError, match="did not come to its end"):
        asyncio.run(read_body(coming(part(b"a", more=True)), 4, patience=0.001))


def test_a_page_that_goes_away_asks_nothing() -> None:
    receive = coming(part(b"a", more=True), {"type": "http.disconnect"})
    with pytest.raises(RequestError, match="went away"):
        asyncio.run(read_body(receive, 4))


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b'"x"', b"{", b"{}}", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff{}", b"[" * 999],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        Ask(body=body).json()


def test_texts_and_numbers() -> None:
    ask = Ask(query={"offset": "12"}, body=b'{"handle": "x", "none": null, "number": 7}')
    assert ask.text("handle") == "x"
    assert ask.text("none", "") == ""
    assert ask.number("offset") == 12
    assert ask.number("other", 0) == 0
    assert Ask().json() == {}


@pytest.mark.parametrize("key", ["none", "number", "missing"])
def test_a_text_that_is_none_is_refused(key: str) -> None:
    ask = Ask(body=b'{"none": null, "number": 7}')
    with pytest.raises(RequestError, match=f"{key} is no text"):
        ask.text(key)


@pytest.mark.parametrize("said", ["", "-1", "1.0", "0x1", "\u0661", "9" * 99, " 1", "1e3"])
def test_what_is_no_number_is_refused(said: str) -> None:
    with pytest.raises(RequestError, match="offset is no whole number"):
        Ask(query={"offset": said}).number("offset")


@pytest.mark.parametrize("length", ["11", "99999999999999999999", "9" * 5000])
def test_what_is_told_to_be_too_large_is_refused_before_it_comes(length: str) -> None:
    with pytest.raises(LargeError, match="larger than 10 bytes"):
        require_small(length, 10)


@pytest.mark.parametrize("length", ["", "0", "10", "010", "-1", "x", "\u00b2", "1e9"])
def test_any_other_length_is_found_out_while_it_comes(length: str) -> None:
    require_small(length, 10)
