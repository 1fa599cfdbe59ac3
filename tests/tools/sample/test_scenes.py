from __future__ import annotations

from collections import Counter

from tools.sample.scenes import (
    COLOURS,
    Look,
    every_look,
    held_back,
    make_scene,
    plain_caption,
    seeded,
    trained,
)


def test_looks_that_are_held_back_are_never_trained() -> None:
    held = held_back()
    assert len(held) == len(set(held)) == 100
    assert len(trained()) == len(every_look()) - 100
    rng = seeded(1)
    looks = trained()
    assert not {make_scene(rng, looks).look for _ in range(500)} & set(held)


def test_every_pair_of_words_is_trained_with_some_third() -> None:
    pairs = {(look.colour, look.shape) for look in trained()}
    grounds = {(look.colour, look.background) for look in trained()}
    for look in held_back():
        assert (look.colour, look.shape) in pairs
        assert (look.colour, look.background) in grounds


def test_a_caption_names_all_that_is_to_be_seen() -> None:
    rng, looks = seeded(2), every_look()
    numbers = Counter[int]()
    for _ in range(300):
        scene = make_scene(rng, looks)
        words = scene.caption.replace(",", "").split()
        assert scene.look.colour in words
        assert scene.look.shape in {word.removesuffix("s") for word in words}
        unnamed = "black" if scene.look.colour == "white" else "white"
        assert scene.look.background in (words if len(set(words) & set(COLOURS)) > 1 else unnamed)
        named = 1 + ("two" in words) + 2 * ("three" in words)
        assert named == len(scene.things)
        numbers[named] += 1
    assert set(numbers) == {1, 2, 3}


def test_the_same_seed_makes_the_same_scenes() -> None:
    first, second = (make_scene(seeded(3), trained()) for _ in "ab")
    assert first == second


def test_an_article_fits_its_word() -> None:
    look = Look(background="orange", colour="red", shape="star")
    assert plain_caption(look) == "a red star on an orange background"
