from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.artefact import (
    Artefact,
    environment,
    load_artefacts,
    pin_wheels,
    read_artefacts,
    tags,
    write_artefacts,
)
from sdcoreml.lockfiles.lock import Lock, LockedPackage, load_lock
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import load_toolchain, toolchain_names

A, B = "a" * 64, "b" * 64
PYTHON = "3.10.10"


def pylock(tmp_path: Path, *files: str, project: str = "one", marker: str = "") -> Path:
    """Return a PEP 751 lock of one project, version 1.0, with these wheels."""
    condition = f'marker = "{marker}"\n' if marker else ""
    wheels = "".join(
        f'[[packages.wheels]]\nurl = "https://index.invalid/{file}"\nsize = {number}\n'
        f'hashes = {{ sha256 = "{number:064x}" }}\n'
        for number, file in enumerate(files)
    )
    path = tmp_path / "pylock.toml"
    path.write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\n'
        f'name = "{project}"\nversion = "1.0"\n{condition}{wheels}'
    )
    return path


WHEELS = (
    "one-1.0-cp310-cp310-macosx_11_0_arm64.whl",
    "one-1.0-cp310-cp310-macosx_10_9_x86_64.whl",
    "one-1.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "one-1.0-cp310-cp310-manylinux_2_28_x86_64.whl",
    "one-1.0-cp310-cp310-manylinux_2_34_x86_64.whl",
    "one-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "one-1.0-cp310-cp310-win_amd64.whl",
)


@pytest.mark.parametrize(
    ("target", "file"),
    [("macos-arm64", WHEELS[0]), ("macos-x86_64", WHEELS[1]), ("linux-x86_64", WHEELS[3])],
)
def test_each_target_gets_its_best_wheel_on_any_machine(
    tmp_path: Path, target: str, file: str
) -> None:
    (chosen,) = read_artefacts(pylock(tmp_path, *WHEELS), TARGETS[target], PYTHON)
    assert (chosen.file, chosen.size) == (file, WHEELS.index(file))


def test_markers_are_judged_for_the_target(tmp_path: Path) -> None:
    path = pylock(tmp_path, WHEELS[0], marker="sys_platform == 'darwin'")
    assert read_artefacts(path, TARGETS["linux-x86_64"], PYTHON) == ()
    assert len(read_artefacts(path, TARGETS["macos-arm64"], PYTHON)) == 1


def test_no_wheel_for_a_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockfileError, match=r"pylock\.toml: .*one"):
        read_artefacts(pylock(tmp_path, WHEELS[6]), TARGETS["macos-arm64"], PYTHON)


def test_a_damaged_lock_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text('lock-version = "1.0"\n')
    with pytest.raises(LockfileError, match="created-by") as caught:
        read_artefacts(path, TARGETS["macos-arm64"], PYTHON)
    assert "\n" not in str(caught.value)


artefacts = st.builds(
    Artefact,
    project=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    version=st.from_regex(r"[1-9]\.[0-9]", fullmatch=True),
    file=st.just(""),
    sha256=st.integers(0, 2**64).map(lambda n: f"{n:064x}"),
    size=st.integers(0, 2**40),
)


@given(st.lists(artefacts, min_size=1, max_size=4, unique_by=lambda one: one.project))
def test_what_is_written_is_read_back(found: list[Artefact]) -> None:
    named = [
        Artefact(
            project=one.project,
            version=one.version,
            file=f"{one.project}-{one.version}-py3-none-any.whl",
            sha256=one.sha256,
            size=one.size,
        )
        for one in found
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pylock.toml"
        path.write_text(write_artefacts(named, PYTHON))
        again = read_artefacts(path, TARGETS["linux-x86_64"], PYTHON)
    assert again == tuple(sorted(named, key=lambda one: one.project))


def lock(*packages: LockedPackage) -> Lock:
    return Lock(
        toolchain="tiny", target="linux-x86_64", path=Path("lock"), digest="", packages=packages
    )


def artefact(project: str, version: str, sha256: str) -> Artefact:
    return Artefact(project=project, version=version, file=f"{project}.whl", sha256=sha256, size=1)


def test_a_package_is_tied_to_its_one_wheel() -> None:
    package = LockedPackage(name="one", version="1", hashes=(f"sha256:{A}", f"sha256:{B}"))
    (only,) = pin_wheels(lock(package), [artefact("one", "1", B)])
    assert only.hashes == (f"sha256:{B}",)


def test_two_locks_that_disagree_are_refused_with_every_difference() -> None:
    packages = [
        LockedPackage(name=name, version="1", hashes=(f"sha256:{A}",))
        for name in ("absent", "moved", "other")
    ]
    wheels = [artefact("moved", "2", A), artefact("other", "1", B), artefact("extra", "1", A)]
    with pytest.raises(LockfileError) as caught:
        pin_wheels(lock(*packages), wheels)
    assert (
        "absent has no wheel; moved is 2, locked is 1; other.whl has none of the locked hashes;"
        " extra is not locked; run `sdcoreml env lock`" in str(caught.value)
    )


@pytest.mark.parametrize("name", toolchain_names())
def test_every_shipped_lock_has_a_wheel_for_each_target(name: str) -> None:
    toolchain = load_toolchain(name)
    for target in toolchain.targets:
        locked = load_lock(name, target)
        found = load_artefacts(toolchain, locked)
        assert len(pin_wheels(locked, found)) == len(locked.packages)
        assert all(one.size > 0 for one in found)


def test_the_best_tag_comes_first() -> None:
    first = next(tags(TARGETS["linux-x86_64"], PYTHON))
    assert str(first) == "cp310-cp310-manylinux_2_28_x86_64"
    first = next(tags(TARGETS["macos-arm64"], PYTHON))
    assert str(first) == "cp310-cp310-macosx_13_0_arm64"


@pytest.mark.parametrize(
    ("target", "accepted", "not_accepted"),
    [
        (
            "linux-x86_64",
            (
                "cp310-cp310-manylinux2014_x86_64 cp310-abi3-manylinux_2_28_x86_64"
                " cp310-none-manylinux1_x86_64 cp38-abi3-linux_x86_64 py3-none-any py310-none-any"
            ),
            (
                "cp310-cp310-manylinux_2_29_x86_64 cp310-cp310-manylinux_2_17_aarch64"
                " cp311-cp311-manylinux_2_17_x86_64 cp311-abi3-manylinux_2_17_x86_64"
                " cp310-cp310-macosx_11_0_x86_64 cp310-cp310-musllinux_1_2_x86_64"
            ),
        ),
        (
            "macos-arm64",
            "cp310-cp310-macosx_11_0_arm64 cp310-cp310-macosx_13_0_universal2 py3-none-any",
            (
                "cp310-cp310-macosx_14_0_arm64 cp310-cp310-macosx_10_9_x86_64"
                " cp310-cp310-manylinux_2_17_x86_64"
            ),
        ),
        (
            "macos-x86_64",
            "cp310-cp310-macosx_10_9_x86_64 cp310-cp310-macosx_10_9_universal2",
            "cp310-cp310-macosx_11_0_arm64 cp310-cp310-macosx_14_0_x86_64",
        ),
    ],
)
def test_a_target_accepts_what_runs_on_its_oldest_system(
    target: str, accepted: str, not_accepted: str
) -> None:
    known = {str(tag) for tag in tags(TARGETS[target], PYTHON)}
    assert set(accepted.split()) <= known
    assert not set(not_accepted.split()) & known


def test_markers_see_the_target_and_not_this_machine() -> None:
    seen = environment(TARGETS["macos-arm64"], "3.10.13")
    assert seen == {
        "implementation_name": "cpython",
        "implementation_version": "3.10.13",
        "os_name": "posix",
        "platform_machine": "arm64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Darwin",
        "platform_version": "",
        "python_full_version": "3.10.13",
        "python_version": "3.10",
        "sys_platform": "darwin",
    }
    linux = environment(TARGETS["linux-x86_64"], PYTHON)
    assert (linux["platform_system"], linux["sys_platform"]) == ("Linux", "linux")
    assert linux["platform_machine"] == "x86_64"


def test_a_package_that_is_only_a_source_is_refused(tmp_path: Path) -> None:
    path = pylock(tmp_path)
    path.write_text(
        path.read_text() + '[packages.sdist]\nurl = "https://index.invalid/one-1.0.tar.gz"\n'
        f'hashes = {{ sha256 = "{A}" }}\n'
    )
    with pytest.raises(LockfileError, match=r"one 1\.0 has no wheel for linux-x86_64$"):
        read_artefacts(path, TARGETS["linux-x86_64"], PYTHON)


@pytest.mark.parametrize(
    "place",
    [
        'url = "https://index.invalid/a/b/one-1.0-py3-none-any.whl"',
        'path = "wheels/one-1.0-py3-none-any.whl"',
        'name = "one-1.0-py3-none-any.whl"\nurl = "https://index.invalid/one-1.0-py3-none-any.whl"',
    ],
)
def test_a_wheel_is_known_by_its_file_name_wherever_it_is(tmp_path: Path, place: str) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "one"\n'
        f'version = "1.0"\n[[packages.wheels]]\n{place}\nhashes = {{ sha256 = "{A}" }}\n'
    )
    (only,) = read_artefacts(path, TARGETS["linux-x86_64"], PYTHON)
    assert only == Artefact(
        project="one", version="1.0", file="one-1.0-py3-none-any.whl", sha256=A, size=0
    )


def test_without_a_list_of_wheels_there_are_none(tmp_path: Path) -> None:
    toolchain = replace(load_toolchain(), folder=tmp_path)
    assert load_artefacts(toolchain, lock()) == ()
    pylock(tmp_path, WHEELS[2]).rename(tmp_path / "pylock.linux-x86_64.toml")
    assert [one.file for one in load_artefacts(toolchain, lock())] == [WHEELS[2]]
    foreign = replace(lock(), target="plan9-mips")
    (tmp_path / "pylock.plan9-mips.toml").write_text("")
    assert load_artefacts(toolchain, foreign) == ()


def test_what_is_written_is_this_text() -> None:
    assert write_artefacts([artefact("two", "2", B), artefact("one", "1", A)], PYTHON) == (
        "# Written by `sdcoreml env lock`: the wheel of each package that this target gets.\n"
        'lock-version = "1.0"\ncreated-by = "sdcoreml"\nrequires-python = ">=3.10"\n'
        '\n[[packages]]\nname = "one"\nversion = "1"\n'
        f'\n[[packages.wheels]]\npath = "wheels/one.whl"\nsize = 1\nhashes = {{ sha256 = "{A}" }}\n'
        '\n[[packages]]\nname = "two"\nversion = "2"\n'
        f'\n[[packages.wheels]]\npath = "wheels/two.whl"\nsize = 1\nhashes = {{ sha256 = "{B}" }}\n'
    )


def test_a_tied_package_keeps_its_marker() -> None:
    marked = LockedPackage(
        name="one", version="1", hashes=(f"sha256:{A}",), marker="os_name == 'x'"
    )
    assert pin_wheels(lock(marked), [artefact("one", "1", A)]) == (marked,)
