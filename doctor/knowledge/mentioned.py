"""Finds the versions that a log states: of packages, and of the Python that ran."""

from __future__ import annotations

import re

from sdcoreml.lockfiles.versions import is_version


def find_all_stated(project: str, text: str) -> tuple[str, ...]:
    """Return the versions of a project that a log names, in the order of the ways to name them."""
    spelled = re.escape(project).replace(r"\-", "[-_]")
    found = [
        match[1].rstrip(".")
        for form in _FORMS
        for match in re.finditer(form.replace("PROJECT", spelled), text)
    ]
    return tuple(dict.fromkeys(one for one in found if is_version(one)))


_FORMS = (
    r"(?i)(?<![\w./-])PROJECT(?:==|-|\s+version:?\s+|\s+(?=\d)|:\s+|\s+v|\s+\()`?(\d+(?:\.\d+)+[\w.+]*)",
    r"(?i)[/\\]PROJECT-(\d+(?:\.\d+)+[\w.+]*?)(?:-py[\d.]+|-cp\d+)?[.-](?:dist-info|egg)",
    r"(?i)already satisfied: PROJECT\b[^\n]*? in [^\n]*?-packages \((\d+(?:\.\d+)+[\w.+]*)\)",
)


def find_python(text: str) -> str:
    """Return the version of the Python whose packages a log's paths are of; "" if it is unknown."""
    found = re.search(
        r"(?i)python(3)\.(\d+)[tm]?[/\\](?:site|dist)-packages|Python\\?(3)(\d+)\\lib\\site-packages",
        text,
    )
    if not found:
        return ""
    major, minor = (part for part in found.groups() if part)
    return f"{major}.{minor}"


def is_of_elsewhere(text: str, folder: str) -> bool:
    """Return whether a log's paths are all of packages in other environments than a folder has."""
    where = [found[1] for found in _INSTALLED.finditer(text)]
    return bool(where) and not any(one.startswith(f"{folder}/") for one in where)


_INSTALLED = re.compile(
    r"""["'( ]((?:/|[A-Za-z]:[/\\])[^"'\n]*?)[/\\](?:site|dist)-packages[/\\]"""
)
