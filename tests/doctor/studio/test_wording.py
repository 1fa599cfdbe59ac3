"""The texts of choices: whole sentences, and figures that a command of this page reproduces."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdcoreml.doctor.commands.draw_options import configure
from sdcoreml.doctor.studio import wording
from sdcoreml.doctor.studio.wording import (
    BATCHES,
    BITS,
    COSTS,
    DEVICES,
    EXTRAS,
    GROUPS,
    KEEP,
    MEASURED_BY,
    MORE,
    PREDICTIONS,
    SKIPS,
    TARGETS,
    Words,
)
from tests.golden import assert_golden, table_of

ROOT = Path(__file__).parents[3]
TABLES = (
    "GROUPS",
    "DEVICES",
    "EXTRAS",
    "MORE",
    "TARGETS",
    "PREDICTIONS",
    "SKIPS",
    "KEEP",
    "APPS",
    "BATCHES",
    "BITS",
    "COSTS",
)


def every() -> list[Words]:
    tables = (GROUPS, DEVICES, EXTRAS, MORE, TARGETS, PREDICTIONS, KEEP)
    numbered = (SKIPS, BITS, *BATCHES.values())
    return [
        *(words for table in tables for words in table.values()),
        *(words for table in numbered for words in table.values()),
    ]


def test_texts_are_as_they_are_kept() -> None:
    assert_golden("table-doctor.studio.wording", table_of(wording, *TABLES))


def test_each_choice_has_a_short_title_and_a_whole_sentence() -> None:
    for words in every():
        assert 0 < len(words.title) <= 30
        assert words.sentence[0].isupper() or words.sentence[0].isdigit()
        assert words.sentence.endswith(".")
        assert len(words.sentence) <= 150


def test_each_quality_has_its_measured_cost_and_the_command_that_measures_it() -> None:
    assert COSTS.keys() == BITS.keys()
    assert all(cost.startswith("measured: ") for cost in COSTS.values())
    verb, *words = MEASURED_BY
    assert verb == "draw"
    parser = argparse.ArgumentParser()
    configure(parser)
    args = parser.parse_args(words)
    compared = [one.name for one in args.compare]
    assert [f"sample-split-einsum-{bits}-bit_128x128" for bits in BITS if bits < 16] == compared
    told = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert all(f"--compare models/{name}" in told for name in compared)


def test_the_figure_of_recipes_is_the_one_of_the_readme() -> None:
    told = " ".join((ROOT / "convert" / "README.md").read_text("utf-8").split())
    assert "keeps 58 dB, with 4 bits throughout 46" in told
    assert "keeps 58 dB, with 4 bits throughout 46" in GROUPS["recipe"].sentence
