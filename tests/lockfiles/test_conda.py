from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.conda import (
    NOARCH,
    CondaLock,
    CondaPackage,
    conda_lock_path,
    load_conda_lock,
    read_conda_lock,
    write_conda_lock,
)
from sdcoreml.lockfiles.toolchain import FOLDER, load_toolchain

DIGEST = hashlib.sha256(b"an archive").hexdigest()
PYTHON = CondaPackage(
    name="python",
    version="3.10.10",
    build="h0a1b_0_cpython",
    build_number=0,
    noarch="",
    path="linux-64/python-3.10.10-h0a1b_0_cpython.conda",
    sha256=DIGEST,
    size=26_000_000,
    depends=("bzip2 >=1.0.8,<2.0a0", "tzdata"),
    known="the index of conda-forge",
)
TZDATA = CondaPackage(
    name="tzdata",
    version="2026a",
    build="h1_1",
    build_number=1,
    noarch="generic",
    path="noarch/tzdata-2026a-h1_1.tar.bz2",
    sha256=DIGEST,
    size=120_000,
    depends=(),
    known="a public lock file",
)
LOCK = CondaLock(target="linux-x86_64", python="3.10.10", packages=(PYTHON, TZDATA))
TEXT = f"""\
# The conda packages of this target's Python. Written by `sdcoreml env lock --conda`, or by
# `python -m tools.conda_channel` where no channel could be asked: `known` says which.
python = "3.10.10"

[[packages]]
name = "python"
version = "3.10.10"
build = "h0a1b_0_cpython"
build-number = 0
noarch = ""
path = "linux-64/python-3.10.10-h0a1b_0_cpython.conda"
sha256 = "{DIGEST}"
size = 26000000
depends = ["bzip2 >=1.0.8,<2.0a0", "tzdata"]
known = "the index of conda-forge"

[[packages]]
name = "tzdata"
version = "2026a"
build = "h1_1"
build-number = 1
noarch = "generic"
path = "noarch/tzdata-2026a-h1_1.tar.bz2"
sha256 = "{DIGEST}"
size = 120000
depends = []
known = "a public lock file"
"""


def test_an_entry_says_how_its_hash_is_known(tmp_path: Path) -> None:
    path = tmp_path / "conda.toml"
    path.write_text(TEXT.replace('known = "a public lock file"', 'known = ""'))
    with pytest.raises(LockfileError, match="tzdata does not say how its hash is known"):
        read_conda_lock(path, "linux-x86_64")


def toolchain(folder: Path, *, python: str = "3.10.10") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "toolchain.toml").write_text(
        f'name = "t"\n[python]\nversion = "{python}"\naccepted = ">=3.10"\n[pins]\none = "1"\n'
        '[factors]\nenvironment = 1\n[targets]\nsupported = ["linux-x86_64"]\n'
    )
    return f"{folder}/"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "conda.linux-x86_64.toml"
    path.write_text(text)
    return path


def test_a_lock_is_written_without_any_address() -> None:
    assert write_conda_lock(LOCK) == TEXT


def test_a_lock_is_read_back(tmp_path: Path) -> None:
    assert read_conda_lock(written(tmp_path, TEXT), "linux-x86_64") == LOCK
    assert PYTHON.file == "python-3.10.10-h0a1b_0_cpython.conda"


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@given(
    build=words,
    depends=st.lists(words, max_size=4),
    noarch=st.sampled_from(NOARCH),
    number=st.integers(0, 2**31),
)
def test_whatever_a_channel_says_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    build: str,
    depends: list[str],
    noarch: str,
    number: int,
) -> None:
    package = replace(
        PYTHON, build=build, depends=tuple(depends), noarch=noarch, build_number=number
    )
    lock = replace(LOCK, packages=(package,))
    path = written(tmp_path_factory.mktemp("lock"), write_conda_lock(lock))
    assert read_conda_lock(path, "linux-x86_64") == lock


def test_the_digest_is_that_of_the_files() -> None:
    lines = f"{DIGEST} {PYTHON.path}\n{DIGEST} {TZDATA.path}\n"
    assert LOCK.digest == hashlib.sha256(lines.encode()).hexdigest()
    renamed = replace(PYTHON, depends=())
    assert replace(LOCK, packages=(renamed, TZDATA)).digest == LOCK.digest


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (DIGEST, "0" * 63, "python has no SHA-256; tzdata has no SHA-256"),
        ("linux-64/python-3", "https://x/linux-64/python-3", "has the path 'https://x/linux-64/"),
        ("noarch/tzdata", "noarch/../../tzdata", "not subdir/archive"),
        ('noarch = "generic"', 'noarch = "maybe"', "tzdata is noarch 'maybe'"),
        ('name = "tzdata"', 'name = "python"', "python is locked twice"),
        ('name = "python"', 'name = "pypy"', "python is missing, stated is 3.10.10"),
        ("size = 120000", 'size = "big"', r"packages\[1\].size is 'big', not a int"),
        ('python = "3.10.10"', 'python = "3.10.11"', "python is 3.10.10, stated is 3.10.11"),
        ("build-number = 1\n", "", r"packages\[1\].build-number is missing"),
    ],
)
def test_a_damaged_lock_is_one_line(tmp_path: Path, before: str, after: str, words: str) -> None:
    path = written(tmp_path, TEXT.replace(before, after))
    with pytest.raises(LockfileError, match=words) as caught:
        read_conda_lock(path, "linux-x86_64")
    assert str(caught.value).startswith(f"{path}: ")
    assert "sdcoreml env lock --conda" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_locked_says_which_command_locks_it(tmp_path: Path) -> None:
    loaded = load_toolchain(toolchain(tmp_path / "t"))
    with pytest.raises(LockfileError) as caught:
        load_conda_lock(loaded, "linux-x86_64")
    assert str(caught.value) == (
        f"{tmp_path}/t/conda.linux-x86_64.toml: the conda packages of Python 3.10.10 are not locked"
        f" for linux-x86_64 yet; `sdcoreml env lock --conda --toolchain {tmp_path}/t/` asks the"
        " channel and locks them"
    )


def test_a_lock_of_another_python_is_refused(tmp_path: Path) -> None:
    loaded = load_toolchain(toolchain(tmp_path, python="3.10.11"))
    written(tmp_path, TEXT)
    with pytest.raises(LockfileError, match=r"locks Python 3\.10\.10, the .* wants 3\.10\.11"):
        load_conda_lock(loaded, "linux-x86_64")


def test_a_target_that_is_not_supported_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match="does not support linux-aarch64"):
        load_conda_lock(load_toolchain(toolchain(tmp_path)), "linux-aarch64")


def test_a_toolchain_cut_out_of_another_has_its_python() -> None:
    assert conda_lock_path(load_toolchain("light"), "macos-arm64") == (
        FOLDER / "tested" / "conda.macos-arm64.toml"
    )
    assert load_toolchain("light").python == load_toolchain("tested").python
