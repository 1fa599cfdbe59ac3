from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.facts import InterpreterFacts
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import HEALTHY
from tests.doctor.specimens import NOT_BUILT, environment, host, sick


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.9.18", "error: this is Python 3.9.18; 3.10 or newer is needed"),
        ("3.10.0", "ok: 3.10.0 here"),
        ("3.15.0b1", "ok: 3.15.0b1 here"),
    ],
)
def test_the_doctor_s_own_python(version: str, expected: str) -> None:
    assert said("PY001", host(version=version)) == [expected]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.10.10", "ok: 3.10.10 in the environment"),
        ("3.10.13", "info: the environment runs Python 3.10.13; 3.10.10 is the tested one (drift)"),
        ("3.11.0", "error: the environment runs Python 3.11.0; 3.10.10 is the tested one"),
    ],
)
def test_drift_is_said_and_another_minor_is_an_error(version: str, expected: str) -> None:
    assert said("PY002", environment(python=version)) == [expected]


def test_the_ways_to_the_exact_python() -> None:
    way, command = remedies("PY002", environment(python="3.10.13"))
    for word in ("pyenv install 3.10.10", "micromamba", "python.org", "uv has none"):
        assert word in way
    assert command == "sdcoreml env --provision"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.10.10", "ok: 3.10.10 to build with"),
        ("3.10.13", "info: Python 3.10.13 is here (drift); `sdcoreml env` tries to obtain 3.10.10"),
    ],
)
def test_the_python_to_build_with(version: str, expected: str) -> None:
    interpreter = InterpreterFacts(version=version, path="/opt/python", source="pyenv")
    facts = sick(environment=NOT_BUILT, interpreter=interpreter)
    assert said("PY003", facts) == [expected]


def test_a_built_environment_needs_no_other_python() -> None:
    assert said("PY003", HEALTHY) == []


def test_only_packages_on_pythonpath_matter() -> None:
    assert said("PY004", host(pythonpath=("/home/me/project",))) == []
    assert said("PY004", host(pythonpath=("/a", "/b/site-packages"))) == [
        "warning: PYTHONPATH holds packages: /b/site-packages"
    ]


def test_the_user_site_matters_with_conda_alone() -> None:
    packages = ("/home/me/.local/lib/python3.10/site-packages",)
    assert said("PY005", host(user_site=packages)) == []
    assert said("PY005", host(user_site=packages, conda="ml")) == [
        f"warning: conda environment 'ml' is active and {packages[0]} has packages"
    ]


def test_settings_are_named_without_their_values() -> None:
    facts = host(pip_settings=("PIP_NO_BINARY", "pip.conf: extra_index_url"))
    assert said("PY006", facts) == [
        "info: settings that change what pip or uv choose: PIP_NO_BINARY, pip.conf: extra_index_url"
    ]


def test_libraries_before_the_system_s_own_python() -> None:
    present = dict(HEALTHY.host.libraries)  # type: ignore[union-attr]
    del present["rich"]
    assert said("PY007", host(libraries=present)) == [
        "info: this is a bare Python, without the libraries of the tool's own .venv"
    ]
    assert said("PY007", host(externally_managed=True, isolated=False)) == [
        "info: this is the system's Python, which forbids installing into it (PEP 668)"
    ]
    assert said("PY007", host(externally_managed=True)) == [], "a virtual environment of it is fine"


def test_conda() -> None:
    assert said("PY008", host(conda="base")) == ["info: the conda environment 'base' is active"]
    assert said("PY008", replace(HEALTHY)) == []
