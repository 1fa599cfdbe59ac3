"""What the pinned packages print when all is well is no failure."""

from __future__ import annotations

import subprocess
import sys

from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

EVERYTHING = (
    "import accelerate, coremltools, diffusers, numpy, safetensors.torch, scipy, sklearn, torch, "
    "transformers, huggingface_hub, tokenizers; "
    "from diffusers import StableDiffusionPipeline, UNet2DConditionModel; "
    "from transformers import CLIPTextModel"
)


def test_the_output_of_importing_everything_is_diagnosed_as_nothing() -> None:
    done = subprocess.run(
        (sys.executable, "-c", EVERYTHING), capture_output=True, text=True, check=True
    )
    found = examine(done.stdout + done.stderr, entries())
    assert found.cause is None
    assert {match.role for match in found.matches} <= {Role.HARMLESS}
    assert not found.structure.chains
