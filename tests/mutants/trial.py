"""Runs tests against a mutant until one fails."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sdcoreml.envs.cluster.dask import DASK
from sdcoreml.envs.conda.engine import ENGINE
from sdcoreml.ground.places import environments_folder
from tests.mutants.grounds import mutated
from tests.mutants.mutant import Mutant
from tests.mutants.noticing import INSIDE, Round

LONGER = 10
"""How many times the limit of a round all of those have together that were cut off by it."""

TEST_SECONDS = 40.0
"""The limit of one test in CPU seconds: a mutant that makes it hang is noticed."""

SHARED = environments_folder()
"""Where this checkout keeps what tests need, and would otherwise bring from a network."""

LENT = (ENGINE, DASK.prefix)
"""How the folders begin that tests run programs of, and change nothing in."""

REACHING = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY"),
    *("UV_DEFAULT_INDEX", "PIP_INDEX_URL"),
)
"""Variables without which the index that brings the conda engine may be out of reach."""

_OPTIONS = (
    *("-q", "-p", "no:cacheprovider", "-p", "tests.mutants.limit"),
    # The server has imported hypothesis, which is a plugin, too.
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py.*?)(?: - .*)?$", re.MULTILINE)
_NOTHING = 5
"""pytest's exit code for no tests: all may be deselected."""


class Runner(Protocol):
    """What runs pytest: on the host, or in the built environment."""

    def run(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        output: Path,
        *,
        seconds: float,
        inside: bool,
    ) -> int | None:
        """Run pytest with these variables; return its exit code, None if it took too long.

        `seconds` are CPU seconds.
        """


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

    A round may take `limit` CPU seconds. If none has failed then, those that were cut off go on
    where they were, with `LONGER` times that for all of them. `broken` are tests that were seen to
    fail without a mutant; they are not asked again.
    """

    root: Path
    runner: Runner
    limit: float
    broken: set[str] = field(default_factory=set)

    def try_mutant(self, mutant: Mutant, rounds: Sequence[Round]) -> Verdict:
        """Run the rounds until a test fails, then go on with those that were cut off."""
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutant-done-") as place:
            every = {Path(place, str(number)): group for number, group in enumerate(rounds)}
            killer, late = self._ask(mutant, every, self.limit)
            if late and not killer:
                killer, late = self._ask(mutant, late, LONGER * self.limit / len(late))
        seconds = time.monotonic() - begun
        is_late = bool(late) and not killer
        return Verdict(mutant=mutant, killer=killer, seconds=seconds, is_out_of_time=is_late)

    def _ask(
        self, mutant: Mutant, rounds: Mapping[Path, Round], seconds: float
    ) -> tuple[str, dict[Path, Round]]:
        """Run rounds until a test fails; return it, and those that did not come to their end.

        Each has a file that keeps how far it has come.
        """
        names = mutant.names((self.root / mutant.path).read_bytes())
        late: dict[Path, Round] = {}
        for done, group in rounds.items():
            environ = {"MUTANT_WORDS": " ".join(sorted(names)), "MUTANT_DONE": str(done)}
            with mutated(self.root, mutant):
                failed = self._run(_words(group), seconds, environ, inside=group.inside)
            if failed:
                return failed[0], late
            if failed is None:
                late[done] = group
        return "", late

    def find_broken(self, killers: Iterable[str]) -> frozenset[str]:
        """Run tests without a mutant; return those that fail, which notice nothing.

        Of a test with parameters, all are run: if one is broken, others may be.
        """
        tests = sorted({test.partition("[")[0] for test in killers} - {""})
        found: set[str] = set()
        for inside in (False, True):
            group = [test for test in tests if test.startswith(INSIDE) is inside]
            if group:
                found.update(self._run(group, self.limit * len(group), {}, inside=inside) or ())
        for test in found:
            if "::" not in test:
                raise ChildProcessError(f"{test} cannot be run in a copy of the checkout")
        self.broken.update(found)
        return frozenset(found)

    def _run(
        self,
        words: Sequence[str],
        seconds: float,
        environ: Mapping[str, str],
        *,
        inside: bool,
    ) -> list[str] | None:
        """Run tests with these variables for `limit.py`; return what failed; None is for late."""
        skipped = [word for test in sorted(self.broken) for word in ("--deselect", test)]
        with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as place:
            output = Path(place) / "output"
            code = self.runner.run(
                [*_OPTIONS, *skipped, *words],
                {
                    **environment(Path(place), SHARED, inside=inside),
                    **environ,
                },
                output,
                seconds=seconds,
                inside=inside,
            )
            text = output.read_text("utf-8", "replace") if output.exists() else ""
        if code is None:
            return None
        if code in (0, _NOTHING):
            return []
        # Without a name, the mutant has ended pytest itself: its module is named.
        return _FAILED.findall(text) or [
            next(word for word in words if word.startswith("tests/") or word.endswith(".py"))
        ]


def _words(group: Round) -> list[str]:
    return ["-x", *(("-m", group.marked) if group.marked else ()), *group.tests]


def environment(place: Path, shared: Path, *, inside: bool) -> dict[str, str]:
    """Return the variables of a run: what a mutant writes or deletes lies below `place`.

    Only uv's cache is shared by all runs, in a folder of its own. `shared` is the folder whose
    vocabulary, conda engine and Dask are lent: tests only read the latter.
    """
    for name in ("home", "temporary", "environments"):
        (place / name).mkdir()
    if (vocabulary := shared / "clip-vocabulary").is_dir():
        shutil.copytree(vocabulary, place / "environments" / vocabulary.name)
    for group in (path for prefix in LENT for path in shared.glob(f"{prefix}*")):
        (place / "environments" / group.name).symlink_to(group)
    kept = ("PATH", "LANG", "SDCOREML_LIGHT_PYTHON", *REACHING)
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


def remove(place: Path) -> None:
    """Remove a copy of the checkout, whatever a mutant made of its permissions."""
    shutil.rmtree(place, ignore_errors=True)
