"""The faults of an environment's own files, by what their status says."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.damage import (
    Damage,
    find_machine_faults,
    find_record_faults,
    find_seal_faults,
)
from sdcoreml.envs.kept.store import Environment
from tests.envs.kept.sealed import sealed


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sealed(tmp_path)


def status(mode: int, user: int = os.getuid()) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, user, 0, 9, 0, 0, 0))


FINE = {
    "sealed/files.tsv": status(stat.S_IFREG | 0o644),
    "sealed/python.tsv": status(stat.S_IFREG | 0o600),
    "sealed/record.json": status(stat.S_IFREG | 0o444),
}


def test_a_fault_names_its_path_and_its_owner() -> None:
    assert str(Damage(path="a/b", what="altered", owner="torch")) == "a/b: altered (torch)"
    assert str(Damage(path="a", what="missing", owner="(machine)")) == "a: missing (machine)"


@pytest.mark.parametrize(
    ("found", "writable", "expected"),
    [
        (None, False, "missing"),
        (status(stat.S_IFDIR | 0o755), False, "is a folder, was a file"),
        (status(stat.S_IFREG | 0o755), False, "is a program, was a file"),
        (
            status(stat.S_IFREG | 0o644, os.getuid() + 1),
            False,
            f"belongs to user {os.getuid() + 1}, the environment to {os.getuid()}",
        ),
        (status(stat.S_IFREG | 0o664), False, "has the mode 664, had 644"),
        (status(stat.S_IFREG | 0o646), False, "has the mode 646, had 644"),
        (status(stat.S_IFREG | 0o666), True, ""),
        (status(stat.S_IFREG | 0o2644), True, "has the mode 2644, had 644"),
        (status(stat.S_IFREG | 0o244), False, "has the mode 244, had 644"),
        (status(stat.S_IFREG | 0o400), False, ""),
    ],
)
def test_what_the_status_of_a_record_shows(
    environment: Environment,
    found: os.stat_result | None,
    writable: bool,  # noqa: FBT001  a table
    expected: str,
) -> None:
    own = dict(FINE)
    del own["sealed/record.json"]
    own |= {"sealed/record.json": found} if found else {}
    assert list(find_record_faults(environment, own, writable=writable)) == (
        [Damage(path="sealed/record.json", what=expected, owner="(generated)")] if expected else []
    )


def test_who_may_write_to_the_folder(environment: Environment) -> None:
    environment.path.chmod(0o777)
    (fault,) = find_record_faults(environment, FINE, writable=False)
    assert str(fault) == ".: has the mode 777, had 755 (generated)"
    assert list(find_record_faults(environment, FINE, writable=True)) == []


def test_an_altered_record_and_manifests_of_another(environment: Environment) -> None:
    other = replace(environment, intact=False, listing="0" * 64)
    assert [str(fault) for fault in find_record_faults(other, FINE, writable=False)] == [
        "sealed/record.json: is not as it was written (generated)",
        "sealed/files.tsv: is not as it was written (generated)",
    ]
    (environment.path / "sealed/python.tsv").unlink()
    assert list(find_record_faults(environment, FINE, writable=False)) == []


def test_what_leads_to_another_python(environment: Environment) -> None:
    assert list(find_machine_faults(environment)) == []
    (environment.path / "bin/python").unlink()
    (environment.path / "bin/python").symlink_to("/other/python3.10")
    (environment.path / "bin/python3.10").unlink()
    (environment.path / "pyvenv.cfg").write_text("home = /other\n")
    said = f"does not lead to {environment.interpreter.path}"
    assert list(find_machine_faults(environment)) == [
        Damage(path=path, what=said, owner="(machine)")
        for path in ("pyvenv.cfg", "bin/python", "bin/python3.10")
    ]
    assert list(find_machine_faults(replace(environment, conda="c0da"))) == []


def test_the_seal_and_where_a_conda_prefix_was_made(environment: Environment) -> None:
    rows = manifest.read_rows(environment.path)
    assert list(find_seal_faults(environment, rows)) == []
    (fault,) = find_seal_faults(environment, rows[:-3])
    assert str(fault) == "sealed/files.tsv: does not match the seal (generated)"
    (fault,) = find_seal_faults(replace(environment, schema=1), rows)
    assert str(fault) == "sealed/manifest.tsv: does not match the seal (generated)"
    moved = replace(environment, conda="c0da")
    prefix = environment.interpreter.path.parent.parent
    assert list(map(str, find_seal_faults(moved, rows))) == [
        f"conda-meta: was made for {prefix}, and a conda environment cannot be moved (generated)",
        "sealed/files.tsv: does not match the seal (generated)",
    ]
