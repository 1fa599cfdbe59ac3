r"""Lines that a program wrote into one, with `\n` between them, are read as the lines they were."""

from __future__ import annotations

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.unfolding import Gap, unfold

RESOLVED = (
    "starting\n"
    r"Could not install frob (Launcher.ProcessException: pip install failed with code 1: 'Using"
    r" Python 3.11.13 environment at: venv\n  \u00d7 No solution found when resolving"
    r" dependencies:\n  \u2570\u2500\u25b6 Because the current Python version (3.11.13) does not"
    r" satisfy\n      Python>=3.13 and painter-lts==0.2.2 depends on Python>=3.13, we can\n"
    r"      conclude that painter-lts==0.2.2 cannot be used.\n'"
    "\n   at Launcher.Frob()\n"
)
BUILT = (
    r"emp\pip-install-vns00wx4\painter_f7ac5944aa99411da34b1f340dc6b6a1\.mesonpy\r\n"
    r"      Program python found: YES (C:\paint\venv\python.exe)\r\n"
    r"      Could not find Python3 library 'C:\\paint\\venv\\libs\\python310.lib'\r\n      \r\n"
)


def test_what_is_written_into_one_line_is_read_as_lines() -> None:
    cause = examine(RESOLVED, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.line) == ("python-older-than-needed", 2)
    assert "painter-lts==0.2.2 needs Python >=3.13, and Python 3.11.13 runs" in cause.cause


def test_the_line_that_decides_is_a_part_of_the_long_one() -> None:
    found = examine(BUILT, entries())
    assert found.cause is not None
    assert found.cause.entry.id == "python-without-import-library"
    assert found.cause.cause.startswith("painter is built from its source")
    assert found.decisive is not None
    assert found.decisive.number == 1
    assert found.decisive.text.strip().startswith("Could not find Python3 library")


def test_an_exception_in_a_long_line_has_its_number_everywhere() -> None:
    log = (
        "a\nb\n"
        r"failed: 'Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n"
        r"ValueError: the moon is out\n'"
    )
    found = examine(log, entries())
    assert [(one.start, one.end) for one in found.structure.chains[0]] == [(3, 3)]
    assert found.structure.decisive is not None
    assert found.structure.decisive.number == 3


def test_lines_behind_what_a_text_lacks_have_the_numbers_of_the_whole() -> None:
    read = unfold("a\nb: \\n A\\n B\\n C\nd", Gap(after=1, lines=10))
    assert read.log.split("\n") == ["a", "b: ", " A", " B", " C", "d"]
    assert [read.number(at) for at in range(1, 7)] == [1, 12, 12, 12, 12, 13]


def test_paths_and_source_code_are_not_divided() -> None:
    for log in (
        r"C:\new\networks\nodes\n.py: not found",
        r'raise RuntimeError("Error(s):\n\t{}".format("\n\t".join(messages)))',
    ):
        assert not unfold(log, Gap()).numbers


def test_two_returns_are_lines_and_names_in_a_path_are_not() -> None:
    written = "a.py -> build\\lib\\r\\n  running build_ext\\r\\n  error: no compiler\\r\\n"
    assert unfold(written, Gap()).log.split("\n")[:2] == [
        "a.py -> build\\lib",
        "  running build_ext",
    ]
    path = "No such file: 'C:\\new\\nodes\\network\\name.safetensors'"
    assert unfold(path, Gap()).log == path
