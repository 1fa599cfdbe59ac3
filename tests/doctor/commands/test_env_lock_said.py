"""What `env lock` asks for and says, with stand-ins for all that resolves."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.doctor.commands import env_conda, env_lock
from sdcoreml.doctor.commands.env_lock import ACTIONS
from sdcoreml.envs.locking.compile import LockRequest
from sdcoreml.envs.locking.opinion import Opinion
from sdcoreml.ground.errors import EnvError, LockfileError, NoOpinionError
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

OPINION = Opinion(by="pip-tools 7", target="linux-x86_64", packages=58, differences=())
PROVEN = [
    "tested on linux-x86_64: 2 packages, a wheel for each, 5.0 GB",
    "tested on linux-aarch64: refused: coremltools has no wheel for Linux on aarch64",
    "tested on windows-x86_64: refused: coremltools has no wheel for Windows",
    "tested on windows-arm64: refused: coremltools has no wheel for Windows",
]


class Locking:
    """Stand-ins for what resolves and writes; `heard` are their questions, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[object] = []
        self.locks: tuple[Path, ...] = ()
        self.files: tuple[Path, ...] = ()
        self.stale: tuple[str, ...] = ()
        self.opinion: Opinion | NoOpinionError = OPINION
        self.is_from_channel = True
        compile_, conda = "sdcoreml.envs.locking.compile.", "sdcoreml.envs.locking.conda_locking."
        opinion = "sdcoreml.envs.locking.opinion."
        wheels = {
            "linux-x86_64": (SimpleNamespace(size=2 * 10**9), SimpleNamespace(size=3 * 10**9))
        }
        for name, stand_in in {
            f"{compile_}compile_locks": self._compile,
            f"{compile_}find_stale": lambda *_: self.stale,
            f"{compile_}write_locks": lambda *_: self.locks,
            f"{compile_}check_folder": lambda _: wheels,
            f"{conda}write_conda_files": lambda _: self.files,
            f"{conda}check_conda": lambda one: self.heard.append(("conda", one.name)),
            f"{conda}solve_python": self._solve,
            f"{conda}find_stale_conda": lambda *_: self.stale,
            f"{conda}write_conda_locks": lambda *_: self.locks,
            f"{opinion}find_pip_tools": lambda: self.heard.append("pip-tools"),
            f"{opinion}pip_tools": lambda _: SimpleNamespace(describe=lambda: "pip-tools 7"),
            f"{opinion}second_opinion": self._look_again,
            "sdcoreml.envs.conda.engine.find_engine": self._find_engine,
            "sdcoreml.doctor.commands.env_conda.load_conda_lock": self._load,
            "sdcoreml.doctor.commands.env_lock.host_target": lambda: "linux-x86_64",
        }.items():
            monkeypatch.setattr(name, stand_in)

    def _compile(self, toolchain: Toolchain, request: LockRequest, _: object) -> str:
        self.heard.append((toolchain.name, request))
        return "locks"

    def _look_again(self, _: Toolchain, __: object, request: LockRequest) -> Opinion:
        self.heard.append(("again", request))
        if isinstance(self.opinion, NoOpinionError):
            raise self.opinion
        return self.opinion

    def _find_engine(self, _: Path, __: object, *, keep: tuple[int, ...], index: str) -> str:
        self.heard.append((len(keep), index))
        return "engine"

    def _solve(self, toolchain: Toolchain, engine: str, place: str, **more: Any) -> list[Any]:
        self.heard.append((toolchain.name, engine, place, more["newest"]))
        return [SimpleNamespace(target="linux-x86_64")]

    def _load(self, _: Toolchain, target: str) -> Any:
        assert target == "linux-x86_64"
        return SimpleNamespace(from_channel=self.is_from_channel)


@pytest.fixture
def locking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Locking:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.delenv("SDCOREML_CHANNEL", raising=False)
    return Locking(monkeypatch)


def lock(*words: str, toolchain: str = "tested") -> int:
    parser = argparse.ArgumentParser()
    ACTIONS[0].configure(parser)
    return env_lock.lock(parser.parse_args(["--toolchain", toolchain, *words]))


def test_locks_are_written_as_they_are_asked_for(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--upgrade", "--exclude-newer", "2026-01-01", "--find-links", "/w", "--index", "i")
    assert lock(*words) == 0
    request = LockRequest(upgrade=True, exclude_newer="2026-01-01", wheels=Path("/w"), index="i")
    assert locking.heard == [("tested", request)]
    assert capsys.readouterr().out == "tested: nothing moved\n"
    locking.files = (Path("b.yml"),)
    assert lock() == 0
    assert capsys.readouterr().out == "wrote b.yml\ntested: locked\n"
    assert locking.heard[-1] == ("tested", LockRequest())
    locking.locks = (Path("a.txt"),)
    lock()
    assert capsys.readouterr().out == "wrote a.txt\nwrote b.yml\ntested: locked\n"


def test_locks_that_are_current_are_proven(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock("--check") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        *PROVEN,
        "tested on linux-x86_64: pip-tools 7 agrees on all 58 versions",
        "tested: the locks are what the pins resolve to",
    ]
    assert "- ask pip-tools 7 about tested for linux-x86_64\n" in err
    request = LockRequest()
    assert locking.heard == [
        *("pip-tools", ("tested", request), ("conda", "tested"), ("again", request)),
    ]


def test_stale_locks_are_told_with_what_another_resolver_says(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    locking.stale = ("torch moved",)
    locking.opinion = Opinion(
        by="pip-tools 7", target="linux-x86_64", packages=58, differences=("numpy 1, not 2",)
    )
    with pytest.raises(LockfileError) as caught:
        lock("--check")
    folder = load_toolchain("tested").folder
    assert str(caught.value) == (
        f"{folder}: the locks of tested are stale in 2 places; run `sdcoreml env lock`"
    )
    assert capsys.readouterr().out.splitlines() == [
        *(*PROVEN, "torch moved", "linux-x86_64: pip-tools 7: numpy 1, not 2")
    ]


def test_where_another_resolver_cannot_run_that_is_said(
    locking: Locking, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locking.opinion = NoOpinionError("there is no such Python")
    assert lock("--check") == 0
    said = capsys.readouterr().out.splitlines()[len(PROVEN)]
    assert said == ("tested on linux-x86_64: no second opinion was taken: there is no such Python")
    monkeypatch.setattr(env_lock, "host_target", lambda: "linux-aarch64")
    assert lock("--check") == 0
    said = capsys.readouterr().out.splitlines()[len(PROVEN)]
    assert said == (
        "tested: no second opinion was taken: it would be for linux-aarch64, where tested is not"
    )


def test_without_a_network_nothing_is_resolved(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock("--offline") == 0
    last = "tested: no second opinion was taken: --offline"
    assert capsys.readouterr().out.splitlines() == [*PROVEN, last]
    assert locking.heard == [("conda", "tested")]


def test_a_channel_is_asked_for_the_packages_of_python(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = load_toolchain("tested").conda.channel
    assert lock("--conda") == 0
    assert locking.heard == [(1, ""), ("tested", "engine", channel, "")]
    assert capsys.readouterr().out == "tested: nothing moved\n"
    locking.locks, locking.files = (Path("a.toml"),), (Path("b.yml"),)
    assert lock("--conda", "--channel", "c", "--index", "i", "--exclude-newer", "2026-01-01") == 0
    assert locking.heard[2:] == [(1, "i"), ("tested", "engine", "c", "2026-01-01")]
    assert capsys.readouterr().out == ("wrote a.toml\nwrote b.yml\ntested: locked\n")


def test_a_channel_that_moved_on_is_stale_if_it_was_asked_before(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = load_toolchain("tested").conda.channel
    assert lock("--conda", "--check") == 0
    assert capsys.readouterr().out == f"tested: the conda locks are what {channel} has\n"
    locking.stale = ("python moved",)
    with pytest.raises(LockfileError) as caught:
        lock("--conda", "--check")
    assert str(caught.value) == (
        f"{load_toolchain('tested').folder}: the conda locks of tested are stale in 1 places; run"
        " `sdcoreml env lock --conda`"
    )
    assert capsys.readouterr().out == "python moved\n"
    locking.is_from_channel = False
    assert lock("--conda", "--check") == 0
    assert capsys.readouterr().out == (
        "python moved\ntested: locked from public lock files, stale in 1 places;"
        " `sdcoreml env lock --conda` replaces them by what the channel has\n"
    )


def test_what_is_cut_out_of_another_has_its_python_and_only_files_of_its_own(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    locking.files = (Path("/b.yml"),)
    assert lock("--conda", toolchain="light") == 0
    assert capsys.readouterr().out == "wrote /b.yml\nlight: has the Python of tested\n"
    assert lock("--conda", "--check", toolchain="light") == 0
    assert capsys.readouterr().out == "light: has the Python of tested\n"
    assert locking.heard == []


def test_conda_s_files_are_checked_or_written(
    locking: Locking, capsys: pytest.CaptureFixture[str]
) -> None:
    args = argparse.Namespace(toolchain="tested", check=True)
    assert env_conda.conda_files(args) == 0
    assert locking.heard == [("conda", "tested")]
    assert capsys.readouterr().out == "tested: conda's files are what the toolchain says\n"
    args.check = False
    assert env_conda.conda_files(args) == 0
    assert capsys.readouterr().out == "tested: nothing moved\n"
    locking.files = (Path("/b.yml"),)
    assert env_conda.conda_files(args) == 0
    assert capsys.readouterr().out == "wrote /b.yml\ntested: written\n"


def test_a_missing_resolver_is_told_before_anything_takes_minutes(
    locking: Locking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise EnvError("not installed")

    monkeypatch.setattr("sdcoreml.envs.locking.opinion.find_pip_tools", fail)
    with pytest.raises(EnvError, match="not installed"):
        lock("--check")
    assert locking.heard == []
