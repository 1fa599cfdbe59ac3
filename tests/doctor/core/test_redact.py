from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.doctor.core.facts import Facts, Unknown
from sdcoreml.doctor.core.redact import (
    COMMON,
    Secrets,
    clean,
    redact,
    secrets_here,
)
from sdcoreml.ground.codec import from_plain, to_plain
from tests.doctor.healthy import CONDA, HEALTHY, HOST, HUB

PLAIN = to_plain(HEALTHY)
TEXT = json.dumps(PLAIN)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=10).filter(
    lambda name: name not in TEXT and name not in {*COMMON, "token"}
)
TOKENS = st.from_regex(r"hf_[A-Za-z0-9]{20,30}", fullmatch=True)


def test_what_is_private_here() -> None:
    environ = {"USER": "alice", "LOGNAME": "alice"}
    assert secrets_here(environ, Path("/Users/alice"), "alices-mac.local") == Secrets(
        homes=("/Users/alice",), names=("alice", "alices-mac.local", "alices-mac")
    )


def test_names_that_say_nothing_are_no_secret() -> None:
    assert secrets_here({"USER": "root"}, Path("/root"), "localhost").names == ()


def test_texts() -> None:
    secrets = Secrets(homes=("/Users/alice",), names=("alice", "alices-mac"))
    cases = {
        "/Users/alice/models/x": "~/models/x",
        "/Users/alice": "~",
        "/Users/alice2/x": "/Users/(user)/x",
        "/home/bob/.cache": "/home/(user)/.cache",
        "ssh alice@alices-mac": "ssh (name)@(name)",
        "https://bob:secret@example.org/x": "https://(token)example.org/x",
        "token hf_abcdefghijklmnop": "token (token)",
        "malice": "malice",
        "/opt/homebrew": "/opt/homebrew",
    }
    assert {text: clean(text, secrets) for text in cases} == cases


def poisoned(value: Any, poison: str) -> Any:
    """Return the value with a private text added to each string in it."""
    if isinstance(value, str):
        return f"{poison} {value}/{poison}"
    if isinstance(value, dict):
        return {key: poisoned(item, poison) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, poison) for item in value]
    return value


@settings(suppress_health_check=[HealthCheck.filter_too_much], max_examples=40, deadline=None)
@given(user=NAMES, host=NAMES, token=TOKENS, base=st.sampled_from(["/home/", "/Users/", "/data/"]))
def test_nothing_private_is_left_in_any_field(user: str, host: str, token: str, base: str) -> None:
    home = base + user
    secrets = secrets_here({"USER": user}, Path(home), f"{host}.local")
    poison = f"{home}/models {user}@{host}.local {token} https://{user}:{token}@x.org"
    facts = from_plain(Facts, poisoned(PLAIN, poison), "facts")
    text = json.dumps(to_plain(redact(facts, secrets)))
    assert not [secret for secret in (user, host, token) if secret in text]


def test_keys_and_reasons_are_rewritten_too() -> None:
    facts = replace(
        HEALTHY,
        hub=Unknown(reason="/home/alice/.cache: Permission denied"),
        host=replace(HOST, libraries={"/home/alice/lib": "x"}),
    )
    text = json.dumps(to_plain(redact(facts, Secrets(homes=("/home/alice",), names=()))))
    assert "alice" not in text
    assert "~/.cache: Permission denied" in text


def test_the_rest_of_the_facts_is_unchanged() -> None:
    assert redact(HEALTHY, Secrets(homes=("/nowhere",), names=("nobody",))) == replace(
        HEALTHY,
        hub=replace(HUB, cache="/home/(user)/.cache/huggingface/hub"),
        conda=replace(CONDA, path=CONDA.path.replace("/home/me/", "/home/(user)/")),
    )


@pytest.mark.parametrize(
    "token",
    [
        *("hf_abcdefghijkl", "ghp_abcdefghijkl", "gho_abcdefghijkl", "ghs_abcdefghijkl"),
        *("github_pat_11ABCDEFG_xyz", "glpat-abcdefghijkl", "sk-abcdefghijkl"),
        *("xoxb-123456789012", "xoxa-123456789012", "xoxp-123456789012"),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmN",
    ],
)
def test_tokens_of_every_house(token: str) -> None:
    nobody = Secrets(homes=(), names=())
    assert clean(f"401 for {token}, sorry", nobody) == "401 for (token), sorry"
    assert clean(f"Bearer {token}", nobody) == "Bearer (token)"


@pytest.mark.parametrize(
    "text",
    ["hf_short", "risk_management_of_x", "task-abcdefghijkl", "eyJshort.a.b", "https://a.org/b@c"],
)
def test_what_only_looks_like_a_token_stays(text: str) -> None:
    assert clean(text, Secrets(homes=(), names=())) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("/home/al/x", "~/x"),
        ("/home/al.old/x", "/home/(user)/x"),
        ("/home/al-2", "/home/(user)"),
        ("/data/home/al", "/data/home/(user)"),
        ("'/Users/bob': no", "'/Users/(user)': no"),
        ("/Users/bob:/Users/eve", "/Users/(user):/Users/(user)"),
        ("/var/home/bob/x", "/var/home/(user)/x"),
        ("/home/", "/home/"),
    ],
)
def test_homes(text: str, cleaned: str) -> None:
    assert clean(text, Secrets(homes=("/home/al",), names=())) == cleaned


def test_hosts_are_written_in_any_case() -> None:
    secrets = Secrets(homes=(), names=("Alices-MacBook",))
    assert clean("alices-macbook and ALICES-MACBOOK", secrets) == "(name) and (name)"


def test_the_longer_of_two_names_goes_first() -> None:
    secrets = Secrets(homes=("/home/al", "/home/al/work"), names=("alice", "alice-mac"))
    assert clean("/home/al/work/x alice-mac alice", secrets) == "~/x (name) (name)"


@pytest.mark.parametrize(
    ("environ", "home", "host", "names"),
    [
        ({"USER": "al"}, "/home/al", "pc", ()),
        ({"USER": "ali"}, "/home/ali", "pc", ("ali",)),
        ({"SUDO_USER": "alice", "USER": "root"}, "/root", "box", ("alice", "box")),
        ({}, "/home/alice", "x.y", ("alice", "x.y")),
        ({"USER": "runner"}, "/home/runner", "ubuntu", ()),
    ],
)
def test_names_that_say_something(
    environ: dict[str, str], home: str, host: str, names: tuple[str, ...]
) -> None:
    assert secrets_here(environ, Path(home), host).names == names
