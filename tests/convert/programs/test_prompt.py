from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.programs.prompt import END, SECOND_PAD, restore_prompt
from tests.convert.drawing.swift import PROMPTS

E = END


@pytest.mark.parametrize(
    ("what", "ids", "app_pad", "pad", "restored", "stop"),
    [
        ("short", (1, 5, 6, E, E, E), E, E, (1, 5, 6, E, E, E), 3),
        ("short, trained on another padding", (1, 5, 6, E, E, E), E, 0, (1, 5, 6, E, 0, 0), 3),
        ("the second encoder", (1, 5, E, 0, 0, 0), 0, 0, (1, 5, E, 0, 0, 0), 2),
        ("the second encoder, end padding", (1, 5, E, 0, 0, 0), 0, E, (1, 5, E, E, E, E), 2),
        ("as long as can be", (1, 2, 3, 4, 5, E), E, 0, (1, 2, 3, 4, 5, E), 5),
        ("its end was cut off", (1, 2, 3, 4, 5, 6), E, 0, (1, 2, 3, 4, 5, E), 5),
        ("an unknown character", (1, 2, E, 4, E, E), E, 0, (1, 2, E, 4, E, 0), 4),
        ("nothing", (1, E, E, E, E, E), E, 0, (1, E, 0, 0, 0, 0), 1),
        ("a lone exclamation mark within", (1, 0, 7, E, 0, 0), 0, 0, (1, 0, 7, E, 0, 0), 3),
    ],
)
def test_what_apps_send_becomes_what_diffusers_would(
    what: str,
    ids: tuple[int, ...],
    app_pad: int,
    pad: int,
    restored: tuple[int, ...],
    stop: int,
) -> None:
    assert restore_prompt(ids, end=E, app_pad=app_pad, pad=pad) == (restored, stop), what


@given(words=st.lists(st.integers(1, E - 2), max_size=200), pad=st.sampled_from([0, E]))
def test_whatever_swift_does_to_a_prompt_is_undone(words: list[int], pad: int) -> None:
    """Swift cuts a prompt to 77 ids, which can drop its end token, and pads a shorter one."""
    kept = words[:75]
    wanted = [E - 1, *kept, E, *[pad] * (75 - len(kept))]
    for app_pad in (E, SECOND_PAD):
        sent = [E - 1, *words, E][:77]
        sent += [app_pad] * (77 - len(sent))
        restored, stop = restore_prompt(sent, end=E, app_pad=app_pad, pad=pad)
        assert list(restored) == wanted
        assert stop == len(kept) + 1


def test_no_word_that_swift_sends_is_lost() -> None:
    """The prompts are those of today's apps: all ids before the end token are kept."""
    assert len(PROMPTS) >= 40
    for prompt in PROMPTS:
        for app_pad in (E, SECOND_PAD):
            ids = [*prompt["ids"], *[app_pad] * (77 - len(prompt["ids"]))]
            restored, stop = restore_prompt(ids, end=E, app_pad=app_pad, pad=0)
            assert list(restored[:stop]) == ids[:stop], prompt["prompt"]
            assert restored[stop] == E
            assert set(ids[stop + 1 :]) <= {E, app_pad}
