"""The facts that checks examine: machine, interpreter, environment, model, finished folder.

A fact is a value, `Absent` (it does not exist, or was not requested) or `Unknown` (it could not be
determined). Reports keep the two apart: an unknown fact must never be reported as absent. Paths are
strings and every value can be written as JSON (`ground.codec`), so that facts can be saved,
examined on another machine and compared. Sizes are bytes, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from sdcoreml.doctor.core.subjects import Bundle, ModelFolder, Output
from sdcoreml.doctor.core.tools import Checkout, Git, Hub, XcodeFacts
from sdcoreml.ground.codec import JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A fact that could not be determined, and why."""

    reason: str = field(metadata={JSON: "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A fact about something that does not exist, and why (not built, not given, not macOS)."""

    reason: str = field(metadata={JSON: "absent"})


Known: TypeAlias = T | Absent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The operating system and processor.

    `target` is the lock target of this machine ("linux-x86_64"); `translated` is true when an Intel
    process runs under Rosetta 2 on Apple silicon, where `machine` is then x86_64. `processor` is
    its marketing name, `cores` the number of cores that may be used.
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
    """The toolchain, from `lockfiles/<name>/toolchain.toml`.

    `pins` are the direct pins. `installed_bytes` and `installed_files` are what an environment
    takes on this machine; `disk` times the model's size must be free. `rates`, `peaks`, `parallel`
    and `measured_on` are as in `lockfiles.toolchain.Measured`; where peaks were not measured,
    memory is estimated as `memory` times the largest component's size. `refused` maps an
    unsupported target to the reason. `backend` is the requested one. `certified` lists the programs
    with certified graphs, as `<component>: <title>`. `address` is what commands call it, "" for its
    name.
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
    address: str = ""
    parallel: float = 1.0
    measured_on: str = ""
    backend: str = "venv"
    certified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFacts:
    """The compiled lock of this machine's target: every package and its version.

    `download` is the size of all its wheels in bytes, 0 if unknown; `conda` maps the conda packages
    of the tested Python to "version build", and is empty if they are not locked.
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
    """The built environment, read from folder names and small files, without importing anything.

    `installed` maps normalised project names to versions. `duplicates` names projects with two
    `.dist-info` folders, `headless` those whose folder lacks METADATA or RECORD, `hollow` those
    whose RECORD names a top-level package that is missing. `wheels` has the `Tag` lines of packages
    that need native code, `native` says which of the expected compiled files exist. `ceilings` are
    the newest versions of torch and scikit-learn that the installed coremltools was tested with.
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
    """A conda environment with the toolchain's name, read without running conda.

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

    `faults` are sealed files that are missing or changed, `owners` counts them by package, `strays`
    are files that are not in the manifest. `beneath` are the changed files of the
    Python that the environment links to, and `brought` says whether we installed that Python.
    `former` says whether an earlier version of sdcoreml sealed the environment, in another format.
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
    """A test record from a toolchain's evidence: environment, date, machine and result.

    `figures` is the result in words, such as "788 tests, the sample's programs at least 127.1 dB
    in fp32".
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
    """All test records of the toolchain on this machine's target, the oldest first."""

    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """The result of importing the direct pins inside the environment: failures and reasons."""

    imported: tuple[str, ...]
    failures: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """The volume for one kind of file, and its free space; equal `device` means the same volume.

    `quota` is the user's quota in bytes, 0 for none, `quota_used` the part in use; `files_free` is
    how many more files can be made, None if the file system does not count them.
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
        """The bytes that can still be written: the free space, limited by the quota."""
        return min(self.free, max(0, self.quota - self.quota_used)) if self.quota else self.free


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The user's goal, and the options that change the resources it needs.

    `kind` is "env", "convert" or "bundle" (open a finished folder). `height` and `width` are image
    pixels, 0 for the model's default. `is_for_comfyui` says that only a UNet is converted.
    """

    kind: str = "convert"
    model: str = ""
    output: str = ""
    attention: str = "SPLIT_EINSUM"
    height: int = 0
    width: int = 0
    is_for_comfyui: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of a run. A check gets a field by having a parameter of the same name."""

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
