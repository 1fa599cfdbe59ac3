"""Makes the folders that are changed, and others to take programs from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.sample_folder import write_shards
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.torch_writer import FloatTensor
from sdcoreml.convert.worker import Runner
from sdcoreml.doctor.proving.miniature import CONFIGS, write_miniature
from sdcoreml.doctor.proving.miniature_weights import draw_tensor
from tests.convert.stand_ins import MADE_IN, job_of

SIX = {"method": "kmeans", "bits": 6}
SMALL = {"height": 16, "width": 16}

FORMS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "6 bits": {"recipe": SIX},
    "halves": {"chunk": True},
    "measured": SMALL,
}
"""The folders to change, and their options. `measured` has no certificates: torch ran it."""

DONORS: Mapping[str, Mapping[str, Any]] = {
    "seed": {},
    "seed-halves": {"chunk": True},
    "size": {"height": 24, "width": 24},
    "precision": {"precision": {"all": "fp32"}},
    "attention": {"attention": "ORIGINAL"},
    "attention-halves": {"attention": "ORIGINAL", "chunk": True},
}
"""Folders to take programs from: those of `seed` are of a model with other weights."""

NO_TORCH = "there is no torch in its environment"


def write_models(place: Path) -> Path:
    """Write the sample, and the same with another UNet, VAE decoder and encoder as `other`."""
    model, other = place / "sample", place / "other" / "sample"
    if not other.exists():
        write_miniature(model)
        copytree(model, other)
        for component, kind in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")):
            for path in (other / component).glob("*.bin*"):
                path.unlink()
            shapes = parameters(kind, CONFIGS[component]) or {}
            write_shards(_salted(shapes), other / component, "diffusion_pytorch_model")
    return model


def _salted(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, FloatTensor]]:
    for name, shape in shapes.items():
        yield name, draw_tensor(f"other.{name}", shape)


def make(name: str, place: Path, runner: Runner) -> Path:
    """Convert the sample to the folder `name` of `FORMS` or `DONORS`, if it is not there yet."""
    folder = place / name.replace(" ", "-")
    if not folder.exists():
        choices = dict({**FORMS, **DONORS}[name])
        model = place / ("other/sample" if name.startswith("seed") else "sample")
        attention = choices.pop("attention", "SPLIT_EINSUM")
        reason = "" if name == "measured" else NO_TORCH
        policy = ProofPolicy(certificates={} if name == "measured" else load(), reason=reason)
        workshop = Workshop(runner=runner, toolchain=MADE_IN, policy=policy)
        convert_models([job_of(open_model(model), folder, attention, **choices)], workshop)
    return folder
