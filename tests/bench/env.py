"""`python -m tests.bench.env`: builds, verifies and damages environments; compares uv and pip.

The damage table and the killed builds use a tiny toolchain that is made for the run and needs no
network. `--toolchain NAME` also measures a real one (see `tests.bench.env_full`), which has
gigabytes of packages: they come from uv's cache, or are downloaded.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.repair import repair
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import EnvError
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.bench.env_full import UV, measure
from tests.envs.damages import DAMAGES
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain

REFUSED = "edited manifest"
"""The one kind of damage that `env repair` must refuse, telling the user to rebuild."""


def main(words: list[str]) -> int:
    """Run the requested parts; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="builds to kill (default 30)")
    parser.add_argument("--toolchain", metavar="NAME", help="measure a real one as well")
    parser.add_argument("--rounds", type=int, default=3, help="of the real one (default 3)")
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["UV_CACHE_DIR"] = str(folder / "cache")
        locked = standard_wheels(folder / "wheels")
        tiny = toolchain(folder / "tiny", locked)
        missed = damage_table(folder, tiny) + kills(folder, tiny, args.kills)
        del os.environ["UV_CACHE_DIR"]
        if args.toolchain:
            missed += measure(folder, args.toolchain, args.rounds)
    print(f"{missed} figures missed")
    return 1 if missed else 0


def made(folder: Path, tiny: str, root: str) -> Environment:
    """Build an environment of the tiny toolchain, without damage."""
    options = BuildOptions(
        python=PYTHON,
        source=PackageSource(wheels=folder / "wheels"),
        root=folder / root,
        fresh=True,
    )
    return build(load_toolchain(tiny), options=options)


def rivals(folder: Path, victim: Path, lock: Path) -> Mapping[str, list[str]]:
    """Return the commands of other tools that check an environment, by the tool's name."""
    python = str(victim / "bin/python")
    return {
        "uv sync --check": [UV, "sync", "--check", "--locked", "--offline",
                            "--project", str(folder / "project")],
        "uv pip sync --dry-run": [UV, "pip", "sync", "--dry-run", "--require-hashes", "--no-index",
                                  "--find-links", str(folder / "wheels"), "--python", python,
                                  str(lock)],
        "uv pip check": [UV, "pip", "check", "--python", python],
        "pip check": [sys.executable, "-m", "pip", "--python", python, "check"],
    }  # fmt: skip


def uv_project(folder: Path) -> None:
    """Write the tiny toolchain as a locked uv project, for `uv sync --check`."""
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "tiny"\nversion = "0"\ndependencies = ["one==1.0", "two==2.1"]\n'
        f'requires-python = "=={VERSION}"\n[tool.uv]\npackage = false\nno-index = true\n'
        f'find-links = ["{folder / "wheels"}"]\n'
    )
    command = [UV, "lock", "--quiet", "--project", str(project), "--python", str(PYTHON)]
    subprocess.run(command, check=True)


def damage_table(folder: Path, tiny: str) -> int:
    """Print which tools find each kind of damage, and whether `env repair` restores the files."""
    pristine = made(folder, tiny, "envs")
    uv_project(folder)
    victim = replace(pristine, path=folder / "envs" / "victim")
    others = rivals(folder, victim.path, pristine.path / "sealed" / store.LOCK)
    print(f"{'damage':<28}{'fast':>6}{'full':>6}{'repair':>9}  {'  '.join(others)}")
    found = dict.fromkeys(("fast", "full", "repair", *others), 0)
    for name in ("none at all", *DAMAGES):
        shutil.rmtree(victim.path, ignore_errors=True)
        shutil.copytree(pristine.path, victim.path, symlinks=True)
        if name in DAMAGES:
            DAMAGES[name][0](victim.path, site_packages(victim.path))
        row = {
            "fast": bool(verify_fast(victim).faults),
            "full": bool(verify_full(victim).faults),
            **{key: _noticed(command, victim.path) for key, command in others.items()},
        }
        row["repair"] = name in DAMAGES and _is_repaired(victim, folder / "wheels")
        mended = "refused" if name == REFUSED and not row["repair"] else _word(row["repair"])
        columns = "  ".join(f"{_word(row[key]):<{len(key)}}" for key in others)
        print(
            f"{name:<28}{_word(row['fast']):>6}{_word(row['full']):>6}"
            f"{mended if name in DAMAGES else '-':>9}  {columns}"
        )
        for key, said in row.items():
            found[key] += said if name in DAMAGES else -said
    shutil.rmtree(victim.path)
    print(f"of {len(DAMAGES)} damages: " + ", ".join(f"{key} {n}" for key, n in found.items()))
    limit = len(DAMAGES)
    missed = (found["full"] != limit) + (found["repair"] != limit - 1)
    verdict = "missed" if missed else "met"
    print(f"all found by --full, all repaired but the edited manifest, which is refused: {verdict}")
    return missed


def _noticed(command: list[str], victim: Path) -> bool:
    environ = os.environ | {"UV_PROJECT_ENVIRONMENT": str(victim)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    dry = "--dry-run" in command and "Would make no changes" not in done.stderr
    return done.returncode != 0 or dry


def _word(said: object) -> str:
    return "yes" if said else "no"


def _is_repaired(victim: Environment, wheels: Path) -> bool:
    try:
        repair(victim, source=PackageSource(wheels=wheels))
    except EnvError:
        return False
    return not verify_full(victim).faults


def kills(folder: Path, tiny: str, count: int) -> int:
    """Kill builds at random times; the environment in use must stay intact."""
    before = made(folder, tiny, "killed")
    command = [sys.executable, "-m", "sdcoreml", "env", "--fresh", "--toolchain", tiny]
    command += ["--python", str(PYTHON), "--find-links", str(folder / "wheels")]
    environ = os.environ | {"SDCOREML_ENVS": str(folder / "killed")}
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environ, capture_output=True)
    whole = time.perf_counter() - began
    dice = random.Random(2)  # noqa: S311  moments, not secrets
    killed = broken = half = tries = 0
    while killed < count and tries < 3 * count:  # some have ended before their moment
        tries += 1
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.05, whole))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        half += any((folder / "killed").glob(".sdcoreml-*"))
        used = store.current("tiny", folder / "killed")
        broken += used is None or bool(verify_full(used).faults) or used.seal != before.seal
    again = made(folder, tiny, "killed")
    differs = again.seal != before.seal
    left = any((folder / "killed").glob(".sdcoreml-*"))
    missed = broken + differs + left + (killed < count)
    print(
        f"kills: {killed} builds killed ({half} left one half-made); in use broken"
        f" {broken} times; the next build's seal is {'another' if differs else 'the same'},"
        f" {'something' if left else 'nothing'} half-made left: {'missed' if missed else 'met'}"
    )
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
