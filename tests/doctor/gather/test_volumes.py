from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import (
    Absent,
    Goal,
    Unknown,
)
from sdcoreml.doctor.core.subjects import Output
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.doctor.gather.volumes import (
    Quota,
    hub_cache,
    mount_point,
    output,
    package_cache,
    quotas,
    read_quotas,
    volumes,
)

KB = 1024
LINUX = """\
Disk quotas for user grace (uid 1000):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
          /home 4000000* 3000000 5000000 1764201600   812       0       0       0
       /scratch    100       0       0       0       3       0       0       0
"""
BSD = """\
Disk quotas for user grace (uid 501):
     Filesystem    usage   quota   limit   grace   files   quota   limit   grace
/Volumes/a long one
                    2048    4096       0              12       0       0
/Users              1024    9000   10000               7       0       0
"""


def saying(text: str, code: int = 0, system: str = "Linux") -> Probe:
    """Return a fake machine on which the program `quota` prints this text."""

    def run(argv: Sequence[str], /, *, seconds: float = 9.0) -> RunResult | Unknown:
        assert argv[0] == "quota"
        assert seconds <= 1
        return RunResult(code=code, out=text)

    return Probe(system=system, environ={}, run=run)


def test_volumes_of_places_that_are_not_there_yet(tmp_path: Path) -> None:
    variables = ("TMPDIR", "HF_HUB_CACHE", "UV_CACHE_DIR")
    probe = Probe(environ={name: str(tmp_path / name) for name in variables})
    found = volumes(Goal(output=str(tmp_path / "new/out")), tmp_path / "envs", probe)
    assert set(found) == {"output", "environments", "packages", "temporary", "hub"}
    assert {volume.device for volume in found.values()} == {tmp_path.stat().st_dev}
    assert found["output"].path == str(tmp_path / "new/out")
    assert found["packages"].path == str(tmp_path / "UV_CACHE_DIR")
    assert found["output"].writable
    assert found["output"].room == found["output"].free > 0


def test_results_go_where_convert_puts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = volumes(Goal(model="/somewhere/model"), tmp_path, Probe(environ={}))
    assert found["output"].path == "models"
    assert found["output"].device == tmp_path.stat().st_dev


def test_a_quota_leaves_less_than_is_free(tmp_path: Path) -> None:
    mounted = mount_point(tmp_path)
    table = LINUX.replace("/home", mounted)
    found = volumes(Goal(), tmp_path, saying(table, code=1))["environments"]
    assert (found.quota, found.quota_used) == (5_000_000 * KB, 4_000_000 * KB)
    assert found.room == min(found.free, 1_000_000 * KB)


def test_without_quotas_what_is_free_is_left(tmp_path: Path) -> None:
    def run(argv: Sequence[str], /, *, seconds: float = 9.0) -> RunResult | Unknown:
        del seconds
        return Unknown(reason=f"{argv[0]}: No such file or directory")

    assert volumes(Goal(), tmp_path, Probe(run=run))["environments"].quota == 0
    assert quotas(Probe(system="Windows", run=run)) == {}


def test_the_table_of_linux() -> None:
    assert read_quotas(LINUX) == {"/home": Quota(limit=5_000_000 * KB, used=4_000_000 * KB)}
    assert quotas(saying(LINUX)) == read_quotas(LINUX)


def test_the_table_of_bsd_breaks_long_names() -> None:
    names = BSD.replace("/Volumes/a long one", "/Volumes/a-long-name")
    assert read_quotas(names) == {
        "/Volumes/a-long-name": Quota(limit=4096 * KB, used=2048 * KB),
        "/Users": Quota(limit=10_000 * KB, used=1024 * KB),
    }
    assert quotas(saying(names, system="Darwin")) == read_quotas(names)


@pytest.mark.parametrize("text", ["", "Disk quotas for user grace (uid 1000): none", "/home", BSD])
def test_whatever_it_says_is_no_fault(text: str) -> None:
    assert all(isinstance(one, Quota) for one in read_quotas(text).values())


def test_caches_follow_their_variables() -> None:
    home = Path("/home/me")
    hubs = {
        "/home/me/.cache/huggingface/hub": {},
        "/x/huggingface/hub": {"XDG_CACHE_HOME": "/x"},
        "/h/hub": {"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"},
        "/c": {"HF_HUB_CACHE": "/c", "HF_HOME": "/h"},
    }
    for expected, environ in hubs.items():
        assert str(hub_cache(Probe(environ=environ, home=home))) == expected
    packages = {
        "/home/me/.cache/uv": {},
        "/x/uv": {"XDG_CACHE_HOME": "/x"},
        "/u": {"UV_CACHE_DIR": "/u", "XDG_CACHE_HOME": "/x"},
    }
    for expected, environ in packages.items():
        assert str(package_cache(Probe(environ=environ, home=home))) == expected


def test_what_lies_in_the_output_folder_already(tmp_path: Path) -> None:
    folder = tmp_path / "cat"
    new = Absent(reason="the output folder is new")
    assert output(Goal()) == output(Goal(output=str(folder))) == new
    for name in ("Unet.mlmodelc", "TextEncoder.mlpackage", "notes"):
        (folder / name).mkdir(parents=True)
    programs = ("TextEncoder.mlpackage", "Unet.mlmodelc")
    assert output(Goal(output=str(folder))) == Output(
        path=str(folder), programs=programs, manifest=False
    )
    (folder / "manifest.json").touch()
    assert output(Goal(output=str(folder))) == Output(
        path=str(folder), programs=programs, manifest=True
    )
