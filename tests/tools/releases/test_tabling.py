from __future__ import annotations

import re

from tools.releases.tabling import write_table
from tools.releases.wheels import Release

NOTHING = re.compile(r"(?!)")


def release(version: str, python: str = "", **modules: str) -> Release:
    return Release(
        version=version,
        python=python,
        modules={name: frozenset(names.split()) for name, names in modules.items()},
    )


def test_a_table_has_the_releases_of_each_name() -> None:
    releases = [
        release("1.0", ">=3.7", p="=py a b K K.f K.f(x K.f(y K<B"),
        release("1.1", ">=3.7", p="=py a K K.f K.f(x K<B", q="z"),
        release("2.0", ">=3.9", p="=dir b a K K.f K.f(y K.g K<B", q="z _inner"),
    ]
    assert write_table(releases, NOTHING, NOTHING) == (
        "1.0>=3.7 1.1 2.0>=3.9\n"
        "#p -\n"
        " K .f K<B a\n"
        "-1,2- K.f(y b\n"
        "-2 =py K.f(x\n"
        "2- =dir K.g\n"
        "#q 1-\n"
        " z\n"
        "2- _inner\n"
    )


def test_what_nobody_asks_for_is_left_out() -> None:
    one = release(
        "1.0", p="a f f(x _f _f(x K K._g K.__init__ K.__init__(x K.__len__ _K _K.f", q="x"
    )
    assert write_table([one], NOTHING, NOTHING) == "1.0\n#p -\n K .__init__ (x a f (x\n#q -\n x\n"


def test_of_plain_modules_only_what_changed_is_kept_and_no_parts() -> None:
    plain = re.compile("p")
    one, two = (
        release("1", p="=py f f(x old _file"),
        release("2", p="=py f f(x new new(y is_a_available"),
    )
    assert write_table([one, two], plain, NOTHING) == "1 2\n#p -\n-1 old\n1- new\n"


def test_of_deep_files_only_what_they_define_is_kept() -> None:
    files = {"p.a.b.c": "=py K K.f imported", "p.a.b.d": "=dir K imported"}
    none = dict.fromkeys(files, "")
    table = write_table([release("1", **none), release("2", **files)], re.compile("p"), NOTHING)
    assert table == "1 2\n#p.a.b.c -\n1- =py K\n#p.a.b.d -\n1- =dir K imported\n"


def test_of_inner_modules_only_the_releases_are_kept() -> None:
    assert (
        write_table([release("1", p="a", q="b")], NOTHING, re.compile("p")) == "1\n#p -\n#q -\n b\n"
    )
