from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    Goal,
)
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.doctor.core.tools import Git
from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import CHECKOUT, HEALTHY, HUB, PINS, XCODE
from tests.doctor.specimens import checkout, environment, sick, unet, xcode


def test_no_checkout_configured_is_no_fault() -> None:
    facts = sick(checkout=Absent(reason="not needed unless --backend upstream"))
    assert said("GIT003", facts) == [
        "ok: no upstream checkout, not needed unless --backend upstream"
    ]
    for number in (2, 4, 5, 6, 7):
        assert said(f"GIT{number:03}", facts) == ["skipped: not needed unless --backend upstream"]


def test_the_tested_commit_in_the_store_is_shallow_and_repaired_by_make() -> None:
    kept = checkout(kept=True, shallow=True, changed=("unet.py",))
    assert said("GIT005", kept) == []
    assert said("GIT007", replace(kept, environment=environment(installed=PINS).environment)) == []
    assert said("GIT004", kept) == ["error: the upstream checkout has changes: unet.py"]
    assert remedies("GIT004", kept) == ["repair it", "make upstream"]


def test_a_folder_that_is_no_repository_is_said_once() -> None:
    facts = checkout(repository=False, commit="", remote="")
    assert said("GIT002", facts) == ["error: /src/ml-stable-diffusion is not a git repository"]
    assert said("GIT003", facts) == []
    assert said("GIT006", facts) == []


def test_the_tested_commit() -> None:
    assert said("GIT003", HEALTHY) == ["ok: upstream at c891f4357b22"]
    assert said("GIT003", checkout(commit="")) == [
        "error: the upstream checkout is at no commit, tested is c891f4357b22"
    ]


@pytest.mark.parametrize(
    ("remote", "is_same"),
    [
        ("https://github.com/apple/ml-stable-diffusion", True),
        ("https://github.com/Apple/ml-stable-diffusion.git/", True),
        ("git@github.com:apple/ml-stable-diffusion.git", True),
        ("https://github.com/someone/ml-stable-diffusion", False),
        ("", False),
    ],
)
def test_spellings_of_the_remote(remote: str, is_same: bool) -> None:  # noqa: FBT001  a table
    assert (said("GIT006", checkout(remote=remote)) == []) is is_same


def test_git_and_its_extension_in_a_line() -> None:
    assert said("GIT001", HEALTHY) == ["ok: git 2.45.1, LFS"]
    assert said("GIT001", sick(git=Git(version="2.45.1", lfs=""))) == ["ok: git 2.45.1"]


def test_the_extension_matters_where_there_are_pointers() -> None:
    no_lfs = Git(version="2.45.1", lfs="")
    assert said("GIT008", sick(git=no_lfs)) == []
    assert len(said("GIT008", replace(unet(kind="lfs-pointer"), git=no_lfs))) == 1
    assert said("GIT008", unet(kind="lfs-pointer")) == []


@pytest.mark.parametrize(
    ("complaint", "others", "cure"),
    [
        (
            "unable to find utility",
            (),
            "install Xcode itself (not only its Command Line Tools) and open it",
        ),
        (
            "unable to find utility",
            ("/Applications/Xcode.app",),
            "sudo xcode-select --switch /Applications/Xcode.app/Contents/Developer",
        ),
        (
            "You have not agreed to the Xcode license agreements",
            ("/Applications/Xcode.app",),
            "sudo xcodebuild -license accept",
        ),
    ],
)
def test_the_cure_follows_the_complaint(complaint: str, others: tuple[str, ...], cure: str) -> None:
    facts = xcode(compiler="", complaint=complaint, others=others)
    assert any(line.startswith(cure) for line in remedies("XCO001", facts))


def test_command_line_tools_beside_an_installed_xcode() -> None:
    tools = replace(XCODE, developer="/Library/Developer/CommandLineTools", compiler="")
    assert said("XCO002", sick(xcode=tools)) == [
        "info: selected are the Command Line Tools, although /Applications/Xcode.app is installed"
    ]
    assert said("XCO002", sick(xcode=replace(tools, others=()))) == [], "XCO001 says it"


def test_the_hub_in_a_line() -> None:
    hub = replace(
        HUB, token=False, offline=("HF_HUB_OFFLINE",), proxies=("HTTPS_PROXY", "ALL_PROXY")
    )
    assert said("HUB002", sick(hub=hub)) == [
        "ok: no token, offline by HF_HUB_OFFLINE, proxy by HTTPS_PROXY"
    ]


def test_mirrors_are_said_where_there_are_any() -> None:
    hub = replace(HUB, mirrors=("index https://a.invalid (by $PIP_INDEX_URL)",))
    assert said("HUB005", sick(hub=hub)) == [
        "info: in place of the usual server: index https://a.invalid (by $PIP_INDEX_URL)"
    ]
    assert said("HUB005", sick(hub=HUB)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "hf:runwayml/stable-diffusion-v1-5",
            [
                (
                    "error: hf:runwayml/stable-diffusion-v1-5 is not on this machine, and could "
                    "not be examined remotely (runwayml removed its models in August 2024)"
                )
            ],
        ),
        (
            "civitai:1",
            ["error: civitai:1 is not on this machine, and could not be examined remotely"],
        ),
        ("a/b", []),
        ("/a/b", []),
        ("a", []),
    ],
)
def test_names_on_the_hub(name: str, expected: list[str]) -> None:
    facts = sick(model=ModelFolder(path=name, kind="missing"), goal=Goal(model=name))
    assert said("HUB004", facts) == expected


def test_what_upstream_imports_is_of_no_concern_without_it() -> None:
    assert said("GIT007", sick(checkout=CHECKOUT)) == []


def test_the_rest_of_a_shallow_checkout_is_fetched_by_git() -> None:
    assert remedies("GIT005", checkout(shallow=True)) == [
        "fetch the rest",
        "git -C /src/ml-stable-diffusion fetch --unshallow",
    ]
