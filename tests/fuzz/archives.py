"""Mutations of zip files, and of pickles, which may be in a zip file."""

from __future__ import annotations

import io
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random

from tests.fuzz.blocks import BLOCKS, Mutation

_NAMES = (
    *("", "../x", "/x", "a" * 300, "archive/", "archive/data.pkl", "archive/data/0", "\0", "data"),
    *("archive/data/-1", "archive/data/99999999999999999999", "archive\\data.pkl", "é\u202e"),
    *(
        "archive/byteorder",
        "archive/.data/serialization_id",
        "other/data.pkl",
        "archive/data.pkl/x",
    ),
)
_DIRECTORY, _END, _LOCAL = b"PK\x01\x02", b"PK\x05\x06", b"PK\x03\x04"
_SIZES: tuple[tuple[bytes, tuple[tuple[int, int], ...]], ...] = (
    (_DIRECTORY, ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4))),
    (_END, ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2))),
    (_LOCAL, ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2))),
)
"""For each kind of zip record: its signature, and the (offset, size) of the numbers in it."""

_OPCODES = (
    *(
        b"(",
        b"0",
        b"1",
        b"2",
        b"N",
        b"]",
        b"}",
        b")",
        b"t",
        b"l",
        b"d",
        b"e",
        b"a",
        b"s",
        b"u",
        b"b",
    ),
    *(
        b"R",
        b"o",
        b"Q",
        b"\x81",
        b"\x85",
        b"\x86",
        b"\x87",
        b"\x88",
        b"\x89",
        b"\x8f",
        b"\x90",
        b".",
    ),
    *(
        b"\x94",
        b"\x93",
        b"\x92",
        b"\x97",
        b"\x98",
        b"\x80\x05",
        b"\x80\xff",
        b"K\xff",
        b"M\xff\xff",
    ),
    *(b"J\xff\xff\xff\xff", b"J\x00\x00\x00\x80", b"\x8a\x00", b"\x8a\x09" + b"\xff" * 8 + b"\x7f"),
    *(b"\x8b\xff\xff\xff\x7f", b"I99999999999999999999\n", b"I" + b"9" * 5000 + b"\n", b"L1L\n"),
    *(b"F1e999\n", b"Fnan\n", b"Ix\n", b"h\x00", b"h\xff", b"j\xff\xff\xff\xff", b"g99\n", b"gx\n"),
    *(b"q\x00", b"r\xff\xff\xff\x7f", b"p0\n", b"px\n", b"X\x00\x00\x00\x00", b"X\xff\xff\xff\xff"),
    *(b"X\x03\x00\x00\x00\xed\xa0\x80", b"X\x02\x00\x00\x00\xff\xfe", b"U\x01\xe9", b"V\\ud800\n"),
    *(
        b"B\xff\xff\xff\xff",
        b"C\x02ab",
        b"\x8d" + b"\xff" * 8,
        b"\x8e" + b"\xff" * 8,
        b"\x96" + b"\xff" * 8,
    ),
    *(
        b"cos\nsystem\n",
        b"ctorch\nFloatStorage\n",
        b"ccollections\nOrderedDict\n",
        b"cnumpy\ndtype\n",
    ),
    *(
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch.nn\nModule\n",
        b"c\n\n",
        b"c\xff\n\xff\n",
        b"i\n\n",
    ),
    *(
        b"P0\n",
        b"\x82\x01",
        b"\x84\xff\xff\xff\x7f",
        b"\x95" + b"\xff" * 8,
        b"\xff",
        b"\x00",
        b"(lp0\n",
    ),
)
_DEEP = ((b"(", b"t"), (b"]", b"a"), (b"(l", b"a"), (b"}X\x01\x00\x00\x00a", b"s"), (b"(", b"l"))
_DEPTHS = (40, 300, 2_000, 30_000)
_COMPRESSED = 4
"""How many members are compressed; LZMA needs long to begin."""
_LONG = 1000
"""The largest opcode, in bytes, that is repeated; a longer one may be data."""
_READ = 200_000
"""How many leading bytes are searched for opcodes; weights may follow them."""


def mutate_pickle(data: bytes, random: Random) -> bytes:
    """Remove, double, swap or insert opcodes, or nest them deeply."""
    cuts = _cuts(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        start = random.randrange(len(cuts) - 1)
        one = slice(cuts[start], cuts[start + 1])
        other = random.randrange(len(cuts) - 1)
        middle = data[one]
        match random.randrange(7):
            case 0:
                new = b""
            case 1:
                new = middle * random.choice((2, 3, 1000 if len(middle) < _LONG else 2))
            case 2:
                new = data[cuts[other] : cuts[other + 1]]
            case 3:
                new = middle + random.choice(_OPCODES)
            case 4:
                new = random.choice(_OPCODES)
            case 5:
                before, after = random.choice(_DEEP)
                depth = random.choice(_DEPTHS)
                new = before * depth + middle + after * random.choice((0, depth))
            case _:
                new = random.choice(BLOCKS)(middle, random)
        data = data[: one.start] + new + data[one.stop :]
        cuts = _cuts(data)
    return data


def _cuts(data: bytes) -> list[int]:
    """Return the offsets of all opcodes that can be read, and those of start and end."""
    cuts = [0]
    try:
        for _, _, position in pickletools.genops(data[:_READ]):
            cuts.append(position or 0)
    except Exception:  # noqa: BLE001, S110  it is damaged already
        pass
    return [*cuts, len(data)]


def mutate_numbers(data: bytes, random: Random) -> bytes:
    """Change a number in one of the zip file's records."""
    mark, fields = random.choice(_SIZES)
    places = (
        [at for at in range(len(data)) if data.startswith(mark, at)] if len(data) < 200_000 else []
    )
    if not places:
        places = [data.rfind(mark)]
    start, size = random.choice(fields)
    at = random.choice(places) + start
    number = random.choice((0, 1, 2, 8, 99, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, random.getrandbits(32)))
    return data[:at] + struct.pack("<Q", number)[:size] + data[at + size :]


def _rebuilt(change: Callable[[list[tuple[str, bytes]], Random], int]) -> Mutation:
    """Return a mutation that unpacks a zip file, lets `change` edit its members, and packs it."""

    def mutation(data: bytes, random: Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = [(name, archive.read(name)) for name in archive.namelist()]
        except Exception:  # noqa: BLE001  it is damaged already
            return mutate_numbers(data, random)
        method = change(members, random)
        packed = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", method) as archive:
            warnings.simplefilter("ignore")  # two members of one name are meant
            for number, (name, content) in enumerate(members):
                info = zipfile.ZipInfo("x")
                info.filename = name
                info.compress_type = method if number < _COMPRESSED else zipfile.ZIP_STORED
                archive.writestr(info, content)
        return packed.getvalue()

    mutation.__name__ = change.__name__.strip("_")
    return mutation


def _mutate_member(members: list[tuple[str, bytes]], random: Random) -> int:
    at = random.randrange(len(members))
    name, content = members[at]
    members[at] = (name, random.choice(BLOCKS)(content, random))
    return zipfile.ZIP_STORED


def _mutate_description(members: list[tuple[str, bytes]], random: Random) -> int:
    for at, (name, content) in enumerate(members):
        if name.endswith("data.pkl"):
            members[at] = (name, mutate_pickle(content, random))
    return zipfile.ZIP_STORED


def _rename_member(members: list[tuple[str, bytes]], random: Random) -> int:
    at = random.randrange(len(members))
    members[at] = (random.choice(_NAMES), members[at][1])
    return zipfile.ZIP_STORED


def _add_member(members: list[tuple[str, bytes]], random: Random) -> int:
    members.insert(
        random.randrange(len(members) + 1), (random.choice(_NAMES), random.randbytes(64))
    )
    return zipfile.ZIP_STORED


def _drop_member(members: list[tuple[str, bytes]], random: Random) -> int:
    del members[random.randrange(len(members))]
    return zipfile.ZIP_STORED


def _compress(members: list[tuple[str, bytes]], random: Random) -> int:
    if random.random() < 0.3:
        at = random.randrange(len(members))
        members[at] = (members[at][0], bytes(50_000_000))
    return random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))


ARCHIVES: tuple[Mutation, ...] = (
    mutate_numbers,
    mutate_numbers,
    _rebuilt(_mutate_member),
    *(_rebuilt(_mutate_description),) * 4,
    _rebuilt(_rename_member),
    _rebuilt(_add_member),
    _rebuilt(_drop_member),
    _rebuilt(_compress),
)
PICKLES: tuple[Mutation, ...] = (mutate_pickle,)
