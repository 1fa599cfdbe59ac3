"""The child that calls py-rattler, against a stand-in for it that remembers what it was asked."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock, call

import pytest

from sdcoreml.envs.conda import rattler as child

ARCHIVE: child.Archive = {
    "name": "python",
    "version": "3.10.10",
    "build": "he550d4f_0_cpython",
    "build_number": 7,
    "noarch": "",
    "path": "linux-64/python-3.10.10-he550d4f_0_cpython.conda",
    "sha256": "ab" * 32,
    "size": 24,
    "depends": ["bzip2 >=1.0.8,<2.0a0"],
    "file": "/cache/python.conda",
}


@pytest.fixture(autouse=True)
def rattler(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Stand in for py-rattler, which only the engine's own folder has."""
    made = MagicMock(name="rattler")
    made.solve, made.install = AsyncMock(return_value=[]), AsyncMock()
    made.package_streaming.download_to_writer = AsyncMock()
    monkeypatch.setitem(sys.modules, "rattler", made)
    monkeypatch.setitem(sys.modules, "rattler.package_streaming", made.package_streaming)
    return made


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **request: Any) -> Any:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request)))
    assert child.main() == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def solving(**changes: object) -> dict[str, object]:
    asked = {
        "channel": "conda-forge",
        "specs": ["python 3.10.10"],
        "subdir": "osx-arm64",
        "virtual": [["__osx", "12.0"]],
        "newest": "",
        "cache": "/cache",
    }
    return {"do": "solve", **asked, **changes}


def found(**changes: object) -> SimpleNamespace:
    facts: dict[str, object] = {
        "name": SimpleNamespace(normalized="tzdata"),
        "version": 2024,
        "build": "h0_1",
        "build_number": 1,
        "noarch": SimpleNamespace(python=False, generic=False),
        "subdir": "noarch",
        "file_name": "tzdata-2024-h0_1.conda",
        "sha256": b"\xab\xcd",
        "size": 9,
        "depends": ["a"],
    }
    return SimpleNamespace(**facts | changes)


def test_what_is_found_is_told_as_plain_values(
    rattler: MagicMock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rattler.solve.return_value = [
        found(noarch=SimpleNamespace(python=False, generic=True)),
        found(noarch=SimpleNamespace(python=True, generic=False), sha256=None, size=None),
        found(),
    ]
    (answer,) = ask(monkeypatch, capsys, **solving())
    first, second, third = answer["result"]
    assert first == {
        "name": "tzdata",
        "version": "2024",
        "build": "h0_1",
        "build_number": 1,
        "noarch": "generic",
        "path": "noarch/tzdata-2024-h0_1.conda",
        "sha256": "abcd",
        "size": 9,
        "depends": ["a"],
    }
    assert (second["noarch"], second["sha256"], second["size"]) == ("python", "", 0)
    assert third["noarch"] == ""


def test_a_channel_is_asked_for_another_machine_s_builds(
    rattler: MagicMock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(monkeypatch, capsys, **solving(newest="2026-11-01T00:00:00Z"))
    assert rattler.solve.await_args == call(
        sources=[rattler.Channel.return_value],
        specs=["python 3.10.10"],
        platforms=["osx-arm64", "noarch"],
        gateway=rattler.Gateway.return_value,
        virtual_packages=[rattler.GenericVirtualPackage.return_value],
        exclude_newer=datetime(2026, 11, 1, tzinfo=timezone.utc),
        channel_relations="disabled",
    )
    client = rattler.Client.default_client
    assert client.call_args == call(max_retries=2)
    assert rattler.Channel.call_args == call("conda-forge")
    assert rattler.Gateway.call_args == call(cache_dir=Path("/cache"), client=client.return_value)
    assert rattler.PackageName.call_args == call("__osx")
    assert rattler.Version.call_args == call("12.0")
    assert rattler.BuildString.call_args == call("0")
    ask(monkeypatch, capsys, **solving())
    assert rattler.solve.await_args.kwargs["exclude_newer"] is None


def test_an_error_is_the_answer(
    rattler: MagicMock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rattler.solve.side_effect = OSError("no such channel")
    assert ask(monkeypatch, capsys, **solving()) == [{"error": "no such channel"}]


def test_a_download_tells_how_far_it_is(
    rattler: MagicMock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    async def write(_: object, url: str, stream: io.BufferedWriter) -> None:
        stream.write(url.encode())

    rattler.package_streaming.download_to_writer.side_effect = write
    file = tmp_path / "a.conda"
    lines = ask(monkeypatch, capsys, do="download", files=[["file:///a", str(file)]])
    assert lines == [{"done": 9}, {"result": None}]
    assert file.read_bytes() == b"file:///a"


def test_four_files_are_brought_at_a_time(rattler: MagicMock, tmp_path: Path) -> None:
    at_once: list[int] = []
    running = 0

    async def write(*_: object) -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        await asyncio.sleep(0)
        running -= 1

    rattler.package_streaming.download_to_writer.side_effect = write
    files = [(f"file:///{number}", str(tmp_path / f"{number}")) for number in range(9)]
    asyncio.run(child.download(files=files))
    assert len(at_once) == 9
    assert max(at_once) == 4


def test_packages_are_linked_as_they_will_lie(
    rattler: MagicMock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generic = {**ARCHIVE, "noarch": "generic"}
    lines = ask(
        monkeypatch,
        capsys,
        do="link",
        packages=[ARCHIVE, generic],
        folder="/aside",
        final="/final",
        subdir="linux-64",
        cache="/cache",
    )
    assert lines == [{"result": None}]
    assert rattler.install.await_args == call(
        records=[rattler.RepoDataRecord.return_value] * 2,
        target_prefix="/aside",
        cache_dir=Path("/cache"),
        platform=rattler.Subdir.return_value,
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix="/final",
        config=rattler.Config.from_toml.return_value,
        client=rattler.Client.default_client.return_value,
    )
    assert rattler.Subdir.call_args == call("linux-64")
    assert rattler.Config.from_toml.call_args == call("allow-hard-links = false\n")
    assert rattler.BuildString.call_args == call("he550d4f_0_cpython")
    wanted = {
        "name": "python",
        "version": "3.10.10",
        "build": rattler.BuildString.return_value,
        "build_number": 7,
        "subdir": "linux-64",
        "depends": ["bzip2 >=1.0.8,<2.0a0"],
        "sha256": bytes.fromhex("ab" * 32),
        "size": 24,
    }
    assert rattler.PackageRecord.call_args_list == [
        call(**wanted, noarch=None),
        call(**wanted, noarch="generic"),
    ]
    assert rattler.RepoDataRecord.call_args == call(
        rattler.PackageRecord.return_value,
        "python.conda",
        "file:///cache/python.conda",
        "file:///cache",
    )
