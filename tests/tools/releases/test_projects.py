from __future__ import annotations

import re

import pytest

from sdcoreml.doctor.knowledge.history import find_package, history
from sdcoreml.doctor.knowledge.releases import projects
from tools.releases.projects import PROJECTS, Choice, Project, choose

VERSIONS = (
    "1.10.0",
    "1.9.1",
    "1.9.0",
    "1.9.2",
    "2.0.0rc1",
    "2.0.0",
    "2.0.0+cpu",
    "0.9",
    "1.10.1.dev1",
)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice.FIRST, ("1.9.0", "1.10.0", "2.0.0")),
        (Choice.ENDS, ("1.9.0", "1.9.2", "1.10.0", "2.0.0")),
        (Choice.TENTHS, ("1.9.0", "1.9.2", "1.10.0", "2.0.0")),
        (Choice.ALL, ("1.9.0", "1.9.1", "1.9.2", "1.10.0", "2.0.0")),
    ],
)
def test_the_releases_that_are_read_are_chosen_of_each_minor_version(
    choice: Choice, chosen: tuple[str, ...]
) -> None:
    assert choose(VERSIONS, Project(choice=choice, since="1.0")) == chosen


def test_every_project_is_one_that_lines_name() -> None:
    assert set(PROJECTS) <= set(history().projects.values())


def test_what_is_left_out_is_no_whole_package() -> None:
    for name, project in PROJECTS.items():
        top = find_package(name)
        assert not re.match(project.inner, top), name
        assert not re.search(project.skipped, f"{top}/__init__.py"), name


def test_of_every_project_there_is_a_table() -> None:
    assert {*PROJECTS} <= {*projects()}
