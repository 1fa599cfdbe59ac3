from __future__ import annotations

import pytest

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.original_layout import (
    block_of,
    count_used_blocks,
    describe_blocks,
    layout_of,
)

UNET = "model.diffusion_model.input_blocks.0.0.weight"
ADDED = "model.diffusion_model.label_emb.0.0.weight"


@pytest.mark.parametrize(
    ("names", "family", "components"),
    [
        (["cond_stage_model.transformer.x"], Family.SD1, ["text_encoder"]),
        (["conditioner.embedders.0.transformer.x"], Family.SD1, ["text_encoder"]),
        (["cond_stage_model.model.x"], Family.SD2_V, ["text_encoder"]),
        (["conditioner.embedders.0.model.x"], Family.SD2_V, ["text_encoder"]),
        (["conditioner.embedders.0.model.x", ADDED], Family.SDXL_REFINER, ["text_encoder_2"]),
        (
            ["conditioner.embedders.0.transformer.x", "conditioner.embedders.1.model.x", ADDED],
            Family.SDXL,
            ["text_encoder", "text_encoder_2"],
        ),
    ],
)
def test_the_added_embedding_tells_sdxl_from_others_in_the_same_names(
    names: list[str], family: Family, components: list[str]
) -> None:
    found = layout_of([UNET, *names])
    assert found
    assert (found[0], [text.component for text in found[1]]) == (family, components)


@pytest.mark.parametrize(
    "names",
    [
        [],
        [UNET],
        [UNET, ADDED, "conditioner.embedders.0.transformer.x"],
        ["cond_stage_model.transformer.x"],
    ],
)
def test_what_is_not_whole_is_of_no_family(names: list[str]) -> None:
    assert layout_of(names) is None


def encoder(blocks: int, *more: str) -> list[str]:
    names = [f"te.transformer.resblocks.{block}.ln_1.weight" for block in range(blocks)]
    return [*names, *(f"te.{name}" for name in more)]


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (encoder(24, "text_projection", "logit_scale"), 23),
        (encoder(24), 23),
        (encoder(23, "text_projection"), 23),
        (encoder(23, "logit_scale"), 23),
        (encoder(23), 23),
        (encoder(3, "text_projection"), 2),
        (encoder(3, "logit_scale"), 2),
        (encoder(3), 3),
        (encoder(0), 0),
    ],
)
def test_the_last_block_is_left_out_only_where_it_is_there(names: list[str], used: int) -> None:
    assert count_used_blocks(names, "te.") == used


def test_an_encoder_that_is_not_the_usual_one_is_described() -> None:
    assert describe_blocks(encoder(24), "te.") == ""
    said = "text_encoder: of the usual 24 blocks the file holds 23; 23 are used"
    assert describe_blocks(encoder(23), "te.") == said


def test_a_tensor_s_block_is_read_from_its_name() -> None:
    assert block_of("text_model.encoder.layers.11.mlp.fc1.bias") == 11
    assert block_of("text_model.final_layer_norm.bias") == -1
