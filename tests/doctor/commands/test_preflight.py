from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.preflight import environment_for, require_able
from sdcoreml.doctor.core.check import (
    CheckFamily,
    Finding,
    Fix,
    Status,
)
from sdcoreml.doctor.core.engine import GoalVerdict, Report, Result
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import NoRoomError, UnableError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.wheels import PYTHON, standard_wheels, toolchain

HUGE = "environment = 999_000_000_000_000_000"
"""A line for toolchain.toml: the size in bytes of an environment that fits on no disk."""


def result(name: str, family: CheckFamily, what: str, remedy: str = "") -> Result:
    fix = Fix(title=remedy) if remedy else None
    finding = Finding(status=Status.ERROR, what=what, why="it cannot work", fix=fix)
    return Result(id=name, family=family, title="", status=Status.ERROR, findings=(finding,))


def report(*results: Result, answer: str = "no") -> Report:
    verdict = GoalVerdict(
        goal="convert",
        answer=answer,
        sentence="this machine cannot convert cat",
        because=tuple(item.id for item in results),
    )
    return Report(toolchain="tested", target="x", results=results, verdicts=(verdict,))


DISK = result("DSK001", CheckFamily.DISK, "1 GB free, 8 GB needed", "free 7 GB")
OLD = result("PY001", CheckFamily.PYTHON, "no Python 3.10")


class TestRequireAble:
    @pytest.mark.parametrize("answer", ["yes", "unknown"])
    def test_only_a_no_stops(self, answer: str) -> None:
        require_able(report(answer=answer))

    def test_a_disk_too_small_is_its_own_kind(self) -> None:
        with pytest.raises(NoRoomError) as caught:
            require_able(report(DISK))
        assert str(caught.value) == "1 GB free, 8 GB needed (DSK001); free 7 GB"

    def test_anything_else_is_not(self) -> None:
        with pytest.raises(UnableError) as caught:
            require_able(report(OLD, DISK))
        assert not isinstance(caught.value, NoRoomError)
        assert str(caught.value) == (
            "no Python 3.10 (PY001); it cannot work; 1 more, `sdcoreml doctor` lists them"
        )


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolchain:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return load_toolchain(toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "wheels")))


class TestEnvironmentFor:
    def test_the_machine_is_examined_before_it_builds_and_not_again(
        self, tiny: Toolchain, tmp_path: Path
    ) -> None:
        events: list[Event] = []
        options = BuildOptions(
            python=PYTHON, source=PackageSource(index="", wheels=tmp_path / "wheels")
        )
        made = environment_for(tiny, events.append, options=options)
        assert made.files == 30
        steps = [event.text for event in events if event.kind == "step"]
        assert steps[:2] == ["examine this machine", "check that there is room"]
        events.clear()
        assert environment_for(tiny, events.append, options=options) == made
        assert events == []

    def test_a_machine_that_cannot_is_told_so_before_anything_is_written(
        self, tiny: Toolchain, tmp_path: Path
    ) -> None:
        path = tiny.folder / "toolchain.toml"
        text = path.read_text()
        path.write_text(text.replace("environment = 1", HUGE))
        assert HUGE in path.read_text()
        said = r"free for the environment in .*, .* \(DSK002\); free"
        with pytest.raises(NoRoomError, match=said):
            environment_for(load_toolchain(f"{tiny.folder}/"), lambda _: None)
        assert not (tmp_path / "envs").exists()


def test_env_itself_asks_first(
    tiny: Toolchain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.folder / "toolchain.toml"
    path.write_text(path.read_text().replace("environment = 1", HUGE))
    assert main(["env", "--toolchain", f"{tiny.folder}/"]) == 5
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "- examine this machine"
    assert err[-1].startswith("error: ")
    assert "(DSK002)" in err[-1]
    assert not (tmp_path / "envs").exists()
