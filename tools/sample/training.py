"""All stages of the training, in order; each begins where the former ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from sdcoreml.ground.errors import BadInputError
from tools.sample.drawing import draw
from tools.sample.loop import Pace, train, write
from tools.sample.modules import make_unet, make_vae
from tools.sample.text import Words, read_words, text_stage, training_scenes
from tools.sample.unet import BATCH, Encoders, prepare, unet_stage
from tools.sample.vae import as_pixels, decoder_stage, decoding, vae_stage, whiten


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The UNet's training on pictures of one size: `count` pictures, `steps` steps."""

    size: int
    count: int
    steps: int
    rate: float
    batch: int = BATCH

    @property
    def name(self) -> str:
        """The stage's name."""
        return f"unet{self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long each stage is: its steps, and the pictures or captions that it learns from.

    The VAE learns from parts of `pool` pictures, its decoder then from `whole` ones. Small pictures
    come first for the UNet: words are learnt on them at less cost.
    """

    size: int = 128
    pool: int = 400
    vae: int = 1200
    decoder: int = 2500
    whole: int = 800
    captions: int = 6000
    text: int = 1500
    rounds: tuple[Round, ...] = (
        Round(size=64, count=8000, steps=7000, rate=1.5e-3),
        Round(size=128, count=6000, steps=1600, rate=1e-3),
    )


PLAN = Plan()
WHITENED = "vae-whitened.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The modules that training made, with their mean weights."""

    vae: torch.nn.Module
    encoder: torch.nn.Module
    unet: torch.nn.Module
    words: Words


def run(
    plan: Plan, vocabulary: Path, folder: Path, pace: Pace, say: Callable[[str], None]
) -> Trained | None:
    """Go on with the training in a folder; return the modules, or None if the pace ended it."""
    torch.manual_seed(0)
    vae = _train_vae(plan, folder, pace, say)
    if vae is None:
        return None
    scenes = training_scenes(plan.captions, 0)
    words = read_words(vocabulary, scenes)
    torch.manual_seed(0)
    text = text_stage(words, scenes, plan.text)
    if not train(text, folder, pace, say):
        return None
    encoder, unet = text.modules[0].eval(), None
    encoders = Encoders(vae=vae, text=encoder, words=words)
    for part in plan.rounds:
        path = folder / f"pictures{part.size}.pt"
        pictures = prepare(path, part.size, part.count, encoders)
        torch.manual_seed(0)
        stage = unet_stage(part.name, pictures, part.steps, part.rate, part.batch)
        if unet is not None:
            stage.modules.load_state_dict(unet.state_dict())
        if not train(stage, folder, pace, say):
            return None
        unet = stage.modules
    return Trained(vae=vae, encoder=encoder, unet=unet, words=words)


def load(plan: Plan, vocabulary: Path, folder: Path) -> Trained:
    """Return the modules with the mean weights of the training so far, for a look at them.

    Raises:
        BadInputError: the training has not come to the UNet yet.
    """
    last = folder / f"{reached(plan, folder).name}.pt"
    words = read_words(vocabulary, training_scenes(plan.captions, 0))
    vae, encoder, unet = make_vae(), words.make_encoder(), make_unet()
    vae.load_state_dict(torch.load(folder / WHITENED))
    _set_mean(decoding(vae), torch.load(folder / "decoder.pt")["mean"])
    _set_mean(encoder, torch.load(folder / "text.pt")["mean"])
    _set_mean(unet, torch.load(last)["mean"])
    return Trained(vae=vae.eval(), encoder=encoder.eval(), unet=unet.eval(), words=words)


def reached(plan: Plan, folder: Path) -> Round:
    """Return the last round of which a training folder has a state.

    Raises:
        BadInputError: it has none.
    """
    begun = [part for part in plan.rounds if (folder / f"{part.name}.pt").is_file()]
    if not begun:
        raise BadInputError(
            "has no state of a UNet's training",
            where=folder,
            remedy="run `python -m tools.sample train` with this folder first",
        )
    return begun[-1]


def _set_mean(modules: torch.nn.Module, mean: torch.Tensor) -> None:
    # The text encoder's mean is followed by that of the layer it was trained with.
    start = 0
    for parameter in modules.parameters():
        end = start + parameter.numel()
        parameter.data = mean[start:end].view_as(parameter).clone()
        start = end


def _train_vae(
    plan: Plan, folder: Path, pace: Pace, say: Callable[[str], None]
) -> torch.nn.Module | None:
    whitened = folder / WHITENED
    if not whitened.exists():
        stage = vae_stage(plan.size, plan.vae, plan.pool)
        if not train(stage, folder, pace, say):
            return None
        sizes = (plan.size, plan.size // 2)
        scenes = training_scenes(64, 2)
        for_each = [as_pixels([draw(scene, size) for scene in scenes]) for size in sizes]
        whiten(stage.modules, for_each)
        write(whitened, stage.modules.state_dict())
    vae = make_vae()
    vae.load_state_dict(torch.load(whitened))
    torch.manual_seed(0)
    stage = decoder_stage(vae, plan.size, plan.decoder, plan.whole)
    return vae.eval() if train(stage, folder, pace, say) else None
