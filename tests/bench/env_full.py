"""Measures a real toolchain: build, verification and repair, compared with uv; prints medians.

The conditions are equal: all packages are in uv's cache, and files are copied out of it. Each
round runs every contestant once, so that other load on the machine affects all of them alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from sdcoreml.envs.building.base import VENV, name_of
from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.ground.errors import EnvError
from sdcoreml.lockfiles.toolchain import load_toolchain

UV = str(Path(sys.executable).parent / "uv")
OWN = [sys.executable, "-m", "sdcoreml", "env"]


def measure(folder: Path, name: str, rounds: int) -> int:
    """Print the figures of a toolchain; return how many exceed their limits."""
    loaded = load_toolchain(name)
    root = folder / "first"
    first = build(loaded, options=BuildOptions(root=root))
    environ = os.environ | {"SDCOREML_ENVS": str(root)}
    named = ["--toolchain", name]
    times: dict[str, list[float]] = {}

    def note(what: str, call: Callable[[], object]) -> None:
        times.setdefault(what, []).append(_seconds(call))

    hashing = f"find {first.path} -type f -print0 | xargs -0 -P {os.cpu_count()} -n 64 sha256sum"
    for number in range(rounds):
        other = folder / f"round{number}"
        note("build", lambda: build(loaded, options=BuildOptions(root=other)))  # noqa: B023  called now
        made = store.current(name_of(loaded, VENV), other)
        if made is None or made.seal != first.seal:
            raise EnvError(f"the seal is not that of {first.path}", where=other)
        shutil.rmtree(other)
        for what, more in {"sync": [], "sync and compile": ["--compile-bytecode"]}.items():
            subprocess.run(
                [UV, "venv", "-q", "--python", str(first.interpreter.path), str(other)], check=True
            )
            sync = [UV, "pip", "sync", "-q", "--no-config", "--require-hashes", "--link-mode"]
            sync += ["copy", "--python", str(other / "bin/python"), *more]
            sync += [str(first.path / "sealed" / store.LOCK)]
            note(what, lambda: _run(sync))  # noqa: B023  called now
            shutil.rmtree(other)
        note("sha256sum", lambda: _run(["sh", "-c", hashing]))
        note("verify --full", lambda: verify_full(first))
        note("verify", lambda: _run([*OWN, "verify", *named], environ))
        note("nothing to do", lambda: _run([*OWN, *named], environ))
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    size = f"{first.files:,} files, {first.size / 1e9:.2f} GB"
    print(f"{name}: {size}; medians of {rounds} rounds, {load}")
    print(f"  rebuilt at {rounds} other paths, the seal is equal each time: {first.seal}")
    return _report({what: median(taken) for what, taken in times.items()})


def _report(taken: dict[str, float]) -> int:
    """Print each figure with its limit; return how many exceed it."""
    hashing = min(taken["sha256sum"], taken["verify --full"])
    plain, compiled = (1.5 * taken[what] + hashing for what in ("sync", "sync and compile"))
    said = f"sha256sum of all files on {os.cpu_count()} cores"
    print(f"  {said}: {taken['sha256sum']:.2f} s; uv pip sync: {taken['sync']:.2f} s,", end=" ")
    print(f"with --compile-bytecode: {taken['sync and compile']:.2f} s")
    rows = (
        ("build, cache warm", "build", compiled, "1.5 x sync that compiles too, + hashing"),
        ("verify --full", "verify --full", taken["sha256sum"] / 0.8, "0.8 x speed of sha256sum"),
        ("verify (command)", "verify", 0.5, ""),
        ("nothing to do (command)", "nothing to do", 0.5, ""),
    )
    missed = 0
    for what, key, limit, why in rows:
        seconds = taken[key]
        verdict = "met" if seconds <= limit else "MISSED"
        missed += seconds > limit
        print(f"  {what:<24}{seconds:8.2f} s  limit {limit:6.2f} s  {verdict:<7} {why}".rstrip())
    print(f"  a sync that leaves no bytecode is not like it: 1.5 x + hashing is {plain:.2f} s")
    return missed


def _run(command: list[str], environ: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
