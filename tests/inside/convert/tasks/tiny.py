"""Tiny models of the real families, with the packages of their programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sdcoreml.convert.drawing.choices import Method, Rng, Settings, Spacing
from sdcoreml.convert.drawing.pipeline import Subject
from sdcoreml.convert.drawing.tokens import Prompt, read_vocabulary, tokenize
from sdcoreml.convert.drawing.wish import Original
from sdcoreml.convert.programs.options import ProgramOptions
from tests.inside.convert.programs.configs import CONTROLNET, TEXT, UNET, VAE
from tests.inside.convert.programs.models import save
from tests.inside.convert.programs.test_families import package, shaken

STEPS, SEED, SIDE = 3, 5, 128
BEGIN, END = 118, 119
SETTINGS = Settings(
    steps=STEPS,
    guidance=2.5,
    method=Method.PNDM,
    spacing=Spacing.LINSPACE,
    rng=Rng.NUMPY,
    seed=SEED,
    latent_scale=0.18215,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiny:
    """A tiny model: its modules, its programs' packages and what these were made from."""

    folder: Path
    modules: Mapping[str, torch.nn.Module]
    places: Mapping[str, Path]
    originals: Mapping[str, Original]

    def subject(self) -> Subject:
        vocabulary = read_vocabulary(self.folder)
        words = [tokenize(text, vocabulary, 77) for text in ("a red dog", "blue")]
        return Subject(prompt=words[0], negative=words[1])


def write_tokenizer(folder: Path) -> None:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["!", *letters, *(f"{letter}</w>" for letter in letters)]
    ids = {word: number for number, word in enumerate(words)}
    ids |= {"<|startoftext|>": BEGIN, "<|endoftext|>": END}
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def write_tiny(
    folder: Path, parts: Mapping[str, tuple[str, torch.nn.Module]], options: ProgramOptions
) -> Tiny:
    """Write the packages of modules, which are given by program with their components."""
    write_tokenizer(folder)
    places, originals = {}, {}
    for name, (component, module) in parts.items():
        place = folder / name
        place.mkdir()
        places[name] = package(component, module, place, options)
        config = place / "config.json"
        held = module.config
        text = held.to_json_string() if hasattr(held, "to_json_string") else json.dumps(dict(held))
        config.write_text(text)
        state = {key: t for key, t in module.state_dict().items() if t.is_floating_point()}
        originals[name] = Original(
            component=component,
            config=str(config),
            weights=str(save(state, place / "all.safetensors")),
            options=options,
        )
    modules = {name: module for name, (_, module) in parts.items()}
    return Tiny(folder=folder, modules=modules, places=places, originals=originals)


def text_module(width: int, *, projects: bool = False) -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind = CLIPTextModelWithProjection if projects else CLIPTextModel
    config = {**TEXT, "hidden_size": width, "projection_dim": width, "bos_token_id": BEGIN}
    return shaken(kind(CLIPTextConfig(**config)))


def diffusion_module(kind: str, config: Mapping[str, Any]) -> torch.nn.Module:
    import diffusers

    return shaken(getattr(diffusers, kind).from_config(dict(config)))


def sd_modules() -> dict[str, torch.nn.Module]:
    """Return the modules of a tiny Stable Diffusion 1.x."""
    return {
        "TextEncoder": text_module(24),
        "Unet": diffusion_module("UNet2DConditionModel", UNET),
        "VAEDecoder": diffusion_module("AutoencoderKL", VAE),
    }


def write_sd(folder: Path) -> Tiny:
    """Write a tiny Stable Diffusion 1.x with every program that it can have."""
    modules = sd_modules()
    parts = {
        "TextEncoder": ("text_encoder", modules["TextEncoder"]),
        "Unet": ("unet", modules["Unet"]),
        "ControlledUnet": ("controlled_unet", modules["Unet"]),
        "Canny": ("controlnet", diffusion_module("ControlNetModel", CONTROLNET)),
        "VAEDecoder": ("vae_decoder", modules["VAEDecoder"]),
        "VAEEncoder": ("vae_encoder", modules["VAEDecoder"]),
    }
    return write_tiny(folder, parts, ProgramOptions(height=16, width=16))


def ids(prompt: Prompt, pad: str = "<|endoftext|>") -> torch.Tensor:
    return torch.tensor([prompt.ids(pad)])
