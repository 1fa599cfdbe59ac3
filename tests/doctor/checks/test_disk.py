from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.checks.disk import room_for_environment, room_for_result
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import Result, examine
from sdcoreml.doctor.core.facts import Facts, Goal
from tests.doctor.checks.findings import said
from tests.doctor.healthy import GB, HEALTHY, TOOLCHAIN, VOLUMES
from tests.doctor.specimens import NOT_BUILT, volume


def judged(facts: Facts) -> Result:
    (result,) = examine(facts, [room_for_result]).results
    return result


def with_free(free: int, *, device: int = 1) -> Facts:
    output = replace(VOLUMES["output"], free=free, device=device)
    return replace(HEALTHY, volumes={**VOLUMES, "output": output})


@pytest.mark.parametrize(("free", "status"), [(6 * GB, Status.OK), (6 * GB - 1, Status.ERROR)])
def test_twice_the_model_is_needed(free: int, status: Status) -> None:
    assert judged(with_free(free)).status is status


def test_an_environment_to_be_built_on_the_same_volume_counts() -> None:
    (finding,) = judged(replace(with_free(9 * GB), environment=NOT_BUILT)).findings
    assert finding.what == (
        "9.0 GB free for the result in /data/output,"
        " about 12.0 GB needed (2 times the model and the environment)"
    )
    assert finding.evidence == {"room": str(9 * GB), "needed": str(12 * GB)}
    elsewhere = replace(with_free(9 * GB, device=2), environment=NOT_BUILT)
    assert judged(elsewhere).status is Status.OK


def test_a_quota_is_said_where_it_is_what_limits() -> None:
    facts = volume("output", quota=50 * GB, quota_used=49 * GB)
    assert said("DSK001", facts) == [
        (
            "error: 1.0 GB of the quota left for the result in /data/output,"
            " about 6.0 GB needed (2 times the model)"
        )
    ]
    exceeded = volume("environments", quota=50 * GB, quota_used=51 * GB)
    assert said("DSK002", exceeded) == ["ok: 0 bytes of the quota left for environments"]
    wide = volume("output", quota=900 * GB, quota_used=1 * GB)
    assert said("DSK001", wide) == ["ok: 200.0 GB free for the result, 6.0 GB needed"]


def test_packages_are_kept_beside_the_environment_or_elsewhere() -> None:
    assert said("DSK006", volume("packages", free=7 * GB)) == [], "nothing is to be built"
    together = replace(volume("packages", free=7 * GB), environment=NOT_BUILT)
    assert said("DSK006", together) == [
        (
            "warning: 7.0 GB free for unpacked packages and the environment in /data/packages,"
            " 12.0 GB needed unless they are cached"
        )
    ]
    apart = replace(volume("packages", free=7 * GB, device=2), environment=NOT_BUILT)
    assert said("DSK006", apart) == []


def test_what_is_short_is_said_with_its_place() -> None:
    missing = replace(volume("environments", free=GB), environment=NOT_BUILT)
    assert said("DSK002", missing) == [
        "error: 1.0 GB free for the environment in /data/environments, 6.0 GB needed"
    ]
    assert said("DSK003", volume("temporary", free=GB - 1000)) == [
        "warning: 1.0 GB free for temporary files in /data/temporary"
    ]
    assert said("DSK005", volume("hub", free=GB)) == [
        "warning: 1.0 GB free for the hub's cache in /data/hub"
    ]


def test_files_are_counted_where_the_volume_counts_them() -> None:
    def files(free: int | None) -> list[str]:
        return said(
            "DSK007", replace(volume("environments", files_free=free), environment=NOT_BUILT)
        )

    assert files(900) == [
        (
            "error: the environment has up to 33,000 files and folders, 900 may still be made in"
            " /data/environments"
        )
    ]
    assert files(None) == files(1_000_000) == []


def test_only_what_will_be_written_must_be_writable() -> None:
    def writable(role: str, kind: str, *, is_built: bool = True) -> list[str]:
        facts = replace(volume(role, writable=False), goal=Goal(kind=kind))
        return said("DSK004", facts if is_built else replace(facts, environment=NOT_BUILT))

    assert writable("output", "convert") == [
        "error: /data/output is not writable (the folder of results)"
    ]
    assert writable("environments", "env", is_built=False) == [
        "error: /data/environments is not writable (the folder of environments)"
    ]
    assert writable("output", "env") == writable("output", "bundle") == []
    assert writable("environments", "convert") == []


@pytest.mark.parametrize(("name", "room"), [("DSK001", 2 * GB), ("DSK002", GB)])
def test_without_room_for_torch_light_is_offered(name: str, room: int) -> None:
    place = "output" if name == "DSK001" else "environments"
    facts = replace(volume(place, free=room), environment=NOT_BUILT)
    assert remedy(name, facts).endswith(
        "; or set TOOLCHAIN=light, which takes 0.2 GB: it converts without torch"
    )
    without = replace(TOOLCHAIN, pins={"numpy": "1.23.5"})
    assert "light" not in remedy(name, replace(facts, toolchain=without))


def test_light_makes_no_room_for_a_result_where_the_environment_is_there() -> None:
    assert remedy("DSK001", with_free(GB)) == "free 5.0 GB there, or choose another with --output"


def remedy(name: str, facts: Facts) -> str:
    check = {"DSK001": room_for_result, "DSK002": room_for_environment}[name]
    ((finding,),) = (result.findings for result in examine(facts, [check]).results)
    assert finding.fix is not None
    return finding.fix.title
