from __future__ import annotations

import pytest

from convert import errors
from convert.errors import ConvertError, WorkerError
from doctor.cli import EPILOG


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ConvertError", 1),
        ("BadInputError", 3),
        ("UnsupportedError", 3),
        ("UnsafePickleError", 4),
        ("NoSpaceError", 5),
        ("ParityError", 6),
        ("WorkerError", 7),
    ],
)
def test_each_kind_has_its_exit_code_and_the_help_names_it(name: str, code: int) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, ConvertError)
    assert kind("x").exit_code == code
    assert f"{code} " in EPILOG.partition("exit codes:")[2]


def test_a_dead_child_leaves_its_words() -> None:
    assert (str(WorkerError("died", "words")), WorkerError("died", "words").log) == (
        "died",
        "words",
    )
    assert WorkerError("died").log == ""
