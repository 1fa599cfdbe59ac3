"""A few of the deliberate changes to a finished folder; `python -m tests.inside.convert.changes`
makes them all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.worker import Worker
from tests.inside.convert.changes.__main__ import Bench, find, kinds
from tests.inside.convert.changes.folders import FORMS, make


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, worker: Worker) -> Bench:
    place = tmp_path_factory.mktemp("changes")
    return Bench(place, worker, donors=())


@pytest.fixture(scope="module")
def folder(bench: Bench) -> Path:
    return make("plain", bench.place, bench.runner)


def test_what_nobody_changed_has_no_fault_and_no_note(bench: Bench, folder: Path) -> None:
    assert find(folder, bench.runner, bench.against("plain")) == ("", "")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.mil: a number", "holds more or other bytes than this converter writes"),
        ("weight.bin: a bit of a descriptor", "is not the next one that the program reads"),
        ("mode: setuid", "its mode is 4644"),
    ],
)
def test_it_is_found_without_the_model(bench: Bench, folder: Path, name: str, what: str) -> None:
    aside = bench.change(folder, kinds("plain")[name], name)
    assert what in find(aside, bench.runner)[0]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("vocab.json: two ids swapped", "not the model's tokenizer"),
        ("weights: the last bit of an element", "weights equal no tensor of the checkpoint"),
        ("manifest, options: options.tokens", "its options should be"),
        (
            "manifest, programs: programs.*.checked.certificate.date",
            "its certificate is none that this version of sdcoreml has",
        ),
    ],
)
def test_it_is_found_with_the_model(bench: Bench, folder: Path, name: str, what: str) -> None:
    aside = bench.change(folder, kinds("plain")[name], name)
    assert find(aside, bench.runner) == ("", "")
    assert what in find(aside, bench.runner, bench.against("plain"))[0]


def test_there_are_more_than_two_hundred() -> None:
    names = [(form, name) for form in FORMS for name in kinds(form)]
    assert len(names) > 200
    assert len({name.partition(":")[0] for _, name in names}) > 12
