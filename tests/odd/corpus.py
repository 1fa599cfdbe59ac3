"""All odd inputs, as one table of cases."""

from __future__ import annotations

from tests.odd import (
    addons,
    configs,
    downloads,
    families,
    files,
    folders,
    fourth_files,
    fourth_options,
    later_addons,
    later_files,
    later_folders,
    later_meaning,
    later_places,
    meaning,
    others,
    places,
    texts,
    third_addons,
    third_files,
    third_folders,
    third_meaning,
    third_pickles,
    third_pipelines,
    third_places,
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
"""The second part of the cases, written after the faults that the first part found were fixed."""
THIRD: tuple[Case, ...] = (
    *third_files.CASES,
    *third_pickles.CASES,
    *third_meaning.CASES,
    *third_folders.CASES,
    *third_pipelines.CASES,
    *third_places.CASES,
    *third_addons.CASES,
)
"""The third part of the cases; their expected verdicts were committed before the first run."""
FOURTH: tuple[Case, ...] = (*fourth_files.CASES, *fourth_options.CASES)
"""The fourth part, written like the third, after the faults that the third found were fixed."""
CASES = (*FIRST, *SECOND, *THIRD, *FOURTH)
