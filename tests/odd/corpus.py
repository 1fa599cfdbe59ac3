"""All odd inputs."""

from __future__ import annotations

from tests.odd import (
    addons,
    configs,
    downloads,
    families,
    files,
    folders,
    meaning,
    others,
    places,
    texts,
)
from tests.odd.case import Case

CASES: tuple[Case, ...] = (
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
