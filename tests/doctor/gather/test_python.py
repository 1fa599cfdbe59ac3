from __future__ import annotations

import importlib.util
import platform
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.gather.python import LIBRARIES, host


def probe(home: Path, **environ: str) -> Probe:
    return Probe(environ=environ, home=home)


def test_this_interpreter(tmp_path: Path) -> None:
    facts = host(probe(tmp_path))
    assert (facts.version, facts.executable) == (platform.python_version(), sys.executable)
    assert facts.isolated == (sys.prefix != sys.base_prefix)
    assert (facts.conda, facts.pythonpath, facts.user_site, facts.pip_settings) == ("", (), (), ())


@pytest.mark.parametrize("is_managed", [True, False])
def test_a_system_that_forbids_installing_says_so_in_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_managed: bool,  # noqa: FBT001  a table
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    if is_managed:
        (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert host(probe(tmp_path)).externally_managed is is_managed


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"CONDA_PREFIX": "/opt/conda", "CONDA_DEFAULT_ENV": "base"}, "base"),
        ({"CONDA_DEFAULT_ENV": "base"}, ""),
        ({"CONDA_PREFIX": "/opt/conda"}, ""),
    ],
)
def test_conda_is_active_when_it_says_where(
    tmp_path: Path, environ: dict[str, str], name: str
) -> None:
    assert host(probe(tmp_path, **environ)).conda == name


def test_pythonpath_is_taken_apart(tmp_path: Path) -> None:
    assert host(probe(tmp_path, PYTHONPATH="/a::/b:")).pythonpath == ("/a", "/b")


@pytest.mark.parametrize(
    "place",
    [".local/lib/python3.10/site-packages", "Library/Python/3.10/lib/python/site-packages"],
)
def test_a_user_site_matters_when_it_holds_something(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    assert host(probe(tmp_path)).user_site == ()
    (tmp_path / place / "numpy").mkdir()
    assert host(probe(tmp_path)).user_site == (str(tmp_path / place),)


def test_a_user_site_of_another_python_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / ".local/lib/python3.12/site-packages/numpy").mkdir(parents=True)
    assert host(probe(tmp_path)).user_site == ()


@pytest.mark.parametrize(
    "name",
    [
        *("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_PRE"),
        *("PIP_NO_BINARY", "PIP_TARGET", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
        *("UV_INDEX", "UV_CONSTRAINT", "UV_NO_BINARY", "UV_CONFIG_FILE"),
    ],
)
def test_settings_are_named_and_their_values_kept_to_themselves(tmp_path: Path, name: str) -> None:
    facts = host(probe(tmp_path, **{name: "https://user:secret@index.invalid"}))
    assert facts.pip_settings == (name,)
    assert "secret" not in repr(facts)
    assert host(probe(tmp_path, **{name: ""})).pip_settings == ()


def test_settings_that_choose_nothing_are_not_named(tmp_path: Path) -> None:
    environ = {"PIP_CERT": "/x", "PIP_CACHE_DIR": "/x", "UV_CACHE_DIR": "/x", "PIP_NO_INPUT": "1"}
    environ |= {"PIP_INDEX_URL": "https://a.invalid", "UV_DEFAULT_INDEX": "https://a.invalid"}
    assert host(probe(tmp_path, **environ)).pip_settings == ()


@pytest.mark.parametrize(
    "place",
    [".config/pip/pip.conf", "Library/Application Support/pip/pip.conf", ".pip/pip.conf"],
)
def test_files_of_settings_are_read_by_their_keys(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_bytes(
        b"[global]\nindex-url = https://user:secret@index.invalid\n no_binary=:all:\n"
        b"timeout = 60\n# pre = 1\n\xff\n"
    )
    facts = host(probe(tmp_path))
    assert facts.pip_settings == ("pip.conf: index_url", "pip.conf: no_binary")
    assert "secret" not in repr(facts)


def test_the_file_that_pip_is_told_to_read_counts_as_well(tmp_path: Path) -> None:
    path = tmp_path / "company.conf"
    path.write_text("[global]\npre = true\n")
    facts = host(probe(tmp_path, PIP_CONFIG_FILE=str(path)))
    assert facts.pip_settings == ("company.conf: pre",)
    assert host(probe(tmp_path, PIP_CONFIG_FILE="/dev/null")).pip_settings == ()


def test_libraries_are_looked_for_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def find(name: str) -> ModuleSpec | None:
        looked.append(name)
        return ModuleSpec(name, None) if name in {"numpy", "uv"} else None

    monkeypatch.setattr(importlib.util, "find_spec", find)
    assert host(probe(tmp_path)).libraries == {"numpy": "present", "uv": "present"}
    assert looked == list(LIBRARIES)
