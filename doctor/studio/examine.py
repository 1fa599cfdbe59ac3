"""What was chosen on the page: what it is, with a verdict in plain words, at once.

The judgement is that of `inspect` and `doctor`, what it takes that of `convert --plan`, and a
finished folder is judged as `library` judges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.convert.bundle.finished import FINISHED
from sdcoreml.convert.models.identify import Identity
from sdcoreml.doctor.commands.inspect import headline
from sdcoreml.doctor.studio.bench import Bench, Examined
from sdcoreml.doctor.studio.doubts import Doubt, as_finding, doubts_of
from sdcoreml.doctor.studio.offer import VERDICTS
from sdcoreml.doctor.studio.plain import by_name, plain
from sdcoreml.doctor.studio.planning import plan, refusal
from sdcoreml.doctor.studio.remedies import in_window
from sdcoreml.doctor.studio.shelves import judge_folder
from sdcoreml.doctor.studio.wording import Text, say, together

MOST_FINDINGS = 20
"""The most findings about one model."""


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
    apps = [*_as_offered(examined, planned)]
    doubts = [*doubts_of(identity)]
    status = "bad" if can == "no" else "warn"
    findings = [*_findings(examined, status), *map(as_finding, doubts)]
    return {
        "family": identity.contents.family.value,
        "form": plain(identity.form),
        "size": _size(identity),
        "verdict": {
            "can": can,
            "sentence": together(*_verdict(examined, planned, apps)),
            "apps": apps,
        },
        "facts": [[name, value] for name, value in _facts(identity, doubts)],
        "findings": findings[:MOST_FINDINGS],
        "offer": planned.pop("offer"),
        "plan": planned if "folders" in planned else None,
    }


def _as_offered(examined: Examined, planned: Mapping[str, object]) -> Iterator[Mapping[str, Text]]:
    """Yield the apps' verdicts on the model as it is: none runs it that is not offered.

    So no app but ComfyUI runs a file that has no VAE yet.
    """
    judgement, offered = examined.judgement, _apps_offered(planned)
    fault = judgement.ruling.fault
    for one in judgement.verdicts:
        if offered and one.runs != "no" and VERDICTS[one.target].value not in offered:
            yield _app(one.target, "no", plain(fault.what) if fault else say("app.not"))
        else:
            yield _app(one.target, one.runs, plain(one.reason.partition("; `")[0]))


def _apps_offered(planned: Mapping[str, object]) -> set[object]:
    offer = planned["offer"]
    groups = offer["groups"] if isinstance(offer, Mapping) else ()
    return {one["value"] for group in groups if group["key"] == "app" for one in group["options"]}


def _app(name: str, runs: str, reason: Text) -> Mapping[str, Text]:
    return {"name": name, "runs": runs, "reason": reason}


def _size(identity: Identity) -> int:
    """Return the bytes of a file, of a folder those of its tensors."""
    try:
        return identity.path.stat().st_size if identity.path.is_file() else identity.nbytes
    except OSError:
        return identity.nbytes


def _verdict(
    examined: Examined, planned: Mapping[str, object], apps: Sequence[Mapping[str, Text]]
) -> Iterator[Text]:
    """Yield sentences: whether it can be converted here, what runs it, what becomes of it."""
    judgement = examined.judgement
    if "folders" not in planned:
        fault = judgement.ruling.fault
        what = fault.what if fault else str(planned.get("refused", ""))
        yield say("verdict.cannot", what=plain(what))
        if fault and fault.remedy:
            yield say("verdict.remedy", remedy=in_window(fault.remedy, plain))
        return
    refused = planned.get("refused")
    if isinstance(refused, Mapping):
        yield say("verdict.elsewhere", what=refused["what"])
    else:
        yield from _takes(planned)
    for runs in ("yes", "limited", "no"):
        if names := [one["name"] for one in apps if one["runs"] == runs]:
            yield say(f"verdict.runs.{runs}", names=names)


def _takes(planned: Mapping[str, object]) -> Iterator[Text]:
    """Yield how long it takes at most, and how large the result is with these bits."""
    needs, folders = planned.get("needs"), planned.get("folders")
    minutes = needs.get("minutes") if isinstance(needs, Mapping) else None
    found = folders if isinstance(folders, list) else []
    size = sum(program["bytes"] for one in found for program in one["programs"])
    match minutes:
        case int() | float() if minutes >= 1:
            yield say("verdict.can.time", seconds=60 * minutes)
        case int() | float():
            yield say("verdict.can.soon")
        case _:
            yield say("verdict.can")
    if bits := _bits(planned):
        yield say("verdict.size.bits", bytes=size, bits=bits)
    else:
        yield say("verdict.size", bytes=size)


def _bits(planned: Mapping[str, object]) -> object:
    """Return which bits are chosen: the sentence stays when others are."""
    offer = planned["offer"]
    groups = offer["groups"] if isinstance(offer, Mapping) else ()
    return next((one["value"] for one in groups if one["key"] == "bits"), None)


def _facts(identity: Identity, doubts: Sequence[Doubt]) -> Iterator[tuple[Text, Text]]:
    """Yield what is known of a model, each with its name; what is told as a doubt is left out."""
    yield say("fact.what"), plain(headline(identity))
    for part in identity.parts:
        about = {"count": part.parameters, "bytes": part.nbytes}
        types = ", ".join(part.dtypes)
        told = say("fact.part", **about, types=types) if types else say("fact.unreadable", **about)
        yield plain(part.name), told
    if identity.prediction:
        yield say("fact.predicts"), plain(identity.prediction)
    if identity.missing:
        yield say("fact.missing"), plain(", ".join(identity.missing))
    known = {note for one in doubts for note in one.notes}
    for note in identity.notes:
        if note not in known:
            yield say("fact.note"), plain(note)


def _findings(examined: Examined, status: str) -> Iterator[dict[str, object]]:
    """Yield what stands against a conversion, the gravest first, then what only is to be known."""
    ruling = examined.judgement.ruling
    reasons = examined.judgement.reasons
    first = [ruling.fault] if ruling.fault else []
    for fault in (*first, *(one for one in reasons if one not in first)):
        yield {"status": status, **refusal(fault)}
