"""What Python no longer has, or does not have yet, is told with the release that changed it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine


def said(log: str) -> tuple[str, str]:
    """Return the id of the first cause, and the cause with its remedy."""
    cause = examine(f"{log}\n", entries()).cause
    return (cause.entry.id, f"{cause.cause} {cause.fix}") if cause else ("", "")


@pytest.mark.parametrize(
    ("line", "name", "words"),
    [
        ("ModuleNotFoundError: No module named 'telnetlib'", "python-module-gone", "too new"),
        ("ModuleNotFoundError: No module named 'smtpd'", "python-module-gone", "3.12 removed"),
        ("ModuleNotFoundError: No module named 'audioop'", "python-module-gone", "audioop-lts"),
        ("ModuleNotFoundError: No module named 'formatter'", "python-module-gone", "Python 3.9"),
        ("ModuleNotFoundError: No module named 'graphlib'", "python-module-newer", "too old"),
        ("ModuleNotFoundError: No module named 'tomllib'", "python-module-newer", "since 3.11"),
        ("ModuleNotFoundError: No module named 'urllib2'", "python-2-names", "Python 2"),
        ("NameError: name 'basestring' is not defined", "python-2-names", "basestring"),
        ("AttributeError: 'dict' object has no attribute 'has_key'", "python-2-names", "has_key"),
        ("SyntaxError: invalid character '\u201c' (U+201C)", "family-syntax", "curly quote"),
        ("SyntaxError: invalid syntax", "family-syntax", "another Python"),
        (
            '    print(f"{a["b"]}")\n    ^\nSyntaxError: f-string: unmatched \'[\'',
            "family-syntax",
            "3.12",
        ),
        (
            '>>> pip install torch\n  File "<stdin>", line 1\nSyntaxError: invalid syntax',
            "shell-command-in-python",
            "exit()",
        ),
        (
            "    <html lang='en'>\n    ^\nSyntaxError: invalid syntax",
            "not-python-source",
            "web page",
        ),
        ("    >>>>>>> abc123\n    ^^\nSyntaxError: invalid syntax", "not-python-source", "merge"),
        ("    %cd /content\n    ^\nSyntaxError: invalid syntax", "not-python-source", "notebooks"),
        (
            "OSError: [Errno 22] Invalid argument: 'D:\\\\out\\\\a|b.png'",
            "family-argument-of-system",
            "does not allow in a name",
        ),
        (
            (
                "TypeError: ForwardRef._evaluate() missing 1 required keyword-only argument:"
                " 'recursive_guard'"
            ),
            "pydantic-too-old-for-python",
            "1.10.16",
        ),
        (
            "pydantic.errors.PydanticUserError: A non-annotated attribute was detected: `a = 1`",
            "pydantic-two-for-one",
            "'pydantic<2'",
        ),
        ("OSError: [Errno 22] Invalid argument", "family-argument-of-system", "exFAT"),
    ],
)
def test_it_is_told_what_the_code_was_written_for(line: str, name: str, words: str) -> None:
    found, text = said(line)
    assert found == name
    assert words in text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("AttributeError: module 'time' has no attribute 'clock'", "3.8 removed time.clock"),
        ("ImportError: cannot import name 'StrEnum' from 'enum' (/x/enum.py)", "since 3.11"),
        ("AttributeError: module 'ssl' has no attribute 'wrap_socket'", "brings Python 3.10"),
        ("AttributeError: module 'random' has no attribute 'sample'", "a file random.py"),
    ],
)
def test_python_is_asked_for_names_like_any_other_project(line: str, words: str) -> None:
    found, text = said(f"Traceback (most recent call last):\n{line}")
    assert found == "family-import-name"
    assert words in text
