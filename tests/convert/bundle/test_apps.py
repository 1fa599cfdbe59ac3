from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.bundle.apps import (
    ADD_ONS,
    APPLE,
    COMFYUI,
    FAMILIES,
    IN_COMFYUI,
    MOCHI,
    Answer,
    app_table,
    verdicts,
)
from sdcoreml.convert.bundle.families import PROGRAMS
from sdcoreml.convert.models.contents import Contents, Kind
from sdcoreml.convert.models.family import Family, Task


def answers(contents: Contents) -> tuple[Answer, Answer]:
    apple, mochi, comfyui = verdicts(contents)
    assert (apple.target, mochi.target, comfyui.target) == (APPLE, MOCHI, COMFYUI)
    assert comfyui.reason
    assert apple.reason
    assert mochi.reason
    return apple.runs, mochi.runs


def whole(family: Family, task: Task | None = Task.TEXT_TO_IMAGE, flavour: str = "") -> Contents:
    return Contents(kind=Kind.PIPELINE, family=family, task=task, flavour=flavour)


@pytest.mark.parametrize(
    ("family", "apple", "mochi"),
    [
        (Family.SD1, "yes", "yes"),
        (Family.SD2_BASE, "limited", "limited"),
        (Family.SD2_V, "limited", "limited"),
        (Family.SDXL, "yes", "yes"),
        (Family.SDXL_REFINER, "yes", "yes"),
        (Family.SD3, "no", "no"),
        (Family.FLUX, "no", "no"),
        (Family.UNKNOWN, "no", "no"),
    ],
)
def test_what_runs_each_family(family: Family, apple: Answer, mochi: Answer) -> None:
    assert answers(whole(family)) == (apple, mochi)


def test_every_family_and_every_part_of_a_model_has_an_answer() -> None:
    assert set(FAMILIES) == set(Family)
    assert set(ADD_ONS) | {Kind.PIPELINE, Kind.CONTROLNET} == set(Kind)


@pytest.mark.parametrize("kind", list(ADD_ONS))
@pytest.mark.parametrize("family", [Family.SD1, Family.UNKNOWN])
def test_a_part_alone_runs_nowhere(kind: Kind, family: Family) -> None:
    found = verdicts(Contents(kind=kind, family=family, task=Task.TEXT_TO_IMAGE))
    if kind is Kind.UNET:
        found = found[:2]
    assert {one.runs for one in found} == {"no"}
    assert {one.reason for one in found} == {ADD_ONS[kind]}


@pytest.mark.parametrize(
    ("family", "runs"), [(Family.SD1, "yes"), (Family.SD2_BASE, "yes"), (Family.SDXL, "no")]
)
def test_a_controlnet_is_for_sd_1_and_2(family: Family, runs: Answer) -> None:
    assert answers(Contents(kind=Kind.CONTROLNET, family=family)) == (runs, runs)


@pytest.mark.parametrize("task", [Task.INPAINTING, Task.INSTRUCT, Task.UPSCALING, Task.DEPTH])
def test_extra_channels_are_fed_by_nobody(task: Task) -> None:
    found = verdicts(whole(Family.SD1, task))
    assert [one.runs for one in found] == ["no"] * 3
    assert found[0].reason == f"no app provides the extra input channels of {task.value}"


@pytest.mark.parametrize("task", [None, Task.TEXT_TO_IMAGE, Task.OTHER])
def test_a_task_that_is_not_known_is_no_reason_to_refuse(task: Task | None) -> None:
    assert answers(whole(Family.SD1, task)) == ("yes", "yes")


def test_what_is_no_known_family_is_not_refused_for_its_channels() -> None:
    found = verdicts(whole(Family.UNKNOWN, Task.INPAINTING))
    assert {one.reason for one in found} == {"not a family it knows"}


@pytest.mark.parametrize(
    ("family", "flavour", "reason"),
    [
        (
            Family.SD1,
            "LCM",
            "its UNet needs a guidance embedding, which only ComfyUI's nodes provide",
        ),
        (
            Family.SDXL,
            "LCM",
            "its UNet needs a guidance embedding, which only ComfyUI's nodes provide",
        ),
        (Family.SD3, "3.5", "normalizes queries and keys, which no app's graph does"),
    ],
)
def test_traits_that_no_graph_has(family: Family, flavour: str, reason: str) -> None:
    found = verdicts(whole(family, flavour=flavour))
    assert [(one.runs, one.reason) for one in found[:2]] == [("no", reason)] * 2


COMMAND = "; `sdcoreml convert MODEL --app comfyui` makes its UNet"


@pytest.mark.parametrize(
    ("contents", "runs", "said"),
    [
        (whole(Family.SD1, flavour="LCM"), "yes", COMMAND),
        (whole(Family.SDXL, flavour="LCM"), "yes", COMMAND),
        (whole(Family.SD1), "yes", COMMAND),
        (whole(Family.SD2_V), "limited", COMMAND),
        (whole(Family.SD1, Task.INPAINTING, "LCM"), "no", "extra input channels of inpainting"),
        (whole(Family.SD3), "no", "nothing here builds it for them"),
        (Contents(kind=Kind.CONTROLNET, family=Family.SD1), "no", "loads ControlNets as they are"),
        (Contents(kind=Kind.UNET, family=Family.SD1, flavour="LCM"), "yes", COMMAND),
        (Contents(kind=Kind.UNET, family=Family.SD1, task=Task.INPAINTING), "no", "extra input"),
        (Contents(kind=Kind.UNET), "no", "not a family it knows"),
        (Contents(kind=Kind.VAE), "no", "not alone"),
    ],
)
def test_what_runs_in_comfyui(contents: Contents, runs: Answer, said: str) -> None:
    found = verdicts(contents)[-1]
    assert found.runs == runs
    assert said in found.reason


def test_the_readme_says_which_app_is_for_what() -> None:
    page = (Path(__file__).parents[3] / "convert/README.md").read_text()
    assert "\n".join(app_table()) in page, "paste the lines of app_table() into convert/README.md"


def test_the_table_has_every_family_that_is_converted() -> None:
    assert list(IN_COMFYUI) == list(PROGRAMS)
