"""Says which two packages do not belong together when one asks another for what it does not have.

`history` knows since or until when the packages of the toolchain have what others ask them
for. Who asked is told by the last foreign code that the traceback passed through, or by the lazy
import that failed; versions are those installed here, or named in the log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdcoreml.doctor.knowledge import Confidence, Failure
from sdcoreml.doctor.knowledge.asking import FAILS, find_owner, tell
from sdcoreml.doctor.knowledge.changes import find_python, tell_history
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.history import History, history
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.mentioned import find_all_stated
from sdcoreml.doctor.knowledge.receivers import find_receiver
from sdcoreml.doctor.knowledge.relatives import (
    find_projects,
    is_relative,
    tell_base,
    tell_module,
    tell_more,
    tell_relative,
)
from sdcoreml.doctor.knowledge.required import REQUIRED, say_unfit
from sdcoreml.doctor.knowledge.turning import turn
from sdcoreml.doctor.knowledge.undefined import UNDEFINED, tell_undefined
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, satisfies

TOPIC = "family_skew"
_CONFIDENCE = "confidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """What is known of the packages in a log: its text, its exceptions, the versions installed."""

    text: str
    chains: Sequence[Sequence[Raised]]
    versions: Mapping[str, str]


def resolve(
    entry: Failure, line: Line, captured: Mapping[str, str], skew: Skew
) -> Mapping[str, str] | None:
    """Add to what a pattern captured who asked whom for what, if that is the entry's family.

    None if the exception is none of that family: its code belongs to no package that is known.
    """
    if entry.topic != TOPIC:
        return captured
    raised = next(
        (one for chain in skew.chains for one in chain if one.start <= line.number <= one.end), None
    )
    is_fetched = raised is not None and any(_FETCHED in step for step in raised.steps)
    if is_fetched or _is_hidden(_FETCHED, skew):
        return None
    if is_relative(captured):
        return tell_relative(captured, raised, line.text, skew.text)
    name = captured.get("name", _ITSELF)
    if name == _ITSELF:
        return _resolve_nameless(captured, raised, skew)
    known = history()
    module = captured.get("module", "").partition("[")[0]
    asked = _find_module(module, known) or find_python(module, name)
    asked = asked or _owner(captured, known)
    is_bare = not asked and "owner" in captured
    asked = asked or _find_dated(raised, captured, skew)
    is_named = bool(asked)
    is_bare = (
        is_bare and is_named and asked not in map(normalise, raised.packages if raised else ())
    )
    asked = asked or ("" if module else _last_project(raised, known))
    if not asked:
        return _resolve_unknown(captured, raised, skew, line)
    asker = _find_asker(raised, asked, skew, known)
    is_own = _is_inside(raised, asked, known) and (not asker or _is_plain(asked, module, known))
    told = dict(
        (_tell_inside(asked, captured) if is_own else {})
        or (REQUIRED not in captured and tell_history(asked, asker, name, module))
        or tell(asked, asker, raised, captured, skew.text)
        or (REQUIRED not in captured and tell_base(asker, raised, captured, skew.text))
        or (REQUIRED in captured and say_unfit(asked, asker, name, _spell_call(captured)))
        or _tell_pair(asked, asker, name)
    )
    told = dict(turn(asked, name, told, find_stated(asked, skew)))
    is_script = raised is not None and raised.code.endswith(".py")
    # Of a class that nobody knows, only the code that ran before says whose it may be.
    if "owner" in captured and (is_script or not is_named) and _CONFIDENCE not in told:
        told = {**told, _CONFIDENCE: Confidence.GUESS.value}
    if is_bare:
        is_plain = not _COMPOUND.match(captured["owner"]) or told.get(_CONFIDENCE) == "a guess"
        told |= {_CONFIDENCE: (Confidence.GUESS if is_plain else Confidence.LIKELY).value}
    if not asker and FAILS not in told and not _IMPORTS.search(line.text):
        told = {**told, DOUBTFUL: name}
    return {
        **captured,
        **told,
        **_pair(asker, asked, skew, told),
        "asked": asked,
        **({"asker": asker} if asker else {}),
    }


def _resolve_unknown(
    captured: Mapping[str, str], raised: Raised | None, skew: Skew, line: Line
) -> Mapping[str, str] | None:
    """Say what is known where nobody knows who was asked; None if it may be anything."""
    asker = _find_asker(raised, "", skew, history())
    if told := tell_base(asker, raised, captured, skew.text):
        return {**captured, **told}
    guess = {**captured, _CONFIDENCE: Confidence.GUESS.value}
    if captured.get("module"):
        return {**tell_module(captured, asker, line.text), **guess}
    is_anybodys = raised is not None and "owner" in captured and "call" not in captured
    return None if is_anybodys else guess


def _is_hidden(name: str, skew: Skew) -> bool:
    """Return whether a log has a name, and no frame has it: a terminal broke the frame's line."""
    steps = (step for chain in skew.chains for one in chain for step in one.steps)
    return name in skew.text.replace("\n", "") and not any(name in step for step in steps)


_ITSELF = "self"
"""What is missing where a class's method is called on the class: no release is at fault."""

_COMPOUND = re.compile(r"[A-Z]+[a-z0-9]+[A-Z]\w*")
"""Names that a script seldom gives to a class of its own."""

_FETCHED = "diffusers_modules"  # community pipelines, whose time is another question: see `stages`


def _find_dated(raised: Raised | None, captured: Mapping[str, str], skew: Skew) -> str:
    """Return the project whose class, or whose object by its usual name, was asked, if it is dated.

    Of a name that no release has, a class's name says little: others have classes of that name.
    """
    owner = captured.get("owner", "")
    project = find_owner(owner, raised.packages if raised else ()) if owner else ""
    if not owner and "call" in captured:
        project = find_receiver(raised, skew.text)
    told = tell(project, "", raised, captured, skew.text) if project else None
    if told and (FAILS in told or REQUIRED in captured):
        return project
    others = find_projects(captured, raised, skew.text)
    is_hidden = captured["name"].startswith("_") and _COMPOUND.match(owner)
    return others[0] if len(others) == 1 else (project if is_hidden else "")


def _pair(asker: str, asked: str, skew: Skew, told: Mapping[str, str]) -> Mapping[str, str]:
    """Return the versions of both as {pair} says them, and whether the log's is one that fails.

    What is installed here is said to be so, and left out where it does not fail in this way: then
    the log is of another environment.
    """
    fails, said = told.get(FAILS, ""), told.get("skew", "")
    stated = {one: find_stated(one, skew) for one in (asker, asked) if one}
    here = {one: skew.versions.get(one, "") for one in stated}
    if fails and is_version(here[asked]) and not satisfies(here[asked], fails):
        here = dict.fromkeys(here, "")
    pair = [
        f"{one} {stated[one]}" if stated[one] else f"{one} {here[one]} here"
        for one in stated
        if (stated[one] and f" {stated[one]} " not in said) or here[one]
    ]
    is_failing = bool(fails and stated[asked]) and satisfies(stated[asked], fails)
    return {
        **({"pair": f" ({' with '.join(pair)})"} if pair else {}),
        **({FAILING: stated[asked]} if is_failing else {}),
    }


FAILING = "failing"
"""The version that the log states, if it is one of those."""

DOUBTFUL = "doubtful"
"""What nobody knows, and no package's code asks for: a script may mean another thing by it."""

_IMPORTS = re.compile(r"\bimport\b|No module named|was removed in")
"""What is imported by its name is meant to be in the package, and was in some release of it."""

_READERS = frozenset({"convert_from_ckpt.py", "single_file.py", "single_file_utils.py"})
"""The files of diffusers that read single-file checkpoints, which scripts of other times call."""


def _resolve_nameless(
    captured: Mapping[str, str], raised: Raised | None, skew: Skew
) -> Mapping[str, str] | None:
    """Say what is known where a line does not name what was asked for, or only an object."""
    if UNDEFINED in captured:
        return tell_undefined(captured, raised, skew.text)
    if "error" in captured:
        return _resolve_misuse(captured, raised, skew)
    if "more" in captured:
        return {**captured, **tell_more(captured, raised)}
    is_asked = "call" not in captured or "name" in captured or _last_project(raised, history())
    return captured if is_asked else {**captured, _CONFIDENCE: Confidence.GUESS.value}


def _resolve_misuse(
    captured: Mapping[str, str], raised: Raised | None, skew: Skew
) -> Mapping[str, str] | None:
    """Say which package failed at what it was given from outside; None if there is none."""
    known = history()
    asked = _project(raised.code, known) if raised else ""
    if raised is None or asked not in _CALLED:
        return None
    is_reader = raised.file in _READERS
    version = find_version(asked, skew)
    return {
        **captured,
        **({"version": f" {version}"} if version else {}),
        "asked": asked,
        "confidence": (Confidence.LIKELY if is_reader else Confidence.GUESS).value,
    }


_CALLED = frozenset(
    {"diffusers", "transformers", "coremltools", "huggingface-hub", "accelerate", "peft"}
)
"""The projects that scripts call, and whose functions change with their releases."""


def _project(package: str, known: History) -> str:
    return known.projects.get(package) or known.projects.get(package.lower(), "")


def _find_module(module: str, known: History) -> str:
    """Return the project that a module is of; some are in a folder of another's."""
    inner = ".".join(module.split(".")[:2])
    return known.projects.get(inner, "") or _project(module.partition(".")[0], known)


def _last_project(raised: Raised | None, known: History) -> str:
    """Return the last of the projects that are called whose code an exception passed through."""
    found = [_project(package, known) for package in (raised.packages if raised else ())]
    return next((one for one in reversed(found) if one in _CALLED), "")


def _is_inside(raised: Raised | None, asked: str, known: History) -> bool:
    """Return whether a project's own code asked itself, and no one through its lazy imports."""
    if raised is None or _project(raised.code, known) != asked:
        return False
    if _HANDED_ON.search(raised.steps[-1]) and len(raised.steps) > 1:
        return asked.replace("-", "_") in re.split(r"[/\\]", raised.steps[-2])
    return not raised.steps[-1].endswith(_LAZY)


def _is_plain(asked: str, module: str, known: History) -> bool:
    """Return whether a module is of a package that makes none of its names for others."""
    return bool(module) and asked in known.others.values()


_HANDED_ON = re.compile(r"\b(?:configuration_utils|modeling_utils)\.py __getattr__$")
"""Where an object of diffusers looks for what it does not have, whoever asked it."""


_LAZY = (
    " torch_safe_load",
    " __getattr__",
    " getattr",
    " _get_module",
    " _handle_fromlist",
    " __init__",
)
"""What others call without knowing it when they import or ask for a name, or make an object."""


def _tell_inside(asked: str, captured: Mapping[str, str]) -> dict[str, str]:
    """Say why a project misses what is its own; a call says nothing of it."""
    if "call" in captured:
        return {}
    told = {
        "skew": f"{asked} asks itself for {captured['name']}, which it has not: its files are of"
        " two releases",
        "cure": f"{asked} anew: `pip install --force-reinstall {asked}`",
        "confidence": Confidence.GUESS.value,
    }
    if "owner" not in captured:
        return told
    return {
        **told,
        "skew": f"{asked} misses {captured['name']} in an object of its own: another release saved"
        " or made that object, or this release has a fault",
        "cure": f"another release of {asked}",
    }


def _owner(captured: Mapping[str, str], known: History) -> str:
    """Return the project whose class or function was called, by its name."""
    owner = captured.get("owner", "") or captured.get("call", "")
    named = next((known.projects[part] for part in owner.split(".") if part in known.projects), "")
    kind = next((project for form, project in _KINDS if re.search(form, owner)), "")
    return named or kind


_KINDS = (
    (r"^(?:Vae|PixArt|IPAdapterMask|Video|Flux|Wan|LTX|Inpaint)\w*Processor", "diffusers"),
    (r"(?:Scheduler|Pipeline|2D(?:Condition)?Model)$", "diffusers"),
    (r"^(?:AutoencoderKL|ControlNet|UNet)", "diffusers"),
    (r"^(?:Model|Config|Scheduler|FromSingleFile|FromOriginalModel)Mixin$", "diffusers"),
    (r"FeatureType$", "coremltools"),
    (r"^(?:Legacy)?Version$", "packaging"),
    (r"^CLIP|Tokenizer(?:Fast)?$|(?:ImageProcessor|FeatureExtractor)$", "transformers"),
)
"""What the names of the projects' classes look like."""


def _find_asker(raised: Raised | None, asked: str, skew: Skew, known: History) -> str:
    """Return who asked: the exception's last foreign code, or what a lazy import named."""
    for package in reversed(raised.packages if raised else ()):
        project = known.projects.get(package, normalise(package).strip("-"))
        if project != asked and not (project == "torch" and asked in _CALLED):
            return project
    lazy = re.search(r"Failed to import (?P<name>\w+)\.", skew.text)
    found = known.projects.get(lazy["name"], "") if lazy else ""
    return found if found != asked else ""


def _spell_call(captured: Mapping[str, str]) -> str:
    return ".".join(captured[one] for one in ("owner", "call") if captured.get(one))


def _tell_pair(asked: str, asker: str, name: str) -> dict[str, str]:
    who = asker or "the code that ran"
    return {
        "skew": f"{who} and {asked} are not made for each other: this {asked} has no {name}",
        "cure": f"the {asked} that {who} was made for",
    }


def find_version(project: str, skew: Skew) -> str:
    """Return a project's version as the log names it, else as it is installed; "" if unknown."""
    return find_stated(project, skew) or skew.versions.get(project, "")


def find_stated(project: str, skew: Skew) -> str:
    """Return a project's version as the log names it; "" if it does not."""
    return next(iter(find_all_stated(project, skew.text)), "")
