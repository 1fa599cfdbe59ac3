"""Paths with spaces that a shell, a script or a build cut in two, in whole logs."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry


@pytest.mark.parametrize(
    ("log", "entry", "words"),
    [
        (
            (
                "'J:\\Big' is not recognized as an internal or external "
                "command,\noperable program or batch file.\n\nJ:\\Big Easy "
                "Tool\\stable-diffusion-webui>"
            ),
            "windows-path-with-space",
            "The folder J:\\Big Easy Tool has a space",
        ),
        (
            "'D:\\AI' 不是内部或外部命令\uff0c也不是可运行的程序\n或批处理文件\u3002",
            "windows-path-with-space",
            "cut off at D:\\AI",
        ),
        (
            (
                "& : The term 'C:\\Paint' is not recognized as the name of a cmdlet, "
                "function, script file, or operable program."
            ),
            "windows-path-with-space",
            "cut off at C:\\Paint",
        ),
        (
            (
                "C:\\Stable Paint\\webui>first-time-runner.bat\nPaint\\webui\\webui-user.bat était"
                " inattendu."
            ),
            "cmd-unexpected-word",
            "The folder C:\\Stable Paint has a space",
        ),
        (
            "Files\\Git\\cmd;C:\\x was unexpected at this time.",
            "cmd-unexpected-word",
            "A path with a space or a bracket",
        ),
        (
            (
                "CMake Error at /Volumes/Big Disk/x/build/AConfig.cmake:2 (include):\n "
                " include called with invalid argument:\n  Disk/x/build/AExports.cmake"
            ),
            "cmake-path-with-space",
            "/Volumes/Big Disk/x/build/AConfig.cmake has a space",
        ),
        (
            (
                "cc: error: no such file or directory: '/Volumes/Big'\ncc: error: no such file or"
                " directory: 'Disk/x/a.c'"
            ),
            "compiler-path-with-space",
            "/Volumes/Big and Disk/x/a.c",
        ),
        (
            (
                "$ python /Volumes/Big Disk/x/go.py\npython: can't open file "
                "'/Volumes/Big': [Errno 2] No such file or directory"
            ),
            "family-script-missing",
            "cut off at /Volumes/Big",
        ),
        (
            "% ls /Volumes/Big Disk/x\nzsh: no such file or directory: /Volumes/Big",
            "family-file-missing",
            "cut off at /Volumes/Big",
        ),
        (
            "ERROR The path in which this python code is executed contain one or many spaces.",
            "family-space-in-path",
            "has a space",
        ),
    ],
)
def test_a_path_that_was_cut_at_a_space_is_told(log: str, entry: str, words: str) -> None:
    expect_entry(log, entry, words)


@pytest.mark.parametrize(
    "log",
    [
        (
            "'C:\\Python310\\python.exe' is not recognized as an internal or external command,\n"
            "operable program or batch file."
        ),
        "'C:\\sd\\venv\\Scripts\\pip' is not recognized as an internal or external command,",
        "cc: error: no such file or directory: 'a.c'\ncc: error: no such file or directory: 'b.c'",
        "% cp /Users/me/a b\ncp: /Users/me/a: No such file or directory",
        (
            "CMake Error at /Users/me/x/CMakeLists.txt:2 (include):\n  include called with invalid"
            " argument:"
        ),
    ],
)
def test_a_whole_path_is_not_told_as_cut(log: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is None or "space" not in cause.cause


CMD = "is not recognized as an internal or external command,\noperable program or batch file."


@pytest.mark.parametrize(
    ("log", "entry", "words"),
    [
        (
            f"'C:\\Local\\Python\\Python311' {CMD}",
            "windows-folder-as-command",
            "is a folder and no program",
        ),
        (f"'\"python main.py\"' {CMD}", "windows-command-in-quotes", "(python main.py) stands"),
        (f"'wmic' {CMD}", "windows-without-wmic", "no longer has"),
        (f"'launch' {CMD}", "kohya-without-accelerate", "found no program accelerate"),
        (f"'webui-user.bat' {CMD}", "windows-script-not-here", "There is no file webui-user.bat"),
        (
            "Access is denied.\nThe system cannot find the file G:\\Stable.",
            "windows-path-with-space",
            "cut off at G:\\Stable",
        ),
        ("\\Microsoft was unexpected at this time.", "cmd-unexpected-word", "(x86)\\Microsoft"),
        (
            (
                'CMake Warning:\n  Ignoring extra path from command line:\n\n   "Disk/x"\n\nCMake'
                ' Error: The source directory "/home/me/Big" does not exist.'
            ),
            "cmake-path-with-space",
            "/home/me/Big",
        ),
        (
            (
                'venv "C:\\sd\\venv\\Scripts\\Python.exe"\nLe chemin d\'accès spécifié est'
                " introuvable."
            ),
            "family-file-missing",
            "no Python at C:\\sd\\venv\\Scripts\\Python.exe",
        ),
    ],
)
def test_what_windows_does_not_take_for_a_program_is_told_by_its_name(
    log: str, entry: str, words: str
) -> None:
    expect_entry(log, entry, words)
