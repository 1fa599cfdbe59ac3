from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.lockfiles.conda import write_conda_lock
from sdcoreml.lockfiles.conda_files import (
    channel_url,
    conda_files,
    environment_file,
    explicit_lock,
)
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import load_toolchain, load_variants, toolchain_names
from tests.lockfiles.test_conda import DIGEST, LOCK, toolchain

ENVIRONMENT = """\
# Written by `sdcoreml env conda-files`; what it says comes from toolchain.toml.
# For macos-arm64: conda env create --file lockfiles/tested/environment.macos-arm64.yml
name: coreml_stable_diffusion
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.10.10
  - pip
  - pip:
      - --require-hashes
      - --only-binary=:all:
      - --requirement requirements.macos-arm64.txt
"""
EXPLICIT = f"""\
# Written by `sdcoreml env conda-files`; what it says comes from toolchain.toml.
# conda create --name coreml_stable_diffusion --file lockfiles/tested/conda-linux-64.lock
# platform: linux-64
@EXPLICIT
https://conda.anaconda.org/conda-forge/linux-64/python-3.10.10-h0a1b_0_cpython.conda#sha256:{DIGEST}
https://conda.anaconda.org/conda-forge/noarch/tzdata-2026a-h1_1.tar.bz2#sha256:{DIGEST}
"""


def test_an_environment_file_has_the_exact_python_and_the_hashed_requirements() -> None:
    text = environment_file(load_toolchain("tested"), TARGETS["macos-arm64"])
    assert text == ENVIRONMENT


def test_an_explicit_lock_has_the_hash_of_every_package() -> None:
    text = explicit_lock(load_toolchain("tested"), TARGETS["linux-x86_64"], LOCK)
    assert text == EXPLICIT


@pytest.mark.parametrize("name", toolchain_names())
def test_what_ships_is_what_the_toolchain_says(name: str) -> None:
    loaded = load_toolchain(name)
    for file, text in conda_files(loaded).items():
        assert (loaded.folder / file).read_text() == text, "run: sdcoreml env conda-files"


@pytest.mark.parametrize("name", toolchain_names())
def test_the_requirements_that_an_environment_file_names_are_there(name: str) -> None:
    loaded = load_toolchain(name)
    for target in loaded.targets:
        text = (loaded.folder / f"environment.{target}.yml").read_text()
        (file,) = (line.split()[-1] for line in text.splitlines() if "--requirement " in line)
        assert (loaded.folder / file).exists()


def test_an_explicit_lock_is_only_there_when_the_packages_are_locked(tmp_path: Path) -> None:
    loaded = load_toolchain(toolchain(tmp_path))
    assert set(conda_files(loaded)) == {"environment.linux-x86_64.yml"}
    (tmp_path / "conda.linux-x86_64.toml").write_text(write_conda_lock(LOCK))
    assert set(conda_files(loaded)) == {"environment.linux-x86_64.yml", "conda-linux-64.lock"}


def test_names_are_those_of_the_toolchains() -> None:
    names = [load_toolchain(name).conda.name for name in ("tested", "light", "current")]
    assert names[0] == "coreml_stable_diffusion"
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("channel", "url"),
    [
        ("conda-forge", "https://conda.anaconda.org/conda-forge/"),
        ("https://mirror.example/conda-forge", "https://mirror.example/conda-forge/"),
        ("https://mirror.example/conda-forge/", "https://mirror.example/conda-forge/"),
        ("file:///srv/channel", "file:///srv/channel/"),
    ],
)
def test_a_channel_is_a_name_or_an_address(channel: str, url: str) -> None:
    assert channel_url(channel) == url


def test_a_variant_has_none_since_conda_brings_the_toolchain_s_own_python() -> None:
    (variant, *_) = (one for one in load_variants(load_toolchain("light")) if one.is_variant)
    assert conda_files(variant) == {}
    assert list(conda_files(load_toolchain("tested"))) == [
        *("environment.macos-arm64.yml", "conda-osx-arm64.lock"),
        *("environment.macos-x86_64.yml", "conda-osx-64.lock"),
        *("environment.linux-x86_64.yml", "conda-linux-64.lock"),
    ]
