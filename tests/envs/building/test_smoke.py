from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.envs.building import smoke
from sdcoreml.envs.pythons import venv
from sdcoreml.ground.errors import BrokenError


def test_pins_are_imported_by_their_modules() -> None:
    projects = ("scikit-learn", "huggingface-hub", "protobuf", "torch")
    modules = [smoke.module_of(project) for project in projects]
    assert modules == ["sklearn", "huggingface_hub", "google.protobuf", "torch"]


def test_all_failing_imports_are_named_and_nothing_is_written(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "good.py").write_text(
        "import pathlib\npathlib.Path('~').expanduser().mkdir(exist_ok=True)"
    )
    (site / "bad.py").write_text("raise RuntimeError('two\\nlines')")
    smoke.import_all(empty / "bin/python", ["good"])
    with pytest.raises(BrokenError, match=r"bad: RuntimeError: two lines; gone: Module") as caught:
        smoke.import_all(empty / "bin/python", ["bad", "good", "gone"])
    assert "\n" not in str(caught.value)
    assert not (site / "__pycache__").exists()


@pytest.mark.parametrize(
    ("project", "module"),
    [("pillow", "PIL"), ("pyyaml", "yaml"), ("scipy", "scipy"), ("a-b-c", "a_b_c")],
)
def test_modules_of_projects(project: str, module: str) -> None:
    assert smoke.module_of(project) == module


def test_an_interpreter_that_dies_is_told_with_its_last_words(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "fatal.py").write_text(
        "import os, sys\nprint('OMP: Error #15', file=sys.stderr, flush=True)\nos._exit(134)\n"
    )
    with pytest.raises(BrokenError) as caught:
        smoke.import_all(empty / "bin/python", ["fatal"])
    assert str(caught.value) == (
        "these packages cannot be imported: the interpreter: exit code 134: OMP: Error #15;"
        " ask `sdcoreml doctor` why"
    )
    (site / "silent.py").write_text("import os\nos._exit(1)\n")
    with pytest.raises(BrokenError, match="exit code 1: it printed nothing"):
        smoke.import_all(empty / "bin/python", ["silent"])


def test_what_a_module_prints_is_not_taken_for_the_answer(empty: Path) -> None:
    (venv.site_packages(empty) / "loud.py").write_text("print('{\"x\": \"y\"}', end='')\n")
    smoke.import_all(empty / "bin/python", ["loud"])


def test_leaving_and_warning_on_import_are_told_apart(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "leaving.py").write_text("raise SystemExit(3)\n")
    (site / "warning.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    smoke.import_all(empty / "bin/python", ["warning"])
    with pytest.raises(BrokenError, match="leaving: SystemExit: 3"):
        smoke.import_all(empty / "bin/python", ["leaving", "warning"])


def test_nothing_is_asked_of_a_network_and_nothing_of_home(empty: Path) -> None:
    (venv.site_packages(empty) / "asks.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "assert os.environ['HF_HUB_OFFLINE'] == os.environ['TRANSFORMERS_OFFLINE'] == '1'\n"
        "assert os.environ['HF_HUB_DISABLE_TELEMETRY'] == '1'\n"
        "assert Path.home().resolve() == Path.cwd().resolve()\n"
        "assert not list(Path.home().iterdir())\n"
    )
    smoke.import_all(empty / "bin/python", ["asks"])
