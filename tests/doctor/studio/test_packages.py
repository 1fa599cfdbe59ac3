from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.packages import find_packages, require_packages
from sdcoreml.envs.pythons.groups import STUDIO
from sdcoreml.ground.events import Event, silent


def test_what_is_installed_already_is_not_brought(tmp_path: Path) -> None:
    before = [*sys.path]
    require_packages(tmp_path / "envs", silent)
    assert sys.path == before
    assert not (tmp_path / "envs").exists()


def test_what_was_brought_once_is_found_again(tmp_path: Path) -> None:
    site = tmp_path / STUDIO.folder_name() / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    assert find_packages(tmp_path, silent) == site


def test_its_lock_has_hashes_for_what_is_needed() -> None:
    text = STUDIO.lock.read_text("utf-8")
    for name in ("starlette", "uvicorn", "h11", "anyio"):
        assert f"\n{name}==" in f"\n{text}"
    assert text.count("--hash=sha256:") > 10


@pytest.mark.network
@pytest.mark.slow
def test_it_is_brought_on_first_use_and_says_so(tmp_path: Path) -> None:
    events: list[Event] = []
    site = find_packages(tmp_path, events.append)
    assert [one.text for one in events] == [f"bringing {STUDIO.what}"]
    code = f"import sys; sys.path.append({str(site)!r}); import starlette.applications, uvicorn"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
    assert find_packages(tmp_path, events.append) == site
    assert len(events) == 1


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_is_missing_is_taken_from_where_it_was_brought(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / STUDIO.folder_name() / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == missing else find(name)
    )
    require_packages(tmp_path, silent)
    assert sys.path[-1] == str(site)
