"""The commands that run uv and pip, as recorded by stand-ins."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from sdcoreml.envs.processes.installer import (
    Cache,
    PackageSource,
    Pip,
    Uv,
    download,
    find_installer,
)
from sdcoreml.ground.errors import (
    EnvError,
    InstallError,
    NoSpaceError,
    UnreachableError,
)

STAND_IN = """\
#!/bin/sh
printf '%s\\n' "$@" >"{calls}"
env >"{calls}.env"
echo "{out}"
echo "{err}" >&2
exit {code}
"""
PYTHON, LOCK = Path("/env/bin/python"), Path("/env/lock.txt")
HARD = {"--require-hashes", "--no-deps", "--only-binary"}


class Program:
    """A stand-in for a program: an executable with a fixed output, which records its calls."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "program"
        self.calls = folder / "calls"
        self.answer()

    def answer(self, out: str = "", err: str = "", code: int = 0) -> None:
        text = STAND_IN.format(calls=self.calls, out=out, err=err, code=code)
        self.path.write_text(text)
        self.path.chmod(0o755)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def both(program: Program, cache: Path | None = None) -> list[Uv | Pip]:
    return [Uv(program=program.path, cache=cache), Pip(python=program.path, cache=cache)]


def pair(words: list[str], option: str) -> str:
    """Return the value after an option in a command, where the option must occur once."""
    assert words.count(option) == 1, words
    return words[words.index(option) + 1]


def test_both_are_asked_for_hashes_and_wheels_and_no_resolution(program: Program) -> None:
    for installer in both(program):
        installer.install(PYTHON, LOCK, PackageSource())
        words = program.called()
        assert set(words) > HARD
        assert pair(words, "--only-binary") == ":all:"
        assert pair(words, "--python") == str(PYTHON)
        assert pair(words, "--requirement") == str(LOCK)
        for option in ("--default-index", "--index-url", "--no-index", "--cache-dir"):
            assert option not in words


def test_uv_copies_and_reads_no_settings(program: Program) -> None:
    Uv(program=program.path).install(PYTHON, LOCK, PackageSource())
    words = program.called()
    assert words[:2] == ["pip", "install"]
    assert "--no-config" in words
    assert pair(words, "--link-mode") == ("clone" if sys.platform == "darwin" else "copy")


def test_pip_compiles_nothing(program: Program) -> None:
    Pip(python=program.path).install(PYTHON, LOCK, PackageSource())
    words = program.called()
    assert words[:2] == ["-m", "pip"]
    assert "--no-compile" in words
    assert words.index("--python") < words.index("install"), "it is an option of pip itself"


def variables(program: Program) -> dict[str, str]:
    """Return the environment variables that a stand-in recorded."""
    lines = program.calls.with_name("calls.env").read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines)


@pytest.mark.parametrize("index", ["", "https://me:secret@mirror.invalid/simple"])
def test_wheels_of_a_folder_are_the_only_ones(program: Program, index: str) -> None:
    for installer in both(program):
        installer.install(PYTHON, LOCK, PackageSource(index=index, wheels=Path("/wheels")))
        words = program.called()
        assert pair(words, "--find-links") == "/wheels"
        assert "--no-index" in words
        assert not {"UV_DEFAULT_INDEX", "PIP_INDEX_URL"} & variables(program).keys()


def test_a_mirror_is_named_where_nobody_else_reads_its_password(program: Program) -> None:
    mirror = "https://me:secret@mirror.invalid/simple"
    for installer in both(program):
        installer.install(PYTHON, LOCK, PackageSource(index=mirror))
        assert "secret" not in " ".join(program.called())
        seen = variables(program)
        assert (seen["UV_DEFAULT_INDEX"], seen["PIP_INDEX_URL"]) == (mirror, mirror)


def test_the_index_that_people_have_set_already_is_asked(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    for installer in both(program):
        installer.install(PYTHON, LOCK, PackageSource())
        assert variables(program)["UV_DEFAULT_INDEX"] == "https://mirror.invalid/simple"


def test_a_cache_of_its_own(program: Program) -> None:
    for installer in both(program, Path("/cache")):
        installer.install(PYTHON, LOCK, PackageSource())
        assert pair(program.called(), "--cache-dir") == "/cache"


def test_neither_sees_the_user_s_settings(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "mine")
    for installer in both(program):
        installer.install(PYTHON, LOCK, PackageSource())
        assert "mine" not in program.calls.with_name("calls.env").read_text()


@pytest.mark.parametrize(
    ("err", "error"),
    [
        ("error: No space left on device (os error 28)", NoSpaceError),
        ("error: dns error: failed to lookup", UnreachableError),
        ("error: Hash mismatch for x", InstallError),
        ("", InstallError),
    ],
)
def test_what_they_say_is_raised(program: Program, err: str, error: type[EnvError]) -> None:
    program.answer(err=err, code=2)
    for installer in both(program):
        with pytest.raises(error):
            installer.install(PYTHON, LOCK, PackageSource())


SOURCE = PackageSource(index="https://mirror.invalid/simple", offline=True)


def test_uv_s_whole_command(program: Program) -> None:
    uv = Uv(program=program.path, cache=Path("/cache"))
    uv.install(PYTHON, LOCK, PackageSource(wheels=Path("/wheels"), offline=True))
    assert program.called() == [
        *("pip", "install", "--no-config", "--require-hashes", "--no-deps"),
        *("--only-binary", ":all:", "--no-index", "--find-links", "/wheels"),
        *("--cache-dir", "/cache", "--python", "/env/bin/python"),
        *("--requirement", "/env/lock.txt", "--quiet", "--link-mode"),
        *("clone" if sys.platform == "darwin" else "copy", "--offline"),
    ]
    Uv(program=program.path).install(PYTHON, LOCK, PackageSource())
    assert "--offline" not in program.called()


def test_pip_s_whole_command(program: Program) -> None:
    Pip(python=program.path, cache=Path("/cache")).install(PYTHON, LOCK, SOURCE)
    assert program.called() == [
        *("-m", "pip", "--python", "/env/bin/python", "install", "--quiet", "--require-hashes"),
        *("--no-deps", "--only-binary", ":all:", "--no-compile", "--no-warn-script-location"),
        *("--cache-dir", "/cache", "--requirement", "/env/lock.txt"),
    ]


def test_what_uv_has_already(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = "DEBUG Requirement already cached: numpy==1.23.5\nDEBUG already cached: a.b_c==2\n"
    program.answer(out="/the/cache", err=noted + "DEBUG not cached: torch==2.2.0")
    text = program.path.read_text().replace('>"', '>>"')
    program.path.write_text(text)
    found = Uv(program=program.path).inspect_cache(PYTHON, LOCK, SOURCE)
    assert found == Cache(
        cached=frozenset({"numpy", "a.b_c"}),
        folder=Path("/the/cache"),
        unpacked=True,
        variable="UV_CACHE_DIR",
    )
    words = program.called()
    nowhere = words.pop(words.index("--target") + 1)
    assert not Path(nowhere).exists()
    assert words == [
        *("pip", "install", "--no-config", "--require-hashes", "--no-deps", "--only-binary"),
        *(":all:", "--python", "/env/bin/python", "--requirement", "/env/lock.txt", "--target"),
        *("--verbose", "--dry-run", "--offline", "cache", "dir", "--no-config"),
    ]
    assert variables(program)["UV_DEFAULT_INDEX"] == "https://mirror.invalid/simple"
    own = Uv(program=program.path, cache=Path("/own")).inspect_cache(PYTHON, LOCK, SOURCE)
    assert own.folder == Path("/own")
    program.answer(code=1)
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/x")  # noqa: S108
    monkeypatch.setattr(tempfile, "TemporaryDirectory", lambda: nullcontext("/nowhere"))
    assert Uv(program=program.path).inspect_cache(PYTHON, LOCK, SOURCE) == Cache(
        cached=frozenset(),
        folder=Path("/tmp/x"),  # noqa: S108
        unpacked=True,
        variable="UV_CACHE_DIR",
    )


def test_pip_copies_even_what_it_has(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert Pip(python=program.path).inspect_cache(PYTHON, LOCK, SOURCE) == Cache(
        cached=frozenset(), folder=tmp_path, unpacked=False, variable="TMPDIR"
    )
    assert not program.calls.exists()


def test_wheels_are_downloaded_by_the_pip_that_runs_this(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(program.path))
    download(PYTHON, LOCK, Path("/volume/work/wheels"), SOURCE)
    assert program.called() == [
        *("-m", "pip", "--python", "/env/bin/python", "download", "--quiet", "--require-hashes"),
        *("--no-deps", "--only-binary", ":all:", "--dest", "/volume/work/wheels"),
        *("--requirement", "/env/lock.txt"),
    ]
    seen = variables(program)
    assert seen["TMPDIR"] == "/volume/work"
    assert seen["PIP_INDEX_URL"] == "https://mirror.invalid/simple"
    download(PYTHON, LOCK, Path("/w"), PackageSource(wheels=Path("/wheels")))
    assert program.called()[10:13] == ["--no-index", "--find-links", "/wheels"]
    assert "PIP_INDEX_URL" not in variables(program)
    program.answer(err="ERROR: No matching distribution found for x==1", code=1)
    with pytest.raises(InstallError):
        download(PYTHON, LOCK, Path("/w"), SOURCE)


def test_warnings_of_one_that_succeeded_are_no_fault(program: Program) -> None:
    program.answer(err="error: Hash mismatch for x")
    for installer in both(program):
        installer.install(PYTHON, LOCK, PackageSource())


def test_they_say_who_they_are(program: Program) -> None:
    program.answer(out="uv 0.9.1 (abc 2026-01-01)")
    assert Uv(program=program.path).describe() == "uv 0.9.1"
    program.answer(out="pip 26.0 from /somewhere (python 3.12)")
    assert Pip(python=program.path).describe() == "pip 26.0"
    program.answer(code=1)
    assert Uv(program=program.path).describe() == "uv"
    assert Pip(python=program.path).describe() == ""


def test_a_descriptor_is_handed_down(program: Program, tmp_path: Path) -> None:
    held = tmp_path / "lock"
    with held.open("w") as stream:
        text = f'#!/bin/sh\nreadlink /proc/self/fd/{stream.fileno()} >"{program.calls}"\n'
        program.path.write_text(text)
        for installer in both(program):
            installer.install(PYTHON, LOCK, PackageSource(), keep=(stream.fileno(),))
            if sys.platform == "linux":
                assert program.called() == [str(held)]


def test_uv_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert isinstance(find_installer(), Uv)
    assert isinstance(find_installer("uv"), Uv)
    found = find_installer("pip", tmp_path)
    assert found == Pip(python=Path(sys.executable), cache=tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    assert find_installer(cache=tmp_path) == Uv(program=tmp_path / "uv", cache=tmp_path)


@pytest.mark.parametrize(("name", "said"), [("uv", "uv: not found"), ("pip", "pip: not found")])
def test_one_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, program: Program, name: str, said: str
) -> None:
    program.answer(code=1)
    monkeypatch.setattr(sys, "executable", str(program.path))
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(EnvError, match=f"{said}; run `make bootstrap`"):
        find_installer(name)
    with pytest.raises(EnvError, match="uv and pip: not found"):
        find_installer()
