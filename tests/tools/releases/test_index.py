from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.releases.index import LINUX, TAGS, bring, list_versions


def test_versions_are_those_of_all_pythons() -> None:
    def run(words: Sequence[str]) -> str | None:
        assert words[:3] == ["index", "versions", "p-q"]
        listed = {"3.11": "2.0, 1.1", "3.8": "1.1, 1.0"}
        python = words[words.index("--python-version") + 1]
        told = listed.get(python)
        return f"p-q (2.0)\nAvailable versions: {told}\n" if told else None

    assert list_versions("p-q", run) == ("2.0", "1.1", "1.0")


def test_a_wheel_is_asked_for_with_older_pythons_until_there_is_one(tmp_path: Path) -> None:
    asked = list[str]()

    def run(words: Sequence[str]) -> str | None:
        asked.append(words[words.index("--python-version") + 1])
        if asked[-1] == "3.8":
            (tmp_path / "P_q-1.0-cp38-macosx.whl").write_bytes(b"")
        return None

    assert bring("p-q", "1.0", tmp_path, run) == tmp_path / "P_q-1.0-cp38-macosx.whl"
    assert asked == ["3.11", "3.13", "3.8"]
    assert bring("p-q", "1.0", tmp_path, run) is not None
    assert len(asked) == len(["3.11", "3.13", "3.8"]), "what is there is not brought again"
    assert bring("p-q", "1.0.1", tmp_path, run) is None


def test_wheels_for_linux_are_asked_for_where_that_is_wanted() -> None:
    def run(words: Sequence[str]) -> str | None:
        return f"Available versions: {'1.1' if 'manylinux_2_24_x86_64' in words else '1.0'}\n"

    assert list_versions("p", run) == ("1.0",)
    assert list_versions("p", run, (*TAGS, *LINUX)) == ("1.0", "1.1")
