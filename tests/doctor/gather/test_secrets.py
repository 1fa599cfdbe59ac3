"""No token or password gets into the facts, not even before the report is redacted."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.core.facts import (
    EnvironmentFacts,
    HostPython,
)
from sdcoreml.doctor.core.tools import Checkout, Hub
from sdcoreml.doctor.gather import Request, gather
from sdcoreml.doctor.gather.environment import without_login
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.ground.codec import to_plain
from tests.doctor.gather.test_toolchain import built

SECRET = "hf_SeCrEtSeCrEtSeCrEt"  # noqa: S105  made up
LOGIN = f"https://grace:{SECRET}@example.invalid/simple"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make home folder, environment variables and checkout with secrets in all the usual places."""
    for name in (".cache/huggingface", ".config/pip", "upstream"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".cache/huggingface/token").write_text(SECRET)
    (tmp_path / ".config/pip/pip.conf").write_text(f"[global]\nextra-index-url = {LOGIN}\n")
    for words in (("init", "-q"), ("remote", "add", "origin", LOGIN)):
        subprocess.run(("git", "-C", str(tmp_path / "upstream"), *words), check=True)
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    (tmp_path / "envs").mkdir()
    site = built(tmp_path / "envs") / "lib/python3.10/site-packages"
    record = {"url": f"git+{LOGIN}", "vcs_info": {"commit_id": "0123"}}
    (site / "torch-2.2.0.dist-info/direct_url.json").write_text(json.dumps(record))
    return tmp_path


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_no_secret_gets_into_facts(machine: Path) -> None:
    environ = {
        "HF_TOKEN": SECRET,
        "HTTPS_PROXY": f"http://grace:{SECRET}@proxy.invalid:3128",
        "PIP_INDEX_URL": LOGIN,
        "UV_INDEX_URL": LOGIN,
        "PATH": "/usr/bin:/bin",
    }
    request = Request(checkout=str(machine / "upstream"), seconds=60)
    facts = gather(request, Probe(environ=environ, home=machine)).facts
    assert SECRET not in json.dumps(to_plain(facts))
    assert isinstance(facts.hub, Hub)
    assert facts.hub.token
    assert facts.hub.proxies == ("HTTPS_PROXY",)
    assert isinstance(facts.host, HostPython)
    assert facts.hub.mirrors == ("index https://****@example.invalid/simple (by $UV_INDEX_URL)",)
    assert "pip.conf: extra_index_url" in facts.host.pip_settings
    assert isinstance(facts.checkout, Checkout)
    assert facts.checkout.remote == "https://example.invalid/simple"
    assert isinstance(facts.environment, EnvironmentFacts)
    assert facts.environment.origins == {"torch": "git+https://example.invalid/simple@0123"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pw@host/x@y.git", "https://host/x@y.git"),
        ("https://host/x@y.git", "https://host/x@y.git"),
        ("git@github.com:apple/x.git", "git@github.com:apple/x.git"),
        ("file:///home/a@b/x", "file:///home/a@b/x"),
        ("", ""),
    ],
)
def test_a_login_is_taken_out_of_an_address(url: str, expected: str) -> None:
    assert without_login(url) == expected


@given(st.from_regex(r"[a-z]{3,8}(:[a-zA-Z0-9]{3,9})?", fullmatch=True))
def test_any_login_is_taken_out(login: str) -> None:
    assert without_login(f"https://{login}@host/a/b") == "https://host/a/b"
