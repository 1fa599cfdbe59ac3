"""A command that was pasted or typed in another shape than meant is told as that."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        ("zsh: command not found: \u201cpython\u201d\n", "typed-page-quotes", "curly"),
        ("x.py: error: unrecognized arguments: \u201cCPU\u201d\n", "typed-page-quotes", "curly"),
        (
            "C:\\sd> python x.py\nx.py: error: unrecognized arguments: 'cat'\n",
            "typed-page-quotes",
            "Windows' cmd",
        ),
        ("zsh: command not found: $\n", "typed-prompt-sign", "prompt"),
        ("zsh: command not found: #\n", "typed-prompt-sign", "comment"),
        ("zsh: command not found: --convert-unet\n", "typed-line-broken", "--convert-unet"),
        ("-bash: --convert-unet: command not found\n", "typed-line-broken", "one line"),
        ("bash: syntax error near unexpected token `newline'\n", "typed-placeholder", "<"),
        ("zsh: parse error near `\\n'\n", "typed-placeholder", "filled in"),
        ("bash: syntax error near unexpected token `('\n", "typed-brackets", "quotes"),
        ("zsh: unknown file attribute: 1\n", "typed-brackets", "quotes"),
        ('zsh: event not found: ",\n', "typed-exclamation-mark", "single quotes"),
        ('zsh: unmatched "\n', "typed-quote-open", "not closed"),
        ("zsh: no such file or directory: 2.0\n", "typed-version-sign", "numpy<"),
        (
            "Unexpected token '-m' in expression or statement.\n",
            "typed-powershell-call",
            "Put & before it",
        ),
        (
            "Invoke-WebRequest : A parameter cannot be found that matches parameter name 'L'.\n",
            "typed-powershell-alias",
            "curl.exe",
        ),
    ],
)
def test_what_was_typed_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


@pytest.mark.parametrize(
    "log",
    [
        "./webui.sh: line 14: syntax error near unexpected token `newline'\n",
        "bash: line 3: syntax error near unexpected token `('\n",
        "zsh: command not found: painter\n",
        "zsh: no such file or directory: models/2.0\n",
        "error: unrecognized arguments: --paint\n",
        "paint: event not found in the queue\n",
        "Unexpected token < in JSON at position 0\n",
        "SyntaxError: Unexpected token 'export'\n",
    ],
)
def test_what_a_script_or_another_program_says_is_not_what_was_typed(log: str) -> None:
    found = examine(log, entries()).cause
    assert found is None or found.entry.topic != "family_typing"
