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
        *("SSL_CLIENT_CERT", "NIX_SSL_CERT_FILE", "CURL_CA_BUNDLE", "UV_NATIVE_TLS"),
        *("UV_SYSTEM_CERTS", "PIP_TRUSTED_HOST", "UV_INSECURE_HOST", "HTTP_PROXY", "ALL_PROXY"),
        *("UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "PIP_RETRIES", "PIP_DEFAULT_TIMEOUT"),
        *("PIP_CACHE_DIR", "XDG_CACHE_HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL"),
        *("LC_CTYPE", "TERM"),
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


def test_what_every_child_is_told() -> None:
    assert clean_environ({}) == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONNOUSERSITE": "1",
        "SOURCE_DATE_EPOCH": "315532800",
    }


def test_bytes_that_are_no_text_pass_both_ways(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\ncat\nprintf 'e\\377' >&2\npwd >place\necho $MINE >said\n")
    program.chmod(0o755)
    done = run([str(program)], words="a\udcff", cwd=tmp_path, environ={"MINE": "x"})
    assert (done.code, done.out, done.err) == (0, "a\ufffd", "e\ufffd")
    assert (tmp_path / "place").read_text() == f"{tmp_path}\n"
    assert (tmp_path / "said").read_text() == "x\n"
