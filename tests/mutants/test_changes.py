"""Every kind of mistake is made, and none where nobody could notice it."""

from __future__ import annotations

import textwrap

import pytest

from tests.mutants.changes import is_valid, mutants_of


def changed(source: str, tested: str = "") -> list[str]:
    """Return the changed lines of all valid mutants of a module."""
    content = textwrap.dedent(source).encode()
    return [
        mutant.apply(content).decode().splitlines()[mutant.line - 1].strip()
        for mutant in mutants_of("a.py", content, lambda text: text in tested)
        if is_valid(mutant, content)
    ]


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("x = a < b", ["x = a <= b", "x = a > b"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = (a) not in (b)", ["x = (a) in (b)"]),
        ("x = a and b or c", ["x = a and b and c", "x = a or b or c"]),
        ("x = a - b", ["x = a + b"]),
        ("x = not a", ["x = a"]),
        ("x = -a", ["x = a"]),
        ("x = 3", ["x = 4", "x = 2"]),
        ("x = 0", ["x = 1", "x = (-1)"]),
        ("x = 3_000_000", ["x = 6000000", "x = 1500000"]),
        ("x = 0.5", ["x = 1.0"]),
        ("x = True", ["x = False"]),
        ("x = 'key'", ["x = 'mutantkey'"]),
        ("x = b'key'", ["x = b'mutantkey'"]),
        ("x = min(a)", ["x = max(a)"]),
        ("x = a.startswith(b)", ["x = a.endswith(b)"]),
        ("f(a, b=c)", ["pass", "f(a)"]),
        ("f(b=c, d=e)", ["pass", "f(d=e)", "f(b=c)"]),
        ("x.y = a", ["pass"]),
        ("x += a", ["pass"]),
        ("raise KeyError(a)", ["pass", "raise StopAsyncIteration(a)"]),
        ("x = a if b else c", ["x = a if not (b) else c"]),
        (
            "x = [a for a in b if c]",
            ["x = [a for a in b if not (c)]", "x = [a for a in b if True]"],
        ),
        ("def f(a=None): ...", []),
        ("def f(a=1): ...", ["def f(a=2): ...", "def f(a=0): ..."]),
        ("def f(): return a", ["def f(): return None"]),
        ("def f(): return not a", ["def f(): return True", "def f(): return a"]),
        ("def f(): return True", ["def f(): return False", "def f(): return False"]),
        ("def f(): return ''", ["def f(): return 'mutant'"]),
        ("def f(): return None", ["def f(): return True"]),
        ("größe = not a", ["größe = a"]),
    ],
)
def test_each_mistake(line: str, mutants: list[str]) -> None:
    assert sorted(changed(line)) == sorted(mutants)


def test_branches_and_loops() -> None:
    source = """\
    for a in b:
        if c:
            break
        try:
            continue
        except OSError:
            x.y = a
    """
    assert changed(source) == [
        "if not (c):",
        "continue",
        "break",
        "pass",
        "except StopAsyncIteration:",
        "pass",
    ]


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "import a",
        "from a import b",
        "def f(a: Literal[1]) -> Literal['b']: ...",
        "x: Literal['a']",
        "@f(1)\nclass A: ...",
        "class A(Protocol):\n    x = 1",
        "T = TypeVar('T')",
        "Name = dict[str, 'Name']",
        "Name: TypeAlias = 'int | str'",
        "if TYPE_CHECKING:\n    x = 1",
        "x = cast('A', y)",
        "x = f'{a} 1'",
        "add(help='more', metavar='N')\n",
        "RUN_SECONDS = 5.0",
        "_CHUNK = 1 << 20",
        "x = zip(a, b, strict=True)",
        "x = run(a, timeout=3)",
        "x = key_of({'name': a})",
    ],
)
def test_what_no_run_can_notice_is_left_alone(source: str) -> None:
    assert [line for line in changed(source) if line != "pass"] == []


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("x = open(a, encoding='utf-8')", ["x = open(a, encoding='mutantutf-8')"]),
        ("x = run(a, check=False)", ["x = run(a, check=True)"]),
        ("x = f(a, strict=True)", ["x = f(a)", "x = f(a, strict=False)"]),
        ("SEED = 5.0", ["SEED = 10.0"]),
    ],
)
def test_an_argument_that_says_the_usual_is_not_dropped(line: str, mutants: list[str]) -> None:
    assert sorted(changed(line)) == mutants


def test_a_sentence_is_changed_if_a_test_has_it() -> None:
    source = "x = ERROR('this is wrong', where=1, remedy='do that')"
    assert changed(source) == []
    assert changed(source, tested="this is wrong; do that") == [
        "x = ERROR('mutantthis is wrong', where=1, remedy='do that')",
        "x = ERROR('this is wrong', where=1, remedy='mutantdo that')",
    ]


def test_only_one_line_is_changed() -> None:
    assert changed("f(\n    a=1,\n)\nraise x(\n    a\n)") == [
        "",
        "a=2,",
        "a=0,",
        "raise StopAsyncIteration(",
    ]
