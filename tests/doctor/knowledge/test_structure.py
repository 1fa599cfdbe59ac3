from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.exceptions import Relation
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.structure import Structure, find_structure

TRACE = "Traceback (most recent call last):\n  File 'x.py', line 3\n    f()\n"
HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"
BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
RICH = """\
╭───────────── Traceback (most recent call last) ─────────────╮
│ /venv/lib/python3.10/site-packages/diffusers/utils/x.py:28  │
│ in <module>                                                 │
│                                                             │
│ ❱ 28 from huggingface_hub import cached_download            │
╰─────────────────────────────────────────────────────────────╯
ImportError: no cached_download
"""
NOTEBOOK = """\
---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
<ipython-input-14-973dd0a6a5fb> in <cell line: 3>()
      1 import x
----> 3 x.load()

KeyError: 'state_dict'
"""
PIP = """\
      Traceback (most recent call last):
        File "<string>", line 1, in <module>
        File "setup.py", line 4, in <module>
      ModuleNotFoundError: No module named 'distutils'
      [end of output]
"""
PYTEST = "    def f():\n>       raise ValueError\nE       ValueError: boom\n"


def structure(log: str) -> Structure:
    return find_structure(read(log))


@pytest.mark.parametrize(
    ("log", "line", "text"),
    [
        (TRACE + "ValueError: a\n", 4, "ValueError: a"),
        ("before\n" + TRACE + "\nValueError: a\nafter\n", 6, "ValueError: a"),
        ("  " + TRACE + "ValueError: a", 4, "ValueError: a"),
        (TRACE + "A: 1\n" + HANDLING + TRACE + "B: 2\n", 4, "A: 1"),
        ("  File \"x.py\", line 3, in f\n    f()\nKeyError: 'x'\n", 3, "KeyError: 'x'"),
        ("_pickle.UnpicklingError: invalid load key, 'v'.\n", 1, None),
        ("socket.timeout: timed out\n", 1, None),
        (RICH, 7, "ImportError: no cached_download"),
        (NOTEBOOK, 7, "KeyError: 'state_dict'"),
        (PIP, 4, "ModuleNotFoundError: No module named 'distutils'"),
        (PYTEST, 3, "ValueError: boom"),
        (TRACE + "RuntimeError: Failed to import x (look up):\nno name y\n", 5, "no name y"),
        (TRACE + "KeyError: 'x'\n" + TRACE + "CalledProcessError: 1\n", 4, "KeyError: 'x'"),
        ("ERROR: Could not find it\n" + TRACE + "A: b\n", 5, "A: b"),
        (TRACE + "A: b\nzsh: killed  python x.py\n", 5, "zsh: killed  python x.py"),
        ("warning: x failed\nfatal: not a git repository\n", 2, None),
        ("error: one\nerror: two\n", 1, "error: one"),
        ("UserWarning: this failed\nzsh: command not found: conda\n", 2, None),
        ("thread 'main' panicked at src/x.rs:3\n", 1, None),
        ("X.swift:9: Fatal error: nil\nzsh: trace trap\n", 1, "X.swift:9: Fatal error: nil"),
        ("Solving environment: failed\nNothing more\n", 1, "Solving environment: failed"),
        ("Unsupported OS\n", 1, "Unsupported OS"),
        ("Error occurred when executing X:\n\nno key 'y'\n", 3, "no key 'y'"),
        ("Error occurred when executing X:\n  File 'x.py'\n", 1, None),
        ("Error occurred when executing X:\n", 1, None),
        (TRACE + "TypeError: f(): the following argument types are supported:\n1. g\n", 4, None),
        ("    raise OddError(f'no {name}')\nmodule x has no attribute y\n", 2, None),
    ],
)
def test_the_line_that_decides(log: str, line: int, text: str | None) -> None:
    decisive = structure(log).decisive
    assert decisive is not None
    assert decisive.number == line
    assert text in (None, decisive.text)


@pytest.mark.parametrize("log", ["", "all went well\n", "INFO: done\n10%|#| 1/10 [00:01<00:09]\n"])
def test_a_log_without_failures_has_no_such_line(log: str) -> None:
    found = structure(log)
    assert found == Structure()
    assert not found.is_failure


def test_chains_say_how_each_exception_came_about() -> None:
    log = (
        TRACE + "A: 1\n" + BECAUSE + TRACE + "B: 2\n" + HANDLING + TRACE + "C: 3\n" + TRACE + "D\n"
    )
    chains = structure(log).chains
    assert [[one.type for one in chain] for chain in chains] == [["A", "B", "C"], ["D"]]
    assert [one.relation for one in chains[0]] == [
        Relation.FIRST,
        Relation.BECAUSE,
        Relation.HANDLING,
    ]


def test_a_line_belongs_to_an_exception_of_a_chain() -> None:
    found = structure(TRACE + "A: 1\n" + BECAUSE + TRACE + "B: 2\n  more of it\nother\n")
    assert found.place(2) == (0, 0)
    assert found.place(12) == (0, 1)
    assert found.place(30) is None


def test_the_packages_that_an_exception_passed_through_are_known() -> None:
    frame = '  File "/venv/lib/python3.10/site-packages/{}/x.py", line 3, in f\n    f()\n'
    frames = frame.format("diffusers") + frame.format("transformers")
    log = "Traceback (most recent call last):\n" + frames
    ((raised,),) = structure(log + "A: 1\n").chains
    assert raised.packages == ("diffusers", "transformers")


def test_a_traceback_without_its_end_is_a_failure() -> None:
    found = structure('  File "x.py", line 3, in f\n    f()\n')
    assert found.is_cut
    assert found.is_failure


def test_warnings_are_no_exceptions() -> None:
    assert structure("FutureWarning: x is deprecated\n").chains == ()
    assert structure("/a/b.py:3: UserWarning: x\n").chains == ()


GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "x.py", line 1, in <module>
  |     main()
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "x.py", line 9, in f
    |     g()
    | FileNotFoundError: [Errno 2] No such file or directory: 'uvx'
    +------------------------------------
"""


@pytest.mark.parametrize(
    "leaf", [GROUP, GROUP.replace("    | Traceback (most recent call last):\n", "")]
)
def test_what_a_group_holds_decides_and_not_the_group(leaf: str) -> None:
    found = structure(leaf)
    assert found.decisive is not None
    assert found.decisive.text == "FileNotFoundError: [Errno 2] No such file or directory: 'uvx'"
    assert [chain[0].type for chain in found.chains] == ["ExceptionGroup", "FileNotFoundError"]


def test_the_members_of_a_group_need_no_tracebacks() -> None:
    log = TRACE + "ExceptionGroup: hello (1 sub-exception)\n+-+---- 1 ----\n| ValueError: bad\n"
    found = structure(log)
    assert found.decisive is not None
    assert found.decisive.text == "ValueError: bad"


def test_what_python_ignored_is_no_failure() -> None:
    log = "Exception ignored in: <function f at 0x1>\n" + TRACE + "AttributeError: rmtree\nSaved.\n"
    found = structure(log)
    assert not found.is_failure
    assert found.ignored == frozenset(range(1, 6))
    assert structure(log + TRACE + "ValueError: a\n").is_failure


def test_what_python_ignored_ends_where_the_program_says_something_else() -> None:
    log = "Exception ignored in: <function f at 0x1>\nSaved.\n" + TRACE + "ValueError: a\n"
    assert structure(log).is_failure
    cut = "Exception ignored in: <f>\n" + TRACE + "not an exception\n" + TRACE + "ValueError: a\n"
    assert structure(cut).ignored == frozenset()


def test_what_follows_from_what_python_ignored_is_ignored_too() -> None:
    log = "Exception ignored in: <f>\n" + TRACE + "OSError: x\n" + HANDLING + TRACE + "A: b\n"
    assert not structure(log).is_failure
    assert [chain[0].type for chain in structure(log + TRACE + "ValueError: a\n").chains] == [
        "ValueError"
    ]


def test_what_pip_quotes_of_a_build_is_known() -> None:
    log = (
        "error: x\n  \u2570\u2500> [2 lines of output]\n      A: 1\n      [end of output]\nnote: y"
    )
    assert structure(log).builds == {2, 3}


def test_what_uv_says_a_build_lacks_is_said_of_the_lines_above() -> None:
    hint = "hint: `a@1.0` depends on `torch`, but doesn't declare it as a build dependency."
    log = "\n".join([*("line" for _ in range(20)), hint, "re-run"])
    assert structure(log).builds & set(range(1, 30)) == set(range(5, 21))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/venv/lib/python3.10/site-packages/torch/x.py", "torch"),
        ("transformers/utils/hub.py", "transformers"),
        ("/data/src/diffusers/models/x.py", "diffusers"),
        ("/content/diffusers/scripts/convert.py", "convert.py"),
        ("/usr/lib/python3.10/runpy.py", ""),
    ],
)
def test_whose_code_failed_is_told_by_the_last_frame(path: str, code: str) -> None:
    ((raised,),) = structure(
        f'  File "{path}", line 3, in f\n    f()\nA: 1\nValueError: x\n'
    ).chains
    assert raised.code == code


@pytest.mark.parametrize(
    ("end", "is_cut"),
    [
        ('  File "x.py", line 3, in f\n    f()\n', True),
        ('  File "x.py", line 3, in f\n    f()\nValueError: a\n', False),
        ('  File "x.py", line 3, in f\nTraceback (most recent call last):\n', False),
        ("", False),
    ],
)
def test_a_log_is_cut_after_a_frame_whose_exception_never_came(end: str, *, is_cut: bool) -> None:
    assert structure(f"Traceback (most recent call last):\n{end}").is_cut is is_cut


def test_a_line_that_opens_a_bracket_is_told_by_the_next() -> None:
    log = 'RuntimeError: {\n    NSLocalizedDescription = "Required input feature not passed";\n}\n'
    found = find_structure(read(log))
    assert found.decisive is not None
    assert found.decisive.number == 2


def test_a_traceback_that_is_cut_off_below_an_exception_is_that_exceptions() -> None:
    title = "AttributeError: 'Sea' object has no attribute 'wave'\n\n"
    frames = 'Traceback (most recent call last):\n  File "/a/sea.py", line 3, in swim\n    wave()\n'
    found = structure(title + frames)
    assert found.decisive is not None
    assert found.decisive.number == 1
    assert found.last_chain[0].steps == ("/a/sea.py swim",)
    assert found.is_cut
    assert not found.is_unknown
    assert structure(title.strip() + "\n" + frames).is_unknown
    assert structure(title + title + frames).is_unknown
    whole = structure(title + frames + "KeyError: 'tide'\n")
    assert whole.decisive is not None
    assert whole.decisive.text == "KeyError: 'tide'"
