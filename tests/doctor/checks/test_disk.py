from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.check import Status
from doctor.checks.disk import room_for_result
from doctor.engine import Result, examine
from doctor.facts import Facts
from tests.doctor.healthy import GB, HEALTHY, VOLUMES
from tests.doctor.specimens import NOT_BUILT


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
        "9.0 GB free for the result, about 12.0 GB needed (2 times the model and the environment)"
    )
    assert finding.evidence == {"free": str(9 * GB), "needed": str(12 * GB)}
    elsewhere = replace(with_free(9 * GB, device=2), environment=NOT_BUILT)
    assert judged(elsewhere).status is Status.OK
