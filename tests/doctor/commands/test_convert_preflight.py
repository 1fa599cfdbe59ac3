from __future__ import annotations

from pathlib import Path

import pytest

from convert.errors import ConvertError, NoSpaceError
from convert.opening import open_model
from convert.plan import plan
from doctor.check import Family, Finding, Fix, Status
from doctor.commands.convert_preflight import goal_of, require_able
from doctor.engine import Report, Result, Verdict
from doctor.facts import Job as Goal
from tests.convert.stand_ins import write_model


def result(name: str, family: Family, what: str, remedy: str = "") -> Result:
    fix = Fix(title=remedy) if remedy else None
    finding = Finding(status=Status.ERROR, what=what, why="it cannot work", fix=fix)
    return Result(id=name, family=family, title="", status=Status.ERROR, findings=(finding,))


def report(*results: Result, answer: str = "no") -> Report:
    verdict = Verdict(
        goal="convert",
        answer=answer,
        sentence="this machine cannot convert cat",
        because=tuple(item.id for item in results),
    )
    return Report(toolchain="tested", target="x", results=results, verdicts=(verdict,))


DISK = result("DSK001", Family.DISK, "1 GB free, 8 GB needed", "free 7 GB")
PYTHON = result("PY001", Family.PYTHON, "no Python 3.10")


class TestRequireAble:
    @pytest.mark.parametrize("answer", ["yes", "unknown"])
    def test_only_a_no_stops(self, answer: str) -> None:
        require_able(report(answer=answer))

    def test_a_disk_too_small_is_its_own_kind(self) -> None:
        with pytest.raises(NoSpaceError) as caught:
            require_able(report(DISK))
        assert str(caught.value) == "1 GB free, 8 GB needed (DSK001); free 7 GB"

    def test_anything_else_is_not(self) -> None:
        with pytest.raises(ConvertError) as caught:
            require_able(report(PYTHON, DISK))
        assert not isinstance(caught.value, NoSpaceError)
        assert str(caught.value) == (
            "no Python 3.10 (PY001); it cannot work; 1 more, `sdcoreml doctor` lists them"
        )


def test_the_goal_has_the_size_of_the_image(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "cat"))
    assert goal_of(plan(model, tmp_path / "out", "ORIGINAL", {})) == Goal(
        goal="convert",
        model=str(tmp_path / "cat"),
        output=str(tmp_path / "out"),
        attention="ORIGINAL",
        height=128,
        width=128,
    )
