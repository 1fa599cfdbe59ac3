from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sdcoreml.envs.building import inventory
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.pythons import venv
from sdcoreml.ground.errors import InstallError
from sdcoreml.lockfiles.lock import Lock, LockedPackage
from tests.envs.wheels import install

HASH = "sha256:" + "a" * 64
ABC = "sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
"""The hash in RECORD of a file that contains `abc`."""


def lock(*packages: tuple[str, str, str]) -> Lock:
    locked = tuple(
        LockedPackage(name=name, version=version, hashes=(HASH,), marker=marker)
        for name, version, marker in packages
    )
    return Lock(
        toolchain="tiny", target="linux-x86_64", path=Path("lock"), digest="", packages=locked
    )


def test_what_is_locked_is_installed(empty: Path) -> None:
    install(empty, "Foo_Bar", "1.0")
    install(empty, "torch", "2.2.0+cpu")
    wanted = lock(("foo-bar", "1.0", ""), ("torch", "2.2.0+cpu", ""), ("mac", "1", "no"))
    assert venv.list_projects(venv.site_packages(empty)) == {
        "foo-bar": "1.0",
        "torch": "2.2.0+cpu",
    }
    inventory.require_locked(empty, wanted)


def test_every_difference_from_the_lock_is_named(empty: Path) -> None:
    install(empty, "one", "1.1")
    install(empty, "extra", "3")
    with pytest.raises(InstallError) as caught:
        inventory.require_locked(empty, lock(("one", "1.0", ""), ("two", "2", "")))
    text = "lock: two 2 is missing; extra 3 is not in the lock; one is 1.1, locked is 1.0;"
    assert str(caught.value).startswith(text)


def test_what_is_missing_is_named_in_order(empty: Path) -> None:
    names = ["a", "b", "c", "d", "e", "f", "g"]
    with pytest.raises(InstallError) as caught:
        inventory.require_locked(empty, lock(*((name, "1", "") for name in reversed(names))))
    assert caught.value.what == "; ".join(f"{name} 1 is missing" for name in names)


def test_what_conda_brings_must_not_be_locked_as_well(empty: Path) -> None:
    info = install(empty, "one", "1.0")
    record = {"name": "one", "version": "1.0", "build": "0"}
    paths = [{"_path": f"{info.relative_to(empty)}/RECORD"}]
    (empty / "conda-meta").mkdir()
    (empty / "conda-meta" / "one-1.0-0.json").write_text(
        json.dumps({**record, "paths_data": {"paths": paths}})
    )
    inventory.require_locked(empty, lock())
    with pytest.raises(InstallError, match=r"^lock: one comes from conda, and from the lock as we"):
        inventory.require_locked(empty, lock(("one", "1.0", "")))


def test_a_wheel_with_a_wrong_record_is_reported(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "one.py").write_text("abc")
    right = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
    rows = f"one.py,sha256={right},3\ngone.py,sha256={right},3\n../../../bin/x,sha256=x,\n"
    install(empty, "one", "1.0", rows + "note.txt,,\n")
    (site / "two.py").write_text("xyz")
    install(empty, "two", "1.0", f"two.py,sha256={right},3\n")
    defects = inventory.find_defects(empty, manifest.take(empty))
    base = site.relative_to(empty)
    said = [str(defect) for defect in defects]
    assert said == [f"one: {base}/gone.py is missing", f"two: {base}/two.py differs"]


def test_bytecode_that_a_wheel_holds_and_the_build_wrote_anew_is_no_defect(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "__pycache__").mkdir()
    (site / "__pycache__" / "one.cpython-311.pyc").write_text("written by the build")
    install(empty, "one", "1.0", f"__pycache__/one.cpython-311.pyc,{ABC},3\n")
    assert inventory.find_defects(empty, manifest.take(empty)) == ()


@pytest.mark.parametrize(
    ("installed", "locked"),
    [("1.0", "1.0.0"), ("2.0", "2"), ("1.0rc1", "1.0.rc1"), ("2.2.0+cpu", "2.2.0+CPU")],
)
def test_one_version_may_be_spelt_in_two_ways(empty: Path, installed: str, locked: str) -> None:
    install(empty, "one", installed)
    inventory.require_locked(empty, lock(("one", locked, "")))


@pytest.mark.parametrize(
    ("installed", "locked"), [("1.0", "1.0.1"), ("2.2.0+cpu", "2.2.0"), ("1.0", "1.0.post1")]
)
def test_two_versions_are_two(empty: Path, installed: str, locked: str) -> None:
    install(empty, "one", installed)
    with pytest.raises(InstallError, match=re.escape(f"one is {installed}, locked is")):
        inventory.require_locked(empty, lock(("one", locked, "")))


def test_a_package_with_a_marker_is_compared_where_it_is_there(empty: Path) -> None:
    inventory.require_locked(empty, lock(("one", "1", "sys_platform == 'x'")))
    install(empty, "one", "2")
    with pytest.raises(InstallError, match="one is 2, locked is 1"):
        inventory.require_locked(empty, lock(("one", "1", "sys_platform == 'x'")))


def test_what_lies_beside_packages_is_none(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "old-1.0.egg-info").mkdir()
    (site / "loose.py").touch()
    assert venv.list_projects(venv.site_packages(empty)) == {}


def said(folder: Path) -> list[str]:
    base = venv.site_packages(folder).relative_to(folder)
    found = map(str, inventory.find_defects(folder, manifest.take(folder)))
    return [text.replace(f"{base}/", "") for text in found]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (f"one.py,{ABC},3", []),
        (f"one.py,{ABC}=,3", []),
        ("one.py,,", []),
        ("one.py,md5=abc,3", []),
        (f"two.py,{ABC},3", ["one: two.py is missing"]),
        (f"one.py,{ABC[:-1]}Z,3", ["one: one.py differs"]),
        ("one.py,sha256=x,3", ["one: one.py differs"]),
        (f"../../../bin/tool,{ABC},3", []),
        (f"./one.py,{ABC},3", []),
        (f"../../../share/x,{ABC},3", ["one: share/x is missing"]),
    ],
)
def test_each_row_of_a_record_is_held_against_its_file(
    empty: Path, row: str, found: list[str]
) -> None:
    (venv.site_packages(empty) / "one.py").write_text("abc")
    install(empty, "one", "1.0", row + "\n")
    assert said(empty) == found


def test_a_link_in_place_of_a_file_is_no_file(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "real.py").write_text("abc")
    (site / "one.py").symlink_to("real.py")
    install(empty, "one", "1.0", f"one.py,{ABC},3\n")
    assert said(empty) == ["one: one.py is missing"]
