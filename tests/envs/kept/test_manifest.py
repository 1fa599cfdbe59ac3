from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry
from sdcoreml.ground.errors import BrokenError

FACTS = {"lock": "aa", "target": "linux-x86_64", "python": "3.10.10"}
PLAIN = ManifestEntry(
    kind=EntryKind.FILE, mode=0o644, digest="d1", size=3, mtime=5, owner="one", path="lib/one.py"
)
LINK = ManifestEntry(
    kind=EntryKind.LINK,
    mode=0,
    digest="/usr/bin/python3",
    size=0,
    mtime=5,
    owner="(machine)",
    path="bin/python",
)


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, digest="d2"),
        replace(PLAIN, size=4),
        replace(PLAIN, kind=EntryKind.PROGRAM),
        replace(PLAIN, path="lib/two.py"),
        replace(PLAIN, owner="two"),
    ],
)
def test_the_seal_hangs_on_every_field_but_time_and_mode(other: ManifestEntry) -> None:
    seal = manifest.seal_of([PLAIN, LINK], FACTS)
    assert manifest.seal_of([other, LINK], FACTS) != seal
    assert manifest.seal_of([replace(PLAIN, mtime=9, mode=0o600), LINK], FACTS) == seal


def test_the_seal_hangs_on_the_facts_and_not_on_the_machine() -> None:
    seal = manifest.seal_of([PLAIN, LINK], FACTS)
    assert manifest.seal_of([PLAIN, replace(LINK, digest="/opt/python")], FACTS) == seal
    assert manifest.seal_of([PLAIN, LINK], FACTS | {"python": "3.10.13"}) != seal
    bytecode = replace(PLAIN, path="lib/__pycache__/one.cpython-310.pyc")
    folder = replace(PLAIN, path="lib", kind=EntryKind.FOLDER)
    assert manifest.seal_of([bytecode, folder, PLAIN, LINK], FACTS) == seal
    sourceless = replace(PLAIN, path="lib/one.pyc")
    assert manifest.seal_of([sourceless, PLAIN, LINK], FACTS) != seal


def test_what_is_there_is_taken(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.10/site-packages"
    (site / "one-1.0.dist-info").mkdir(parents=True)
    (site / "one.py").write_text("abc")
    (site / "one-1.0.dist-info/RECORD").write_text("one.py,,\n../../../bin/one,,\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/one").write_text("")
    (tmp_path / "bin/one").chmod(0o755)
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed/record.json").write_text("{}")
    taken = {entry.path: entry for entry in manifest.take(tmp_path)}
    assert [path for path, entry in taken.items() if entry.kind is not EntryKind.FOLDER] == [
        "bin/one",
        "bin/python",
        "lib/python3.10/site-packages/one-1.0.dist-info/RECORD",
        "lib/python3.10/site-packages/one.py",
    ]
    module = taken["lib/python3.10/site-packages/one.py"]
    assert module.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (module.kind, module.size, module.owner) == (EntryKind.FILE, 3, "one")
    assert (taken["bin/one"].kind, taken["bin/one"].owner) == (EntryKind.PROGRAM, "one")
    assert (taken["bin/python"].digest, taken["bin/python"].owner) == (
        "/usr/bin/python3",
        manifest.MACHINE,
    )


def test_progress_counts_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a").write_bytes(b"12345")
    (tmp_path / "lib/b").write_bytes(b"678")
    told: list[tuple[int, int]] = []
    manifest.take(tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(0, 8), (5, 8), (8, 8)]


def test_a_line_break_in_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a\nb").write_text("")
    with pytest.raises(BrokenError, match="line break"):
        manifest.take(tmp_path)


names = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1)
entries = st.builds(
    ManifestEntry,
    kind=st.sampled_from(EntryKind),
    mode=st.integers(0, 0o7777),
    digest=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    size=st.integers(0, 2**40),
    mtime=st.integers(0, 2**62),
    owner=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    path=names,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries, max_size=5))
def test_what_is_written_is_read_back(tmp_path: Path, found: list[ManifestEntry]) -> None:
    (tmp_path / "sealed").mkdir(exist_ok=True)
    manifest.write(found, tmp_path)
    assert manifest.read(tmp_path) == tuple(found)


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir()
    odd = replace(PLAIN, path=os.fsdecode(b"lib/\xff.py"))
    manifest.write([odd], tmp_path)
    assert manifest.read(tmp_path) == (odd,)
    assert len(manifest.seal_of([odd], FACTS)) == 64


def test_a_seal_is_the_digest_of_this_text() -> None:
    patched = replace(PLAIN, owner="conda:x, patched", path="bin/x")
    folder = replace(PLAIN, kind=EntryKind.FOLDER, path="lib", digest="")
    odd = replace(PLAIN, path="lib/\udcff", size=7, owner="conda:x")
    text = b"lock\taa\npython\t3.10.10\ntarget\tlinux-x86_64\n"
    text += b"file\td1\t3\tone\tlib/one.py\nfile\td1\t7\tconda:x\tlib/\xff\n"
    found = manifest.seal_of([PLAIN, patched, LINK, folder, odd], FACTS)
    assert found == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what\n", "['what'] is not an entry"),
        ("thing\t1\td\t2\t3\tone\ta\n", "['thing'] is not an entry"),
        ("file\tx\td\t2\t3\tone\ta\n", "no numbers for 'a'"),
        ("file\t1\td\tx\t3\tone\ta\n", "no numbers for 'a'"),
        ("file\t1\td\t2\tx\tone\ta\n", "no numbers for 'a'"),
    ],
)
def test_what_is_no_manifest_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sealed").mkdir()
    path = tmp_path / "sealed/files.tsv"
    path.write_text(text)
    with pytest.raises(BrokenError) as caught:
        manifest.read_rows(tmp_path)
    again = "`sdcoreml env build --fresh` makes the environment again"
    assert str(caught.value) == f"{path}: not a manifest ({said}); {again}"
    path.unlink()
    with pytest.raises(BrokenError) as caught:
        manifest.read_rows(tmp_path)
    assert str(caught.value) == f"{path}: not a manifest (no such file); {again}"
    path.write_text("file\t1\td\t2\t-3\tone\ta\tb\n")
    assert manifest.read_rows(tmp_path) == [["file", "1", "d", "2", "-3", "one", "a\tb"]]
