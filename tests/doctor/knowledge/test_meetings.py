from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.meetings import explain_meeting

CHANNELS = (
    "RuntimeError: Given groups=1, weight of size [{}, 3, 3], expected input[1, {}, 64, 64] to have"
    " 4 channels, but got {} channels instead"
)
WIDTHS = "RuntimeError: mat1 and mat2 shapes cannot be multiplied ({} and {})"
MPS = "RuntimeError: linear(): input and weight.T shapes cannot be multiplied ({} and {})"
TENSORS = "RuntimeError: The size of tensor a ({}) must match the size of tensor b ({}) at non-"
TENSORS += "singleton dimension {}"


@pytest.mark.parametrize(
    ("line", "said", "cure"),
    [
        (CHANNELS.format("320, 4", 9, 9), "four channels, was given", "inpainting"),
        (CHANNELS.format("512, 16", 4, 4), "4 channels (Stable Diffusion 1", "VAE"),
        (CHANNELS.format("320, 4", 16, 16), "16 channels (Stable Diffusion 3", "VAE"),
        (CHANNELS.format("128, 3", 4, 4), "transparency", 'convert("RGB")'),
        (WIDTHS.format("77x2048", "768x320"), "Stable Diffusion XL's (2048 wide)", "same family"),
        (WIDTHS.format("77x768", "2048x640"), "takes Stable Diffusion XL's (2048 wide)", "family"),
        (WIDTHS.format("2x2560", "2816x1280"), "refiner", "refiner"),
        (WIDTHS.format("257x1280", "1024x3072"), "ViT-bigG", "ViT-H"),
        (WIDTHS.format("4096x64", "384x3072"), "Flux Fill", "FluxFillPipeline"),
        (TENSORS.format(4, 9, 1), "an inpainting model (nine channels)", "merge"),
        (TENSORS.format(9, 4, 1), "an inpainting model (nine channels)", "merge"),
        (TENSORS.format(49408, 49410, 0), "vocabularies", "added words"),
        (MPS.format("77x768", "1024x320"), "takes Stable Diffusion 2's (1024 wide)", "family"),
        (TENSORS.format(64, 63, 3), "", ""),
        ("nothing", "", ""),
    ],
)
def test_two_sizes_that_meet_tell_what_met(line: str, said: str, cure: str) -> None:
    met = explain_meeting(line)
    assert said in met.get("sizes", "")
    assert cure in met.get("cure", "")
    assert bool(said) is bool(met)
