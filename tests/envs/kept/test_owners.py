"""Whose each path of an environment is."""

from __future__ import annotations

import json
from pathlib import Path

from sdcoreml.envs.kept.owners import owners_of, project_of, read_record

SITE = "lib/python3.10/site-packages"


def test_by_record_with_bytecode_like_its_source(tmp_path: Path) -> None:
    info = tmp_path / SITE / "My.Package_x-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(
        'one.py,sha256=aa,1\n"two/a,b.py",,\n\ntwo/native.so,,\n../../../bin/one,,\n'
    )
    other = tmp_path / SITE / "another-2.0.dist-info"
    other.mkdir()
    (other / "RECORD").write_text("two/native.so,,\n")
    mine = "my-package-x"
    assert (
        owners_of(tmp_path)
        == {
            f"{SITE}/one.py": mine,
            f"{SITE}/__pycache__/one.cpython-310.pyc": mine,
            f"{SITE}/two/a,b.py": mine,
            f"{SITE}/two/__pycache__/a,b.cpython-310.pyc": mine,
            f"{SITE}/two/native.so": "another",
            "bin/one": mine,
        }
        or owners_of(tmp_path)[f"{SITE}/two/native.so"] == mine
    )
    assert read_record(info / "RECORD")[:2] == [
        ["one.py", "sha256=aa", "1"],
        ["two/a,b.py", "", ""],
    ]
    assert project_of(info) == mine


def test_by_conda_s_records_first(tmp_path: Path) -> None:
    info = tmp_path / SITE / "tz_data-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("tz/data.py,,\ntz/only.py,,\n")
    (tmp_path / "conda-meta").mkdir()
    paths = [
        {"_path": f"{SITE}/tz/data.py", "path_type": "hardlink"},
        {"_path": "lib/python3.10/os.py", "path_type": "hardlink", "prefix_placeholder": "/opt"},
        {"_path": "share/python.py", "path_type": "hardlink"},
        {"_path": "bin/python", "path_type": "softlink"},
    ]
    record = {
        "name": "tz-data",
        "version": "1.0",
        "build": "0",
        "paths_data": {"paths": paths, "paths_version": 1},
    }
    (tmp_path / "conda-meta/tz-data-1.0-0.json").write_text(json.dumps(record))
    patched = "conda:tz-data, patched"
    assert owners_of(tmp_path) == {
        "conda-meta/tz-data-1.0-0.json": patched,
        f"{SITE}/tz/data.py": "conda:tz-data",
        f"{SITE}/tz/__pycache__/data.cpython-310.pyc": "conda:tz-data",
        f"{SITE}/tz/only.py": "tz-data",
        f"{SITE}/tz/__pycache__/only.cpython-310.pyc": "tz-data",
        "lib/python3.10/os.py": patched,
        "lib/python3.10/__pycache__/os.cpython-310.pyc": patched,
        "share/python.py": "conda:tz-data",
        "bin/python": "conda:tz-data",
    }
