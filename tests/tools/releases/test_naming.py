from __future__ import annotations

import pytest

from tools.releases.naming import read_names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(a, *, b=1, **c): pass", {"f", "f(a", "f(b", "f(**"}),
        ("async def f(): pass", {"f"}),
        ("X = Y = 1\na, (b, c) = 1, (2, 3)\nz: int = 1\nX.y = 2", {"X", "Y", "a", "b", "c", "z"}),
        ("from .a import b as c, d\nimport torch as t\nimport numpy", {"c", "d", "t"}),
        ("from typing import Any\nimport os", set()),
        (
            "try:\n    x = 1\nexcept E:\n    y = 1\nelse:\n    z = 1\nfinally:\n    w = 1",
            set("xyzw"),
        ),
        ("if A:\n    def f(): pass\nelse:\n    class K: pass", {"f", "K"}),
        ("for i in []:\n    x = i", {"x"}),
        ("with a as b:\n    x = 1", {"x"}),
        ("x =", {"x"}),
        ("def f(a, *, *, b): ...\nclass K:\n    y: int\nz: int\nimport w\n", {"f", "K", "z"}),
    ],
)
def test_what_a_file_defines_is_found_whatever_keeps_it_apart(source: str, names: set[str]) -> None:
    assert read_names(source).names == names


def test_of_a_class_its_attributes_are_found_and_what_its_methods_set() -> None:
    source = """
class K(a.Base, Mixin):
    one = 1
    two: int = 2
    class Inner: pass
    def f(self, x):
        self.three = x
        self.four, other = x
        if x:
            self.five: int = 1
            x.six = self.seven
"""
    found = read_names(source)
    assert found.names == {
        *("K", "K.one", "K.two", "K.Inner", "K.f", "K.f(x", "K.three", "K.four", "K.five"),
    }
    assert found.bases == {"K": ("Base", "Mixin")}


def test_lazy_imports_are_names_too() -> None:
    source = """
_import_structure = {"models": ["A"], "utils.more": []}
_import_structure["models"].extend(["B", "C"])
_import_structure["new"] = ["D"]
_import_structure.append("no-name")
other["models"].extend(["E"])
__getattr__, __dir__ = attach(__name__, submod_attrs={"files": ["F"]}, submodules=["g"])
"""
    found = read_names(source)
    assert found.names == {"_import_structure", "__getattr__", "__dir__", *"ABCDF"}
    assert found.lazy.is_listed


def test_what_is_passed_on_whole_is_named() -> None:
    found = read_names("from .a import *\nfrom ..b import *\n__all__ = ['X']\n__all__ += ['Y']")
    assert found.stars == {".a", "..b"}
    assert found.public == {"X", "Y"}


def test_the_old_name_of_a_parameter_is_one_as_long_as_it_is_taken() -> None:
    source = """
@deprecate_kwarg(old_arg_name="line_end", new_arg_name="end")
@api.rename_parameter("3.1", "tone", "colour")
@cache("ink")
def write(end, colour): pass
"""
    parameters = ("line_end", "end", "tone", "colour")
    assert read_names(source).names == {"write", *(f"write({one}" for one in parameters)}


def test_names_that_are_listed_in_one_text_are_public() -> None:
    assert read_names('__all__ = """\nink\nred\n""".split() + ["x"]').public == {"ink", "red", "x"}
