"""Tests an environment by trials, and records the result as evidence.

A toolchain counts as tested when the project's tests pass in its environment and it converts the
sample, with each program run beside its pinned torch module. A toolchain with `base` must write the
same packages as its base, byte for byte. A variant for another Python must write every golden
program (tests/inside/convert/golden.json) with the same bytes as all others.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Protocol

from sdcoreml.convert.jobs.manifest import Manifest, parse_manifest
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.doctor.core.engine import PROVING
from sdcoreml.doctor.core.facts import System
from sdcoreml.doctor.gather.machine import system
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.envs.kept.manifest import EntryKind, digest_of, scan
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.places import ROOT
from sdcoreml.lockfiles.evidence import Evidence
from sdcoreml.lockfiles.toolchain import Toolchain

CHECKOUT = ROOT
_RUNNER = Path("tests/inside/runner.py")
_GOLDEN = "tests.inside.convert.golden"
_PASSED = re.compile(r"\b(\d+) passed\b")
_SHARE = re.compile(r"^[.sxXFEpR]+ +\[ *(\d+)%\]$")
_FAILED = ("FAILED ", "ERROR ")
_ERROR = "error: "
"""What our own command line begins an error with."""
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """A trial's command, its result, the number of passed tests, and the lowest PSNR in dB.

    `families` and `certificates` are as in `Evidence`.
    """

    ran: str
    result: str
    tests: int = 0
    psnr: Mapping[str, float] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    certificates: str = ""


class Trial(Protocol):
    """A test that an environment must pass."""

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        """Run the trial; raise `EnvError` if the environment fails it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Runs the project's own tests, as `make inside` does."""

    toolchain: Toolchain
    runner: Path = CHECKOUT / _RUNNER

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        """Run all tests; needs a checkout, since a wheel has no tests."""
        emit(Event(kind="step", text="run the tests in it (minutes)"))
        if not self.runner.exists():
            raise EnvError("does not exist", where=self.runner, remedy="use a clone of the project")
        words = [sys.executable, str(self.runner), "-q"]
        last = _last_line(_output(words, _environ(environment, self.toolchain), emit))
        passed = _PASSED.search(last)
        if passed is None:
            raise EnvError(f"says {last!r}, not how many tests passed", where=self.runner)
        return TrialResult(
            ran="make inside", result=f"{passed[1]} tests passed", tests=int(passed[1])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Converts the sample in the environment and runs every program, certified or not."""

    toolchain: Toolchain

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        """Convert the sample in a temporary folder."""
        emit(Event(kind="step", text="convert the sample in it, each program run in full"))
        with tempfile.TemporaryDirectory() as name:
            convert = Conversion(environment, Path(name), emit)
            manifest = convert(self.toolchain, "--sample", "--full")
        programs = manifest.programs
        return TrialResult(
            ran="sdcoreml convert --sample --full",
            result=f"{len(programs)} programs checked",
            psnr=floors(entry.checked for entry in programs.values()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """Converts the sample with this toolchain and with its base, and compares the results."""

    toolchain: Toolchain
    base: Toolchain

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        """Convert the sample with both toolchains and compare every file of the results."""
        emit(Event(kind="step", text=f"convert the sample in it and in {self.base.name}"))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            convert = Conversion(environment, folder, emit)
            manifest = convert(self.base, "--sample", "--full")
            convert(self.toolchain, "build/sample")
            here, there = (packages_of(folder / one.name) for one in (self.toolchain, self.base))
        if differing := sorted(path for path in here | there if here.get(path) != there.get(path)):
            raise EnvError(
                f"{self.toolchain.name} and {self.base.name} write it differently",
                where=differing[0],
            )
        return TrialResult(
            ran=f"sdcoreml convert in {self.toolchain.name} and in {self.base.name}",
            result=f"{len(here)} files identical to those of {self.base.name}",
            psnr=floors(entry.checked for entry in manifest.programs.values()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Builds the golden programs and compares their digests with the recorded ones."""

    checkout: Path = CHECKOUT

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        """Build all golden programs with the environment's Python; needs a checkout."""
        emit(Event(kind="step", text="build the golden programs in it"))
        words = [str(environment.python), "-B", "-m", _GOLDEN, "--check"]
        last = _last_line(_output(words, os.environ, emit, self.checkout))
        return TrialResult(ran=f"python -m {_GOLDEN} --check", result=last)


def prove(environment: Environment, trials: Sequence[Trial], emit: Emit = silent) -> Evidence:
    """Run trials in an environment and return the evidence, checking the seal before and after.

    Raises:
        EnvError: a file differs from the seal, or a trial failed.
    """
    _require_sealed(environment, "only a sound environment proves something", emit)
    outcomes = [trial.run(environment, emit) for trial in trials]
    _require_sealed(environment, "what was run changed the environment", emit)
    here = system(Probe())
    modes = dict.fromkeys(mode for outcome in outcomes for mode in outcome.psnr)
    return Evidence(
        when=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        target=environment.target,
        system=name_of(here),
        cpu=f"{here.processor or here.machine}, {here.cores} cores",
        python=environment.interpreter.version,
        lock=environment.lock_digest,
        seal=environment.seal,
        ran="; ".join(outcome.ran for outcome in outcomes),
        result="; ".join(outcome.result for outcome in outcomes)[:_LONGEST],
        tests=sum(outcome.tests for outcome in outcomes),
        psnr={mode: min(o.psnr[mode] for o in outcomes if mode in o.psnr) for mode in modes},
        families={name: how for one in outcomes for name, how in one.families.items()},
        certificates="; ".join(one.certificates for one in outcomes if one.certificates),
    )


def name_of(here: System) -> str:
    """Return the operating system and version, such as `macOS 14.5` or `Debian GNU/Linux 12`."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # exists only on Linux, and not on every one
        return f"{here.name} {here.version}"


def floors(proofs: Iterable[ProgramProof]) -> dict[str, float]:
    """Return the lowest PSNR in dB of any output of a folder's programs, by precision."""
    lowest: dict[str, float] = {}
    for proof in proofs:
        for output in proof.measured:
            lowest[output.mode] = min(output.psnr, lowest.get(output.mode, output.psnr))
    return lowest


def packages_of(folder: Path) -> dict[str, str]:
    """Map each file in the packages and compiled models of a result to its SHA-256."""
    return {
        path: digest_of(folder / path, kind)
        for path, kind, _ in scan(folder)
        if kind is not EntryKind.FOLDER and (".mlpackage/" in path or ".mlmodelc/" in path)
    }


def _require_sealed(environment: Environment, why: str, emit: Emit) -> None:
    emit(Event(kind="step", text="compare every byte with the seal"))
    if faults := verify_full(environment, emit).faults:
        raise EnvError(
            f"{faults[0]}; {why}", where=environment.path, remedy="run `sdcoreml env repair`"
        )


@dataclass(frozen=True, slots=True)
class Conversion:
    """Converts into subfolders of `folder`, named after the model, or the toolchain."""

    environment: Environment
    folder: Path
    emit: Emit

    def __call__(self, toolchain: Toolchain, *what: str) -> Manifest:
        """Convert a model, or with `--sample` the sample, and return the result's manifest."""
        given = Path(what[0])
        name = given.name if given.is_absolute() else toolchain.name
        words = [sys.executable, "-m", "sdcoreml", "convert", *what, "--json", "--output"]
        words += [str(self.folder / name), "--toolchain", address_of(toolchain)]
        # What is to be proved is made now: programs of an earlier conversion prove nothing.
        own = {"SDCOREML_CACHE": str(self.folder / f"{toolchain.name}.cache")}
        environ = {**_environ(self.environment, toolchain), **own}
        (result,) = json.loads(_output(words, environ, self.emit, self.folder))["results"]
        return parse_manifest(result["manifest"])


def _environ(environment: Environment, toolchain: Toolchain) -> Mapping[str, str]:
    """Return variables that make the project's commands use this environment."""
    return os.environ | {
        "SDCOREML_ENVS": str(environment.path.parent),
        "TOOLCHAIN": address_of(toolchain),
        PROVING: "1",
    }


def address_of(toolchain: Toolchain) -> str:
    """Return what `--toolchain` takes for it in any folder: its name, or where a user's own is."""
    return toolchain.name if toolchain.is_shipped else f"{toolchain.folder.resolve()}/"


def _output(
    words: Sequence[str], environ: Mapping[str, str], emit: Emit, cwd: Path | None = None
) -> str:
    """Run a command and return its stdout; `emit` receives its stderr and progress."""
    pipe, out = subprocess.PIPE, []
    errors: list[str] = []
    with subprocess.Popen(
        words, env=environ, cwd=cwd, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace"
    ) as child:
        reader = threading.Thread(target=_pass_on, args=(child.stderr, emit, errors), daemon=True)
        reader.start()
        for line in child.stdout or ():
            out.append(line)
            for event in _events(line):
                emit(event)
        reader.join()
    text = "".join(out)
    if child.returncode != 0:
        last = _last_line("\n".join(errors) or text)
        said = f" ({last})" if last else ""
        raise EnvError(
            f"ended with exit code {child.returncode}{said}",
            where=Path(words[0]).name,
            remedy="nothing was recorded",
        )
    return text


def _pass_on(lines: IO[str] | None, emit: Emit, errors: list[str]) -> None:
    """Report each line of a child's stderr as a note; collect those that are errors."""
    for line in lines or ():
        if line.startswith(_ERROR):
            errors.append(line.removeprefix(_ERROR))
        if text := line.strip().removeprefix("- "):
            emit(Event(kind="note", text=text))


def _events(line: str) -> Iterator[Event]:
    """Yield what a line of pytest's output reports: progress, or a failed test."""
    if share := _SHARE.search(line):
        yield Event(kind="progress", done=int(share[1]), total=100, unit="%")
    if line.startswith(_FAILED):
        yield Event(kind="warning", text=line.strip())


def _last_line(out: str) -> str:
    return (out.strip().splitlines() or [""])[-1][:_LONGEST]
