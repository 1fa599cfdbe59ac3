from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.built import ENTRY, tell_built
from sdcoreml.doctor.knowledge.lines import Line


def lines(*texts: str) -> tuple[Line, ...]:
    return tuple(Line(number=at, text=text) for at, text in enumerate(texts, start=1))


@pytest.mark.parametrize(
    ("package", "version", "log", "oldest", "newest", "fit"),
    [
        ("torch", "1.12.1", "Python 3.11.0 (main, Oct 24 2022)", "3.7", "3.10", "3.10"),
        ("torch", "2.3.1", r'venv using python "C:\Python313\python.exe"', "3.8", "3.12", "3.10"),
        ("torch", "2.5.1", "Using CPython 3.8.20", "3.9", "3.13", "3.10"),
        ("torchvision", "0.16.2", "/opt/bin/python3.13 -m pip install", "3.8", "3.11", "3.10"),
        ("torchvision", "0.13.1", "py -3.11 -m venv venv", "3.7", "3.10", "3.10"),
        ("torchaudio", "0.12.1", "pip3.11 install torchaudio", "3.7", "3.10", "3.10"),
    ],
)
def test_a_release_says_which_pythons_it_was_built_for(
    package: str, version: str, log: str, oldest: str, newest: str, fit: str
) -> None:
    told = tell_built(ENTRY, {"package": package, "version": version}, lines(log))
    assert told is not None
    assert (told["oldest"], told["newest"], told["fit"]) == (oldest, newest, fit)


@pytest.mark.parametrize(
    "log",
    [
        "Python 3.10.6 (main)",
        "nothing is said of any Python",
    ],
)
def test_where_the_python_fits_or_is_not_known_nothing_is_said(log: str) -> None:
    assert tell_built(ENTRY, {"package": "torch", "version": "1.12.1"}, lines(log)) is None


def test_other_entries_are_left_as_they_are() -> None:
    captured = {"package": "torch"}
    assert tell_built("another", captured, lines("Python 3.11.0 (main)")) is captured


def test_a_python_of_32_bits_is_another_case() -> None:
    captured = {"package": "torch", "version": "1.12.1"}
    log = lines("Python 3.10.6 (tags/v3.10.6) [MSC v.1932 32 bit (Intel)]")
    assert tell_built(ENTRY, captured, log) is captured
