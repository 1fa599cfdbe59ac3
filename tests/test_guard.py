"""The guard finds what a test writes into the home folder, and whom it reaches for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guard import STORES, Guard, is_here, make_home, watch_sockets

BEYOND = ("192.0.2.1", 9)
"""An address that is nobody's (RFC 5737)."""


@pytest.mark.parametrize(
    ("address", "here"),
    [
        (("127.0.0.1", 80), True),
        (("127.8.8.8", 80), True),
        (("::1", 80, 0, 0), True),
        (("fe80::1%eth0", 80, 0, 0), False),
        (("localhost", 80), True),
        ("/run/a.socket", True),
        (BEYOND, False),
        (("10.0.0.1", 80), False),
        (("models.invalid", 443), False),
    ],
)
def test_only_this_machine_is_here(address: object, here: bool) -> None:  # noqa: FBT001
    assert is_here(address) is here


def test_connections_beyond_are_refused_and_noted(tmp_path: Path) -> None:
    guard = Guard(home=tmp_path)
    with watch_sockets(guard), socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        for reach in (
            lambda: one.connect(BEYOND),
            lambda: one.connect_ex(BEYOND),
            lambda: two.sendto(b"x", BEYOND),
            lambda: socket.create_connection(("models.invalid", 443)),
        ):
            with pytest.raises(ConnectionRefusedError, match="only a test marked `network`"):
                reach()
    assert guard.faults() == [
        *(f"reached for {BEYOND}",) * 3,
        "reached for ('models.invalid',)",
    ]
    assert guard.faults() == []


def test_a_server_of_ones_own_is_reached(tmp_path: Path) -> None:
    guard = Guard(home=tmp_path)
    with watch_sockets(guard), socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    assert guard.faults() == []


def test_what_is_written_into_the_home_folder_is_found_and_removed(tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / ".pyenv").mkdir(parents=True)
    environ = {"HOME": str(own), "NO_PROXY": "mine", **dict.fromkeys(STORES, "/mine")}
    guard = Guard(home=make_home(environ, tmp_path))
    assert environ == {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "mine,127.0.0.1,localhost,::1",
        "no_proxy": "mine,127.0.0.1,localhost,::1",
        "HOME": str(tmp_path / "home"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIP_CACHE_DIR": str(tmp_path / "pip"),
        "SDCOREML_CACHE": str(tmp_path / "made"),
        "SDCOREML_QUEUE": str(tmp_path / "queue"),
    }
    assert (guard.home / ".pyenv").samefile(own / ".pyenv")
    assert guard.faults() == []
    (guard.home / ".cache/hub").mkdir(parents=True)
    (guard.home / "x").touch()
    assert guard.faults() == [
        "wrote into the home folder: ~/.cache",
        "wrote into the home folder: ~/x",
    ]
    assert [path.name for path in guard.home.iterdir()] == [".pyenv"]


TESTS = """\
import pathlib, socket
import pytest

def test_writes():
    (pathlib.Path.home() / ".cache").mkdir()

def test_reaches():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 9))

@pytest.mark.network
def test_may_reach():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 9), timeout=0.001)

def test_is_good():
    assert not (pathlib.Path.home() / ".cache").exists()
"""


def test_a_test_that_does_either_fails(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow\n    network\n")
    words = ("-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--rootdir", tmp_path, tmp_path],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("wrote", "reached"))] == [
        "wrote into the home folder: ~/.cache",
        "reached for ('192.0.2.1',)",
    ]
    assert lines[-1].startswith("2 failed, 2 passed in ")
