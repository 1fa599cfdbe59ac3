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
        ("x =", set()),
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
