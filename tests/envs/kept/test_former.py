"""Manifests and seals of an earlier version are still understood."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sdcoreml.envs.kept.former import read_rows, seal_of
from sdcoreml.ground.errors import BrokenError


def written(folder: Path, text: str) -> Path:
    (folder / "sealed").mkdir()
    (folder / "sealed/manifest.tsv").write_text(text)
    return folder


def test_rows_have_an_unknown_mode(tmp_path: Path) -> None:
    text = "file\taa\t3\t5\tone\tlib/a\tb.py\nlink\tpython\t0\t-5\t(machine)\tbin/python3\n"
    assert read_rows(written(tmp_path, text)) == [
        ["file", "-1", "aa", "3", "5", "one", "lib/a\tb.py"],
        ["link", "-1", "python", "0", "-5", "(machine)", "bin/python3"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file\taa\t3\t5\tone\n", "not enough values to unpack (expected 6, got 5)"),
        ("thing\taa\t3\t5\tone\ta\n", "'thing' is not a valid EntryKind"),
        ("file\taa\tx\t5\tone\ta\n", "invalid literal for int() with base 10: 'x'"),
        ("file\taa\t3\ty\tone\ta\n", "invalid literal for int() with base 10: 'y'"),
    ],
)
def test_what_is_no_manifest_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BrokenError) as caught:
        read_rows(written(tmp_path, text))
    assert str(caught.value) == (
        f"{tmp_path}/sealed/manifest.tsv: not a manifest ({said});"
        " `sdcoreml env build --fresh` makes the environment again"
    )


def test_one_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        BrokenError, match=r"manifest\.tsv: not a manifest \(no such file\); `sdcoreml"
    ):
        read_rows(tmp_path)


def test_the_seal_covers_bytecode_and_neither_machine_nor_patches() -> None:
    rows = [
        ["file", "-1", "aa", "3", "5", "one", "lib/__pycache__/a.pyc"],
        ["link", "-1", "/usr/python", "0", "6", "(machine)", "bin/python"],
        ["file", "-1", "bb", "4", "7", "conda:x, patched", "bin/x"],
        ["file", "-1", "cc", "5", "8", "conda:x", "bin/\udcff"],
    ]
    text = b"lock\t10\ntarget\tmac\nfile\taa\t3\tone\tlib/__pycache__/a.pyc\n"
    text += b"file\tcc\t5\tconda:x\tbin/\xff\n"
    assert seal_of(rows, {"target": "mac", "lock": "10"}) == hashlib.sha256(text).hexdigest()
