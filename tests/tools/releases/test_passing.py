from __future__ import annotations

from tools.releases.naming import read_names
from tools.releases.passing import resolve

LAZY = "sys.modules[__name__] = _LazyModule(__name__, f, define_import_structure(f))"
FALLBACK = """
class _LazyModule:
    def __getattr__(self, name):
        if name.endswith("TokenizerFast") or name.endswith("ImageProcessorFast"): pass
"""


def names(**files: str) -> dict[str, set[str]]:
    """Return the names of a release's modules; a folder's file is called as the folder with _."""
    read = {
        name.removesuffix("_").replace("__", "."): (name.endswith("_"), read_names(source))
        for name, source in files.items()
    }
    return {module: set(found) for module, found in resolve(read, ()).items()}


def test_a_lazy_module_has_what_the_files_of_its_folder_export_and_nothing_else() -> None:
    found = names(
        p_="import x as y\nfrom .models import *\nimport_structure = define_import_structure("
        'Path(f).parent / "models", prefix="models")\n'
        "_import_structure = {'utils': ['log']}\nsys.modules[__name__] = _LazyModule(n, f, s)",
        p__models_=LAZY,
        p__models__a_=LAZY,
        p__models__a__one="__all__ = ['One']\nclass One: pass\nclass Inner: pass",
        p__models__a__two="@requires(backends=())\nclass Two: pass",
        p__models__a__modular_one="__all__ = ['One', 'Modular']",
        p__models__a__convert_one="__all__ = ['convert']",
        p__utils="log = 1",
    )
    assert found["p"] == {"=dir", "models", "utils", "log", "One", "Two"}
    assert found["p.models"] == {"=dir", "a", "One", "Two"}
    assert found["p.models.a"] == {
        *("=dir", "one", "two", "modular_one", "convert_one", "One", "Two"),
    }


def test_names_of_a_lazy_module_are_passed_on_whole() -> None:
    found = names(
        p_="from .a import *", p__a_=LAZY, p__a__b="__all__ = ['K']\nclass K: pass\nclass L: pass"
    )
    assert found["p"] == {"=dir", "a", "K"}


def test_old_forms_of_names_are_found_where_the_release_says_so() -> None:
    files = {
        "p_": LAZY,
        "p__a": "__all__ = ['ATokenizer', 'AImageProcessor', 'AModel']",
        "p__slow": "SLOW_TO_FAST_CONVERTERS = {'BTokenizer': AConverter, 'CTokenizer': CConverter}",
    }
    plain = {"=dir", "a", "slow", "ATokenizer", "AImageProcessor", "AModel"}
    assert names(**files)["p"] == plain
    assert names(**files, p__utils=FALLBACK)["p"] == plain | {
        *("utils", "ATokenizerFast", "AImageProcessorFast", "BTokenizer", "BTokenizerFast"),
    }


def test_modules_that_stand_for_others_have_their_names() -> None:
    found = names(
        p_="_LEGACY_MODULE_ALIASES = {'image_processing_utils_fast': 'backends', 'gone': 'none'}",
        p__backends="class Base:\n    def f(self): pass",
        p__models_="",
        p__models__a_="",
        p__models__a__image_processing_a="class AImageProcessor: pass",
        p__models__a__image_processing_pil_a="class AImageProcessorPil: pass",
    )
    assert found["p"] >= {"image_processing_utils_fast", "backends"}
    assert found["p.image_processing_utils_fast"] == {"Base"}
    assert found["p.models.a.image_processing_a_fast"] == {
        *("AImageProcessor", "AImageProcessorFast"),
    }
    assert "p.gone" not in found
    assert "p.models.a.image_processing_pil_a_fast" not in found
