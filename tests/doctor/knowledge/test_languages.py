"""Messages in other languages are read in English, and quoted as they stand in the log."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.languages import translate
from sdcoreml.doctor.knowledge.lines import Line


def english(text: str) -> str:
    """Return a line as it is read."""
    (line,) = translate([Line(number=1, text=text)])
    return line.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '"C:\\sd" не является внутренней или внешней',
            "'C:\\sd' is not recognized as an internal or external command,",
        ),
        ("a.bat était inattendu.", "a.bat was unexpected at this time."),
        ("a.bat \u201atait inattendu.", "a.bat was unexpected at this time."),
        ("C:\\x.py: Acc\ufffds refus\ufffd", "C:\\x.py: Access is denied"),
        ("bash: git : commande introuvable", "bash: git : command not found"),
        (
            "致命错误\uff1a不是 git 仓库\uff08或者任何父目录\uff09\uff1a.git",
            "fatal: not a git repository (or any of the parent directories)\uff1a.git",
        ),
        (
            "fatal: konnte nicht auf 'https://x.org/' zugreifen: Could not resolve host: x.org",
            "fatal: unable to access 'https://x.org/': Could not resolve host: x.org",
        ),
        (
            'OSError: [WinError 126] 找不到指定的模块\u3002 Error loading "C:\\a.dll"',
            (
                "OSError: [WinError 126] The specified module could not be found\u3002"
                ' Error loading "C:\\a.dll"'
            ),
        ),
        (
            "sh: line 3: Datei oder Verzeichnis nicht gefunden",
            "sh: line 3: No such file or directory",
        ),
        ("Das Bild ist schön.", "Das Bild ist schön."),
    ],
)
def test_what_a_system_says_in_its_own_language_is_read_in_english(text: str, said: str) -> None:
    assert english(text) == said


def test_lines_without_such_a_message_stay_what_they_are() -> None:
    lines = (Line(number=1, text="fatal: not a git repository"), Line(number=2, text="é"))
    assert translate(lines) is lines


@pytest.mark.parametrize(
    ("log", "entry", "quoted"),
    [
        (
            'Der Befehl "git" ist entweder falsch geschrieben oder\nkonnte nicht gefunden werden.',
            "family-command-missing",
            'Der Befehl "git" ist entweder falsch geschrieben oder',
        ),
        (
            (
                "'C:\\Program' n\u2019est pas reconnu en tant que commande interne\nou "
                "externe, un programme exécutable ou un fichier de commandes."
            ),
            "windows-path-with-space",
            "'C:\\Program' n'est pas reconnu en tant que commande interne",
        ),
        (
            "fatal: le chemin de destination 'webui' existe déjà et n'est pas un répertoire vide.",
            "family-git-exists",
            "fatal: le chemin de destination 'webui' existe déjà et n'est pas un répertoire vide.",
        ),
        (
            'pip : Имя "pip" не распознано как имя командлета, функции, файла сценария',
            "powershell-unknown",
            'pip : Имя "pip" не распознано как имя командлета, функции, файла сценария',
        ),
        (
            "OSError: [WinError 1455] 页面文件太小\uff0c无法完成操作\u3002",
            "paging-file",
            "OSError: [WinError 1455] 页面文件太小\uff0c无法完成操作\u3002",
        ),
    ],
)
def test_such_a_message_is_told_as_in_english_and_quoted_as_it_is(
    log: str, entry: str, quoted: str
) -> None:
    told = examine(log, entries())
    assert told.cause is not None
    assert told.cause.entry.id == entry
    assert told.cause.text == quoted
    assert told.decisive is not None
    assert told.decisive.text == quoted
