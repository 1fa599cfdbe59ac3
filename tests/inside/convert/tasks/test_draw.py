"""Pictures of tiny models, beside those of the pinned diffusers' own pipelines.

The pipelines get the same ids and noise. With PNDM, diffusers makes the same steps as Apple's
package, apart from what is decoded: there the clean latent, here the last one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sdcoreml.convert.drawing.choices import Method, Rng, Settings, Spacing
from sdcoreml.convert.drawing.likeness import IMAGE_RANGE, psnr
from sdcoreml.convert.drawing.pipeline import Moment, Subject, draw
from sdcoreml.convert.drawing.randoms import NumpySource
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.tokens import SECOND_PAD, Prompt, read_vocabulary, tokenize
from sdcoreml.convert.drawing.wish import Original, Wish
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.programs.options import ProgramOptions, TextStates
from sdcoreml.convert.tasks.draw import draw_wish, judge
from sdcoreml.convert.tasks.interpreted import InterpretedPrograms
from sdcoreml.convert.tasks.pictures import read_picture, write_png
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event, silent
from tests.inside.convert.programs.configs import CONTROLNET, TEXT, UNET, VAE, XL
from tests.inside.convert.programs.models import save
from tests.inside.convert.programs.test_families import package, shaken

STEPS, SEED, SIDE = 3, 5, 128
BEGIN, END = 118, 119
PNDM = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
    "steps_offset": 1,
}
FLOORS = {Mode.FP32: (90.0, 90.0), Mode.FP16: (60.0, 35.0)}
"""The lowest PSNR, in dB, of a latent and of the picture."""

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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    vae, unet = (
        diffusion_module("AutoencoderKL", VAE),
        diffusion_module("UNet2DConditionModel", UNET),
    )
    parts = {
        "TextEncoder": ("text_encoder", text_module(24)),
        "Unet": ("unet", unet),
        "ControlledUnet": ("controlled_unet", unet),
        "Canny": ("controlnet", diffusion_module("ControlNetModel", CONTROLNET)),
        "VAEDecoder": ("vae_decoder", vae),
        "VAEEncoder": ("vae_encoder", vae),
    }
    return write_tiny(tmp_path_factory.mktemp("tiny"), parts, ProgramOptions(height=16, width=16))


@pytest.fixture(scope="module")
def tiny_xl(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    parts = {
        "TextEncoder": ("text_encoder", text_module(16)),
        "TextEncoder2": ("text_encoder_2", text_module(24, projects=True)),
        "Unet": ("unet", diffusion_module("UNet2DConditionModel", {**UNET, **XL})),
        "VAEDecoder": ("vae_decoder", diffusion_module("AutoencoderKL", VAE)),
    }
    options = ProgramOptions(height=16, width=16, text_states=TextStates.PENULTIMATE)
    return write_tiny(tmp_path_factory.mktemp("tiny_xl"), parts, options)


def drawn(tiny: Tiny, mode: Mode) -> tuple[Singles, list[Moment]]:
    moments: list[Moment] = []
    with ExitStack() as stack:
        programs = InterpretedPrograms(tiny.places, mode, stack)
        return draw(programs, tiny.subject(), SETTINGS, moments.append), moments


def ids(prompt: Prompt, pad: str = "<|endoftext|>") -> torch.Tensor:
    return torch.tensor([prompt.ids(pad)])


def common(latents: list[Singles]) -> dict[str, Any]:
    noise = NumpySource(SEED).draw_array(4 * 16 * 16).astype(np.float32).reshape(1, 4, 16, 16)
    return {
        "num_inference_steps": STEPS,
        "guidance_scale": SETTINGS.guidance,
        "latents": torch.from_numpy(noise),
        "output_type": "latent",
        "height": SIDE,
        "width": SIDE,
        "callback": lambda _, __, latent: latents.append(latent.numpy().copy()),
        "callback_steps": 1,
    }


def compare(tiny: Tiny, latents: list[Singles], mode: Mode) -> None:
    image, moments = drawn(tiny, mode)
    each, last = FLOORS[mode]
    assert len(moments) == STEPS + 1
    # The pipelines say nothing of the first of PNDM's two half steps.
    for wanted, moment in zip(latents, moments[1:], strict=True):
        assert psnr(wanted, moment.latent) >= each, moment.place
    clean = torch.from_numpy(moments[-1].clean) / SETTINGS.latent_scale
    with torch.no_grad():
        wanted = tiny.modules["VAEDecoder"].decode(clean).sample.numpy()
    assert psnr(wanted, image, IMAGE_RANGE) >= last


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", Mode)
def test_a_picture_is_that_of_the_pinned_pipeline(tiny: Tiny, mode: Mode) -> None:
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    modules, subject, latents = tiny.modules, tiny.subject(), list[Singles]()
    pipeline = StableDiffusionPipeline(
        vae=modules["VAEDecoder"],
        text_encoder=modules["TextEncoder"],
        tokenizer=None,
        unet=modules["Unet"],
        scheduler=PNDMScheduler(**PNDM),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    encoder = modules["TextEncoder"]
    with torch.no_grad():
        pipeline(
            prompt_embeds=encoder(ids(subject.prompt))[0],
            negative_prompt_embeds=encoder(ids(subject.negative))[0],
            **common(latents),
        )
    compare(tiny, latents, mode)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", Mode)
def test_a_picture_of_sdxl_is_that_of_the_pinned_pipeline(tiny_xl: Tiny, mode: Mode) -> None:
    from diffusers import PNDMScheduler, StableDiffusionXLPipeline

    modules, subject, latents = tiny_xl.modules, tiny_xl.subject(), list[Singles]()
    pipeline = StableDiffusionXLPipeline(
        vae=modules["VAEDecoder"],
        text_encoder=modules["TextEncoder"],
        text_encoder_2=modules["TextEncoder2"],
        tokenizer=None,
        tokenizer_2=None,
        unet=modules["Unet"],
        scheduler=PNDMScheduler(**PNDM),
        add_watermarker=False,
    )
    told = {}
    for name, prompt in (("", subject.prompt), ("negative_", subject.negative)):
        first = modules["TextEncoder"](ids(prompt), output_hidden_states=True)
        second = modules["TextEncoder2"](ids(prompt, SECOND_PAD), output_hidden_states=True)
        # The pinned module takes the pooled state at the highest id: the first end token.
        states = [one.hidden_states[-2].detach() for one in (first, second)]
        told[f"{name}prompt_embeds"] = torch.cat(states, dim=-1)
        told[f"{name}pooled_prompt_embeds"] = second.text_embeds.detach()
    size = {"original_size": (1024, 1024), "target_size": (1024, 1024)}
    with torch.no_grad():
        pipeline(**told, **size, **common(latents))
    compare(tiny_xl, latents, mode)


def wish(tiny: Tiny, output: Path, **more: Any) -> Wish:
    return Wish(
        folder=str(tiny.folder),
        programs={},
        prompt="a red dog",
        settings=replace(SETTINGS, method=Method.DPM),
        output=str(output),
        **more,
    )


def draw_tiny(tiny: Tiny, asked: Wish) -> Any:
    with ExitStack() as stack:
        programs = InterpretedPrograms(tiny.places, Mode(asked.precision), stack)
        return draw_wish(programs, asked, silent)


def picture(folder: Path, size: tuple[int, int], mode: str = "RGB") -> Path:
    path = folder / f"{mode}.png"
    across = Image.linear_gradient("L").resize(size)
    Image.merge(mode, [across] * len(mode)).save(path)
    return path


def test_equal_seeds_give_equal_files(tiny: Tiny, tmp_path: Path) -> None:
    events: list[Event] = []
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, seed in zip(files, (5, 5, 6), strict=True):
        asked = wish(tiny, file)
        asked = replace(asked, settings=replace(asked.settings, seed=seed, steps=1))
        with ExitStack() as stack:
            programs = InterpretedPrograms(tiny.places, Mode.FP16, stack)
            found = draw_wish(programs, asked, events.append)
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third
    assert (found.width, found.height, found.timesteps) == (SIDE, SIDE, (999,))
    assert [(it.done, it.total, it.unit) for it in events if it.kind == "progress"] == [
        (1, 1, "steps")
    ] * 3
    with Image.open(files[0]) as image:
        assert (image.size, image.mode) == ((SIDE, SIDE), "RGB")


def test_a_picture_that_starts_from_one_and_follows_one_is_that_of_the_modules(
    tiny: Tiny, tmp_path: Path
) -> None:
    start, edges = picture(tmp_path, (300, 200)), picture(tmp_path, (SIDE, SIDE), "RGBA")
    output = tmp_path / "both.png"
    asked = wish(
        tiny,
        output,
        start=str(start),
        nets={"somewhere/Canny.mlmodelc": str(edges)},
        mask=str(edges),
        originals=tiny.originals,
    )
    found = draw_tiny(tiny, replace(asked, settings=replace(asked.settings, strength=0.7)))
    assert found.fitted == (str(start),)
    assert len(found.likeness.steps) == 2
    assert min(found.likeness.steps) >= 60
    assert found.likeness.psnr >= 35
    assert found.likeness.ssim > 0.99
    assert found.half is None
    with Image.open(output) as image:
        assert image.size == (2 * SIDE, SIDE)
        left, right = (np.asarray(image.crop((x, 0, x + SIDE, SIDE))) for x in (0, SIDE))
    assert left.std() > 1
    assert np.abs(left.astype(int) - right).max() <= 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """A safety checker with this verdict, which keeps what it was shown."""

    verdict: float
    seen: list[Mapping[str, Singles]]

    def inputs(self, _: str) -> Mapping[str, tuple[int, ...]]:
        return {"clip_input": (1, 3, 224, 224), "images": (1, 512, 512, 3), "adjustment": (1,)}

    def run(self, name: str, feeds: Mapping[str, Singles]) -> Mapping[str, Singles]:
        assert name == "SafetyChecker"
        self.seen.append(feeds)
        return {"has_nsfw_concepts": np.array([self.verdict], np.float32)}


@pytest.mark.parametrize("verdict", [0, 1])
def test_the_safety_checker_sees_what_apple_s_package_shows_it(verdict: int) -> None:
    checker = Checker(verdict=verdict, seen=[])
    assert judge(checker, np.full((64, 96, 3), 255, np.uint8)) is bool(verdict)
    (seen,) = checker.seen
    white = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert seen["clip_input"][0, :, 100, 100] == pytest.approx(white)
    assert not seen["images"].any()
    assert not seen["adjustment"].any()


def test_a_full_disk_is_said() -> None:
    with pytest.raises(NoSpaceError):
        write_png(np.zeros((8, 8, 3), np.uint8), Path("/dev/full"))


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="not a picture"):
        read_picture(path, (8, 8))
    with pytest.raises(BadInputError, match="no such file"):
        read_picture(tmp_path / "b.png", (8, 8))
