"""Proves a toolchain of a user's own: every family's miniature is converted, and run in full."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdcoreml.convert.certificates.store import Certificate, load
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.proving.families import FAMILIES, write_controlnet
from sdcoreml.doctor.proving.trials import Conversion, TrialResult, floors
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.lockfiles.evidence import FAILS
from sdcoreml.lockfiles.toolchain import Toolchain

NET = "controlnet"
"""The trial of a ControlNet, for the folder that the family `_WITH_NET` made."""
_WITH_NET = "sd1"
NAMES = (*FAMILIES, NET)
_SIZE = "128x128"
_LONGEST = 160
_CERTIFIED: Mapping[str, str] = {
    Family.SD1.value: "sd1",
    Family.SD2_BASE.value: "sd2",
    Family.SD2_V.value: "sd2",
    Family.SDXL.value: "sdxl",
    Family.SDXL_REFINER.value: "refiner",
    "the miniature": "sd1",
    "the sample": "sd1",
}
"""Maps what a certificate's title begins with to the family whose modules it is about."""


class Convert(Protocol):
    """Converts a model in the environment that is proved."""

    def __call__(self, *words: str) -> Manifest:
        """Run `sdcoreml convert` with these words; raise `EnvError` if it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """Converts the miniature of each family, and compares each program with its torch module.

    `names` are of `NAMES`. One that fails stops none; that it fails is recorded.
    """

    toolchain: Toolchain
    names: tuple[str, ...] = NAMES

    def run(self, environment: Environment, emit: Emit) -> TrialResult:
        """Write the miniatures into a temporary folder, and convert them there."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            convert = Conversion(environment, folder, emit)

            def converted(*words: str) -> Manifest:
                return convert(self.toolchain, *words)

            return try_families(self.names, folder, converted, emit)


def try_families(names: Iterable[str], folder: Path, convert: Convert, emit: Emit) -> TrialResult:
    """Convert each family's miniature, and say what works.

    Raises:
        EnvError: none of them does.
    """
    found: dict[str, str] = {}
    manifests: dict[str, Manifest] = {}
    for name in in_order(names):
        emit(Event(kind="step", text=f"convert the miniature of {name}, each program run in full"))
        try:
            manifests[name] = convert(*_words(name, folder))
        except EnvError as error:
            found[name] = f"{FAILS}{error.what}"[:_LONGEST]
            emit(Event(kind="warning", text=f"{name} {found[name]}"))
        else:
            found[name] = _figures(manifests[name])
    if not manifests:
        name, why = next(iter(found.items()))
        raise EnvError(f"no family works: {why}", where=name, remedy="nothing was recorded")
    programs = [entry for one in manifests.values() for entry in one.programs.values()]
    held, all_of_them = held_certificates(manifests, load().values())
    return TrialResult(
        ran="sdcoreml env prove",
        result=f"{len(manifests)} of {len(found)} families",
        psnr=floors(entry.checked for entry in programs),
        families=found,
        certificates=f"{held} of {all_of_them}",
    )


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the families to try: a ControlNet needs a folder to be for, and comes after it."""
    wanted = {*names}
    if NET in wanted:
        wanted.add(_WITH_NET)
    return tuple(name for name in NAMES if name in wanted)


def held_certificates(
    manifests: Mapping[str, Manifest], certificates: Iterable[Certificate]
) -> tuple[int, int]:
    """Count the certificates that hold, and all that were put to the test.

    A certificate says that a graph computes what its module does, in the toolchain that it was
    issued in. The builder draws the same graph, and the library runs the same code, at every size:
    so it holds in another toolchain if the family's miniature passed there, program by program.
    """
    passed = {
        (name, entry.component)
        for name, manifest in manifests.items()
        for entry in manifest.programs.values()
        if entry.checked.measured
    }
    tried = list(_tested(certificates, manifests.keys()))
    return sum(one in passed for one in tried), len(tried)


def _tested(
    certificates: Iterable[Certificate], families: AbstractSet[str]
) -> Iterator[tuple[str, str]]:
    """Yield family and component of each certificate that is about one of these families."""
    for certificate in certificates:
        family = _CERTIFIED.get(certificate.title.partition(",")[0], "")
        if family in families:
            yield family, certificate.component


def _words(name: str, folder: Path) -> tuple[str, ...]:
    """Write a family's miniature; return the words that convert it."""
    model = folder / "models" / name
    if name == NET:
        write_controlnet(model)
        return (str(model), "--for", str(folder / _WITH_NET), "--full")
    FAMILIES[name](model)
    more = ("--controlled",) if name == _WITH_NET else ()
    return (str(model), "--size", _SIZE, "--full", *more)


def _figures(manifest: Manifest) -> str:
    programs = manifest.programs.values()
    lowest = floors(entry.checked for entry in programs)
    said = ", ".join(f"{decibel:.1f} dB in {mode}" for mode, decibel in lowest.items())
    return f"{len(programs)} program{'s' * (len(programs) != 1)}, at least {said}"
