"""`python -m tests.bench.env`: building, verifying and damaging environments, beside uv and pip.

All of it runs on a tiny toolchain made on the spot, without a network; `--toolchain NAME` measures
build, verification and nothing-to-do on a real one as well (gigabytes; its packages are fetched or
come from uv's cache).
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
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from envs import store
from envs.build import Options, build
from envs.errors import EnvError
from envs.installer import Source
from envs.repair import repair
from envs.store import Environment
from envs.venv import site_packages
from envs.verify import verify_fast, verify_full
from lockfiles.toolchain import load_toolchain
from tests.envs.damages import DAMAGES
from tests.envs.wheels import PYTHON, standard_wheels, toolchain

BEYOND_REPAIR = "edited manifest"
UV = str(Path(sys.executable).parent / "uv")


def main(words: list[str]) -> int:
    """Run the parts that were asked for; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="builds to kill (default 30)")
    parser.add_argument("--toolchain", metavar="NAME", help="measure a real one as well")
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["UV_CACHE_DIR"] = str(folder / "cache")
        locked = standard_wheels(folder / "wheels")
        tiny = toolchain(folder / "tiny", locked)
        missed = damage_table(folder, tiny) + kills(folder, tiny, args.kills)
        del os.environ["UV_CACHE_DIR"]
        if args.toolchain:
            real(folder, args.toolchain)
    print(f"{missed} figures missed")
    return 1 if missed else 0


def made(folder: Path, tiny: str, root: str) -> Environment:
    """A sound environment of the tiny toolchain."""
    options = Options(
        python=PYTHON, source=Source(wheels=folder / "wheels"), root=folder / root, fresh=True
    )
    return build(load_toolchain(tiny), options=options)


def damage_table(folder: Path, tiny: str) -> int:
    """Each damage: who finds it, and does repair put it right."""
    pristine = made(folder, tiny, "envs")
    rivals: dict[str, list[str]] = {
        "uv pip sync --dry-run": [UV, "pip", "sync", "--dry-run", "--require-hashes", "--no-index"],
        "uv pip check": [UV, "pip", "check"],
        "pip check": [sys.executable, "-m", "pip", "--python"],
    }
    lock = pristine.path / "sealed" / store.LOCK
    print(f"{'damage':<28}{'fast':>6}{'full':>6}{'repair':>8}  {'  '.join(rivals)}")
    missed = 0
    for name, (do, _) in DAMAGES.items():
        victim = replace(pristine, path=folder / "envs" / "victim")
        shutil.rmtree(victim.path, ignore_errors=True)
        shutil.copytree(pristine.path, victim.path, symlinks=True)
        do(victim.path, site_packages(victim.path))
        python = str(victim.path / "bin/python")
        said = [
            _noticed([*rivals["uv pip sync --dry-run"], "--find-links", str(folder / "wheels"),
                      "--python", python, str(lock)]),
            _noticed([*rivals["uv pip check"], "--python", python]),
            _noticed([*rivals["pip check"], python, "check"]),
        ]  # fmt: skip
        fast, full = bool(verify_fast(victim).faults), bool(verify_full(victim).faults)
        repaired = _is_repaired(victim, folder / "wheels")
        missed += (not full) + (not repaired and name != BEYOND_REPAIR)
        columns = "  ".join(f"{word:<{len(key)}}" for key, word in zip(rivals, said, strict=True))
        mended = "refused" if name == BEYOND_REPAIR and not repaired else _word(done=repaired)
        print(f"{name:<28}{_word(done=fast):>6}{_word(done=full):>6}{mended:>8}  {columns}")
    shutil.rmtree(folder / "envs" / "victim")
    return missed


def _noticed(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    dry = "--dry-run" in command and "Would make no changes" not in done.stderr
    return _word(done=done.returncode != 0 or dry)


def _word(*, done: bool) -> str:
    return "yes" if done else "no"


def _is_repaired(victim: Environment, wheels: Path) -> bool:
    try:
        repair(victim, source=Source(wheels=wheels))
    except EnvError:
        return False
    return not verify_full(victim).faults


def kills(folder: Path, tiny: str, count: int) -> int:
    """SIGKILL builds at random moments: the one in use stays sound, the next has the same seal."""
    before = made(folder, tiny, "killed")
    command = [sys.executable, "-m", "doctor", "env", "--fresh", "--toolchain", tiny]
    command += ["--python", str(PYTHON), "--find-links", str(folder / "wheels")]
    environ = os.environ | {"SDCOREML_ENVS": str(folder / "killed")}
    whole = _seconds(lambda: made(folder, tiny, "killed"))
    dice = random.Random(2)  # noqa: S311  moments, not secrets
    killed = broken = 0
    for _ in range(count):
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.05, whole + 0.3))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        used = store.current("tiny", folder / "killed")
        broken += used is None or bool(verify_full(used).faults) or used.seal != before.seal
    again = made(folder, tiny, "killed")
    differs = again.seal != before.seal
    print(f"kills: {killed} of {count} hit a build; in use broken {broken} times;", end=" ")
    print(f"the next build's seal is {'another' if differs else 'the same'}")
    return broken + differs


def real(folder: Path, name: str) -> None:
    """Times of a real toolchain, beside `uv pip sync` and `sha256sum` on the same bytes."""
    loaded = load_toolchain(name)
    first = Options(root=folder / "first")
    print(f"{name}: build, cache as it is: {_seconds(lambda: build(loaded, options=first)):.1f} s")
    second = Options(root=folder / "second")
    print(f"{name}: build, cache warm: {_seconds(lambda: build(loaded, options=second)):.1f} s")
    one, two = (store.current(loaded.name, folder / where) for where in ("first", "second"))
    if one is None or two is None:
        raise EnvError(f"{folder}: the environments just built are gone")
    print(f"{name}: seals {'equal' if one.seal == two.seal else 'DIFFERENT'}: {one.seal}")
    shutil.rmtree(folder / "second")
    target = folder / "plain"
    subprocess.run([UV, "venv", "-q", "--python", str(one.interpreter.path), target], check=True)
    sync = [UV, "pip", "sync", "-q", "--no-config", "--require-hashes", "--link-mode", "copy"]
    sync += ["--python", str(target / "bin/python"), str(one.path / "sealed" / store.LOCK)]
    print(f"{name}: uv pip sync, warm: {_seconds(lambda: subprocess.run(sync, check=True)):.1f} s")
    shutil.rmtree(target)
    for words, call in {
        "nothing to do": lambda: build(loaded, options=first),
        "verify": lambda: verify_fast(one),
        "verify --full": lambda: verify_full(one),
    }.items():
        print(f"{name}: {words}: {_seconds(call):.2f} s")
    pipe = f"find {one.path} -type f -print0 | xargs -0 -P {os.cpu_count()} -n 400 sha256sum"
    hashed = _seconds(
        lambda: subprocess.run(["sh", "-c", pipe], check=True, stdout=subprocess.DEVNULL)
    )
    print(f"{name}: sha256sum of the same {one.size / 1e9:.2f} GB: {hashed:.2f} s")


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
