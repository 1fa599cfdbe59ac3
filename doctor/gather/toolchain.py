"""Gathers facts about the toolchain, its lock for this machine, and the built environment.

`lockfiles` and `envs` read all three; this module converts them to facts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.doctor.core import facts
from sdcoreml.doctor.core.backend import choose_backend
from sdcoreml.doctor.core.facts import Absent, Unknown
from sdcoreml.doctor.gather import environment as installed
from sdcoreml.doctor.gather.probe import Probe, RunResult
from sdcoreml.envs.building.base import CONDA
from sdcoreml.ground.codec import DecodeError, from_plain
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.names import normalise

if TYPE_CHECKING:
    from sdcoreml.convert.certificates.store import Certificate
    from sdcoreml.envs.kept.store import Environment
    from sdcoreml.lockfiles.toolchain import Toolchain


NOT_BUILT = "the environment is not built (`sdcoreml env`)"


@cache
def _load(name: str) -> Toolchain:
    """Load the named toolchain; cached, since several tasks need it."""
    from sdcoreml.envs.building.variants import in_use
    from sdcoreml.lockfiles.toolchain import load_toolchain

    loaded = load_toolchain(name)
    return in_use(loaded, choose_backend()) or loaded


def toolchain(name: str, certified: tuple[str, ...] = ()) -> facts.ToolchainFacts:
    """Gather the facts in a toolchain's toolchain.toml; `certified` is from `list_certified`."""
    from sdcoreml.lockfiles.target import host_target

    loaded = _load(name)
    return facts.ToolchainFacts(
        name=loaded.name,
        python=loaded.python.version,
        accepted=loaded.python.accepted,
        pins=dict(loaded.pins),
        targets=tuple(loaded.targets),
        refused=dict(loaded.refused),
        repository=loaded.upstream.repository,
        commit=loaded.upstream.commit,
        disk=loaded.factors.disk,
        memory=loaded.factors.memory,
        installed_bytes=loaded.size_on(host_target()),
        installed_files=loaded.factors.files,
        backend=choose_backend(),
        rates=dict(loaded.measured.rates),
        peaks=dict(loaded.measured.peaks),
        parallel=loaded.measured.parallel,
        measured_on=loaded.measured.on,
        certified=certified,
        address=loaded.address,
    )


def measured(name: str) -> facts.ToolchainFacts:
    """Gather a toolchain's facts with all certified graphs, as an estimate for a model needs them.

    Without these, a published model would seem to take what running its programs takes: for SDXL,
    forty times as long, and twenty times the memory.
    """
    return toolchain(name, list_certified())


def list_certified() -> tuple[str, ...]:
    """List the certified graphs. Reading them takes a while, and only a model needs them."""
    from sdcoreml.convert.certificates.store import load

    return tuple(sorted(set(map(_describe_certified, load().values()))))


def _describe_certified(certificate: Certificate) -> str:
    """Return a certificate's component and title, without the target at the title's end."""
    return f"{certificate.component}: {certificate.title.rpartition(', ')[0]}"


def lock(name: str) -> facts.LockFacts | Absent:
    """Gather the lock of this machine's target; absent if there is none."""
    from sdcoreml.lockfiles.lock import load_lock
    from sdcoreml.lockfiles.target import host_target

    target = host_target()
    if target not in _load(name).targets:
        return Absent(reason=f"no lock for {target}")
    loaded = load_lock(f"{_load(name).folder}/", target)
    return facts.LockFacts(
        path=str(loaded.path),
        digest=loaded.digest,
        packages={normalise(package.name): package.version for package in loaded.packages},
        download=_download(_load(name).folder / f"pylock.{target}.toml"),
        conda=_conda(_load(name), target),
    )


def _conda(toolchain: Toolchain, target: str) -> Mapping[str, str]:
    """Return the locked conda packages of the tested Python; empty if they are not locked."""
    from sdcoreml.lockfiles.conda import conda_lock_path, load_conda_lock

    if not conda_lock_path(toolchain, target).exists():
        return {}
    packages = load_conda_lock(toolchain, target).packages
    return {package.name: f"{package.version} {package.build}" for package in packages}


def evidence(name: str) -> facts.EvidenceFacts:
    """Gather the toolchain's test records on this machine's target."""
    from sdcoreml.lockfiles.evidence import load_evidence
    from sdcoreml.lockfiles.target import host_target

    target = host_target()
    return facts.EvidenceFacts(
        proofs=tuple(
            facts.Proof(
                when=proof.when,
                system=proof.system,
                cpu=proof.cpu,
                python=proof.python,
                lock_digest=proof.lock,
                seal=proof.seal,
                figures=proof.figures(),
            )
            for proof in sorted(load_evidence(_load(name)), key=lambda one: len(one.families))
            if proof.target == target
        )
    )


def _download(path: Path) -> int:
    """Return the size of all wheels in a PEP 751 lock; in ours, each package has one wheel."""
    try:
        text = read_text(path, Document.LOCK)
    except BadInputError:
        return 0
    return sum(int(size) for size in re.findall(r"^size = (\d+)$", text, re.MULTILINE))


def environments() -> Path:
    """Return the folder of environments."""
    from sdcoreml.ground.places import environments_folder

    return environments_folder()


def _find_environment(name: str) -> Environment | None:
    """Find the toolchain's environment in use, for the requested backend."""
    from sdcoreml.envs.building.base import name_of
    from sdcoreml.envs.kept.store import current

    return current(name_of(_load(name), choose_backend()))


def environment(name: str, system: str) -> facts.EnvironmentFacts | Absent | Unknown:
    """Gather facts about the environment in use: its record, and what is installed in it."""
    built = _find_environment(name)
    if built is None:
        return Absent(reason=NOT_BUILT)
    looked = installed.look(
        built.path,
        python=built.interpreter.version,
        lock_digest=built.lock_digest,
        seal=built.seal,
        drift=built.drift,
        system=system,
    )
    return looked if isinstance(looked, Unknown) else replace(looked, backend=built.backend)


def interpreter(
    name: str, *, rebuild: bool = False, python: str = ""
) -> facts.InterpreterFacts | Absent | Unknown:
    """Gather the Python that `sdcoreml env` would choose; absent if nothing is to be built.

    It is unknown if `python` names another one, or with the conda backend.
    """
    from sdcoreml.envs.pythons.interpreter import choose, find_interpreters

    if python:
        return Unknown(reason=f"{python} is named, and examined when the environment is built")
    if not rebuild and _find_environment(name) is not None:
        return Absent(reason="the environment is built")
    if choose_backend() == CONDA:
        return Unknown(reason="conda's Python comes with its packages, and is examined then")
    pin = _load(name).python
    choice = choose(find_interpreters(pin), pin)
    if choice is None:
        return Absent(reason="no suitable Python found")
    best = choice.interpreter
    return facts.InterpreterFacts(version=best.version, path=str(best.path), source=best.source)


def verification(name: str, probe: Probe, *, deep: bool) -> facts.VerificationFacts | Absent:
    """Compare the environment's files with the seal.

    First it asks the file system for files and folders whose status changed after the seal was
    written. Only if there are any does it compare the size and time of every file. `deep` compares
    every byte.
    """
    built = _find_environment(name)
    if built is None:
        return Absent(reason=NOT_BUILT)
    former = built.is_former
    if not deep and is_untouched(built, probe):
        return facts.VerificationFacts(depth="none touched since", files=built.files, former=former)
    from sdcoreml.envs.kept.beneath import PYTHON, is_ours
    from sdcoreml.envs.kept.damage import STRAY
    from sdcoreml.envs.kept.verify import verify_fast, verify_full

    outcome = verify_full(built) if deep else verify_fast(built)
    sealed = [fault for fault in outcome.faults if fault.owner not in (STRAY, PYTHON)]
    return facts.VerificationFacts(
        depth="every byte" if deep else "sizes and times",
        files=outcome.files,
        owners=dict(Counter(fault.owner for fault in sealed)),
        faults=tuple(map(str, sealed)),
        strays=tuple(fault.path for fault in outcome.faults if fault.owner == STRAY),
        beneath=tuple(str(fault) for fault in outcome.faults if fault.owner == PYTHON),
        brought=is_ours(built.interpreter, built.path.parent),
        former=former,
    )


def is_untouched(environment: Environment, probe: Probe) -> bool:
    """Return True if no file of an environment or its Python has changed since the sealing.

    If `find` cannot be run, the result is False, so that files are compared.
    """
    from sdcoreml.envs.kept.touched import find_touched

    command = find_touched(environment)
    outcome = probe.run(command) if command else None
    return isinstance(outcome, RunResult) and outcome.code == 0 and not outcome.out


def smoke(name: str, probe: Probe) -> facts.Smoke | Absent | Unknown:
    """Import each direct pin in the environment's own isolated interpreter; takes seconds."""
    from sdcoreml.envs.building.smoke import IMPORTS, module_of

    built = _find_environment(name)
    if built is None:
        return Absent(reason=NOT_BUILT)
    modules = [module_of(pin) for pin in _load(name).pins]
    outcome = probe.run((str(built.python), "-I", "-c", IMPORTS, *modules), seconds=SMOKE_SECONDS)
    if isinstance(outcome, Unknown):
        return outcome
    try:
        failures = from_plain(dict[str, str], parse_json(outcome.out.rpartition("\n")[2]))
    except (BadInputError, DecodeError):
        return Unknown(reason=outcome.err.rpartition("\n")[2] or f"exit code {outcome.code}")
    imported = tuple(module for module in modules if module not in failures)
    return facts.Smoke(imported=imported, failures=failures)


SMOKE_SECONDS = 120.0
