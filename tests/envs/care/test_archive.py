from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.building.base import name_of
from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.archive import export_environment, import_environment
from sdcoreml.envs.care.packing import RECORD
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import ArchiveError, BadInputError, BrokenError, EnvError, InstallError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.wheels import PYTHON, standard_wheels, toolchain

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Environment]:
    """Return a folder with `tiny.tar`, its toolchain and wheels; and the archived environment."""
    folder = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(folder / "cache"))
        tiny = load_toolchain(toolchain(folder / "tiny", standard_wheels(folder / "wheels")))
        source = PackageSource(wheels=folder / "wheels")
        options = BuildOptions(python=PYTHON, source=source, root=folder / "envs")
        made = build(tiny, options=options)
        export_environment(made, tiny, folder / "tiny.tar", source=source)
    return folder, made


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)  # an import writes a user's own toolchain here


def members(path: Path) -> Members:
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def rewrite(path: Path, contents: Members) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def amend(archive: Members, **fields: object) -> None:
    archive[RECORD] = json.dumps(json.loads(archive[RECORD]) | fields).encode()


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob(".*") if path.name != ".lock")


def test_the_same_seal_comes_of_the_archive_alone(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    folder, made = packed
    envs, own = tmp_path / "envs", tmp_path / "toolchains"
    again = import_environment(folder / "tiny.tar", python=PYTHON, folder=envs, own=own)
    assert again.seal == made.seal
    assert again.path != made.path
    assert verify_full(again).faults == ()
    assert leftovers(envs) == []
    kept = load_toolchain(f"{own}/tiny/")
    assert store.current(name_of(kept, "venv"), envs) == again
    assert load_lock(f"{own}/tiny/", made.target).digest == made.lock_digest
    assert import_environment(folder / "tiny.tar", python=PYTHON, folder=envs, own=own) == again


def test_an_own_toolchain_arrives_whole(tmp_path: Path) -> None:
    wheels = standard_wheels(tmp_path / "wheels")
    tiny = load_toolchain(toolchain(tmp_path / "tiny", wheels))
    for name in ("requirements.in", "requirements.macos-arm64.txt", "evidence.toml"):
        (tiny.folder / name).write_text(f"# {name}\n")
    (tiny.folder / "environment.json").write_text("{}")  # the name of the record
    (tiny.folder / "draft.bin").write_text("not of a toolchain")
    (tiny.folder / "linked.toml").symlink_to("toolchain.toml")
    source = PackageSource(wheels=tmp_path / "wheels")
    made = build(tiny, options=BuildOptions(python=PYTHON, source=source, root=tmp_path / "envs"))
    export_environment(made, tiny, tmp_path / "x.tar", source=source)
    own = tmp_path / "toolchains"
    import_environment(tmp_path / "x.tar", python=PYTHON, folder=tmp_path / "other", own=own)
    assert {path.name: path.read_text() for path in (own / "tiny").iterdir()} == {
        path.name: path.read_text()
        for path in tiny.folder.iterdir()
        if path.name not in ("environment.json", "draft.bin", "linked.toml")
    }


def test_an_environment_is_put_into_use_with_its_toolchain_there_and_its_owner_recorded(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    envs, own = tmp_path / "envs", tmp_path / "toolchains"
    seen: list[bool] = []

    def look(event: Event) -> None:
        if event.kind == "step" and not event.text.startswith("compare"):
            seen.append((own / "tiny" / "toolchain.toml").is_file())

    made = import_environment(
        packed[0] / "tiny.tar", python=PYTHON, folder=envs, own=own, emit=look
    )
    assert seen
    assert all(seen)
    assert (envs / f"{made.name}^").readlink() == own / "tiny"
    assert not store.find_orphans(envs)
    names = {path.name for path in envs.iterdir()}
    assert names == {".lock", made.path.name, made.name, f"{made.name}^"}


def test_a_shipped_toolchain_s_environment_has_no_owner(tmp_path: Path) -> None:
    wheels = standard_wheels(tmp_path / "wheels")
    light = load_toolchain(toolchain(tmp_path / "mine", wheels, name="light"))
    source = PackageSource(wheels=tmp_path / "wheels")
    made = build(light, options=BuildOptions(python=PYTHON, source=source, root=tmp_path / "envs"))
    export_environment(made, light, tmp_path / "x.tar", source=source)
    own, other = tmp_path / "toolchains", tmp_path / "other"
    again = import_environment(tmp_path / "x.tar", python=PYTHON, folder=other, own=own)
    assert {path.name for path in other.iterdir()} == {".lock", again.path.name, "light"}
    assert not own.exists()


def test_another_toolchain_of_that_name_is_left_alone(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    own = tmp_path / "toolchains"
    own.mkdir()
    toolchain(own / "tiny", {"one==3.0": "0" * 64})
    before = sorted(path.read_text() for path in (own / "tiny").iterdir())
    with pytest.raises(BadInputError, match=r"\bis another toolchain of that name"):
        import_environment(packed[0] / "tiny.tar", python=PYTHON, folder=tmp_path / "envs", own=own)
    assert sorted(path.read_text() for path in (own / "tiny").iterdir()) == before
    for file in (own / "tiny").glob("requirements*"):
        file.unlink()  # what has no lock is another one, too
    with pytest.raises(BadInputError, match=r"\bis another toolchain of that name"):
        import_environment(packed[0] / "tiny.tar", python=PYTHON, folder=tmp_path / "envs", own=own)


def test_packing_and_unpacking_tell_their_bytes(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    folder, made = packed
    events: list[Event] = []
    tiny, source = load_toolchain(f"{folder}/tiny/"), PackageSource(wheels=folder / "wheels")
    export_environment(made, tiny, tmp_path / "x.tar", source=source, emit=events.append)
    count = len([event for event in events if event.kind == "progress"])
    assert count >= 4  # two wheels, the toolchain and its lock
    import_environment(
        tmp_path / "x.tar", python=PYTHON, folder=tmp_path / "envs", emit=events.append
    )
    steps = [event.text for event in events if event.kind == "step"]
    assert steps[:4] == [
        "download 2 locked wheels",
        "hash and pack",
        "compare every wheel in x.tar with its lock",
        "check that there is room",
    ]
    told = [event for event in events if event.kind == "progress" and event.unit == "B"][count:]
    assert {event.total for event in told[:4]} == {(tmp_path / "x.tar").stat().st_size}
    assert [event.done for event in told[:4]] == sorted(event.done for event in told[:4])


def test_the_archive_is_the_same_bytes_each_time_and_names_no_place(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    folder, made = packed
    tiny, out = load_toolchain(f"{folder}/tiny/"), tmp_path / "again.tar"
    out.write_text("a thesis")
    source = PackageSource(wheels=folder / "wheels")
    with pytest.raises(BadInputError, match=r"again\.tar: exists and is no exported environment"):
        export_environment(made, tiny, out, source=source)
    out.write_text(RECORD)  # how an older one begins
    export_environment(made, tiny, out, source=source)
    data = out.read_bytes()
    assert data == (folder / "tiny.tar").read_bytes()
    assert str(folder).encode() not in data
    assert [name for name in members(tmp_path / "again.tar") if name.startswith("wheels/")] == [
        "wheels/one-1.0-py3-none-any.whl",
        "wheels/two-2.1-py3-none-any.whl",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["again.tar"]


def test_what_is_damaged_or_of_another_lock_is_not_exported(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    folder, made = packed
    tiny, source = load_toolchain(f"{folder}/tiny/"), PackageSource(wheels=folder / "wheels")
    copy = replace(made, path=tmp_path / "envs" / "copy")
    shutil.copytree(made.path, copy.path, symlinks=True)
    (site_packages(copy.path) / "one.py").write_text("")
    for environment, said in (
        (replace(made, lock_digest="5f"), "was built from another lock than the toolchain has now"),
        (copy, r"one\.py: 0 bytes, was 60 \(one\); run `sdcoreml env repair`"),
    ):
        with pytest.raises(EnvError, match=said):
            export_environment(environment, tiny, tmp_path / "x.tar", source=source)
    assert not (tmp_path / "x.tar").exists()


def without_a_wheel(contents: Members) -> None:
    del contents["wheels/one-1.0-py3-none-any.whl"]


def unrecorded_wheel(contents: Members) -> None:
    without_a_wheel(contents)
    hashes = json.loads(contents[RECORD])["contents"]
    del hashes["wheels/one-1.0-py3-none-any.whl"]
    amend(contents, contents=hashes)


def altered_wheel(contents: Members) -> None:
    contents["wheels/one-1.0-py3-none-any.whl"] += b"x"


def stranger(contents: Members) -> None:
    contents["../../evil"] = b"x"


def strange_name(contents: Members) -> None:
    amend(contents, contents=json.loads(contents[RECORD])["contents"] | {"../evil": "0"})


def other_target(contents: Members) -> None:
    amend(contents, target="plan9-mips")


def other_lock(contents: Members) -> None:
    amend(contents, lock_digest="0" * 64)


def no_record(contents: Members) -> None:
    del contents[RECORD]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (without_a_wheel, r"wheels/one-1\.0-py3-none-any\.whl is missing"),
        (unrecorded_wheel, r"one 1\.0 has no wheel with a locked hash"),
        (altered_wheel, r"wheels/one-1\.0-py3-none-any\.whl does not have the recorded hash"),
        (stranger, r"'\.\./\.\./evil' does not belong in it"),
        (strange_name, r"a member named '\.\./evil'"),
        (other_target, "is for plan9-mips, this machine is "),
        (other_lock, "its lock is not the one that was sealed"),
        (no_record, r"it does not begin with environment\.json"),
    ],
)
def test_a_bad_archive_is_one_line_and_leaves_nothing(
    packed: tuple[Path, Environment],
    tmp_path: Path,
    harm: Callable[[Members], None],
    words: str,
) -> None:
    contents = members(packed[0] / "tiny.tar")
    harm(contents)
    rewrite(tmp_path / "bad.tar", contents)
    with pytest.raises(ArchiveError, match=words) as caught:
        import_environment(tmp_path / "bad.tar", python=PYTHON, folder=tmp_path / "envs")
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "envs").iterdir()] == []


def test_a_member_with_holes_is_not_unpacked(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    contents = members(packed[0] / "tiny.tar")
    name = "wheels/one-1.0-py3-none-any.whl"
    rest = {member: data for member, data in contents.items() if member != name}
    rewrite(tmp_path / "bad.tar", rest)
    hole = tarfile.TarInfo(name)
    sizes = {"major": "1", "minor": "0", "name": name, "realsize": str(1 << 40)}
    hole.pax_headers = {f"GNU.sparse.{key}": value for key, value in sizes.items()}
    places = b"1\n0\n0\n".ljust(512, b"\0")  # a terabyte, none of which is there
    hole.size = len(places)
    with tarfile.open(tmp_path / "bad.tar", "a", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(hole, io.BytesIO(places))
    with pytest.raises(ArchiveError, match=r"'wheels/one-1.*' does not belong in it"):
        import_environment(tmp_path / "bad.tar", python=PYTHON, folder=tmp_path / "envs")


@pytest.mark.parametrize("size", [0, 700, 3000, 5000])
def test_a_cut_off_archive_is_one_line(
    packed: tuple[Path, Environment], tmp_path: Path, size: int
) -> None:
    (tmp_path / "cut.tar").write_bytes((packed[0] / "tiny.tar").read_bytes()[:size])
    with pytest.raises(ArchiveError):
        import_environment(tmp_path / "cut.tar", python=PYTHON, folder=tmp_path / "envs")
    assert [path.name for path in (tmp_path / "envs").iterdir()] == []


def test_another_seal_is_not_put_into_use(packed: tuple[Path, Environment], tmp_path: Path) -> None:
    contents = members(packed[0] / "tiny.tar")
    amend(contents, seal="0" * 64)
    rewrite(tmp_path / "bad.tar", contents)
    own = tmp_path / "toolchains"
    with pytest.raises(BrokenError, match=r"the seal [0-9a-f]{64}, expected 0000"):
        import_environment(tmp_path / "bad.tar", python=PYTHON, folder=tmp_path / "envs", own=own)
    assert list(own.iterdir()) == []
    assert [path.name for path in (tmp_path / "envs").iterdir()] == [".lock"]


def test_an_archive_of_before_is_imported_without_its_seal(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    contents = members(packed[0] / "tiny.tar")
    amend(contents, schema=1, seal="0" * 64)
    rewrite(tmp_path / "old.tar", contents)
    events: list[Event] = []
    made = import_environment(
        tmp_path / "old.tar", python=PYTHON, folder=tmp_path / "envs", emit=events.append
    )
    assert made.seal == packed[1].seal
    assert [event.text for event in events if event.kind == "warning"] == [
        "its seal is of an earlier format: every wheel is compared, the seal is not"
    ]


def test_one_of_the_former_format_is_not_exported(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    former = replace(packed[1], schema=1)
    with pytest.raises(EnvError, match="earlier version; run `sdcoreml env`"):
        export_environment(former, load_toolchain(f"{packed[0]}/tiny/"), tmp_path / "x.tar")


def test_what_a_killed_import_and_export_left_is_removed_by_the_next(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    folder, made = packed
    killed = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from sdcoreml.envs.care import archive
from sdcoreml.envs.processes import installer
from sdcoreml.ground.events import Event
from sdcoreml.envs.kept.store import read
from sdcoreml.lockfiles.toolchain import load_toolchain

def die(event: Event) -> None:
    if event.text.startswith(("compare every wheel", "hash and pack")):
        os.kill(os.getpid(), signal.SIGKILL)

path, place, folder, made = map(Path, sys.argv[1:])
if path.exists():
    archive.import_environment(path, folder=place, emit=die)
source = installer.PackageSource(wheels=folder / "wheels")
tiny = load_toolchain(f"{folder}/tiny/")
archive.export_environment(read("tiny", made), tiny, path, source=source, emit=die)
"""
    command = [sys.executable, "-c", killed]
    own, store_of = str(folder / "envs"), tmp_path / "envs"
    words = [str(folder / "tiny.tar"), str(store_of), str(folder), str(made.path)]
    assert subprocess.run([*command, *words], check=False).returncode == -signal.SIGKILL
    assert len([name for name in leftovers(store_of) if name.startswith(".task.")]) == 1
    words[0] = str(tmp_path / "out" / "new.tar")
    (tmp_path / "out").mkdir()
    assert subprocess.run([*command, *words], check=False).returncode == -signal.SIGKILL
    assert len([name for name in leftovers(Path(own)) if name.startswith(".task.")]) == 1
    assert len(list((tmp_path / "out").glob(".new.tar.*.part"))) == 1
    with store.hold_lock(store_of):
        assert leftovers(store_of) == []
    tiny = load_toolchain(f"{folder}/tiny/")
    export_environment(
        made, tiny, tmp_path / "out" / "new.tar", source=PackageSource(wheels=folder / "wheels")
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new.tar"]
    assert leftovers(Path(own)) == []


def test_an_environment_of_somebody_else_is_exported_without_writing_to_its_folder(
    packed: tuple[Path, Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = packed
    store_of = made.path.parent
    (tmp_path / "out").mkdir()
    before = store_of.stat().st_mtime_ns
    monkeypatch.setattr(os, "access", lambda path, _: path != store_of)  # root may write anywhere
    export_environment(
        made,
        load_toolchain(f"{folder}/tiny/"),
        tmp_path / "out" / "x.tar",
        source=PackageSource(wheels=folder / "wheels"),
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.tar"]
    assert store_of.stat().st_mtime_ns == before


def test_a_wheel_that_cannot_be_had_leaves_no_archive(
    packed: tuple[Path, Environment], tmp_path: Path
) -> None:
    folder, made = packed
    (tmp_path / "empty").mkdir()
    with pytest.raises(InstallError):
        export_environment(
            made,
            load_toolchain(f"{folder}/tiny/"),
            tmp_path / "x.tar",
            source=PackageSource(wheels=tmp_path / "empty"),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_commands(
    packed: tuple[Path, Environment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, made = packed
    monkeypatch.setenv("SDCOREML_ENVS", str(folder / "envs"))
    words = ["--toolchain", f"{folder}/tiny/", "--find-links", str(folder / "wheels")]
    assert main(["env", "export", str(tmp_path / "x.tar"), *words]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"seal {made.seal}"
    assert "- hash and pack\n" in said.err
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    assert main(["env", "import", str(tmp_path / "x.tar"), "--python", str(PYTHON)]) == 0
    kept = load_toolchain(f"{tmp_path}/toolchains/tiny/")
    again = store.current(name_of(kept, "venv"), tmp_path / "envs")
    assert again is not None
    said = capsys.readouterr()
    assert said.err.startswith("- compare every wheel in x.tar with its lock\n")
    assert said.out.splitlines() == [
        f"tiny: envs/{again.path.name}, built from x.tar",
        f"seal {made.seal}",
    ]
    assert main(["env", "import", str(tmp_path / "none.tar")]) == 3
    assert "none.tar: no such file" in capsys.readouterr().err
