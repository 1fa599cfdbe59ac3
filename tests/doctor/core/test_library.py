"""What follows for apps from what the checks found of an entry of a library."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.bundle.apps import APPLE, MOCHI, AppVerdict
from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.core.check import CheckFamily, Finding, Status, error, info, warning
from sdcoreml.doctor.core.engine import Result
from sdcoreml.doctor.core.library import (
    OTHERS,
    OURS,
    Entry,
    Judged,
    Kind,
    Twins,
    WeightFile,
    find_twins,
    judge_entry,
    pair,
)
from sdcoreml.doctor.core.subjects import Bundle, PortState, ProgramState

UNET = ProgramState(name="Unet", container=".mlmodelc", specification=7)
BUNDLE = Bundle(path="/m/cat", programs=(UNET,))
ENTRY = Entry(
    name="cat",
    path="/m/cat",
    kind=Kind.MODEL,
    bundle=BUNDLE,
    maker=OURS,
    family=Family.SD1,
    attention="split",
    size=(512, 512),
)


def result(check: str, *findings: Finding) -> Result:
    return Result(
        id=check, family=CheckFamily.BUNDLE, title="x", status=Status.OK, findings=findings
    )


def told(entry: Entry, *results: Result) -> list[tuple[str, str]]:
    return [(one.runs, one.reason) for one in judge_entry(entry, results).apps]


def test_a_sound_entry_runs_in_both_apps() -> None:
    fine = Finding("fine", status=Status.OK)
    note = info("a note", why="so")
    judged = judge_entry(ENTRY, [result("BUN001", fine, note)])
    assert judged == Judged(
        entry=ENTRY,
        findings=(("BUN001", note),),
        apps=tuple(AppVerdict(target=app, runs="yes", reason="") for app in (APPLE, MOCHI)),
        macos="13",
    )
    plain = replace(ENTRY, bundle=None)
    assert judge_entry(plain, [result("BUN001", note)]) == Judged(entry=plain)


def test_the_gravest_finding_decides() -> None:
    bad, odd = error("broken", why="x"), warning("odd", why="x")
    unknown = Finding("unseen", status=Status.UNKNOWN)
    assert told(ENTRY, result("A", odd), result("B", unknown, bad)) == [("no", "broken")] * 2
    assert told(ENTRY, result("A", odd), result("B", unknown)) == [("no", "unseen")] * 2
    assert told(ENTRY, result("A", odd)) == [("limited", "odd")] * 2


@pytest.mark.parametrize("check", ["BUN005", "BUN007", "BUN020"])
def test_what_only_mochi_minds_stops_nobody_else(check: str) -> None:
    found = told(ENTRY, result(check, error("broken", why="x")))
    assert found == [("yes", ""), ("no", "broken")]


def test_what_is_not_compiled_runs_nowhere() -> None:
    package = replace(UNET, container=".mlpackage")
    loose = replace(ENTRY, bundle=replace(BUNDLE, programs=(UNET, package)))
    assert told(loose) == [("no", "it is not compiled yet")] * 2
    assert told(loose, result("A", warning("odd", why="x")))[0][0] == "no"


@pytest.mark.parametrize(
    ("family", "maker", "apple", "mochi"),
    [
        (Family.SD3, OURS, ("yes", ""), ("limited", "scales the latents wrongly")),
        (Family.SD2_V, OURS, ("yes", ""), ("yes", "")),
        (
            Family.SD2_V,
            OTHERS,
            *(
                ("limited", why)
                for why in (
                    "wrong unless the graph turns velocity into noise and attends in float32",
                )
                * 2
            ),
        ),
        (Family.SD1, OTHERS, ("yes", ""), ("yes", "")),
    ],
)
def test_ours_make_up_for_what_the_apps_assume(
    family: Family, maker: str, apple: tuple[str, str], mochi: tuple[str, str]
) -> None:
    assert told(replace(ENTRY, family=family, maker=maker)) == [apple, mochi]


def test_the_newest_program_says_which_macos_runs_it() -> None:
    newer = replace(UNET, name="VAEDecoder", specification=9)
    both = replace(ENTRY, bundle=replace(BUNDLE, programs=(newer, UNET)))
    assert judge_entry(both, []).macos == "15"
    empty = replace(ENTRY, bundle=replace(BUNDLE, programs=()))
    assert judge_entry(empty, []).macos == ""


READY = replace(
    ENTRY,
    bundle=replace(
        BUNDLE, programs=(UNET, ProgramState(name="ControlledUnet", container=".mlmodelc"))
    ),
)
NET = replace(ENTRY, name="net", kind=Kind.NET)


@pytest.mark.parametrize(
    ("net", "model", "fits"),
    [
        (NET, READY, True),
        (NET, ENTRY, False),
        (NET, replace(READY, bundle=None), False),
        (NET, replace(READY, size=(512, 768)), False),
        (NET, replace(READY, attention="original"), False),
        (NET, replace(READY, family=Family.SDXL), False),
        (NET, replace(READY, family=Family.UNKNOWN), True),
        (replace(NET, family=Family.SD2_V), replace(READY, family=Family.SD2_BASE), True),
        (replace(NET, family=Family.SDXL), replace(READY, family=Family.SDXL), False),
    ],
)
def test_a_controlnet_fits_a_model_of_its_kind(
    net: Entry,
    model: Entry,
    fits: bool,  # noqa: FBT001
) -> None:
    mine, other = Judged(entry=net), Judged(entry=model)
    assert pair([mine, other]) == (replace(mine, fits=("cat",) if fits else ()), other)


def weight(entry: str, size: int, inode: int, digest: str = "5f") -> WeightFile:
    return WeightFile(
        entry=entry, program="Unet", path=entry, size=size, inode=(1, inode), digest=digest
    )


def test_equal_weights_are_told_the_largest_first_and_shared_ones_once() -> None:
    small = [weight(name, 10, number) for number, name in enumerate("ab")]
    large = [weight("c", 9, 5), weight("d", 9, 6), weight("e", 9, 6), weight("f", 9, 7)]
    others = [weight("g", 10, 8, "00"), weight("h", 10, 9, ""), weight("i", 10, 10, "")]
    assert [*find_twins([*small, *large, *others])] == [
        Twins(files=(large[0], large[1], large[3]), saves=18),
        Twins(files=(small[0], small[1]), saves=10),
    ]


def test_a_port_says_what_a_unet_for_comfyui_is() -> None:
    ports = tuple(
        PortState(name=name, shape=shape, dtype="float16")
        for name, shape in (
            ("sample", (1, 4, 16, 16)),
            ("timestep", (1,)),
            ("encoder_hidden_states", (1, 77, 8)),
        )
    )
    unet = replace(UNET, name="cat_se_unet", container=".mlpackage", inputs=ports)
    comfy = replace(ENTRY, bundle=replace(BUNDLE, programs=(unet,)))
    assert {why for _, why in told(comfy)} == {
        "it is a UNet for ComfyUI, whose nodes load packages"
    }
