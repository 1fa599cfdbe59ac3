"""Mutations of text files, such as TOML, by lines, values and encodings."""

from __future__ import annotations

import re
from random import Random

from tests.fuzz.blocks import Mutation
from tests.fuzz.objects import encode_otherwise

_LINES = (
    *(
        "",
        " ",
        "\t",
        "#",
        "a",
        "a b c",
        "a b",
        "\0",
        "\x1b[31mred\x1b[0m",
        "\ufeff",
        "\u2028",
        "\r",
    ),
    *(
        "a" * 10_000,
        "a " * 5_000,
        "ä" * 5_000,
        "=" * 100,
        "[",
        "]",
        "[x",
        "[[x]]",
        "[x.y.z]",
        "x",
        "x =",
    ),
    *("x = 1", "x = 1\nx = 2", "x = [" + "[" * 5_000 + "]" * 5_000 + "]", "x = " + "[" * 100_000),
    *(
        'x = "' + "a" * 100_000 + '"',
        "x = " + "{a = " * 3_000 + "1" + "}" * 3_000,
        "a." * 5_000 + "b = 1",
    ),
    *(
        "x = " + "9" * 5_000,
        "x = inf",
        "x = 1979-05-27T07:32:00Z",
        "x = '''",
        'x = """',
        "\\",
        "'",
        '"',
    ),
    *(
        "Traceback (most recent call last):",
        '  File "x", line 9999999999999999999999, in x',
        "  raise",
    ),
    *(
        "Error: " + "x" * 5_000,
        "Killed",
        "Segmentation fault",
        "ValueError",
        "ValueError:",
        "%",
        "{}",
    ),
    *(
        "torch==9" + "9" * 5_000,
        "torch==1 \\",
        "    --hash=sha256:zz",
        "torch @ file:///dev/zero",
        "-r x",
    ),
)
_VALUES = (
    *(
        '""',
        "0",
        "-1",
        "1.5",
        "true",
        "[]",
        "{}",
        "[1, 2]",
        '["a"]',
        "[[]]",
        "nan",
        "inf",
        '"\\u0000"',
    ),
    *(
        '"../../../etc"',
        '"/dev/zero"',
        '">=3"',
        '"9.9.9"',
        '"=="',
        '"' + "a" * 5_000 + '"',
        "{a = 1}",
    ),
    *("9" * 400, "1979-05-27", '"\\ud800"', "'\ud800'", "[{a = 1}, 2]", '"\x1b[31m"', "1e400"),
)


def mutate_line(data: bytes, random: Random) -> bytes:
    """Remove, double, move, cut or replace a line, or insert a foreign one."""
    text = data.decode("utf-8", "surrogateescape").split("\n")
    at = random.randrange(len(text))
    match random.randrange(6):
        case 0:
            del text[at]
        case 1:
            text[at:at] = [text[at]] * random.choice((1, 2, 2000))
        case 2:
            text.insert(random.randrange(len(text)), text.pop(at))
        case 3:
            text[at] = text[at][: random.randrange(len(text[at]) + 1)]
        case 4:
            text[at] = random.choice(_LINES)
        case _:
            text.insert(at, random.choice(_LINES))
    return "\n".join(text).encode("utf-8", "surrogatepass" if _lone(text) else "surrogateescape")


def _lone(lines: list[str]) -> bool:
    return any("\ud800" in line for line in lines)


def mutate_value(data: bytes, random: Random) -> bytes:
    """Replace a value: what follows an equals sign or a blank."""
    text = data.decode("utf-8", "replace")
    places = list(re.finditer(r"(?<== ).*|(?<= )\S+", text))
    if not places:
        return mutate_line(data, random)
    found = random.choice(places)
    value = random.choice(_VALUES)
    changed = text[: found.start()] + value + text[found.end() :]
    return changed.encode("utf-8", "surrogatepass")


LINES: tuple[Mutation, ...] = (
    mutate_line,
    mutate_line,
    mutate_value,
    mutate_value,
    encode_otherwise,
)
