"""Dates what no release knows by its own name: by what it is made from, or what it stands for.

A class of a model's own code inherits from one of transformers' or diffusers', whose releases are
known. A kind of model has a module of its own in transformers, a configuration the settings of the
classes of diffusers. Of a module that nobody knows it is at least told whose it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.asking import FAILS, find_asked, find_owner, tell
from sdcoreml.doctor.knowledge.dating import Side, find_dating
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.receivers import find_called
from sdcoreml.doctor.knowledge.releases import projects, read_releases

_BASES = (
    (r"(?:Model|LM|For[A-Z]\w+)$", "transformers", "PreTrainedModel"),
    (r"(?:Model|Transformer\dD|Net)$", "diffusers", "ModelMixin"),
    (r"Pipeline$", "diffusers", "DiffusionPipeline"),
    (r"Tokenizer(?:Fast)?$", "transformers", "PreTrainedTokenizer"),
    (r"Config$", "transformers", "PretrainedConfig"),
    (r"Scheduler$", "diffusers", "SchedulerMixin"),
)
"""What classes of a name like this inherit from, in code that is no package's."""

CONFIG = "FrozenDict"
"""What diffusers keeps the configuration of a part in."""


def find_projects(captured: Mapping[str, str], raised: Raised | None, text: str) -> tuple[str, ...]:
    """Return the projects that have what was called, in some releases, and lack it in others."""
    owner, call, name = (captured.get(one, "") for one in ("owner", "call", "name"))
    if not owner and call == "__init__":
        owner = find_called(raised, text)
        captured = {**captured, "owner": owner}
    if not owner and (not call or call in _ANYBODYS):
        return ()
    return tuple(
        project
        for project in projects()
        if _is_there(project, owner, call, name)
        and FAILS in (tell(project, "", raised, captured, text) or {})
    )


_ANYBODYS = frozenset(
    {"__init__", "__call__", "forward", "step", "main", "train", "run", "wrapper"}
)
"""What functions of any code are called."""


def _is_there(project: str, owner: str, call: str, name: str) -> bool:
    releases = read_releases(project)
    if releases is None:
        return False
    if owner:
        return releases.knowing(owner.partition(".")[0]) > 0
    return releases.parameter(call, name)[0] > 0


def tell_base(
    asker: str, raised: Raised | None, captured: Mapping[str, str], text: str
) -> Mapping[str, str]:
    """Say what is known of an attribute that the class which others inherit from lost; {} if none.

    What it gained says nothing: older code may make its objects without it.
    """
    found = list(_tell_bases(asker, raised, captured, text))
    return found[0] if len(found) == 1 else {}


def _tell_bases(
    asker: str, raised: Raised | None, captured: Mapping[str, str], text: str
) -> Iterator[Mapping[str, str]]:
    owner = captured.get("owner", "")
    if not owner or "call" in captured or any(_is_there(one, owner, "", "") for one in projects()):
        return
    for form, project, base in _BASES:
        releases = read_releases(project)
        if releases is None or not re.search(form, owner):
            continue
        like = {**captured, "owner": base}
        asked = find_asked(like, raised, text, releases)
        dating = find_dating(releases, asked, releases.all) if asked else None
        if dating and dating.side in {Side.NEW, Side.UNSURE}:
            told = tell(project, asker, raised, like, text) or {}
            if FAILS in told:
                yield {**told, "asked": project, "confidence": Confidence.LIKELY.value}


def tell_more(captured: Mapping[str, str], raised: Raised | None) -> Mapping[str, str]:
    """Say whose method is given more than it takes: a package's, or one of the program's own."""
    owner, call = captured.get("owner", ""), captured["more"]
    project = find_owner(owner, raised.packages if raised else ())
    if project:
        return {
            "skew": f"{owner}.{call} of this {project} takes fewer arguments than it is given:"
            f" {project} is older than the code that calls it, or newer",
            "tested": "Install",
            "cure": f"the {project} that the code's requirements name (mostly a newer one)",
            "confidence": Confidence.LIKELY.value,
        }
    if owner and raised and raised.steps and not raised.packages:
        return {
            "skew": f"{owner}.{call} takes fewer arguments than the program's own code gives it:"
            " its files are of two revisions",
            "tested": "Bring",
            "cure": "all files of that program to one revision (git pull, or a fresh copy)",
            "confidence": Confidence.LIKELY.value,
        }
    return {}


def is_relative(captured: Mapping[str, str]) -> bool:
    """Return whether a line names a kind of model, a model's own class, or a configuration."""
    is_config = captured.get("owner") == CONFIG and "call" not in captured
    return is_config or "kind_of_model" in captured or "own_class" in captured


def tell_relative(
    captured: Mapping[str, str], raised: Raised | None, line: str, text: str
) -> Mapping[str, str] | None:
    """Say what is known of such a thing; None if a line only looks as if it named one."""
    if "own_class" in captured:
        return {**captured, **_tell_own_class(captured, text)}
    if "kind_of_model" not in captured:
        return {**captured, **_tell_config(captured)}
    told = _tell_model_type(captured, text)
    is_key = "KeyError" in line
    if is_key and not (told and raised and raised.file == _KINDS_OF_MODELS):
        return None
    return {**captured, **told, "asked": "transformers"}


_KINDS_OF_MODELS = "configuration_auto.py"
"""The file of transformers that knows the kinds of models."""


def _tell_config(captured: Mapping[str, str]) -> Mapping[str, str]:
    """Say what it means that a part's configuration has no such setting."""
    name = captured["name"]
    releases = read_releases("diffusers")
    having = releases.of_methods("__init__", name) if releases else 0
    if releases is None or not having:
        return {
            "skew": f"the configuration of that part of the model has no {name}, and none of"
            " diffusers' own parts has one: the code was written for a changed copy of diffusers,"
            " or for a part of its own",
            "tested": "Install",
            "cure": "the diffusers that the code's requirements name, or the copy that it brings",
            "confidence": Confidence.GUESS.value,
        }
    if not releases.before(having):
        return {
            "skew": f"the configuration of that part of the model has no {name}: the part is of"
            " another kind than the code takes it for, or was made without that setting",
            "tested": "Take",
            "cure": "a model of the kind that the code is for",
            "confidence": Confidence.GUESS.value,
        }
    since = releases.first(having)
    return {
        "skew": f"diffusers is too old: configurations have {name} since {since}, and the code that"
        " ran asks for it; or the part is of another kind than the code takes it for",
        "cure": f"diffusers {since} or newer: `pip install 'diffusers>={since}'`",
        "confidence": Confidence.LIKELY.value,
    }


def _tell_model_type(captured: Mapping[str, str], text: str) -> Mapping[str, str]:
    """Say since when transformers has a kind of model; {} if none of its releases has."""
    name = captured["kind_of_model"].replace("-", "_")
    like = {"name": name, "module": "transformers.models"}
    told = tell("transformers", "", None, like, text) or {}
    if FAILS not in told:
        return {}
    since = told[FAILS].removeprefix("<")
    return {
        **told,
        "skew": f"transformers is too old: it knows models of the kind"
        f" {captured['kind_of_model']} since {since}",
    }


def _tell_own_class(captured: Mapping[str, str], text: str) -> Mapping[str, str]:
    """Say why a class that a model's configuration names is not found in transformers."""
    name = captured["own_class"]
    told = tell("transformers", "", None, {"name": name, "module": "transformers"}, text) or {}
    if FAILS in told:
        return {**told, "asked": "transformers"}
    return {
        "skew": f"{name}, which the model's configuration names, is none of transformers' classes:"
        " it is in code that the model brings, which was not loaded",
        "tested": "Pass",
        "cure": "trust_remote_code=True if you trust its authors, with the .py files of the model"
        " in its folder; a release of transformers that is newer may have it too",
        "confidence": Confidence.LIKELY.value,
    }


def tell_module(captured: Mapping[str, str], asker: str, line: str) -> Mapping[str, str]:
    """Say whose a module is that has no such name, of a package or program that nobody knows."""
    name, module = captured["name"], captured["module"]
    top = module.partition(".")[0]
    where = re.search(r"\((?P<path>[^()]*[/\\][^()]*)\)?\s*$", line)
    if where and not re.search(r"(?:site|dist)-packages|[/\\]lib[/\\]python", where["path"]):
        return {
            "skew": f"{module} is a file or folder of a program's own, and has no {name}: the"
            " program's files are of two revisions, or another folder of that name is imported",
            "tested": "Bring",
            "cure": "all files of that program to one revision (git pull), and look in the line"
            " from which folder the module came",
        }
    who = asker or "the code that asks for it"
    inside = "" if module == top else f" in {module}"
    if top in sys.stdlib_module_names and not where:
        return {
            "skew": f"Python's own module {top} has no {name}, or a file {top}.py of the program"
            " or of the current folder is imported in its place",
            "tested": "Rename",
            "cure": f"such a file (python -c 'import {top}; print({top}.__file__)' shows which it"
            " is), and delete the folder __pycache__ beside it",
        }
    return {
        "skew": f"{top} has no {name}{inside}: it is older or newer than {who} was written for",
        "tested": f"Update {top} and what asks for it, or install",
        "cure": f"the {top} that the requirements of {who} name",
    }
