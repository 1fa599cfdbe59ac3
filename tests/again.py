"""Runs tests, and those that fail once more, alone: what passes then is a race.

    python -m tests.again [pytest's options]

A few tests of thousands that fail where others keep the machine busy, and pass alone, stop nobody's
work; the run ends with their names, so that they are mended: the race may be the test's, or the
code's. It fails if one of them fails again or is left out, if more than `FEW` failed, and if pytest
or one of its workers did not come to its end: what was interrupted, crashed, hung, was asked for
wrongly or ran no test is not tried again. The last line has pytest's own form, and counts every
test once.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

FEW = 5
"""So many failed tests are tried again; more are no accident."""

_FAILED = 1
"""pytest's exit code when it came to its end, and tests failed."""

_TAIL = 10_000_000
"""The bytes kept of what pytest said; a worker that died is told where it died."""

_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|warnings?|deselected)\b")
_CUT_SHORT = re.compile(r"^(?:!{3,} |\[gw\d+\] node down)", re.MULTILINE)
"""How pytest says that it did not run all tests, as with `-x`, or that a worker of xdist died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run of pytest ended: its exit code, the end of its output, and what failed."""

    code: int
    tail: str
    failed: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of the closing line."""
        lines = self.tail.strip().splitlines()
        return {what.rstrip("s"): int(n) for n, what in _COUNT.findall(lines[-1] if lines else "")}

    @property
    def is_worth_another(self) -> bool:
        """Whether few tests failed of a run that came to its end."""
        is_whole = self.code == _FAILED and not _CUT_SHORT.search(self.tail)
        return is_whole and 0 < len(self.failed) <= FEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A command that runs pytest, the options that only the first run has, and what both need.

    `more` are the keywords of `subprocess.Popen`.
    """

    command: Sequence[str]
    spread: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> int:
        """Run them, and what fails once more; return the exit code."""
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="sdcoreml-again-") as folder:
            cache = Path(folder) / "cache"
            first = self._run([*self.command, *self.spread], cache)
            if not first.is_worth_another:
                return first.code
            print(f"\n{len(first.failed)} failed; alone, once more:\n", flush=True)
            alone = ["--last-failed", "--last-failed-no-failures=none", "-n", "0"]
            again = self._run([*self.command, *alone], cache)
        passed = again.counts.get("passed", 0) if again.code in (0, _FAILED) else 0
        is_well = again.code == 0 and passed == len(first.failed)
        if is_well:
            report_races(first.failed)
        closing = close(first, passed, time.monotonic() - begun)
        print(f"\n{closing}", flush=True)
        return 0 if is_well else again.code or _FAILED

    def _run(self, command: Sequence[str], cache: Path) -> Ran:
        """Run pytest with a cache of its own, and let its output through."""
        colour = ["--color=yes"] if sys.stdout.isatty() else []
        where = ["-o", f"cache_dir={cache}"]
        with subprocess.Popen(
            [*command, *where, *colour], stdout=subprocess.PIPE, **self.more
        ) as process:
            tail = _pass_on(process)
        noted = cache / "v" / "cache" / "lastfailed"
        failed = json.loads(noted.read_text("utf-8")) if noted.exists() else {}
        return Ran(code=process.returncode, tail=tail, failed=tuple(sorted(failed)))


def _pass_on(process: subprocess.Popen[bytes]) -> str:
    """Write what a process says as it says it; return the end of it, without colours."""
    tail = b""
    try:
        while said := os.read(_output(process), 1 << 16):
            sys.stdout.buffer.write(said)
            sys.stdout.flush()
            tail = (tail + said)[-_TAIL:]
    except KeyboardInterrupt:  # pytest got it, too, and says where it was
        process.wait()
    except BaseException:
        process.terminate()
        raise
    return re.sub(r"\x1b\[[0-9;]*m", "", tail.decode("utf-8", "replace"))


def _output(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return process.stdout.fileno()


def report_races(names: Sequence[str]) -> None:
    """Print which tests failed and passed alone, for people and in the log of a host."""
    print("\nfailed once, then passed alone: a race, of the test or of the code: mend it:")
    for name in names:
        print(f"  {name}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for name in names:
            print(f"::warning title=a race::{name}: failed once, passed alone")


def close(first: Ran, passed: int, seconds: float) -> str:
    """Return a closing line in which each test counts once, as it ended."""
    counts = first.counts
    failed = len(first.failed) - passed
    counts["passed"] = counts.get("passed", 0) + passed
    words = [f"{counts['passed']} passed", *([f"{failed} failed"] if failed else [])]
    rest = ("skipped", "deselected", "xfailed", "xpassed", "warning")
    words += [f"{counts[name]} {name}" for name in rest if name in counts]
    return f"{', '.join(words)} in {seconds:.2f}s"


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments, and what fails once more."""
    signal.signal(signal.SIGTERM, _end)
    return Suite(command=[sys.executable, "-m", "pytest", *arguments]).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
