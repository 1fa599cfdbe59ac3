"""The facts that checks look at: machine, interpreter, environment, model, finished folder.

A fact is a value, `Absent` (looked for and not there, or not asked for) or `Unknown` (could not
look). The difference is kept to the end: "could not look" must never read as "is not there".
Paths are strings and every value is JSON-able (`ground.codec`), so that facts can be saved,
replayed on another machine and compared. Sizes are bytes, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from sdcoreml.doctor.core.subjects import Bundle, ModelFolder, Output
from sdcoreml.ground.codec import JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """We could not look, for this reason."""

    reason: str = field(metadata={JSON: "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """There is nothing to look at, for this reason (not built, not given, another system)."""

    reason: str = field(metadata={JSON: "absent"})


Known: TypeAlias = T | Absent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Operating system and processor.

    `target` is the lock target of this machine ("linux-x86_64"); `translated` is true when an Intel
    process runs under Rosetta 2 on Apple silicon, where `machine` then says x86_64. `processor` is
    its name as sold, `cores` are those that may be used.
    """

    name: str
    version: str
    machine: str
    target: str
    translated: bool
    cores: int
    encoding: str
    case_sensitive: bool
    processor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Main memory and swap, in bytes."""

    total: int
    available: int
    swap_total: int
    swap_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPython:
    """The interpreter that runs the doctor, and settings that change its imports."""

    version: str
    executable: str
    isolated: bool
    externally_managed: bool
    conda: str
    pythonpath: tuple[str, ...]
    user_site: tuple[str, ...]
    pip_settings: tuple[str, ...]
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolchainFacts:
    """What was tested together: from `lockfiles/<name>/toolchain.toml`.

    `pins` are the direct ones; `installed_bytes` and `installed_files` are what an environment
    takes on this machine; `disk` is the factor of the model's size to keep free; `rates`,
    `peaks`, `parallel` and `measured_on` are what was measured, as `lockfiles.toolchain.Measured`
    says; `memory` is the factor of the largest component's size that stands in for peaks; `refused`
    maps a target to the reason why it cannot work; `backend` is the one that was asked for.
    `certified` are the programs whose graphs need not be run, as `<component>: <title>`.
    """

    name: str
    python: str
    accepted: str
    pins: Mapping[str, str]
    targets: tuple[str, ...]
    refused: Mapping[str, str]
    repository: str
    commit: str
    disk: float
    memory: float
    installed_bytes: int
    installed_files: int
    rates: Mapping[str, float] = field(default_factory=dict)
    peaks: Mapping[str, float] = field(default_factory=dict)
    parallel: float = 1.0
    measured_on: str = ""
    backend: str = "venv"
    certified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFacts:
    """The compiled lock of this machine's target: every package and its one version.

    `download` is the size of all its wheels in bytes, 0 where the lock does not say; `conda` maps
    the conda packages of the tested Python to "version build", and is empty until they are locked.
    """

    path: str
    digest: str
    packages: Mapping[str, str]
    download: int = 0
    conda: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterFacts:
    """The Python that `make env` would use."""

    version: str
    path: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFacts:
    """The built environment, read from directory names and small files; nothing is imported.

    `installed` maps normalised project names to versions. `duplicates` names projects with two
    `.dist-info` folders, `headless` those whose folder lacks METADATA or RECORD, `hollow` those
    whose RECORD names a top-level package that is not there. `wheels` holds the `Tag` lines of the
    packages with native code we depend on, `native` the compiled files found of those expected.
    `ceilings` are the newest versions that the installed coremltools says it was tested with.
    `origins` maps a project to the URL or revision of a non-registry install (PEP 610). `backend`
    is "venv" or "conda".
    """

    path: str
    python: str
    python_path: str
    lock_digest: str
    seal: str
    drift: bool
    installed: Mapping[str, str]
    duplicates: tuple[str, ...]
    headless: tuple[str, ...]
    hollow: tuple[str, ...]
    wheels: Mapping[str, tuple[str, ...]]
    native: Mapping[str, bool]
    origins: Mapping[str, str]
    strays: tuple[str, ...]
    ceilings: Mapping[str, str]
    backend: str = "venv"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaEnvironment:
    """A conda environment with the toolchain's name; read without running anything.

    `builds` maps conda packages to "version build", `installed` Python projects to versions.
    """

    path: str
    name: str
    python: str
    builds: Mapping[str, str]
    installed: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationFacts:
    """The result of `envs.kept.verify`, and how thorough it was.

    `faults` are sealed files that are missing or not as they were, `owners` how many of them each
    package has, `strays` files that are not in the seal. `beneath` is what changed of the Python
    beneath, and `brought` whether that is one of ours; `former` is whether an earlier version
    sealed it, in another format.
    """

    depth: str
    files: int
    owners: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    beneath: tuple[str, ...] = ()
    brought: bool = False
    former: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof from a toolchain's evidence: environment, date, machine and result.

    `figures` is its result in words, such as "788 tests, the sample's programs at least 127.1 dB in
    fp32".
    """

    when: str
    system: str
    cpu: str
    python: str
    lock_digest: str
    seal: str
    figures: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFacts:
    """All proofs of the toolchain on this machine's target, the oldest first."""

    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """The result of importing the direct pins inside the environment: failures and reasons."""

    imported: tuple[str, ...]
    failures: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """The git program itself; `lfs` is the path of its large-file extension, or nothing."""

    version: str
    lfs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """An upstream converter's checkout; `repository` is false for a folder git does not know.

    `kept` is true for the tested commit in our own store, where `sdcoreml env upstream` put it.
    """

    path: str
    repository: bool
    commit: str
    remote: str
    shallow: bool
    changed: tuple[str, ...]
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class XcodeFacts:
    """Apple's developer tools: the selected directory and where `coremlcompiler` is.

    `compiler` is empty when xcrun does not find it; `complaint` is then xcrun's own sentence.
    `others` are Xcode applications that are installed but not selected.
    """

    developer: str
    compiler: str
    complaint: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """Free space where a role's files go; the same `device` means the same volume.

    `quota` is how much the user may keep there, 0 for any, `quota_used` what he keeps; `files_free`
    is how many files may still be made, None where files are not counted.
    """

    path: str
    device: int
    total: int
    free: int
    writable: bool
    quota: int = 0
    quota_used: int = 0
    files_free: int | None = None

    @property
    def room(self) -> int:
        """The bytes that may still be written: free space, limited by any quota."""
        return min(self.free, max(0, self.quota - self.quota_used)) if self.quota else self.free


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The settings for fetching models. Of a token, only that there is one.

    `roots` says whether this Python finds certificates to trust. `mirrors` are the servers that
    take the place of the usual ones, each with who said so; `mirror_fault` is why that cannot be
    told.
    """

    token: bool
    offline: tuple[str, ...]
    proxies: tuple[str, ...]
    certificates: tuple[str, ...]
    cache: str
    incomplete: tuple[str, ...]
    roots: bool
    mirrors: tuple[str, ...] = ()
    mirror_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the user wants to do, and the options that change what it takes.

    `kind` is "env", "convert" or "bundle" (open a finished folder). `height` and `width` are image
    pixels, 0 for the model's own.
    """

    kind: str = "convert"
    model: str = ""
    output: str = ""
    attention: str = "SPLIT_EINSUM"
    height: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the doctor looked at. A check asks for a field by naming a parameter after it."""

    goal: Goal
    system: Known[System]
    memory: Known[Memory]
    host: Known[HostPython]
    toolchain: Known[ToolchainFacts]
    lock: Known[LockFacts]
    interpreter: Known[InterpreterFacts]
    environment: Known[EnvironmentFacts]
    verification: Known[VerificationFacts]
    evidence: Known[EvidenceFacts] = Absent(reason="not looked at")
    conda: Known[CondaEnvironment] = Absent(reason="not looked at")
    smoke: Known[Smoke]
    git: Known[Git]
    checkout: Known[Checkout]
    xcode: Known[XcodeFacts]
    volumes: Known[Mapping[str, VolumeFacts]]
    hub: Known[Hub]
    output: Known[Output]
    model: Known[ModelFolder]
    bundle: Known[Bundle]
