from __future__ import annotations

from dataclasses import replace

from sdcoreml.envs.locking.changes import PackageChange, compare_versions, explain_changes
from sdcoreml.lockfiles.toolchain import load_toolchain

TESTED = load_toolchain("tested")
MAC, LINUX = "macos-arm64", "linux-x86_64"


def test_changes_are_said_once_for_all_targets_that_share_them() -> None:
    before = {MAC: {"a": "1", "b": "1", "c": "1"}, LINUX: {"a": "1", "b": "1", "c": "1"}}
    after = {MAC: {"a": "2", "b": "1", "d": "3"}, LINUX: {"a": "2", "b": "2", "d": "3"}}
    assert list(map(str, compare_versions(before, after))) == [
        "a 1 -> 2",
        "b 1 -> 2 on linux-x86_64",
        "c 1, gone",
        "d 3, new",
    ]


def test_targets_that_only_one_has_are_not_compared() -> None:
    assert compare_versions({MAC: {"a": "1"}, LINUX: {"a": "2"}}, {LINUX: {"a": "2"}}) == ()


def test_each_change_has_its_reason() -> None:
    asked: list[tuple[str, str, str]] = []

    def resolve(target: str, name: str, version: str) -> str:
        asked.append((target, name, version))
        return "diffusers 0.30.3 needs huggingface-hub>=0.23.2" * (name == "huggingface-hub")

    made = replace(TESTED, pins={"diffusers": "0.30.3"})
    changes = (
        PackageChange(name="diffusers", before="0.23.1", after="0.30.3"),
        PackageChange(name="huggingface-hub", before="0.17.3", after="0.36.2"),
        PackageChange(name="hf-xet", before="", after="1.8.0"),
        PackageChange(name="tqdm", before="", after="4.0"),
        PackageChange(name="scipy", before="1.15.3", after=""),
        PackageChange(name="joblib", before="1.0", after=""),
        PackageChange(name="idna", before="2", after="3", targets=(LINUX,)),
    )
    askers = {
        MAC: {"hf-xet": ("huggingface-hub",), "tqdm": ("diffusers", "transformers")},
        LINUX: {},
    }
    found = explain_changes(changes, made, TESTED, askers, resolve)
    assert {one.name: one.why for one in found} == {
        "diffusers": "set",
        "huggingface-hub": "diffusers 0.30.3 needs huggingface-hub>=0.23.2",
        "hf-xet": "huggingface-hub needs it",
        "tqdm": "diffusers, transformers need it",
        "scipy": "its pin was dropped, and nothing else needs it",
        "joblib": "nothing else needs it",
        "idna": "chosen by the resolver",
    }
    assert asked == [(MAC, "huggingface-hub", "0.17.3"), (LINUX, "idna", "2")]
