"""All odd inputs."""

from __future__ import annotations

from tests.odd import (
    addons,
    configs,
    downloads,
    families,
    files,
    folders,
    later_addons,
    later_files,
    later_folders,
    later_meaning,
    later_places,
    meaning,
    others,
    places,
    texts,
)
from tests.odd.case import Case

FIRST: tuple[Case, ...] = (
    *families.CASES,
    *others.CASES,
    *folders.CASES,
    *downloads.CASES,
    *configs.CASES,
    *meaning.CASES,
    *texts.CASES,
    *files.CASES,
    *addons.CASES,
    *places.CASES,
)
SECOND: tuple[Case, ...] = (
    *later_folders.CASES,
    *later_places.CASES,
    *later_meaning.CASES,
    *later_files.CASES,
    *later_addons.CASES,
)
"""The second part of the cases, written after the faults that the first part exposed were fixed."""
CASES = (*FIRST, *SECOND)
