"""The message of an exception whose raising is the last that a log tells is read from its code."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.raising import complete_cut

FRAME = '  File "/w/paint.py", line 3, in paint\n'


def lines(log: str) -> tuple[Line, ...]:
    return tuple(Line(number=at, text=one) for at, one in enumerate(log.splitlines(), 1))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('    raise ValueError(f"Module {key} is no brush', "ValueError: Module key is no brush"),
        ('    raise PaintError("dry")\n    ^^^^^^^^^^^', "PaintError: dry"),
        ("    raise OSError('a ' 'b", "OSError: a b"),
        (
            '    raise OSError(\n        f"no {self.pot!r} of "\n        "paint',
            "OSError: no pot of paint",
        ),
        ('--> 70   raise ValueError(\n   71      "no paint', "ValueError: no paint"),
        ('❱ 70   raise ValueError("no paint")', "ValueError: no paint"),
    ],
)
def test_a_cut_traceback_gets_the_message_of_its_code(code: str, text: str) -> None:
    given = lines(FRAME + code)
    completed = complete_cut(given)
    assert completed[1] == Line(number=2, text=text)
    assert [one for one in completed if one.number != 2] == [
        one for one in given if one.number != 2
    ]


@pytest.mark.parametrize(
    "log",
    [
        "",
        '    raise ValueError("no frame above")',
        FRAME + '    raise ValueError("dry")\nValueError: dry',
        FRAME + "    raise error",
        FRAME + "    raise ValueError(message)",
        FRAME + '    raise ValueError("")',
        FRAME + '    raise ValueError("dry")\n' + FRAME + "    paint()",
        FRAME + '    paint("raise ValueError(dry)")',
    ],
)
def test_other_logs_stay_as_they_are(log: str) -> None:
    assert complete_cut(lines(log)) == lines(log)
