"""What libraries refuse is told by the grammar in which they say so, and who refused is named."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.refusals import read_refusal

SITE = "/venv/lib/python3.10/site-packages"


def told(message: str, path: str = f"{SITE}/diffusers/x.py") -> Match | None:
    """Return what is said of an exception that a file's code raised."""
    return examine(
        f'Traceback (most recent call last):\n  File "{path}", line 3, in f\n    f()\n{message}\n',
        entries(),
    ).cause


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("ValueError: `frob` must be of type `str` but is 3", "family-wrong-type"),
        ("ValueError: frob should be a list, got a dict", "family-wrong-type"),
        ("ValueError: Unknown frob: loud", "family-wrong-value"),
        ("ValueError: frob must be one of loud, quiet", "family-wrong-value"),
        ("ValueError: `frob_count` has to be positive.", "family-wrong-value"),
        ("ValueError: You have to specify either frob or quux", "family-argument-wanted"),
        ("ValueError: `frob` cannot be None.", "family-argument-wanted"),
        ("ValueError: frob and quux are mutually exclusive", "family-excluding-arguments"),
        ("ValueError: Only one of `frob` or `quux` can be set.", "family-excluding-arguments"),
        ("ValueError: The length of frobs should be the same as of quuxes", "family-lengths"),
        ("ValueError: Expected frob to have shape (2, 3), got (3, 2)", "family-shape-refused"),
        ("RuntimeError: frob's dtype does not match quux's", "family-number-types"),
        ("RuntimeError: The frob has not been initialized.", "family-call-order"),
        ("ValueError: Frob with name 'x' already exists.", "family-call-order"),
        ("ValueError: No frob named 'quux' was found", "family-unknown-name"),
        ("NotImplementedError: Frobs are not supported yet.", "family-not-able"),
        ("ValueError: Frobbing goes with quux-kit >= 0.15.0 here", "family-version-below"),
        ("ValueError: `frob` was removed in version 3.", "family-removed"),
        ("RuntimeError: No frob. This should not happen.", "family-library-fault"),
        ("ImportError: Frobs require the `einops` package", "family-optional-package"),
    ],
)
def test_a_refusal_is_told_by_its_grammar(message: str, name: str) -> None:
    cause = told(message)
    assert cause is not None
    assert (cause.entry.id, cause.confidence) == (name, Confidence.GUESS)


def test_the_package_that_refused_is_named_and_a_script_is_not() -> None:
    cause = told("ValueError: Unknown frob: loud")
    assert cause is not None
    assert cause.cause.startswith("diffusers (x.py) takes no such value for frob")
    cause = told("ValueError: Unknown frob: loud", "/work/my.py")
    assert cause is not None
    assert cause.cause.startswith("The function that was called takes no such value for frob")


def test_what_python_says_itself_is_no_refusal() -> None:
    assert told("AttributeError: 'Frob' object has no attribute 'quux'", "/work/my.py") is None


def test_what_coremltools_refuses_while_it_translates_is_about_the_model() -> None:
    path = f"{SITE}/coremltools/converters/mil/frontend/torch/ops.py"
    cause = told("ValueError: frob is odd", path)
    assert cause is not None
    assert (cause.entry.id, cause.confidence.value) == ("family-op-refused", "a guess")
    assert cause.cause.startswith("coremltools failed at the operation f while")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            "ValueError: `frob` must be one of a, b, but got c.",
            {"of": " for frob", "said": " (wanted: one of a, b; given: c)"},
        ),
        (
            "TypeError: frob_quux has to be a list (got 7)",
            {"of": " for frob_quux", "said": " (wanted: a list (got 7); given: 7)"},
        ),
        ("ValueError: Unknown frob: loud.", {"of": " for frob", "said": " (given: loud)"}),
        (
            "ValueError: Frobs are off. Please turn them on.",
            {"advice": 'Do what it says: "Please turn them on."'},
        ),
        ("ValueError: Supported frobs are a and b.", {"said": " (wanted: a and b)"}),
        ("RuntimeError: boom", {}),
        ("boom", {}),
    ],
)
def test_what_a_refusal_says_is_read(text: str, read: dict[str, str]) -> None:
    told = read_refusal(text)
    assert {name: told[name] for name in told if name != "claim"} == read


def test_the_first_sentence_of_a_refusal_is_what_it_claims() -> None:
    told = read_refusal("ValueError: Frobs are off. Please turn them on.")
    assert told["claim"] == ' ("Frobs are off")'
    assert "claim" not in read_refusal("ValueError: boom")
