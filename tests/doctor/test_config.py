from __future__ import annotations

from pathlib import Path

import pytest

from doctor.config import ignores
from doctor.engine import Ignore
from lockfiles.errors import LockfileError

JUDGED = (Ignore(what="PY002", reason="our runners have 3.10.13"),)


def test_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.sdcoreml.ignore]\nPY002 = "our runners have 3.10.13"\n'
    )
    assert ignores(tmp_path) == JUDGED


def test_its_own_file_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.sdcoreml.ignore]\nGIT001 = "no git"\n')
    (tmp_path / "sdcoreml.toml").write_text('[ignore]\nPY002 = "our runners have 3.10.13"\n')
    assert ignores(tmp_path) == JUDGED


def test_nothing_said(tmp_path: Path) -> None:
    assert ignores(tmp_path) == ()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert ignores(tmp_path) == ()


def test_a_reason_is_needed(tmp_path: Path) -> None:
    (tmp_path / "sdcoreml.toml").write_text('[ignore]\nPY002 = " "\nGIT001 = true\n')
    with pytest.raises(LockfileError) as caught:
        ignores(tmp_path)
    assert "ignore.PY002 has no reason" in str(caught.value)
    assert "ignore.GIT001 is True, not a str" in str(caught.value)
