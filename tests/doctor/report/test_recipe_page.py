from __future__ import annotations

from dataclasses import replace

from sdcoreml.doctor.report.recipe_page import Measured, decibels, recipe_page
from tests.golden import assert_golden, outline_of
from tests.pages import HOSTILE, read_page, text_of

FOUND = Measured(
    model="cat",
    component="unet",
    layers={"conv_in_weight": 8, "down_blocks_0_conv_weight": 4, "mid_block_conv_weight": 6},
    average=4.5,
    psnr=41.5,
    uniform={"4": 35.0, "6": 47.25},
    effects={
        "conv_in_weight": 0.01,
        "down_blocks_0_conv_weight": 1e-6,
        "mid_block_conv_weight": 0.0,
    },
    elements={"conv_in_weight": 11_520, "down_blocks_0_conv_weight": 4},
)


def test_the_page_says_what_the_mixture_gains_and_which_layers_matter() -> None:
    said = text_of(recipe_page(FOUND).encode())
    assert "3 layers, 4.50 bits on average" in said
    assert "this recipe, 4.50 bits 41.5 dB" in said
    assert "4 bits for all 35.0 dB" in said
    assert "conv_in_weight 11,520 -20.0 dB 8" in said
    assert said.index("conv_in_weight 11,520") < said.index("down_blocks_0_conv_weight 4 -60.0 dB")
    assert "down_blocks_0 1 -60.0 dB" in said
    assert "4 bits: 1 layer" in said


def test_without_effects_only_the_bits_are_shown() -> None:
    said = text_of(recipe_page(replace(FOUND, effects={})).encode())
    assert "How sensitive" not in said
    assert "The bits of each layer" in said


def test_hostile_names_stay_text() -> None:
    found = Measured(
        model=HOSTILE,
        component=HOSTILE,
        layers={HOSTILE: 4},
        average=4.5,
        psnr=float("inf"),
        uniform={HOSTILE: 35.0},
        effects={HOSTILE: 0.5},
    )
    page = recipe_page(found).encode()
    assert text_of(page).count("alert(1)") > 6


def test_a_thousand_layers_fit_on_a_page() -> None:
    names = [f"down_blocks_{number % 3}_attentions_{number}_to_q_weight" for number in range(1_000)]
    page = recipe_page(
        replace(
            FOUND,
            layers=dict.fromkeys(names, 4),
            effects=dict.fromkeys(names, 0.1),
            elements=dict.fromkeys(names, 9),
        )
    ).encode()
    assert read_page(page).elements.count("rect") > 2_000


def test_a_change_of_a_hundredth_is_20_db_down() -> None:
    assert decibels(0.01) == -20
    assert decibels(0) == decibels(1e-12) == -90
    assert decibels(float("nan")) > decibels(0.9)


MANY = {
    f"{block}_conv_{number}_weight": 4 for block in ("up_blocks_1", "mid") for number in range(12)
}


def test_the_whole_page() -> None:
    effects = {name: 10.0 ** -(place % 10) for place, name in enumerate(MANY)}
    elements = {name: 1_000 + place for place, name in enumerate(MANY)}
    found = replace(FOUND, layers=MANY, effects=effects, elements=elements)
    assert_golden("recipe", outline_of(recipe_page(found).encode()))
