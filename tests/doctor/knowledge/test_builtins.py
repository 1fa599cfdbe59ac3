from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

FRAME = (
    "Traceback (most recent call last):\n"
    '  File "/home/me/work/convert.py", line 40, in <module>\n'
    "    main()\n"
    '  File "/home/me/work/convert.py", line 30, in main\n'
)
LIBRARY = (
    '      File "/home/me/venv/lib/python3.11/site-packages/paintlib/__init__.py",'
    " line 430, in __init__\n"
    "        self._metadata.dynamic.remove('version')\n"
)


@pytest.mark.parametrize(
    ("code", "message", "name", "said"),
    [
        (
            "x = f(p)",
            "ValueError: list.remove(x): x not in list",
            "builtin-not-in-list",
            "in a list",
        ),
        ("x = f(p)", "ValueError: 'fp8' is not in list", "builtin-not-in-list", "'fp8'"),
        (
            "a, b = f(p)",
            "ValueError: too many values to unpack (expected 2)",
            "builtin-unpack",
            "2",
        ),
        (
            "b, c, h, w = latents.shape",
            "ValueError: not enough values to unpack (expected 4, got 3)",
            "builtin-unpack-dimensions",
            "latents has 3 dimensions, and the code takes 4 (b, c, h, w)",
        ),
        (
            "x = max(y)",
            "ValueError: max() arg is an empty sequence",
            "builtin-nothing-there",
            "nothing",
        ),
        ("next(files)", "StopIteration", "builtin-nothing-there", "nothing (left) in it"),
        (
            "int(v)",
            "ValueError: invalid literal for int() with base 10: '0a0'",
            "builtin-number-wanted",
            "'0a0'",
        ),
        (
            "a + b",
            "TypeError: unsupported operand type(s) for +: 'NoneType' and 'int'",
            "builtin-none-value",
            "empty (None)",
        ),
        (
            "a + b",
            'TypeError: can only concatenate str (not "int") to str',
            "builtin-wrong-kind",
            "(int)",
        ),
        (
            "a < b",
            "TypeError: '<' not supported between instances of 'str' and 'int'",
            "builtin-wrong-kind",
            "(str)",
        ),
        (
            "x = y[z]",
            "TypeError: list indices must be integers or slices, not str",
            "builtin-wrong-kind",
            "(str)",
        ),
        ("f(p)", "NotImplementedError", "builtin-not-written", "no answer for this case"),
        (
            "int(x)",
            "ValueError: cannot convert float NaN to integer",
            "builtin-not-a-number",
            "NaN",
        ),
        (
            "input()",
            "EOFError: EOF when reading a line",
            "builtin-no-terminal",
            "without a terminal",
        ),
        (
            "tarfile.open(p)",
            "tarfile.ReadError: not a gzip file",
            "builtin-archive-damaged",
            "no archive",
        ),
        (
            "db.run(q)",
            "sqlite3.OperationalError: no such table: models",
            "builtin-database-old",
            "table models",
        ),
        (
            "import x",
            "ValueError: source code string cannot contain null bytes",
            "builtin-null-bytes",
            "zero bytes",
        ),
        (
            "import numba",
            "SystemError: initialization of _internal failed without raising an exception",
            "builtin-numba-numpy",
            "numba is older",
        ),
    ],
)
def test_what_python_itself_says_is_told(code: str, message: str, name: str, said: str) -> None:
    cause = examine(f"{FRAME}    {code}\n{message}\n", entries()).cause
    assert cause is not None
    assert cause.entry.id == name
    assert said in cause.cause


def test_whose_code_it_is_is_told() -> None:
    raised = "ValueError: list.remove(x): x not in list\n"
    cause = examine(LIBRARY + raised, entries()).cause
    assert cause is not None
    assert cause.cause.startswith("paintlib (__init__.py) takes something for granted in a list")


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("TypeError: 'NoneType' object is not iterable", "family-none-part"),
        ("TypeError: cannot unpack non-iterable NoneType object", "family-none-part"),
        ("NotImplementedError: Attention with cross_only is not implemented", "family-not-able"),
        ("ValueError: Unknown scheduler 'x', it is not in list of known ones", ""),
    ],
)
def test_what_others_say_is_left_to_them(message: str, name: str) -> None:
    cause = examine(f"{FRAME}    f(p)\n{message}\n", entries()).cause
    assert not cause or not cause.entry.id.startswith("builtin-")
    assert not name or (cause and cause.entry.id == name)
