"""The lines about a folder of models, for each kind of entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.apps import AppVerdict
from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.commands.library_text import as_text
from sdcoreml.doctor.core.check import error, info, warning
from sdcoreml.doctor.core.library import CRASHES_272, HIDES_NEXT, OTHERS, OURS, Entry, Judged, Kind

ENTRY = Entry(
    name="cat",
    path="/m/cat",
    kind=Kind.MODEL,
    maker=OURS,
    family=Family.SD1,
    attention="split",
    storage="6-bit",
    size=(512, 768),
    nbytes=2_000_000,
)
APPLE, MOCHI = (
    AppVerdict(target=name, runs="yes", reason="") for name in ("Apple's Swift package", "Mochi")
)
RUNS = Judged(entry=ENTRY, findings=(), apps=(APPLE, MOCHI), macos="14", fits=())


def lines(*entries: Judged) -> list[str]:
    return [*as_text(Path("/m"), entries, ())]


def test_a_model_that_runs_is_one_line_with_all_that_is_known() -> None:
    assert lines(RUNS) == [
        "/m: 1 model: 1 runs in both apps",
        (
            "  runs     cat  Stable Diffusion 1.x, 512x768, split-einsum, 6-bit, 2 MB,"
            " macOS 14 or newer"
        ),
    ]
    others = replace(ENTRY, maker=OTHERS, family=Family.UNKNOWN, attention="original", link="dog")
    bare = replace(others, size=(0, 0), storage="", attention="")
    assert lines(replace(RUNS, entry=others), replace(RUNS, entry=bare, macos="")) == [
        "/m: 2 models: 2 run in both apps",
        (
            "  runs     cat  a model of unknown family, 512x768, original attention, 6-bit, 2 MB,"
            " macOS 14 or newer, made by others, a link to dog"
        ),
        "  runs     cat  a model of unknown family, 2 MB, made by others, a link to dog",
    ]


def test_a_controlnet_says_what_it_is_for() -> None:
    net = replace(RUNS, entry=replace(ENTRY, kind=Kind.NET, name="a net"), fits=("cat", "dog"))
    strange = replace(net, entry=replace(net.entry, family=Family.UNKNOWN), fits=())
    assert lines(net, strange) == [
        "/m: 2 models: 2 run in both apps",
        (
            "  runs     a net  ControlNet for Stable Diffusion 1.x, 512x768, split-einsum, 6-bit,"
            " 2 MB, macOS 14 or newer"
        ),
        "           Mochi Diffusion offers it for cat, dog",
        "  runs     a net  ControlNet, 512x768, split-einsum, 6-bit, 2 MB, macOS 14 or newer",
        "           Mochi Diffusion offers it for no model here",
    ]


def test_what_is_wrong_is_said_once_and_reasons_that_apps_share_together() -> None:
    no = [AppVerdict(target=name, runs="no", reason="too old") for name in ("A", "B")]
    some = AppVerdict(target="C", runs="limited", reason="too old")
    known = AppVerdict(target="D", runs="no", reason="it is broken")
    findings = (
        ("BUN001", error("it is broken", why="so")),
        (HIDES_NEXT, warning("hidden", why="so")),
        (CRASHES_272, info("crashes", why="so")),
    )
    sick = replace(RUNS, apps=(*no, some, known), findings=findings)
    fails = replace(RUNS, apps=tuple(no))
    empty = Judged(
        entry=Entry(name="e", path="/m/e", kind=Kind.OTHER, reason="empty", remedy="fill it"),
        findings=(),
        apps=(),
        macos="",
        fits=(),
    )
    about = "Stable Diffusion 1.x, 512x768, split-einsum, 6-bit, 2 MB, macOS 14 or newer"
    assert lines(sick, fails, empty) == [
        (
            "/m: 2 models: 1 runs with limits, 1 does not run; the next Mochi Diffusion will hide"
            " 1; macOS 27.2 crashes on 1 with CPU & GPU; 1 of other kinds"
        ),
        f"  limited  cat  {about}",
        "           BUN001 it is broken",
        f"           {HIDES_NEXT} hidden",
        "           A and B: no, too old",
        "           C: limited, too old",
        f"  fails    cat  {about}",
        "           A and B: no, too old",
        "  -        e    empty",
        "           fill it",
        "  judged by descriptions; `sdcoreml doctor /m/cat` reads one whole, and says what to do",
    ]
    assert lines(empty)[0] == "/m: no Core ML models; 1 of other kinds"
    assert lines(fails, fails)[0] == "/m: 2 models: 2 do not run"


def test_names_are_lined_up_with_those_of_a_usual_length() -> None:
    names = ("a" * 44, "b" * 45)
    found = [replace(RUNS, entry=replace(ENTRY, name=one)) for one in names]
    assert [line.partition("  Stable")[0] for line in lines(*found)[1:]] == [
        f"  runs     {'a' * 44}",
        f"  runs     {'b' * 45}",
    ]
    short = replace(RUNS, entry=replace(ENTRY, name="a"))
    assert lines(short, found[0])[1].startswith(f"  runs     a{' ' * 43}  Stable")
