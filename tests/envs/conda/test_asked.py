"""What the conda engine is asked, and what it says, by a stand-in for its Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdcoreml.envs.conda.engine import (
    Archive,
    Rattler,
    _meaning,
    engine_name,
    find_engine,
    virtual_packages,
)
from sdcoreml.ground.errors import InstallError, NoSpaceError, SdcoremlError, UnreachableError
from sdcoreml.ground.events import silent
from sdcoreml.lockfiles.target import TARGETS
from tests.lockfiles.test_conda import PYTHON, TZDATA

PACKAGES = (PYTHON, TZDATA)


def rattler(folder: Path, *lines: object) -> Rattler:
    """Return an engine whose Python keeps what it is asked, and answers with these lines."""
    said = "".join(f"echo '{json.dumps(line)}'\n" for line in lines)
    python = folder / "python"
    kept = f'printf "%s\\n" "$@" >{folder}/words\ncat >{folder}/asked\nenv >{folder}/environ\n'
    python.write_text(f"#!/bin/sh\n{kept}{said}")
    python.chmod(0o755)
    return Rattler(python=python)


def asked(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "asked").read_text())
    return found


def row(name: str) -> dict[str, object]:
    one = next(one for one in PACKAGES if one.name == name)
    return {key: getattr(one, key) for key in one.__slots__}


def test_a_channel_is_asked_without_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATTLER_AUTH_FILE", "/logins.json")
    monkeypatch.setenv("RATTLER_CACHE_DIR", "/mine")
    engine = rattler(tmp_path, {"result": [row("tzdata"), row("python")]})
    found = engine.solve("conda-forge", ["python ==3.10.10"], TARGETS["macos-arm64"], "2026-01-01")
    assert found == PACKAGES
    request = asked(tmp_path)
    assert not Path(str(request.pop("cache"))).exists()
    assert request == {
        "do": "solve",
        "channel": "https://conda.anaconda.org/conda-forge/",
        "specs": ["python ==3.10.10"],
        "subdir": "osx-arm64",
        "virtual": [["__unix", "0"], ["__osx", "13.0"]],
        "newest": "2026-01-01",
    }
    isolated, program = (tmp_path / "words").read_text().splitlines()
    assert isolated == "-I"
    assert program.endswith("envs/conda/rattler.py")
    environ = (tmp_path / "environ").read_text().splitlines()
    assert "RATTLER_AUTH_FILE=/logins.json" in environ
    assert "RATTLER_CACHE_DIR=/mine" not in environ


def test_bytes_are_counted_while_files_come(tmp_path: Path) -> None:
    engine = rattler(tmp_path, {"done": 5}, {"done": 7}, {"result": None})
    told: list[int] = []
    engine.download([("https://x.invalid/a", Path("/a")), ("b", Path("/b"))], told.append)
    assert told == [5, 12]
    files = [["https://x.invalid/a", "/a"], ["b", "/b"]]
    assert asked(tmp_path) == {"do": "download", "files": files}


def test_packages_are_unpacked_beside_the_folder(tmp_path: Path) -> None:
    engine = rattler(tmp_path, {"result": None})
    (tmp_path / "aside.unpacked").mkdir()
    archive = Archive(package=PACKAGES[1], file=Path("/tzdata.tar.bz2"))
    engine.link([archive], tmp_path / "aside", Path("/final"), TARGETS["linux-x86_64"])
    assert asked(tmp_path) == {
        "do": "link",
        "packages": [{**row("tzdata"), "depends": [], "file": "/tzdata.tar.bz2"}],
        "folder": f"{tmp_path}/aside",
        "final": "/final",
        "subdir": "linux-64",
        "cache": f"{tmp_path}/aside.unpacked",
    }
    assert not (tmp_path / "aside.unpacked").exists()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("exit 3", "/x: exit code 3; run this again"),
        ("echo first >&2; echo last >&2; exit 1", "/x: last; run this again"),
        ("printf 'caf\\351\\n' >&2; exit 1", "/x: caf\ufffd; run this again"),
        ('echo \'{"error": "it says"}\'; echo last >&2', "/x: it says; run this again"),
        ("echo '{\"result\": 1}'; exit 4", "/x: exit code 4; run this again"),
        ("echo '{\"done\": 1}'", "/x: exit code 0; run this again"),
    ],
)
def test_an_engine_that_fails(tmp_path: Path, end: str, said: str) -> None:
    engine = rattler(tmp_path)
    with engine.python.open("a") as script:
        script.write(f"{end}\n")
    with pytest.raises(InstallError) as caught:
        engine.download([("/x/a", Path("/a"))], lambda _: None)
    assert str(caught.value) == said


FREE = "the disk is full; free some space and run this again"
REACH = (
    "the conda channel cannot be reached; check the network and proxy (HTTPS_PROXY), or give"
    " another --channel"
)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("write: os error 28", NoSpaceError, FREE),
        ("os error 122", NoSpaceError, FREE),
        ("[Errno 27] too large", NoSpaceError, FREE),
        ("No space left on device", NoSpaceError, FREE),
        (
            "Cannot solve the request",
            InstallError,
            "the channel has no such Python for this target",
        ),
        (
            "No candidates were found",
            InstallError,
            "the channel has no such Python for this target",
        ),
        ("os error 2: none", InstallError, "not there; give another --channel"),
        ("status 404", InstallError, "not there; give another --channel"),
        ("could not find subdir", InstallError, "not there; give another --channel"),
        ("error sending REQUEST", UnreachableError, REACH),
        ("operation timed out", UnreachableError, REACH),
        ("tcp connect", UnreachableError, REACH),
    ],
)
def test_what_the_engine_says_means(words: str, error: type[SdcoremlError], said: str) -> None:
    found = _meaning("https://x.invalid", words)
    assert type(found) is error
    assert str(found) == f"https://x.invalid: {said} (the engine said: {words})"


def test_what_the_engine_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(_meaning("/gone/x", "")) == "/gone/x: the conda engine failed; run this again"
    assert str(_meaning("/gone/x", "os error 280")) == "/gone/x: os error 280; run this again"
    place = str(tmp_path / "x")
    for free, error in ((65_535, NoSpaceError), (65_536, InstallError)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: Usage(free))
        assert type(_meaning(place, "a bug")) is error
        assert type(_meaning("https://x.invalid/y", "a bug")) is InstallError


@dataclass
class Usage:
    """A disk with so many bytes free."""

    free: int


def test_what_machines_have() -> None:
    assert virtual_packages(TARGETS["macos-x86_64"]) == (("__unix", "0"), ("__osx", "13.0"))
    linux = virtual_packages(TARGETS["linux-x86_64"])
    assert linux == (("__unix", "0"), ("__linux", "4.18"), ("__glibc", "2.28"))


def test_an_engine_that_was_brought_is_there(tmp_path: Path) -> None:
    assert engine_name().startswith("engine-")
    (tmp_path / engine_name()).mkdir()
    assert find_engine(tmp_path, silent, keep=[3, 4]) == Rattler(
        python=tmp_path / engine_name() / "bin/python", keep=(3, 4)
    )
