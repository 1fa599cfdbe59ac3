"""The safety checker of the pinned diffusers."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.references.inputs import Feeds

CAREFUL = 0.01
"""Added by diffusers to all scores if a special concept matches."""


def checker(config: Mapping[str, object]) -> torch.nn.Module:
    """Make the pinned checker, extended to return the scores that it decides by.

    diffusers' `forward_onnx` does not return the scores, and its adjustment is 0. With an
    adjustment of 0, the images and the verdict here equal those of `forward_onnx`.
    """
    from diffusers.pipelines.stable_diffusion import safety_checker as pinned
    from transformers import CLIPConfig

    class Checker(pinned.StableDiffusionSafetyChecker):  # type: ignore[misc]
        def forward(
            self, clip_input: torch.Tensor, images: torch.Tensor, adjustment: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            seen = self.visual_projection(self.vision_model(clip_input)[1])
            special = pinned.cosine_distance(seen, self.special_care_embeds)
            special = special - self.special_care_embeds_weights + adjustment
            extra = CAREFUL * (special > 0).any(1, keepdim=True)
            scores = pinned.cosine_distance(seen, self.concept_embeds)
            scores = scores - self.concept_embeds_weights + extra
            is_near = (scores > 0).any(1)
            filtered = images * ~is_near.reshape(-1, 1, 1, 1)
            if not adjustment.any():
                filtered, is_near = self.forward_onnx(clip_input, images.clone())
            return {
                "filtered_images": filtered,
                "has_nsfw_concepts": is_near.float(),
                "concept_scores": scores,
            }

    return Checker(CLIPConfig.from_dict(dict(config)))


def check(module: torch.nn.Module, feeds: Feeds, _: ProgramOptions) -> dict[str, torch.Tensor]:
    """Return the images, the verdict and the scores."""
    results: dict[str, torch.Tensor] = module(
        feeds["clip_input"], feeds["images"], feeds["adjustment"]
    )
    return results
