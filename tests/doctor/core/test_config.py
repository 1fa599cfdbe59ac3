from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.core.config import Settings, settings
from sdcoreml.doctor.core.engine import Ignore
from sdcoreml.ground.errors import LockfileError

JUDGED = (Ignore(what="PY002", reason="our runners have 3.10.13"),)


def test_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.sdcoreml.ignore]\nPY002 = "our runners have 3.10.13"\n'
    )
    assert settings(tmp_path).ignore == JUDGED


def test_its_own_file_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.sdcoreml.ignore]\nGIT001 = "no git"\n')
    (tmp_path / "sdcoreml.toml").write_text('[ignore]\nPY002 = "our runners have 3.10.13"\n')
    assert settings(tmp_path).ignore == JUDGED


def test_nothing_said(tmp_path: Path) -> None:
    assert settings(tmp_path) == Settings()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert settings(tmp_path) == Settings()


def test_a_reason_is_needed(tmp_path: Path) -> None:
    (tmp_path / "sdcoreml.toml").write_text('[ignore]\nPY002 = " "\nGIT001 = true\n')
    with pytest.raises(LockfileError) as caught:
        settings(tmp_path)
    assert "ignore.PY002 has no reason" in str(caught.value)
    assert "ignore.GIT001 is True, not a str" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.sdcoreml]\ncheckout = "../upstream"\n'),
        ("sdcoreml.toml", 'checkout = "/src/upstream"\n'),
    ],
)
def test_a_file_of_the_current_folder_names_no_checkout(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LockfileError, match="in SDCOREML_UPSTREAM"):
        settings(tmp_path)
