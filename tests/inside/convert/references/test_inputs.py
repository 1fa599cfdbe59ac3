"""What programs and modules are compared with is varied in every row, channel and place."""

from __future__ import annotations

import pytest
import torch

from sdcoreml.convert.references import inputs

LONG = {"input_ids": (1, 77)}


def test_every_channel_of_an_image_has_a_wave_of_its_own() -> None:
    ((name, pixels),) = inputs.images({}, {"z": (1, 3, 48, 64)})[0].items()
    assert (name, tuple(pixels.shape)) == ("z", (1, 3, 48, 64))
    assert float(pixels.abs().max()) <= 1
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert float((pixels[0, one] - pixels[0, other]).abs().max()) > 1
    assert float(pixels.diff(dim=2).abs().max()) > 0.1
    assert float(pixels.diff(dim=3).abs().max()) > 0.1
    waves = pixels[0, 0] / 0.8
    down, across = torch.linspace(0, 1, 48).reshape(-1, 1), torch.linspace(0, 1, 64)
    expected = torch.sin(40 * down * across + 9 * across - 5 * down)
    assert float((waves - expected).abs().mean()) < 0.15, "but for the grain"


@pytest.mark.parametrize(("make", "filler"), [(inputs.tokens, 999), (inputs.tokens_of_second, 0)])
def test_prompts_are_short_full_cut_odd_and_empty(make: object, filler: int) -> None:
    rows = [row["input_ids"][0].tolist() for row in make({"vocab_size": 1000}, LONG)]  # type: ignore[operator]
    assert [len(row) for row in rows] == [77] * 5
    assert {row[0] for row in rows} == {998}
    ends = [[place for place, word in enumerate(row) if word == 999] for row in rows]
    if filler == 999:
        assert [places[0] if places else None for places in ends] == [13, 76, None, 10, 1]
        assert [len(places) for places in ends] == [64, 1, 0, 57, 76]
    else:
        assert ends == [[13], [76], [], [10, 21], [1]]
        assert [row.count(0) for row in rows] == [63, 0, 0, 55, 75]
    assert all(0 < word < 998 for word in rows[2][1:])


def test_a_vocabulary_that_is_not_stated_is_clips() -> None:
    (first, *_) = inputs.tokens({}, LONG)
    assert first["input_ids"][0, 0] == 49406
    (first, *_) = inputs.tokens({"vocab_size": 50000}, LONG)
    assert first["input_ids"][0, 0] == 49406, "later words are not CLIP's"


def test_steps_sizes_and_pictures_are_in_their_usual_ranges() -> None:
    shapes = {
        "sample": (3, 4, 8, 8),
        "timestep": (3,),
        "time_ids": (3, 6),
        "controlnet_cond": (1, 3, 8, 8),
        "additional_residual_0": (1, 400),
        "other": (1, 400),
    }
    first, second = inputs.denoising({}, shapes)
    assert first["timestep"].tolist() == [999, 1, 999]
    assert second["timestep"].tolist() == [0, 441, 0]
    assert first["time_ids"][1].tolist() == [832, 1216, 0, 64, 768, 1344]
    assert 0 <= float(first["controlnet_cond"].min()) <= float(first["controlnet_cond"].max()) <= 1
    assert 0.2 < float(first["additional_residual_0"].std()) < 0.4
    assert 0.8 < float(first["other"].std()) < 1.2
    assert not torch.equal(first["other"], second["other"])
    assert 3 < float(inputs.latents({}, {"z": (1, 400)})[0]["z"].std()) < 5


def test_every_sixty_first_number_is_twice_as_large() -> None:
    shapes = {"sample": (1, 4, 16, 16), "other": (1,)}
    (first, _) = inputs.denoising({}, shapes)
    generator = torch.Generator().manual_seed(inputs.SEED)
    torch.randn((1,), generator=generator)
    plain = torch.randn((1, 4, 16, 16), generator=generator).half().float().reshape(-1)
    ratio = (first["sample"].reshape(-1) / plain).tolist()
    assert [place for place, times in enumerate(ratio) if times != 1] == [*range(0, 1024, 61)]
    assert {ratio[place] for place in range(0, 1024, 61)} == {2.0}


def test_a_picture_is_judged_as_it_is_and_beyond_any_score() -> None:
    shapes = {"clip_input": (1, 3, 8, 8), "images": (1, 8, 8, 3), "adjustment": (1,)}
    usual, strict = inputs.pictures({}, shapes)
    assert (usual["adjustment"].tolist(), strict["adjustment"].tolist()) == ([0.0], [2.0])
    assert torch.equal(usual["images"], strict["images"])
    assert 0 <= float(usual["images"].min()) < float(usual["images"].max()) <= 1
