from __future__ import annotations

import ast

import pytest

from tools.releases.lazy import Lazy, read_exports, read_given, read_lazy


def lazy(source: str) -> Lazy:
    found = Lazy()
    for statement in ast.parse(source).body:
        read_lazy(statement, found)
    return found


def test_a_structure_lists_names_however_it_is_filled() -> None:
    found = lazy("""
_import_structure = {"models": ["A"], "utils.more": [], "B": ()}
_import_structure["models"].extend(["C", "D"])
_import_structure["new"] = ["E"]
_import_structure["new"] += ["F"] + [name for name in dir(x) if name.startswith("_")]
_import_structure["new"].append("no-name")
_import_structure.update({"x": ["G"]})
_import_structure = {k: set(v) for k, v in _import_structure.items()}
other["models"].extend(["H"])
""")
    assert found.names == set("ACDEFG")
    assert found.is_listed
    assert not found.is_module


def test_a_lazy_module_has_folders_and_further_names() -> None:
    found = lazy("""
import_structure = define_import_structure(Path(__file__).parent / "models", prefix="models")
sys.modules[__name__] = _LazyModule(
    __name__, __file__, import_structure, extra_objects={"__version__": __version__},
    explicit_import_shortcut={"a": ["B"]},
)
""")
    assert found.is_module
    assert (found.folders, found.names) == ({"models"}, {"__version__", "B"})
    own = lazy("sys.modules[__name__] = _LazyModule(__name__, _f, define_import_structure(_f))")
    assert (own.is_module, own.folders, own.names) == (True, {""}, set())
    assert not lazy("sys.modules[__name__ + '.old'] = module").is_module


def test_names_that_a_package_imports_when_they_are_asked_for_are_read() -> None:
    found = lazy("""
lazy_import(
    globals(), aliases={"connect": ".client"}, deprecated_aliases={"Old": ".legacy"}, lazy=True
)
""")
    assert found.names == {"connect", "Old"}


def test_old_names_of_modules_and_classes_are_read() -> None:
    found = lazy("""
_create_module_alias(f"{__name__}.one_fast", ".one")
_create_module_alias(f"{__name__}.models.{x}_fast", target)
_LEGACY_MODULE_ALIASES = {"two_fast": "two"}
SLOW_TO_FAST_CONVERTERS = {"ATokenizer": AConverter, "BTokenizer": AConverter}
class _LazyModule:
    def __getattr__(self, name):
        if name.endswith("TokenizerFast"): pass
        if name.endswith("Tokenizer"): pass
""")
    assert found.aliases == {"one_fast": "one", "two_fast": "two"}
    assert found.converters == {"ATokenizer": "AConverter", "BTokenizer": "AConverter"}
    assert found.endings == {"TokenizerFast"}


@pytest.mark.parametrize(
    ("source", "exports"),
    [
        ("x = 1", set()),
        ("__all__ = ['A', \"B\"]", {"A", "B"}),
        ("__all__ = [\n    'A',\n    \"B\",\n]\nx = ['C']", {"A", "B"}),
        ("__all__ = ['A']\n__all__ += ['B']", {"B"}),
        ("__all__.extend(['A'])\n__all__ += other.__all__\n__all__.extend(x for x in [1]]", set()),
        ("@requires(backends=('torch',))\nclass A(B):\n    pass", {"A"}),
        (
            "@requires(\n    backends=('a', 'b')\n)\n@other\n# a comment\n\ndef f(x):\n    pass",
            {"f"},
        ),
        ("@export()\ndef f(): pass\n@other\ndef g(): pass", {"f"}),
        ("class A:\n    @requires()\n    def f(self): pass", set()),
    ],
)
def test_a_file_exports_what_transformers_would_read_of_it(source: str, exports: set[str]) -> None:
    assert read_exports(source) == exports


def test_what_a_function_gives_is_a_name_and_what_it_refuses_is_none() -> None:
    source = """
_MOVED = {"a": "p.a", "b": "p.b"}
_OLD: tuple = ("c",)
_GONE = {"d": ""}
def __getattr__(name):
    if name in _MOVED:
        return load(_MOVED[name])
    if name in _OLD or name == "e":
        return 1
    if name == "f":
        import x
        return x
    if name in _GONE:
        raise AttributeError(name)
    if name in unknown:
        return 2
    if name == "g":
        if True:
            return 3
    raise AttributeError
"""
    assert read_given(ast.parse(source).body) == set("abcefg")
    assert read_given(ast.parse("def f(name):\n    if name == 'a': return 1").body) == set()
