from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import pytest

from sdcoreml.envs.locking.compile import LockRequest
from sdcoreml.envs.locking.opinion import (
    Opinion,
    PipTools,
    pip_tools,
    second_opinion,
)
from sdcoreml.envs.pythons.interpreter import Interpreter, probe
from sdcoreml.ground.errors import (
    EnvError,
    InstallError,
    NoInterpreterError,
    NoOpinionError,
    NoSpaceError,
)
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain, wheel

HASH = "0" * 64


@dataclass
class Fixed:
    """A resolver that always gives the same answer, and records what it was asked."""

    answer: Mapping[str, str]
    asked: list[tuple[str, str, LockRequest]] = field(default_factory=list)

    def describe(self) -> str:
        return "an oracle"

    def resolve(self, pins: str, seed: str, request: LockRequest) -> Mapping[str, str]:
        self.asked.append((pins, seed, request))
        return self.answer


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give pip-tools, which keeps a cache there, a home folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def tiny(tmp_path: Path) -> Toolchain:
    return load_toolchain(toolchain(tmp_path / "tiny", {"one==1.0": HASH, "two==2.1": HASH}))


@pytest.fixture
def tool() -> PipTools:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    return PipTools(
        interpreter=interpreter, version="7.0", library=Path(sysconfig.get_path("purelib"))
    )


def test_agreement(tiny: Toolchain) -> None:
    oracle = Fixed({"one": "1.0", "two": "2.1.0"})
    assert second_opinion(tiny, oracle) == Opinion(
        by="an oracle", target=host_target(), packages=2, differences=()
    )
    ((pins, seed, request),) = oracle.asked
    assert pins.splitlines()[1:] == ["one==1.0", "two==2.1"]
    assert seed == "one==1.0\ntwo==2.1\n"
    assert request == LockRequest()


def test_each_difference_is_named(tiny: Toolchain) -> None:
    opinion = second_opinion(tiny, Fixed({"one": "1.1", "three": "3"}))
    assert opinion.differences == (
        "one resolves to 1.1, locked is 1.0",
        "three 3 is not locked",
        "two 2.1 is locked and not needed",
    )


def test_an_upgrade_is_asked_without_the_locked_versions(tiny: Toolchain) -> None:
    oracle = Fixed({"one": "1.0", "two": "2.1"})
    second_opinion(tiny, oracle, LockRequest(upgrade=True))
    assert [seed for _, seed, _ in oracle.asked] == [""]


def test_what_is_not_for_this_machine_is_not_compared(tiny: Toolchain) -> None:
    path = tiny.folder / f"requirements.{host_target()}.txt"
    path.write_text(
        path.read_text()
        + f"three==3 ; sys_platform == 'win32' --hash=sha256:{HASH}\n"
        + f"four==4 ; os_name == 'posix' --hash=sha256:{HASH}\n"
    )
    opinion = second_opinion(tiny, Fixed({"one": "1.0", "two": "2.1"}))
    assert opinion.differences == ("four 4 is locked and not needed",)


def test_pip_tools_resolves_and_nobodys_settings_leak(
    tmp_path: Path, tiny: Toolchain, tool: PipTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    standard_wheels(wheels)
    wheel(wheels, "one", "1.0", {"one.py": ""}, requires=("Under_Score", "two"))
    wheel(wheels, "Under_Score", "0.5", {"u.py": ""})
    wheel(wheels, "Under_Score", "0.6", {"u.py": ""})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wheel(elsewhere, "Under_Score", "9.9", {"u.py": ""})
    (elsewhere / "pip.conf").write_text(f"[global]\nfind-links = {elsewhere}\n")
    (elsewhere / "click.py").write_text("raise SystemExit('leaked')\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(elsewhere))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(elsewhere / "pip.conf"))
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    opinion = second_opinion(tiny, tool, LockRequest(wheels=wheels))
    assert opinion.by == f"pip-tools 7.0 under Python {VERSION}"
    assert opinion.differences == ("under-score 0.6 is not locked",)
    seeded = tool.resolve("one==1.0\n", "under-score==0.5\n", LockRequest(wheels=wheels))
    assert seeded == {"one": "1.0", "two": "2.1", "under-score": "0.5"}


def test_no_resolution_is_one_line(tmp_path: Path, tiny: Toolchain, tool: PipTools) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InstallError) as caught:
        second_opinion(tiny, tool, LockRequest(wheels=tmp_path / "empty"))
    text = str(caught.value)
    assert "finds no resolution: " in text
    assert "one==1.0" in text
    assert "Traceback" not in text
    assert "\n" not in text


def test_a_full_disk_is_said_without_a_traceback(
    tmp_path: Path, tiny: Toolchain, tool: PipTools
) -> None:
    (tmp_path / "piptools").mkdir()
    full = "raise OSError(28, 'No space left on device', '/tmp/x')\n"
    (tmp_path / "piptools" / "__main__.py").write_text(full)
    with pytest.raises(NoSpaceError) as caught:
        second_opinion(tiny, replace(tool, library=tmp_path))
    said = "(the installer said: OSError: [Errno 28] No space left on device: '/tmp/x')"
    assert str(caught.value).endswith(said)


def test_without_a_network_no_opinion_is_taken(
    tiny: Toolchain, tool: PipTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(NoOpinionError, match="the package index cannot be reached") as caught:
        second_opinion(tiny, tool)
    assert "\n" not in str(caught.value)


def test_a_part_of_the_tool_that_is_missing_is_named(
    tmp_path: Path, tiny: Toolchain, tool: PipTools
) -> None:
    (tmp_path / "piptools.py").write_text("import surely_not_there")
    with pytest.raises(
        NoOpinionError, match=r"No module named 'surely_not_there'; .*sdcoreml\[locking\]"
    ):
        second_opinion(tiny, replace(tool, library=tmp_path))


def test_the_tool_is_the_one_that_is_installed_here(tiny: Toolchain) -> None:
    found = pip_tools(tiny, PYTHON)
    assert (found.library / "piptools" / "__main__.py").is_file()
    assert found.describe() == f"pip-tools {version('pip-tools')} under Python {VERSION}"


def test_without_the_tool_the_way_to_get_it_is_named(
    tiny: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(EnvError) as caught:
        pip_tools(tiny, PYTHON)
    assert str(caught.value) == (
        "pip-tools: not installed; run `python -m pip install 'sdcoreml[locking]'`"
        " (a checkout's .venv has it)"
    )


def test_without_the_toolchains_python_no_opinion_is_taken(tiny: Toolchain) -> None:
    with pytest.raises(
        NoOpinionError, match=r"^pip-tools: /nowhere: cannot be run as a Python"
    ) as caught:
        pip_tools(tiny, Path("/nowhere"))
    assert isinstance(caught.value.__cause__, NoInterpreterError)


ASKED = (
    *("-I", "-m", "piptools", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"),
    *("--no-emit-options", "--strip-extras", "--allow-unsafe"),
    *("--pip-args", "--only-binary :all: --retries 2"),
)
FILES = ("--output-file", "requirements.txt", "requirements.in")


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (LockRequest(), ()),
        (LockRequest(exclude_newer="2026-11-30"), ("--uploaded-prior-to", "2026-12-01")),
        (LockRequest(exclude_newer="2 days"), ("--uploaded-prior-to", "2 days")),
        (LockRequest(wheels=Path("/wheels")), ("--no-index", "--find-links", "/wheels")),
    ],
)
def test_what_pip_tools_is_asked(
    tmp_path: Path, request_: LockRequest, options: tuple[str, ...]
) -> None:
    python = tmp_path / "python3.10"
    python.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked\n'
        f"exec 3>{tmp_path}/given\n"
        "cat requirements.in requirements.txt tool/lib/*/site-packages/library.pth >&3\n"
        "printf 'My.One==1.0\\ntwo==2.1 ; x\\n# three==3\\n' >requirements.txt\n"
    )
    python.chmod(0o755)
    interpreter = Interpreter(
        path=python, version="3.10.10", implementation="CPython", target="any", source="PATH"
    )
    tool = PipTools(interpreter=interpreter, version="7.6", library=tmp_path / "library")
    found = tool.resolve("pins\n", "seed\n", request_)
    assert found == {"my-one": "1.0", "two": "2.1"}
    assert (tmp_path / "asked").read_text().splitlines() == [*ASKED, *options, *FILES]
    assert (tmp_path / "given").read_text() == f"pins\nseed\n{tmp_path}/library\n"


NO_RESOLUTION = "requirements.in: pip-tools 7.6 under Python 3.10.10 finds no resolution: "
CHOOSE = "; choose pins that both resolvers can meet"
TRACE = "Traceback (most recent call last):\n  a\n"
NO_MATCH = "No matching distribution found for x==1"
MISSING = "pip-tools 7.6 under Python 3.10.10: No module named 'click'; "
INSTALL = "run `python -m pip install 'sdcoreml[locking]'` (a checkout's .venv has it)"


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        (f"ERROR: {NO_MATCH}\n{TRACE}", InstallError, f"{NO_RESOLUTION}{NO_MATCH}{CHOOSE}"),
        (f"{TRACE}pip.Error: last", InstallError, f"{NO_RESOLUTION}pip.Error: last{CHOOSE}"),
        (
            "x\nModuleNotFoundError: No module named 'click'\n",
            NoOpinionError,
            f"{MISSING}{INSTALL}",
        ),
    ],
)
def test_what_pip_tools_says(tmp_path: Path, said: str, error: type[EnvError], text: str) -> None:
    (tmp_path / "said").write_text(said)
    python = tmp_path / "python3.10"
    python.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 2\n")
    python.chmod(0o755)
    interpreter = Interpreter(
        path=python, version="3.10.10", implementation="CPython", target="any", source="PATH"
    )
    tool = PipTools(interpreter=interpreter, version="7.6", library=tmp_path)
    with pytest.raises(error) as caught:
        tool.resolve("", "", LockRequest())
    assert str(caught.value) == text


def test_with_exceptions_the_age_of_packages_is_no_limit_of_pip_s(tiny: Toolchain) -> None:
    limited = replace(tiny, exclude_newer="2026-11-01")
    for toolchain_, request, newest in (
        (limited, None, "2026-11-01"),
        (limited, LockRequest(exclude_newer="2026-10-01"), "2026-10-01"),
        (replace(limited, exceptions={"one": "a fix"}), None, ""),
    ):
        oracle = Fixed({"one": "1.0", "two": "2.1"})
        second_opinion(toolchain_, oracle, request)
        ((_, _, asked),) = oracle.asked
        assert asked.exclude_newer == newest
