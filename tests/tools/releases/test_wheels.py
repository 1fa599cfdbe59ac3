from __future__ import annotations

import re
import zipfile
from pathlib import Path

from tools.releases.wheels import read_wheel

NOTHING = re.compile(r"(?!)")


def wheel(folder: Path, **files: str) -> Path:
    path = folder / "p-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def test_names_are_passed_on_as_imports_do(tmp_path: Path) -> None:
    files = {
        "p/__init__.py": "from .a import *\nfrom .sub import *\nfrom p.c import *",
        "p/a.py": "x = 1\n_y = 2\nclass K(B): pass",
        "p/sub/__init__.py": "from ..a import *\nfrom .d import *",
        "p/sub/d.py": "__all__ = ['z']\nz = 1\nw = 2",
        "p/c.py": "from .missing import *\nv = 1",
        "p/c.pyi": "u: int",
        "p-1.0.dist-info/METADATA": "Name: p\nRequires-Python: >=3.8, <4\n",
    }
    found = read_wheel(wheel(tmp_path, **files), NOTHING, {})
    assert (found.version, found.python) == ("1.0", ">=3.8,<4")
    assert {module: set(names) for module, names in found.modules.items()} == {
        "p": {"=dir", "a", "c", "sub", "x", "K", "z", "v", "u"},
        "p.a": {"=py", "x", "_y", "K", "K<B"},
        "p.sub": {"=dir", "d", "x", "K", "z"},
        "p.sub.d": {"=py", "__all__", "z", "w"},
        "p.c": {"=py", "v", "u"},
    }


def test_files_that_are_skipped_are_not_read(tmp_path: Path) -> None:
    path = wheel(tmp_path, **{"p/__init__.py": "", "p/test.py": "x = 1", "p/data.txt": "y = 1"})
    assert set(read_wheel(path, re.compile(r"/test"), {}).modules) == {"p"}


def test_of_files_that_are_skipped_only_what_a_lazy_module_passes_on_is_read(
    tmp_path: Path,
) -> None:
    lazy = "sys.modules[__name__] = _LazyModule(__name__, f, define_import_structure(f))"
    path = wheel(
        tmp_path,
        **{"p/__init__.py": lazy, "p/modeling_tf_a.py": "__all__ = ['TFA']\nclass TFA: pass"},
    )
    found = read_wheel(path, re.compile(r"modeling_tf"), {}).modules
    assert {module: set(names) for module, names in found.items()} == {"p": {"=dir", "TFA"}}
