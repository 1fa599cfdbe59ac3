"""What was chosen on the page: what it is, with a verdict in plain words, at once.

The judgement is that of `inspect` and `doctor`, what it takes that of `convert --plan`, and a
finished folder is judged as `library` judges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.apps import AppVerdict
from sdcoreml.convert.bundle.finished import FINISHED
from sdcoreml.convert.models.identify import Identity
from sdcoreml.doctor.commands.inspect import headline
from sdcoreml.doctor.studio.bench import Bench, Examined
from sdcoreml.doctor.studio.doubts import Doubt, as_finding, doubts_of
from sdcoreml.doctor.studio.offer import VERDICTS
from sdcoreml.doctor.studio.plain import by_name, plain
from sdcoreml.doctor.studio.planning import plan, refusal
from sdcoreml.doctor.studio.shelves import judge_folder
from sdcoreml.doctor.studio.wording import UNET_ALONE
from sdcoreml.ground.quantity import amount, duration

MOST_FINDINGS = 20
"""The most findings about one model."""

_RUNS = {"yes": "It runs in", "limited": "With limits in", "no": "Not in"}


def examine(bench: Bench, given: Path | str, title: str = "") -> dict[str, object]:
    """Return what a path is, or a model that is given by name, as values for JSON.

    `title` is its name for people; "" for that of the file.

    Raises:
        UsageError: a text is no name of a model.
        SdcoremlError: a model that is given by name cannot be found.
    """
    examined = bench.take(given)
    named = title or (given.name if isinstance(given, Path) else given)
    if examined.judgement.identity.form == FINISHED:
        return {"title": plain(named, 120), **judge_folder(examined.path)}
    found = {"title": plain(named, 120), **_model(examined, bench.toolchain)}
    return by_name(found, str(examined.path), examined.given)


def _model(examined: Examined, toolchain: str) -> dict[str, object]:
    judgement = examined.judgement
    identity = judgement.identity
    planned = plan(examined, {}, toolchain)
    can = "headers" if "folders" in planned else judgement.ruling.can
    apps = [_app(one) for one in _as_offered(examined, planned)]
    doubts = [*doubts_of(identity)]
    status = "bad" if can == "no" else "warn"
    findings = [*_findings(examined, status), *map(as_finding, doubts)]
    return {
        "family": identity.contents.family.value,
        "form": plain(identity.form),
        "size": _size(identity),
        "verdict": {
            "can": can,
            "sentence": " ".join(_verdict(examined, planned, apps)),
            "apps": apps,
        },
        "facts": [[name, plain(value)] for name, value in _facts(identity, doubts)],
        "findings": findings[:MOST_FINDINGS],
        "offer": planned.pop("offer"),
        "plan": planned if "folders" in planned else None,
    }


def _as_offered(examined: Examined, planned: Mapping[str, object]) -> Iterator[AppVerdict]:
    """Yield the apps' verdicts on the model as it is: an app runs it if it is offered.

    So ComfyUI runs a UNet alone, and no other app a file that has no VAE yet.
    """
    judgement, offered = examined.judgement, _apps_offered(planned)
    fault = judgement.ruling.fault
    for one in judgement.verdicts:
        is_offered = VERDICTS[one.target].value in offered
        if is_offered and one.runs == "no":
            yield replace(one, runs="limited", reason=UNET_ALONE)
        elif not is_offered and one.runs != "no" and offered:
            yield replace(one, runs="no", reason=fault.what if fault else "not as it is")
        else:
            yield one


def _apps_offered(planned: Mapping[str, object]) -> set[object]:
    offer = planned["offer"]
    groups = offer["groups"] if isinstance(offer, Mapping) else ()
    return {one["value"] for group in groups if group["key"] == "app" for one in group["options"]}


def _app(one: AppVerdict) -> dict[str, str]:
    return {"name": one.target, "runs": one.runs, "reason": plain(one.reason.partition("; `")[0])}


def _size(identity: Identity) -> int:
    """Return the bytes of a file, of a folder those of its tensors."""
    try:
        return identity.path.stat().st_size if identity.path.is_file() else identity.nbytes
    except OSError:
        return identity.nbytes


def _verdict(
    examined: Examined, planned: Mapping[str, object], apps: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    """Yield sentences: whether it can be converted here, what runs it, what becomes of it."""
    judgement = examined.judgement
    if "folders" not in planned:
        fault = judgement.ruling.fault
        what = fault.what if fault else str(planned.get("refused", ""))
        yield f"It cannot be converted: {plain(what)}."
        if fault and fault.remedy:
            yield f"What to do: {plain(fault.remedy)}."
        return
    refused = planned.get("refused")
    if isinstance(refused, Mapping):
        yield f"It can be converted, but not on this machine as it is. {refused['what']}."
    else:
        yield f"This machine can convert it{_takes(planned)}."
    for runs, said in _RUNS.items():
        if names := [one["name"] for one in apps if one["runs"] == runs]:
            yield f"{said} {_listed(names)}."


def _takes(planned: Mapping[str, object]) -> str:
    """Say how large the result is with these bits, and how long it takes at most."""
    needs, folders = planned.get("needs"), planned.get("folders")
    minutes = needs.get("minutes") if isinstance(needs, Mapping) else None
    found = folders if isinstance(folders, list) else []
    size = sum(program["bytes"] for one in found for program in one["programs"])
    time = f" in {duration(60 * minutes)}" if isinstance(minutes, int | float) else ""
    return f"{time}, to a folder of about {amount(size)}{_at_bits(planned)}"


def _at_bits(planned: Mapping[str, object]) -> str:
    """Say which bits are chosen: the sentence stays when others are."""
    offer = planned["offer"]
    groups = offer["groups"] if isinstance(offer, Mapping) else ()
    bits = next((one["value"] for one in groups if one["key"] == "bits"), None)
    return f" at {bits} bits" if bits else ""


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _facts(identity: Identity, doubts: Sequence[Doubt]) -> Iterator[tuple[str, str]]:
    """Yield what is known of a model, each with its name; what is told as a doubt is left out."""
    yield "What it is", headline(identity)
    for part in identity.parts:
        types = ", ".join(part.dtypes) or "unreadable"
        yield part.name, f"{part.parameters:,} parameters, {types}, {amount(part.nbytes)}"
    if identity.prediction:
        yield "Predicts", identity.prediction
    if identity.missing:
        yield "Missing", ", ".join(identity.missing)
    told = {note for one in doubts for note in one.notes}
    for note in identity.notes:
        if note not in told:
            yield "Note", note


def _findings(examined: Examined, status: str) -> Iterator[dict[str, object]]:
    """Yield what stands against a conversion, the gravest first, then what only is to be known."""
    ruling = examined.judgement.ruling
    reasons = examined.judgement.reasons
    first = [ruling.fault] if ruling.fault else []
    for fault in (*first, *(one for one in reasons if one not in first)):
        yield {"status": status, **refusal(fault)}
