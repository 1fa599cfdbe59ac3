"""Mutations of the bytes of a file, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

Mutation: TypeAlias = Callable[[bytes, Random], bytes]
"""A function that returns changed content; the same random state gives the same change."""

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1)
_FRONT = 4096
"""How many leading bytes count as the front of a file, where formats have their header."""


def place(data: bytes, random: Random) -> int:
    """Return a random position in `data`, more often near its start or end."""
    size = max(1, len(data))
    match random.randrange(3):
        case 0:
            return random.randrange(min(size, _FRONT))
        case 1:
            return size - 1 - random.randrange(min(size, _FRONT))
        case _:
            return random.randrange(size)


def flip_bits(data: bytes, random: Random) -> bytes:
    """Flip one to sixteen random bits."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 16)) if data else 0):
        changed[place(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(data: bytes, random: Random) -> bytes:
    """Cut off the file at a random position."""
    return data[: place(data, random)]


def empty(data: bytes, random: Random) -> bytes:  # noqa: ARG001  a `Mutation`
    """Return no bytes."""
    return b""


def duplicate(data: bytes, random: Random) -> bytes:
    """Repeat a random block of the file."""
    start, end = sorted((place(data, random), place(data, random)))
    block = data[start : min(end, start + 100_000)]
    return (
        data[:start] + block * random.choice((2, 3, 50 if len(block) < _FRONT else 2)) + data[end:]
    )


def remove(data: bytes, random: Random) -> bytes:
    """Remove a random block of the file."""
    start = place(data, random)
    return data[:start] + data[start + random.choice((1, 4, 8, 64, 1000)) :]


def swap(data: bytes, random: Random) -> bytes:
    """Swap the parts before and after a random position."""
    middle = place(data, random)
    return data[middle:] + data[:middle]


def overwrite_number(data: bytes, random: Random) -> bytes:
    """Overwrite 1 to 8 bytes with an extreme number."""
    size = random.choice((1, 2, 4, 8))
    start = place(data, random)
    number = random.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    return (
        data[:start]
        + number.to_bytes(size, random.choice(("little", "big")))
        + data[start + size :]
    )


def insert(data: bytes, random: Random) -> bytes:
    """Insert foreign bytes at a random position."""
    start = place(data, random)
    block = random.choice(
        (b"\0", b"\0" * 1000, b"\xff", b"\xff" * 64, b"\xef\xbb\xbf", b"\n", random.randbytes(100))
    )
    return data[:start] + block + data[start:]


def append(data: bytes, random: Random) -> bytes:
    """Append foreign bytes to the file."""
    return data + random.choice((b"\0" * 4096, b"}", b"\n", data[:1000], random.randbytes(100)))


def noise(data: bytes, random: Random) -> bytes:
    """Return as many random bytes, but at most 100 KB."""
    return random.randbytes(min(len(data), 100_000))


def splice(data: bytes, other: bytes, random: Random) -> bytes:
    """Join the start of one file and the end of another."""
    return data[: place(data, random)] + other[place(other, random) :]


BLOCKS: tuple[Mutation, ...] = (
    flip_bits,
    flip_bits,
    truncate,
    empty,
    duplicate,
    remove,
    swap,
    overwrite_number,
    overwrite_number,
    insert,
    append,
    noise,
)
