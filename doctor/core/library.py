"""What is in a folder of models, and what apps make of each: values and verdicts, no files.

The verdicts follow from the doctor's checks of finished folders and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sdcoreml.convert.bundle.apps import APPLE, FAMILIES, MOCHI, AppVerdict
from sdcoreml.convert.bundle.contract import NAMES, PACKAGE, first_macos
from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.core.engine import Result
from sdcoreml.doctor.core.subjects import Bundle

HIDES_NEXT, CRASHES_272 = "BUN020", "BUN012"
"""The checks that find what the next Mochi Diffusion hides, and what crashes macOS 27.2."""

OURS, OTHERS = "sdcoreml", "others"
"""Who made a finished folder."""

_OF_MOCHI = frozenset({"BUN005", "BUN007", HIDES_NEXT})
"""Checks of what only Mochi Diffusion asks for."""

_SD2 = frozenset({Family.SD2_BASE, Family.SD2_V})
"""Families whose ControlNets are the same: what the UNet predicts does not show in them."""

_WITH_NETS = frozenset({Family.SD1, *_SD2, Family.UNKNOWN})
"""Families for which apps load ControlNets; of an unknown one nothing is said."""


class Kind(Enum):
    """What an entry of a library is."""

    MODEL = "model"
    NET = "controlnet"
    UNCONVERTED = "unconverted"
    OTHER = "other"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """A weight file in a library: the entry and the program that it is in, its path and size.

    `inode` is the device and the inode, which hard links share, and `digest` one of samples of its
    content, "" if no other file has its size.
    """

    entry: str
    program: str
    path: str
    size: int
    inode: tuple[int, int]
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A folder or file in a library, as it was read.

    `bundle` are the facts of a finished folder, `maker` is `OURS`, `OTHERS` or "". `storage` is
    how compressed weights are stored, `size` the width and height of pictures, `link` where a link
    leads. `nbytes` counts what several programs share once. `reason` says why it is none that apps
    list, `remedy` what to do.
    """

    name: str
    path: str
    kind: Kind
    bundle: Bundle | None = None
    maker: str = ""
    family: Family = Family.UNKNOWN
    attention: str = ""
    storage: str = ""
    size: tuple[int, int] = (0, 0)
    nbytes: int = 0
    link: str = ""
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An entry with what the checks found, and what follows for apps and systems.

    `macos` is the first macOS that runs it, "" if unknown. `fits` are the models that Mochi
    Diffusion offers a ControlNet for and that it was trained for: of its size and attention, and of
    its family where both are known, with a whole ControlledUnet.
    """

    entry: Entry
    findings: tuple[tuple[str, Finding], ...] = ()
    apps: tuple[AppVerdict, ...] = ()
    macos: str = ""
    fits: tuple[str, ...] = ()

    def has(self, check: str) -> bool:
        """Whether a check of this id found something."""
        return any(name == check for name, _ in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Weight files that look equal, and the bytes that sharing one of them would save."""

    files: tuple[WeightFile, ...]
    saves: int


def judge_entry(entry: Entry, results: Iterable[Result]) -> Judged:
    """Return an entry with the verdicts that follow from the results of the checks of it."""
    findings = tuple(
        (result.id, finding)
        for result in results
        for finding in result.findings
        if finding.status.rank > Status.OK.rank
    )
    if entry.bundle is None:
        return Judged(entry=entry)
    verdicts = tuple(_verdict(app, entry, findings) for app in (APPLE, MOCHI))
    return Judged(entry=entry, findings=findings, apps=verdicts, macos=_first_macos(entry.bundle))


def _verdict(app: str, entry: Entry, findings: Sequence[tuple[str, Finding]]) -> AppVerdict:
    mine = [one for name, one in findings if app == MOCHI or name not in _OF_MOCHI]
    if why := _first(mine, Status.ERROR) or _first(mine, Status.UNKNOWN) or _uncompiled(entry):
        return AppVerdict(target=app, runs="no", reason=why)
    if why := _first(mine, Status.WARNING):
        return AppVerdict(target=app, runs="limited", reason=why)
    if entry.kind is Kind.NET and entry.family not in _WITH_NETS:
        why = f"no app runs ControlNets of {entry.family.value}"
        return AppVerdict(target=app, runs="no", reason=why)
    if entry.kind is Kind.NET:
        return AppVerdict(target=app, runs="yes", reason="beside a model with a ControlledUnet")
    return _usual(app, entry)


def _first(findings: Iterable[Finding], status: Status) -> str:
    return next((one.what for one in findings if one.status is status), "")


def _uncompiled(entry: Entry) -> str:
    programs = entry.bundle.programs if entry.bundle else ()
    if entry.bundle and entry.bundle.is_for_comfyui:
        return "it is a UNet for ComfyUI, whose nodes load packages"
    return "it is not compiled yet" if any(one.container == PACKAGE for one in programs) else ""


def _usual(app: str, entry: Entry) -> AppVerdict:
    """Return an app's verdict on a sound folder; ours make up for what the apps assume."""
    if entry.family is Family.SD3 and app == MOCHI:
        return AppVerdict(target=app, runs="limited", reason="scales the latents wrongly")
    runs, why = FAMILIES[entry.family][0 if app == APPLE else 1]
    if runs == "limited" and entry.maker != OURS:
        return AppVerdict(target=app, runs=runs, reason=why)
    return AppVerdict(target=app, runs="yes", reason="")


def _first_macos(bundle: Bundle) -> str:
    newest = max((one.specification for one in bundle.programs), default=0)
    return first_macos(newest, is_xl=bundle.is_xl)


def pair(entries: Sequence[Judged]) -> tuple[Judged, ...]:
    """Add to each ControlNet the names of the models among `entries` that it fits."""
    models = [one.entry for one in entries if one.entry.kind is Kind.MODEL]
    return tuple(
        replace(one, fits=tuple(model.name for model in models if _fits(one.entry, model)))
        if one.entry.kind is Kind.NET
        else one
        for one in entries
    )


def _fits(net: Entry, model: Entry) -> bool:
    is_ready = model.bundle is not None and model.bundle.program(NAMES["controlled_unet"])
    families = {net.family, model.family}
    is_kin = len(families) == 1 or Family.UNKNOWN in families or families == _SD2
    alike = (net.size, net.attention) == (model.size, model.attention)
    return bool(is_ready) and is_kin and alike and net.family in _WITH_NETS


def find_twins(files: Iterable[WeightFile]) -> Iterator[Twins]:
    """Yield the groups of weight files that look equal and are not shared, the largest first."""
    groups: dict[tuple[int, str], dict[tuple[int, int], list[WeightFile]]] = {}
    for one in files:
        if one.digest:
            groups.setdefault((one.size, one.digest), {}).setdefault(one.inode, []).append(one)
    twins = (
        Twins(
            files=tuple(same[0] for same in group.values()),
            saves=size * (len(group) - 1),
        )
        for (size, _), group in groups.items()
        if len(group) > 1
    )
    yield from sorted(twins, key=lambda one: -one.saves)
