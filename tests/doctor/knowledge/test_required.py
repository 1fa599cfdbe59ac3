"""An argument that a function wants makes it newer than its caller, not older."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.dating import ANY_CLASS, Asked, Dating, Side
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.required import say_required, say_unfit

ASKED = Asked(name="ink", owner=f"{ANY_CLASS}.paint", is_parameter=True)


def dating(side: Side) -> Dating:
    return Dating(side=side, since="2.0", until="3.0")


def test_what_has_an_argument_since_a_release_is_newer_than_what_does_not_give_it() -> None:
    told = say_required("brushes", "", ASKED, dating(Side.OLD))
    assert told is not None
    assert told["skew"] == (
        "brushes is newer than the code that ran: since 2.0 paint takes ink, which it is not given"
    )
    assert told["cure"].startswith("brushes before 2.0: `pip install 'brushes<2.0'`")


def test_what_wanted_an_argument_until_a_release_is_older_than_what_does_not_give_it() -> None:
    told = say_required("brushes", "canvas", ASKED, dating(Side.NEW))
    assert told is not None
    assert told["skew"].startswith("brushes is older than canvas: before 3.0 paint wants ink")
    assert told["cure"] == "brushes 3.0 or newer: `pip install -U brushes`"


def test_of_what_nobody_knows_the_time_no_side_is_named() -> None:
    told = say_required("brushes", "", ASKED, dating(Side.ALWAYS))
    assert told == say_unfit("brushes", "", "ink", "paint")
    assert "wants ink, which the code that ran does not give" in told["skew"]
    assert say_unfit("brushes", "", "ink", "")["skew"].startswith("A function of this brushes")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            (
                "OnnxStableDiffusionPipeline.__init__() missing 1 required positional argument:"
                " 'vae_encoder'"
            ),
            "diffusers is newer than the code that ran: since 0.6.0",
        ),
        ("ControlNet.forward() missing 1 required positional argument: 'y'", "wants y"),
        (
            "frob() missing 1 required positional argument: 'ink'",
            "wants an argument",
        ),
    ],
)
def test_a_line_that_says_so_is_told_this_way_round(line: str, said: str) -> None:
    cause = examine(f"TypeError: {line}\n", entries()).cause
    assert cause is not None
    assert cause.entry.id == "family-unexpected-argument"
    assert said in cause.cause


def test_what_each_release_wants_is_left_out_by_the_call() -> None:
    log = (
        '  File "/w/custom_nodes/paint-nodes/__init__.py", line 2, in <module>\n'
        "    hf_hub_download(\n"
        "TypeError: hf_hub_download() missing 1 required positional argument: 'filename'\n"
    )
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.cause.startswith("The extension paint-nodes calls hf_hub_download of")
    assert "no other huggingface-hub cures it" in cause.cause
