"""What would be made with the choices of the page: exactly what `convert --plan --json` reports."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import first_macos
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.words import forget_vocabularies
from sdcoreml.doctor.commands.convert_ingredients import ingredients_of
from sdcoreml.doctor.commands.convert_plan import (
    MACHINE,
    ConversionPlan,
    MachineFinding,
    as_data,
    plan_conversion,
)
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.commands.examine import preflight
from sdcoreml.doctor.commands.preflight import address
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.gather.toolchain import measured
from sdcoreml.doctor.studio.bench import Examined, Table, words_of
from sdcoreml.doctor.studio.choices import Choices, Chosen, File, Offer
from sdcoreml.doctor.studio.choices import as_data as offer_data
from sdcoreml.doctor.studio.doctoring import STATUSES
from sdcoreml.doctor.studio.offer import make_offer
from sdcoreml.doctor.studio.phone import FEW, judge_phone
from sdcoreml.doctor.studio.plain import as_sentence, by_name, is_plain, plain, plain_data
from sdcoreml.doctor.studio.remedies import in_window
from sdcoreml.doctor.studio.wording import BITS, Text, say
from sdcoreml.ground.advice import TOOL, spell_words
from sdcoreml.ground.errors import Fault, SdcoremlError, UsageError
from sdcoreml.lockfiles.toolchain import load_toolchain

MOST_FILES = 20
"""The most files of one group."""

_MOST_KEYS = 40
_LONGEST = 200

Resolve = Callable[[Mapping[str, object]], Path]
"""Returns the path of a file that the page names by a handle; it raises an error for any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A conversion that may begin: what a job file's `[[models]]` table says of it.

    `command` is what to type for the same, "" if a name in it cannot be typed.
    """

    model: str
    table: Table
    title: str
    command: str
    folders: tuple[str, ...]


def read_choices(sent: object, resolve: Resolve) -> Choices:
    """Read what the page sent: by key an option's value, several of them, or files by handles.

    Raises:
        UsageError: it is of another form.
        SdcoremlError: as `resolve`.
    """
    if not isinstance(sent, Mapping) or len(sent) > _MOST_KEYS:
        raise UsageError("the choices are no object", remedy="reload the page")
    return {_key(key): _chosen(key, value, resolve) for key, value in sent.items()}


def _key(key: object) -> str:
    if not isinstance(key, str) or len(key) > _LONGEST:
        raise UsageError("a choice has no name", remedy="reload the page")
    return key


def _chosen(key: str, value: object, resolve: Resolve) -> Chosen:
    match value:
        case bool() | None:
            pass
        case str() if len(value) <= _LONGEST:
            return value
        case int():
            return value
        case list() if len(value) <= MOST_FILES:
            if all(isinstance(one, str) and len(one) <= _LONGEST for one in value):
                return tuple(value)
            if all(isinstance(one, Mapping) for one in value):
                return tuple(_file(one, resolve) for one in value)
    raise UsageError("is not a choice", where=plain(str(key)), remedy="reload the page")


def _file(sent: Mapping[str, object], resolve: Resolve) -> File:
    scale = sent.get("scale")
    if scale is None or scale == "":
        return File(path=resolve(sent))
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not abs(scale) < _LONGEST:
        raise UsageError("is not a strength", where=plain(str(scale)), remedy="such as 0.8")
    return File(path=resolve(sent), scale=float(scale))


def plan(examined: Examined, choices: Choices, toolchain: str) -> dict[str, object]:
    """Return the plan of these choices, and the offer as it is with them, as values for JSON.

    What cannot be made is `refused`, with what to do.
    """
    found = _as_data(examined, make_offer(examined, choices), toolchain)
    forget_vocabularies()  # this process stays, and is to be small
    return by_name(found, str(examined.path), examined.given)


def _as_data(examined: Examined, offer: Offer, toolchain: str) -> dict[str, object]:
    found: dict[str, object] = {"offer": offer_data(offer)}
    try:
        jobs, planned = _plan(examined, offer, toolchain)
    except SdcoremlError as error:
        return {**found, "refused": refusal(error.fault), "command": ""}
    order = _order(examined, offer, jobs)
    lacks = [one for one in planned.machine if one.status == Status.ERROR.value]
    found |= {"sentence": sentence(planned, systems(jobs[0])), "command": order.command}
    found["result"] = sum(one.bytes for made in planned.folders for one in made.programs)
    if offer.refused:
        found["refused"] = refusal(offer.refused)
    elif planned.can == "no" and lacks:
        what, remedy = as_sentence(lacks[0].what), in_window(lacks[0].remedy)
        found["refused"] = {"what": what, "remedy": remedy, "code": lacks[0].id}
    if any(one.key == "device" and one.value == "phone" for one in offer.groups):
        programs = [(one.name, one.bytes) for made in planned.folders for one in made.programs]
        bits = offer.table.get("bits", max(BITS))
        family = jobs[0].model.family
        verdict = judge_phone(family, bits if isinstance(bits, int) else FEW, programs)
        found["notes"] = {"device": verdict}
    found["room"] = {"needed": planned.disk, "free": _free(Path(order.folders[0]))}
    data = plain_data(as_data(replace(planned, machine=())))
    machine = {"can": planned.can, "findings": [_machine(one) for one in planned.machine]}
    return {**data, **found, "machine": machine} if isinstance(data, dict) else found


def _machine(finding: MachineFinding) -> dict[str, object]:
    """Return what was found about this machine, in the page's words."""
    return {
        "id": finding.id,
        "status": STATUSES[Status(finding.status)],
        "what": as_sentence(finding.what),
        "remedy": in_window(finding.remedy),
    }


def _free(output: Path) -> int:
    """Return the bytes that are free where an output will be made."""
    places = (output.absolute(), *output.absolute().parents)
    return shutil.disk_usage(next(one for one in places if one.is_dir())).free


def order(examined: Examined, choices: Choices) -> Order:
    """Return the conversion to put into the queue.

    Raises:
        UsageError: not all of these choices are possible together.
        SdcoremlError: they are refused.
    """
    offer = make_offer(examined, choices)
    if offer.refused:
        raise offer.refused.as_error()
    if offer.changed:
        remedy = "look at the choices again"
        what = "not all of these are possible together"
        raise UsageError(what, where="the choices", remedy=remedy)
    return _order(examined, offer, _jobs(examined, offer))


def _jobs(examined: Examined, offer: Offer) -> tuple[Job, ...]:
    if "app" not in offer.table:
        examined.judgement.require_convertible()
    return examined.jobs(offer.table)


def _order(examined: Examined, offer: Offer, jobs: tuple[Job, ...]) -> Order:
    words = (TOOL, "convert", examined.given, *words_of(offer.table))
    typed = shlex.join(spell_words(words))
    return Order(
        model=examined.given,
        table=offer.table,
        title=plain(jobs[0].output.name, _LONGEST),
        command=typed if is_plain(typed) else "",
        folders=tuple(str(job.output) for job in jobs),
    )


def _plan(examined: Examined, offer: Offer, name: str) -> tuple[tuple[Job, ...], ConversionPlan]:
    jobs = _jobs(examined, offer)
    args = examined.arguments(offer.table)
    toolchain = address(load_toolchain(name))
    machine = preflight(goal_of(jobs), toolchain=toolchain, families=MACHINE)
    judgement = examined.read(args).judgement
    rates = measured(toolchain)
    return jobs, plan_conversion(ingredients_of(args), judgement, jobs, rates, machine)


def refusal(fault: Fault) -> dict[str, object]:
    """Return why something is refused, and what to do, as values for JSON."""
    where = plain(Path(fault.where).name if fault.where else "", _LONGEST)
    return {
        "what": as_sentence(fault.what),
        "where": where,
        "remedy": in_window(fault.remedy),
        "code": fault.code or None,
    }


def sentence(planned: ConversionPlan, runs: str) -> Text:
    """Say in a short sentence what would be made, and what runs it; the figures stand beside it."""
    count = sum(len(folder.programs) for folder in planned.folders)
    if not runs:
        return say("plan.programs", count=count)
    return say("plan.programs.for", count=count, systems=runs)


def systems(job: Job) -> str:
    """Say which systems run the result, as `library` says it of a finished folder."""
    target, family = job.options.target, job.model.family
    macos = first_macos(target.specification, is_xl=family in _XL)
    if not macos:
        return ""
    ios = "" if family in _XL or job.options.is_for_comfyui else f", {_spaced(target.ios)}"
    return f"macOS {macos}{ios}"


_XL = frozenset({Family.SDXL, Family.SDXL_REFINER})


def _spaced(ios: str) -> str:
    return ios.replace("iOS", "iOS ")
