from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import BrokenError, NoSpaceError, UnreachableError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.wheels import PYTHON, standard_wheels, toolchain, wheel


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


def make(tmp_path: Path, name: str, events: list[Event] | None = None, **asked: Any) -> Environment:
    usual = {"source": PackageSource(wheels=tmp_path / "wheels"), "fresh": True}
    options = BuildOptions(python=PYTHON, root=tmp_path / "envs", **{**usual, **asked})
    return build(load_toolchain(name), options=options, emit=(events or []).append)


def with_pylock(tmp_path: Path, locked: dict[str, str], *, size: int, installed: int) -> str:
    """Write the tiny toolchain, with a PEP 751 lock that states `size` for each wheel."""
    name = toolchain(tmp_path / "tiny", locked, environment=installed)
    entries = ['lock-version = "1.0"\ncreated-by = "test"\n']
    for entry, digest in locked.items():
        project, _, version = entry.partition("==")
        entries.append(
            f'[[packages]]\nname = "{project}"\nversion = "{version}"\n[[packages.wheels]]\n'
            f'path = "wheels/{project}-{version}-py3-none-any.whl"\nsize = {size}\n'
            f'hashes = {{ sha256 = "{digest}" }}\n'
        )
    (tmp_path / "tiny" / f"pylock.{host_target()}.toml").write_text("\n".join(entries))
    return name


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if event.kind == "note"]


def test_what_the_cache_lacks_is_said_and_then_that_it_lacks_nothing(tmp_path: Path) -> None:
    locked = standard_wheels(tmp_path / "wheels")
    name = with_pylock(tmp_path, locked, size=50_000_000, installed=10_000_000)
    events: list[Event] = [Event(kind="note", text="first")]
    make(tmp_path, name, events)
    assert notes(events)[2] == "2 of 2 wheels to download, 100 MB"
    again: list[Event] = [Event(kind="note", text="first")]
    make(tmp_path, name, again)
    assert notes(again)[2] == "all wheels are in the cache"


@contextmanager
def index_of(wheels: Path) -> Iterator[str]:
    """Serve the wheels of a folder as a package index; yield its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/simple/"):
                super().do_GET()
                return
            project = self.path.strip("/").rpartition("/")[2]
            found = [path.name for path in wheels.glob(f"{project}-*.whl")]
            data = "".join(f'<a href="/{name}">{name}</a>' for name in found).encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(wheels)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()


def test_with_all_in_the_cache_no_index_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    locked = standard_wheels(tmp_path / "wheels")
    name = with_pylock(tmp_path, locked, size=1, installed=1)
    with index_of(tmp_path / "wheels") as index:
        first = make(tmp_path, name, source=PackageSource(index=index))
    assert make(tmp_path, name, source=PackageSource(index=index)).seal == first.seal
    with pytest.raises(UnreachableError):
        make(tmp_path, name, source=PackageSource(index=index), no_cache=True)


@pytest.mark.parametrize(
    ("installer", "words"),
    [
        (
            "uv",
            r"and 1000000\.0 TB for wheels in .*/cache needed, .* SDCOREML_ENVS or UV_CA",
        ),
        ("pip", r"1000000\.0 TB for wheels in .* choose another volume with .*TMPDIR"),
    ],
)
def test_room_is_asked_for_before_the_first_download(
    tmp_path: Path, installer: str, words: str
) -> None:
    locked = standard_wheels(tmp_path / "wheels")
    name = with_pylock(tmp_path, locked, size=5 * 10**17, installed=10**18)
    with pytest.raises(NoSpaceError, match=words) as caught:
        make(tmp_path, name, installer=installer)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "envs").iterdir()] == [".lock"]
    assert not list((tmp_path / "cache").glob("archive*"))


def test_what_the_cache_holds_needs_no_room_there(tmp_path: Path) -> None:
    locked = standard_wheels(tmp_path / "wheels")
    make(tmp_path, with_pylock(tmp_path, locked, size=1, installed=1))
    make(tmp_path, with_pylock(tmp_path, locked, size=5 * 10**17, installed=1))


def broken_record(folder: Path) -> str:
    """Write a wheel whose RECORD has a wrong hash for one file, as in some published wheels."""
    files = {"one.py": "def main(): pass\n", "one_data.txt": "x\n"}
    wheel(folder, "one", "1.0", files)
    record = "one-1.0.dist-info/RECORD"
    rows = "one_data.txt,sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,2\n"
    rows += f"one.py,,\none-1.0.dist-info/METADATA,,\none-1.0.dist-info/WHEEL,,\n{record},,\n"
    return wheel(folder, "one", "1.0", files | {record: rows})


def test_a_wheels_wrong_record_is_the_wheels_defect_and_said(tmp_path: Path) -> None:
    locked = standard_wheels(tmp_path / "wheels")
    locked["one==1.0"] = broken_record(tmp_path / "wheels")
    events: list[Event] = [Event(kind="note")]
    made = make(tmp_path, toolchain(tmp_path / "tiny", locked), events)
    (defect,) = made.defects
    assert defect.startswith("one: lib/python3.")
    said = [(event.kind, event.text) for event in events if "wheel" in event.text]
    assert said == [
        ("note", "compare 1 files with their wheels"),
        ("warning", f"{defect} in the wheel itself: its RECORD is wrong"),
    ]


def test_an_altered_cache_is_found_before_it_is_sealed(tmp_path: Path) -> None:
    name = toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "wheels"))
    before = make(tmp_path, name)
    (cached,) = (path for path in (tmp_path / "cache").rglob("one.py") if path.is_file())
    cached.write_text("def main(): print('poisoned')\n")
    with pytest.raises(
        BrokenError, match=r"one\.py: .*cache was altered; run this again with --no-cache"
    ):
        make(tmp_path, name)
    assert (tmp_path / "envs" / "tiny").resolve() == before.path
    made = make(tmp_path, name, fresh=False, no_cache=True)
    assert made.path != before.path
    assert made.seal == before.seal
    assert not list((tmp_path / "envs").glob(".sdcoreml-*"))


def test_every_file_compiled_is_told(tmp_path: Path) -> None:
    events: list[Event] = [Event(kind="note")]
    make(tmp_path, toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "wheels")), events)
    compiled = [(e.done, e.total) for e in events if e.kind == "progress" and e.unit == "files"]
    assert compiled == [(5, 5)]
