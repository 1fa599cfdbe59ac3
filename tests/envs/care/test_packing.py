"""The members of an archive, and what is said of one that is none."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from sdcoreml.envs.care.packing import ArchiveRecord, hash_members, pack, unlike_lock, unpack
from sdcoreml.ground.errors import ArchiveError
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.lock import LockedPackage, load_lock
from sdcoreml.lockfiles.target import host_target
from tests.envs.wheels import standard_wheels, toolchain

A, B = "a" * 64, "b" * 64


def record(**fields: object) -> ArchiveRecord:
    said = {"toolchain": "tiny", "target": host_target(), "python": "3.10.10", "lock_digest": "10"}
    return ArchiveRecord(**{**said, "seal": "5ea1", "contents": {}, **fields})  # type: ignore[arg-type]


def test_members_are_sorted_files(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    for name, text in {"wheels/b.whl": "b", "wheels/a.whl": "a", "toolchain.toml": ""}.items():
        (tmp_path / name).write_text(text)
    assert list(hash_members(tmp_path).items()) == [
        ("toolchain.toml", hashlib.sha256(b"").hexdigest()),
        ("wheels/a.whl", hashlib.sha256(b"a").hexdigest()),
        ("wheels/b.whl", hashlib.sha256(b"b").hexdigest()),
    ]


def test_every_wheel_is_locked_and_every_package_has_one() -> None:
    def package(name: str, *hashes: str, marker: str = "") -> LockedPackage:
        said = tuple(f"sha256:{one}" for one in hashes)
        return LockedPackage(name=name, version="1.0", hashes=said, marker=marker)

    carried = record(contents={"wheels/a.whl": A, "toolchain.toml": B, "wheels/c.whl": "c" * 64})
    assert unlike_lock(carried, [package("a", A, B), package("c", "c" * 64)]) == []
    assert unlike_lock(carried, [package("a", A), package("b", B), package("d", marker="x")]) == [
        "b 1.0 has no wheel with a locked hash",
        "wheels/c.whl is not locked",
    ]


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, ArchiveRecord]:
    """A folder of members, and their record."""
    folder = tmp_path / "members"
    toolchain(folder, standard_wheels(tmp_path / "wheels"))
    (tmp_path / "wheels").rename(folder / "wheels")
    carried = record(
        lock_digest=load_lock(f"{folder}/", host_target()).digest, contents=hash_members(folder)
    )
    return folder, carried


def packed(folder: Path, carried: ArchiveRecord, path: Path) -> list[Event]:
    events: list[Event] = []
    with path.open("wb") as stream:
        pack(folder, carried, stream.fileno(), events.append)
    return events


def test_what_is_packed_is_unpacked(whole: tuple[Path, ArchiveRecord], tmp_path: Path) -> None:
    folder, carried = whole
    events = packed(folder, carried, tmp_path / "a.tar")
    total = sum((folder / name).stat().st_size for name in carried.contents)
    assert [(one.kind, one.total, one.unit) for one in events] == [
        ("progress", total, "B") for _ in carried.contents
    ]
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == ["environment.json", *carried.contents]
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}
    assert events[-1].done == members[-1].offset_data + -(-members[-1].size // 512) * 512
    (tmp_path / "out").mkdir()
    told: list[Event] = []
    assert unpack(tmp_path / "a.tar", tmp_path / "out", told.append) == carried
    assert hash_members(tmp_path / "out") == carried.contents
    assert [one.done for one in told] == [
        member.offset_data + member.size for member in members[1:]
    ]
    size = (tmp_path / "a.tar").stat().st_size
    assert {(one.kind, one.total, one.unit) for one in told} == {("progress", size, "B")}


def archive(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as stream:
        for name, data in members.items():
            member = tarfile.TarInfo(name.replace("_json", ".json"))
            member.size = len(data)
            stream.addfile(member, io.BytesIO(data))
    return path


def said(**fields: object) -> bytes:
    known: dict[str, object] = {
        "schema": 2,
        "toolchain": "tiny",
        "target": host_target(),
        "python": "3.10.10",
        "lock_digest": "10",
        "seal": "5ea1",
        "contents": {},
    }
    return json.dumps(known | fields).encode()


AGAIN = "; copy or export it again (nothing was built)"
NONE = "is not an exported environment "


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"other": b""}, f"{NONE}(it does not begin with environment.json){AGAIN}"),
        ({"environment_json": said(schema=3)}, f"{NONE}(of another schema){AGAIN}"),
        (
            {"environment_json": said(contents={"../x": A})},
            f"{NONE}(a member named '../x'){AGAIN}",
        ),
        (
            {"environment_json": said(contents={"wheels/a/b": A})},
            f"{NONE}(a member named 'wheels/a/b'){AGAIN}",
        ),
        (
            {"environment_json": said(target="mac")},
            f"is for mac, this machine is {host_target()}; export it on a machine of this kind",
        ),
        (
            {"environment_json": said(contents={"x": A, "y": B}), "x": b"", "z": b""},
            f"x does not have the recorded hash; 'z' does not belong in it; y is missing{AGAIN}",
        ),
    ],
)
def test_what_is_no_archive(tmp_path: Path, members: dict[str, bytes], expected: str) -> None:
    path = archive(tmp_path / "a.tar", **members)
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError) as caught:
        unpack(path, tmp_path / "out", silent)
    assert str(caught.value) == f"{path}: {expected}"


def test_one_that_is_not_there_or_is_no_tar(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"gone\.tar: .+; give a file of `env export`"):
        unpack(tmp_path / "gone.tar", tmp_path, silent)
    (tmp_path / "no.tar").write_text("no")
    with pytest.raises(ArchiveError, match=r"no\.tar: is not an exported environment \(.+\); copy"):
        unpack(tmp_path / "no.tar", tmp_path, silent)


def test_another_lock_is_not_the_sealed_one(
    whole: tuple[Path, ArchiveRecord], tmp_path: Path
) -> None:
    folder, carried = whole
    other = record(contents=carried.contents)
    packed(folder, other, tmp_path / "a.tar")
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError) as caught:
        unpack(tmp_path / "a.tar", tmp_path / "out", silent)
    assert str(caught.value) == (
        f"{tmp_path}/a.tar: its lock is not the one that was sealed{AGAIN}"
    )


def test_an_older_archive_has_no_seal_that_could_be_compared(
    whole: tuple[Path, ArchiveRecord], tmp_path: Path
) -> None:
    folder, carried = whole
    packed(folder, carried, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
    former = json.loads(members.pop("environment.json")) | {"schema": 1}
    with tarfile.open(tmp_path / "b.tar", "w") as stream:
        for name, data in {"environment.json": json.dumps(former).encode(), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            stream.addfile(member, io.BytesIO(data))
    (tmp_path / "out").mkdir()
    assert unpack(tmp_path / "b.tar", tmp_path / "out", silent).seal == ""


def test_an_archive_without_a_toolchain_is_none(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", environment_json=said())
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveError) as caught:
        unpack(path, tmp_path / "out", silent)
    assert str(caught.value) == (
        f"{path}: {tmp_path}/out/toolchain.toml: no such file; restore it with git"
    )
