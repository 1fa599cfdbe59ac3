from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.conda.engine import (
    Archive,
    Engine,
    Rattler,
    find_engine,
    virtual_packages,
)
from sdcoreml.envs.processes.process import run
from sdcoreml.ground.errors import (
    EnvError,
    InstallError,
    NoSpaceError,
    UnreachableError,
)
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.conda_files import explicit_lock
from sdcoreml.lockfiles.target import TARGETS, host_target
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.channel import MINOR, PLACEHOLDER, Content, channel, package
from tests.envs.conda_engine import SHARED, lend_engine, real_engine
from tests.envs.wheels import PYTHON, VERSION
from tests.lockfiles.test_conda import LOCK

HERE = TARGETS[host_target()]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return real_engine()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its own name
        """Log nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a channel's folder over HTTP; yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def solve(engine: Engine, place: str, *specs: str, newest: str = "") -> list[str]:
    packages = engine.solve(place, specs, HERE, newest)
    return [f"{one.path} {one.sha256[:8]}" for one in packages]


def test_a_channel_is_asked_for_the_exact_python_and_what_it_needs(
    engine: Engine, tmp_path: Path
) -> None:
    lock = channel(tmp_path)
    found = engine.solve(tmp_path.as_uri(), [f"python =={VERSION}"], HERE, "")
    assert found == lock.packages


def test_a_channel_over_http_says_the_same(engine: Engine, tmp_path: Path) -> None:
    lock = channel(tmp_path)
    with served(tmp_path) as url:
        assert engine.solve(url, [f"python =={VERSION}"], HERE, "") == lock.packages


def test_machines_are_taken_to_be_as_old_as_the_wheels_allow(
    engine: Engine, tmp_path: Path
) -> None:
    nothing = Content(files={"share/x": b""})
    package(tmp_path, "new", "1", nothing, depends=("__glibc >=2.29",))
    package(tmp_path, "old", "1", nothing, depends=("__glibc >=2.28",))
    if HERE.system == "linux":
        with pytest.raises(InstallError, match="no such Python for this target"):
            solve(engine, tmp_path.as_uri(), "new")
        assert len(solve(engine, tmp_path.as_uri(), "old")) == 1
    assert dict(virtual_packages(TARGETS["macos-arm64"])) == {"__unix": "0", "__osx": "13.0"}


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        ("http://127.0.0.1:9/c", UnreachableError, "the conda channel cannot be reached"),
        ("file:///nowhere/at/all", InstallError, "not there; give another --channel"),
    ],
)
def test_a_channel_that_is_not_there_is_one_line(
    engine: Engine, place: str, error: type[EnvError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        solve(engine, place, "python ==3.10.10")
    assert str(caught.value).startswith(f"{place}: ")
    assert "\n" not in str(caught.value)


def test_a_channel_without_that_python_is_one_line(engine: Engine, tmp_path: Path) -> None:
    channel(tmp_path)
    with pytest.raises(InstallError, match=r"has no such Python.*python ==9\.9\.9") as caught:
        solve(engine, tmp_path.as_uri(), "python ==9.9.9")
    assert "\n" not in str(caught.value)


def test_files_are_brought_over_http(engine: Engine, tmp_path: Path) -> None:
    lock = channel(tmp_path / "channel")
    told: list[int] = []
    with served(tmp_path / "channel") as url:
        files = [(f"{url}/{one.path}", tmp_path / one.file) for one in lock.packages]
        engine.download(files, told.append)
        sizes = [one.size for one in lock.packages]
        assert [file.stat().st_size for _, file in files] == sizes
        assert told[-1] == sum(sizes)
        with pytest.raises(InstallError, match="not there; give another --channel"):
            engine.download([(f"{url}/noarch/gone.conda", tmp_path / "gone")], told.append)
    with pytest.raises(UnreachableError):
        engine.download(files, told.append)


def test_packages_are_laid_out_with_their_final_place_in_them(
    engine: Engine, tmp_path: Path
) -> None:
    lock = channel(tmp_path / "channel")
    archives = [Archive(package=one, file=tmp_path / "channel" / one.path) for one in lock.packages]
    engine.link(archives, tmp_path / "prefix", Path("/final/place"), HERE)
    prefix = tmp_path / "prefix"
    assert (prefix / "bin/where").read_text().startswith(f"#!/final/place/bin/python{MINOR}\n")
    binary = (prefix / "lib/libplace.so").read_bytes()
    assert binary.startswith(b"\x7fELF/final/place/ssl\0")
    assert len(binary) == len(f"?ELF{PLACEHOLDER}/ssl?the rest")
    assert (prefix / f"bin/python{MINOR}").stat().st_nlink == 1, "copied, not linked to a cache"
    assert (prefix / "bin/python").is_symlink()
    assert [path.name for path in tmp_path.iterdir() if "unpacked" in path.name] == []


def test_an_archive_that_is_none_is_one_line(engine: Engine, tmp_path: Path) -> None:
    lock = channel(tmp_path / "channel")
    broken = tmp_path / "tzdata-2026a-0_test.tar.bz2"
    broken.write_bytes(b"<html>blocked</html>")
    with pytest.raises(InstallError, match="tzdata") as caught:
        engine.link(
            [Archive(package=lock.packages[1], file=broken)],
            tmp_path / "prefix",
            tmp_path / "final",
            HERE,
        )
    assert "\n" not in str(caught.value)


def stand_in(tmp_path: Path, script: str) -> Rattler:
    """Return an engine whose Python is a stand-in: a shell script with these lines."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    program.chmod(0o755)
    return Rattler(python=program)


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("echo boom >&2; exit 3", InstallError, "boom; run this again"),
        ("kill -9 $$", InstallError, "exit code -9; run this again"),
        ("""echo '{"error": "write: os error 28"}'""", NoSpaceError, "the disk is full"),
        ("""echo '{"error": "[Errno 28] No space"}'""", NoSpaceError, "the disk is full"),
        ("true", InstallError, "exit code 0"),
    ],
)
def test_an_engine_that_breaks_down_is_one_line(
    tmp_path: Path, script: str, error: type[EnvError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        stand_in(tmp_path, script).solve("c", ["python"], HERE, "")
    assert "\n" not in str(caught.value)


def test_a_channel_without_hashes_cannot_be_locked(tmp_path: Path) -> None:
    row = """{"name": "a", "version": "1", "build": "0", "build_number": 0, "noarch": "",
        "path": "noarch/a.conda", "sha256": "", "size": 0, "depends": []}"""
    engine = stand_in(tmp_path, f"echo '{{\"result\": [{' '.join(row.split())}]}}'")
    with pytest.raises(InstallError) as caught:
        engine.solve("c", ["a"], HERE, "")
    assert str(caught.value) == (
        "c: gives no SHA-256 for noarch/a.conda, so it cannot be locked; give another --channel"
    )


def test_the_field_s_own_parser_reads_the_explicit_lock(engine: Engine) -> None:
    assert isinstance(engine, Rattler)
    text = explicit_lock(load_toolchain("tested"), TARGETS["linux-x86_64"], LOCK)
    program = """
import sys
from rattler.explicit_environment import ExplicitEnvironmentSpec
spec = ExplicitEnvironmentSpec.from_str(sys.stdin.read())
print(spec.platform, *(package.url for package in spec.packages), sep="\\n")
"""
    done = run([str(engine.python), "-I", "-c", program], words=text)
    assert done.out.splitlines() == [
        "linux-64",
        *(line for line in text.splitlines() if line.startswith("https://")),
    ], done.err


def test_the_engine_is_brought_once(tmp_path: Path) -> None:
    lend_engine(tmp_path)
    said: list[Event] = []
    found = find_engine(tmp_path, said.append)
    assert isinstance(found, Rattler)
    assert found.python.parent.parent.name in {path.name for path in SHARED.glob("engine-*")}
    assert said == []
    assert PYTHON.exists()
