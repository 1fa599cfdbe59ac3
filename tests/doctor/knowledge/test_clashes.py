from __future__ import annotations

from dataclasses import replace

from sdcoreml.doctor.knowledge import entries, of_topic
from sdcoreml.doctor.knowledge.clashes import find_clashes, find_contradiction
from sdcoreml.doctor.knowledge.topics import CLASHES
from tests.doctor.healthy import TOOLCHAIN

CLASHING = of_topic(CLASHES)
BASE = entries()[0]


def test_a_version_contradicts_a_condition_and_what_is_not_known_may_fit() -> None:
    entry = replace(BASE, when={"diffusers": "<0.29", "huggingface_hub": ">=0.26"})
    said = find_contradiction(entry, {"huggingface-hub": "0.17.3", "diffusers": "0.23.1"})
    assert said == "huggingface_hub 0.17.3 here, this needs >=0.26"
    assert find_contradiction(entry, {"diffusers": "0.23.1"}) == ""


def test_the_tested_pins_do_not_clash_and_a_known_bad_pair_does() -> None:
    tested = {
        **TOOLCHAIN.pins,
        "huggingface-hub": "0.17.3",
        "tokenizers": "0.14.1",
        "transformers": "4.34.1",
        "protobuf": "3.20.3",
        "python": "3.10.10",
    }
    assert find_clashes(CLASHING, tested) == ()
    worse = find_clashes(CLASHING, {**tested, "huggingface-hub": "1.2.3"})
    assert {entry.id for entry in worse} == {
        "hub-cached-download-removed",
        "hub-hffolder-removed",
        "hub-version-conflict-transformers",
    }


def test_a_clash_needs_every_version_it_speaks_of() -> None:
    entry = replace(BASE, when={"torch": "<2", "Scikit_Learn": ">=1"})
    assert find_clashes([entry], {"torch": "1.13", "scikit-learn": "1.1"}) == (entry,)
    assert find_clashes([entry], {"torch": "1.13"}) == ()
    assert find_clashes([entry], {"torch": "2.2", "scikit-learn": "1.1"}) == ()
