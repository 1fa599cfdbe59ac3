from __future__ import annotations

import hashlib
import threading

from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.weights.hashing import StreamDigest


@given(st.lists(st.binary(max_size=5000), max_size=8))
def test_it_is_the_digest_of_all_parts_in_order(parts: list[bytes]) -> None:
    digest = StreamDigest()
    for part in parts:
        digest.update(memoryview(part))
    assert digest.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()
    digest.close()
    assert digest.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()


def test_what_was_given_is_taken_in_before_the_next() -> None:
    """A block is hashed by the time the next `update` returns; its buffer may then be reused."""
    data, buffer = bytes(range(256)) * 4096, bytearray(1 << 20)
    digest = StreamDigest()
    for _ in range(2):
        buffer[:] = data
        digest.update(memoryview(buffer))
        digest.update(b"")
        buffer[:] = bytes(len(buffer))
    digest.close()
    assert digest.hexdigest() == hashlib.sha256(data * 2).hexdigest()


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    digest = StreamDigest()
    digest.update(b"x")
    assert threading.active_count() == before + 1
    digest.close()
    assert threading.active_count() == before
