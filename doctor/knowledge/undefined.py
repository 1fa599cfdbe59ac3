"""Says whose class a name is that code uses without having it: a package's, since some release.

Code that goes with several releases imports such a class in a `try`, or where the package is there,
and goes on without it; what it lacks shows only where the class is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.releases import read_releases

UNDEFINED = "undefined"
"""The group of a pattern whose line says that a name is not defined."""

_PROJECTS = ("diffusers", "transformers", "accelerate", "peft")
_NOTEBOOK = re.compile(r"ipython-input|\bCell In ?\[|<ipykernel")
_OWN_TIME = {"transformers": "4.20", "diffusers": "0.3"}
"""What is older than these, hardly anyone has: a class of them is missing for another reason."""


def tell_undefined(
    captured: Mapping[str, str], raised: Raised | None, text: str
) -> Mapping[str, str] | None:
    """Say which package has a name, and why the code has it not; None if none or several have it.

    What a package's own code does not have is another question.
    """
    name = captured[UNDEFINED]
    found = [one for one in _PROJECTS if _find_since(one, name) is not None]
    if len(found) != 1 or (raised is not None and raised.packages):
        return None
    project = found[0]
    since = _find_since(project, name) or ""
    is_top = raised is not None and any(one.endswith(" <module>") for one in raised.steps[-1:])
    if _NOTEBOOK.search(text):
        told = _tell_notebook(project, name, since)
    elif is_top:
        told = _tell_script(project, name, since)
    elif raised is not None and raised.steps:
        told = _tell_program(project, name, since)
    else:
        told = _tell_line(project, name, since)
    return {**captured, **told, "confidence": Confidence.GUESS.value}


def _find_since(project: str, name: str) -> str | None:
    """Return the first release that has a name; "" if nobody has older ones, None if none has."""
    releases = read_releases(project)
    having = releases.names(project).get(name, 0) if releases else 0
    if releases is None or not having:
        return None
    recent = releases.near(_OWN_TIME.get(project, "0")) or 1
    return releases.first(having) if releases.before(having) >= recent else ""


def _since(project: str, since: str) -> str:
    return f"{project} has it since {since}" if since else f"every {project} has it"


def _install(project: str, since: str) -> str:
    wanted = f"'{project}>={since}'" if since else project
    return f"`python -m pip install -U {wanted}`"


def _tell_notebook(project: str, name: str, since: str) -> Mapping[str, str]:
    return {
        "skew": f"{name} is a class of {project} ({_since(project, since)}), and this session of"
        f" the notebook has not imported it: the cell with `from {project} import {name}` was not"
        " run, failed, or was run before the kernel was restarted",
        "tested": "Run the notebook from its first cell on. If the cell that imports it fails,"
        " install",
        "cure": f"what it lacks: {_install(project, since)}",
    }


def _tell_script(project: str, name: str, since: str) -> Mapping[str, str]:
    return {
        "skew": f"the script uses {name}, a class of {project} ({_since(project, since)}), and does"
        " not import it",
        "tested": f"Write `from {project} import {name}` at the script's top; if that fails,"
        " install",
        "cure": f"what it lacks: {_install(project, since)}",
    }


def _tell_program(project: str, name: str, since: str) -> Mapping[str, str]:
    if not since:
        return {
            "skew": f"the program uses {name}, a class of {project} ({_since(project, since)}), and"
            " has not imported it on the way that it took here: a fault of its own, or its import"
            f" of {project} failed before and was passed over",
            "tested": "Update the program, or write",
            "cure": f"`from {project} import {name}` at the top of the file that the last frame"
            f" names; {_install(project, since)} if that fails",
        }
    return {
        "skew": f"{name} is a class of {project}, which the program could not import and passed"
        f" over that: the installed {project} is older than {since}, or is not there at all"
        " (a message about it may stand further up)",
        "tested": "Install the program's requirements (pip install -r requirements.txt), or",
        "cure": f"the package alone, in the Python that the program runs:"
        f" {_install(project, since)}",
    }


def _tell_line(project: str, name: str, since: str) -> Mapping[str, str]:
    older = f"{project} before {since}" if since else f"a missing {project}"
    return {
        "skew": f"the code uses {name}, a class of {project} ({_since(project, since)}), and has"
        f" not imported it: the import is missing, or failed without a word, as it does with"
        f" {older}",
        "tested": "Install",
        "cure": f"what the code's requirements name ({_install(project, since)}), or write"
        f" `from {project} import {name}` at its top",
    }
