"""Runs tests against a mutant until one fails."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdcoreml.ground.places import environments_folder
from tests.mutants.grounds import mutated
from tests.mutants.mutant import Mutant
from tests.mutants.noticing import Round

TEST_SECONDS = 60.0
"""The limit of one test: a mutant that makes it hang is noticed."""

VOCABULARY = environments_folder() / "clip-vocabulary"

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py\S*(?: \S*\])?)", re.MULTILINE)
_MISUSED, _NOTHING = 4, 5
"""pytest's exit codes for a wrong command, and for no tests: all may be deselected."""


class Python(Protocol):
    """The command that runs pytest: on the host, or in the built environment."""

    def command(self, *, inside: bool) -> list[str]:
        """Return the command, to which options and tests are appended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a mutant: `killer` is the test that noticed it, "" if none did."""

    mutant: Mutant
    killer: str
    seconds: float
    is_out_of_time: bool = False


@dataclass(slots=True, kw_only=True)
class Laboratory:
    """A copy of the checkout in which mutants are tried, one after the other.

    `sound` are tests that were seen to pass without a mutant, `broken` those that do not.
    """

    root: Path
    python: Python
    limit: float
    sound: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def try_mutant(self, mutant: Mutant, rounds: Sequence[Round]) -> Verdict:
        """Run the rounds until a test fails that passes without the mutant, or time is over."""
        begun = time.monotonic()
        deadline = begun + self.limit
        for group in rounds:
            while (left := deadline - time.monotonic()) > 0:
                with mutated(self.root, mutant):
                    code, failed = self._run(group, group.tests, left)
                if code == _MISUSED:
                    raise ValueError(f"pytest does not take {' '.join(group.tests)}")
                if code in (None, 0, _NOTHING):
                    break
                if self._is_sound(failed, group):
                    return Verdict(mutant=mutant, killer=failed, seconds=time.monotonic() - begun)
                deadline += self.limit / 4  # the time of a test that fails anyway
        spent = time.monotonic()
        return Verdict(
            mutant=mutant, killer="", seconds=spent - begun, is_out_of_time=spent > deadline
        )

    def _is_sound(self, test: str, group: Round) -> bool:
        """Whether a test passes without a mutant; it is run once to see."""
        if test not in self.sound | self.broken:
            code, _ = self._run(group, (test,), self.limit)
            (self.sound if code == 0 else self.broken).add(test)
        return test in self.sound

    def _run(self, group: Round, tests: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Run tests to the first failure; return pytest's exit code and the test that failed.

        The code is None if there was no answer in time.
        """
        skipped = [word for test in sorted(self.broken) for word in ("--deselect", test)]
        words = ["-q", "-x", "-p", "no:cacheprovider", "-p", "tests.mutants.limit", *skipped]
        with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as place:
            environ = environment(Path(place), VOCABULARY, inside=group.inside)
            command = [*self.python.command(inside=group.inside), *words, *tests]
            code, text = run(command, self.root, environ, seconds)
        found = _FAILED.search(text)
        return code, found[1] if found else tests[0]


def environment(place: Path, vocabulary: Path, *, inside: bool) -> dict[str, str]:
    """Return the variables of a run: what a mutant writes or deletes lies below `place`.

    Only uv's cache is shared by all runs, in a folder of its own.
    """
    for name in ("home", "temporary", "environments"):
        (place / name).mkdir()
    if vocabulary.is_dir():
        shutil.copytree(vocabulary, place / "environments" / vocabulary.name)
    kept = ("PATH", "LANG", "SDCOREML_LIGHT_PYTHON")
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "temporary"),
        "SDCOREML_ENVS": str(place / "environments"),
        "UV_CACHE_DIR": str(Path(tempfile.gettempdir()) / "mutants-uv-cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MUTANT_SECONDS": str(TEST_SECONDS),
        **(offline if inside else {}),
    }


def run(
    command: Sequence[str], folder: Path, environ: dict[str, str], seconds: float
) -> tuple[int | None, str]:
    """Run a command, and kill it and its children at the end; return its code and its output.

    The code is None if it did not end in time.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        output.seek(0)
        return code, output.read().decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a run and its children, which may have survived it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def remove(place: Path) -> None:
    """Remove a copy of the checkout, whatever a mutant made of its permissions."""
    shutil.rmtree(place, ignore_errors=True)
