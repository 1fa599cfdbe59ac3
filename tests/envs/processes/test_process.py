from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sdcoreml.envs.processes.process import clean_environ, isolate, run


@pytest.mark.parametrize(
    "name",
    [
        *("PYTHONPATH", "PYTHONHOME", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_TARGET"),
        *("UV_INDEX", "UV_LINK_MODE", "UV_CONFIG_FILE", "LD_PRELOAD", "VIRTUAL_ENV"),
        *("CONDA_PREFIX", "PYENV_VERSION", "REQUESTS_TOKEN"),
    ],
)
def test_settings_do_not_leak(name: str) -> None:
    assert name not in clean_environ({name: "x"})


@pytest.mark.parametrize(
    "name",
    [
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT"),
        *("HTTPS_PROXY", "https_proxy", "no_proxy", "HOME", "PATH", "TMPDIR", "UV_CACHE_DIR"),
    ],
)
def test_the_way_to_the_network_survives(name: str) -> None:
    assert clean_environ({name: "x"})[name] == "x"


def test_every_pip_configuration_file_is_off() -> None:
    assert clean_environ({"PIP_CONFIG_FILE": "/mine"})["PIP_CONFIG_FILE"] == os.devnull


def test_a_child_gets_words_and_answers() -> None:
    program = "import sys; print(sys.stdin.read()[::-1]); print('e', file=sys.stderr); sys.exit(3)"
    done = run([*isolate(Path(sys.executable)), "-c", program], words="abc")
    assert (done.code, done.out, done.err) == (3, "cba\n", "e\n")


def test_an_isolated_python_sees_no_user_site() -> None:
    program = "import sys; print(sys.flags.isolated, sys.flags.no_user_site)"
    assert run([*isolate(Path(sys.executable)), "-c", program]).out == "1 1\n"


def test_certificates_that_one_program_is_told_to_trust_are_for_all() -> None:
    assert clean_environ({"REQUESTS_CA_BUNDLE": "/a.pem"})["SSL_CERT_FILE"] == "/a.pem"
    both = {"PIP_CERT": "/a.pem", "SSL_CERT_FILE": "/b.pem"}
    assert clean_environ(both)["SSL_CERT_FILE"] == "/b.pem"
    assert "SSL_CERT_FILE" not in clean_environ({"PATH": "/bin"})
