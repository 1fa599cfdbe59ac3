"""Pictures of tiny models, beside those of the pinned diffusers' own pipelines.

The pipelines get the same ids and noise. With PNDM, diffusers makes the same steps as Apple's
package, apart from what is decoded: there the clean latent, here the last one. DPM-Solver++ is
the same from 15 steps on; below, Apple's package makes the last two of first order, diffusers one.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from operator import sub
from typing import Any

import numpy as np
import pytest
import torch

from sdcoreml.convert.drawing.choices import Method, Rng, Settings
from sdcoreml.convert.drawing.likeness import IMAGE_RANGE, psnr
from sdcoreml.convert.drawing.pipeline import Moment, Subject, draw, encode
from sdcoreml.convert.drawing.pixels import to_image
from sdcoreml.convert.drawing.programs import Programs
from sdcoreml.convert.drawing.randoms import NumpySource, TorchSource
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.tokens import SECOND_PAD
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.programs.options import Prediction, ProgramOptions, TextStates
from sdcoreml.convert.tasks.interpreted import InterpretedPrograms
from sdcoreml.convert.tasks.modules import ModulePrograms
from tests.inside.convert.programs.configs import UNET, VAE, XL
from tests.inside.convert.tasks.tiny import (
    SEED,
    SETTINGS,
    SIDE,
    Tiny,
    diffusion_module,
    ids,
    sd_modules,
    text_module,
    write_tiny,
)

pytestmark = pytest.mark.filterwarnings("ignore")

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PNDM = {**BETAS, "skip_prk_steps": True, "steps_offset": 1}
FLOORS = {Mode.FP32: (90.0, 90.0), Mode.FP16: (60.0, 35.0)}
"""The lowest PSNR, in dB, of a latent and of the picture."""
SLACK = 3.0
"""How many dB below its module in half precision a program may be, if that misses a floor."""

REFINER = {**XL, "cross_attention_dim": 24, "projection_class_embeddings_input_dim": 24 + 5 * 8}


@pytest.fixture(scope="module")
def tiny_v(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A model whose UNet predicts a velocity, as Stable Diffusion 2.x's of 768 pixels."""
    components = {"TextEncoder": "text_encoder", "Unet": "unet", "VAEDecoder": "vae_decoder"}
    parts = {name: (components[name], module) for name, module in sd_modules().items()}
    options = ProgramOptions(height=16, width=16, prediction=Prediction.VELOCITY)
    return write_tiny(tmp_path_factory.mktemp("tiny_v"), parts, options)


@pytest.fixture(scope="module")
def tiny_xl(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A model of SDXL with its refiner."""
    parts = {
        "TextEncoder": ("text_encoder", text_module(16)),
        "TextEncoder2": ("text_encoder_2", text_module(24, projects=True)),
        "Unet": ("unet", diffusion_module("UNet2DConditionModel", {**UNET, **XL})),
        "UnetRefiner": (
            "unet_refiner",
            diffusion_module("UNet2DConditionModel", {**UNET, **REFINER}),
        ),
        "VAEDecoder": ("vae_decoder", diffusion_module("AutoencoderKL", VAE)),
    }
    options = ProgramOptions(height=16, width=16, text_states=TextStates.PENULTIMATE)
    return write_tiny(tmp_path_factory.mktemp("tiny_xl"), parts, options)


def common(settings: Settings, latents: list[Singles]) -> dict[str, Any]:
    return {
        "num_inference_steps": settings.steps,
        "guidance_scale": settings.guidance,
        "output_type": "latent",
        "callback": lambda _, __, latent: latents.append(latent.numpy().copy()),
        "callback_steps": 1,
    }


def noise() -> dict[str, Any]:
    drawn = NumpySource(SEED).draw_array(4 * 16 * 16).astype(np.float32).reshape(1, 4, 16, 16)
    return {"latents": torch.from_numpy(drawn), "height": SIDE, "width": SIDE}


def compare(
    tiny: Tiny,
    latents: list[Singles],
    settings: Settings = SETTINGS,
    subject: Subject | None = None,
) -> None:
    """Require what the programs draw to be near the latents that a pipeline gave.

    In half precision, less is enough where the modules themselves hold less.
    """
    subject = subject or tiny.subject()
    for mode in Mode:
        with ExitStack() as stack:
            programs = InterpretedPrograms(tiny.places, mode, stack)
            found = figures(tiny, latents, programs, settings, subject)
            floors = [FLOORS[mode][0]] * len(latents) + [FLOORS[mode][1]]
            if mode is Mode.FP16 and min(map(sub, found, floors)) < 0:
                half = ModulePrograms(programs, tiny.originals, in_half=True)
                own = figures(tiny, latents, half, settings, subject)
                floors = [min(floor, one - SLACK) for one, floor in zip(own, floors, strict=True)]
        assert min(map(sub, found, floors)) >= 0, (mode, found, floors)


def figures(
    tiny: Tiny, latents: list[Singles], programs: Programs, settings: Settings, subject: Subject
) -> list[float]:
    """Return the PSNR of each latent that the pipeline told, and of the picture."""
    moments: list[Moment] = []
    image = draw(programs, subject, settings, moments.append)
    # The pipelines say nothing of the first of PNDM's two half steps.
    told = moments[len(moments) - len(latents) :]
    assert len(moments) - len(latents) <= (settings.method is Method.PNDM)
    clean = torch.from_numpy(moments[-1].clean) / settings.latent_scale
    with torch.no_grad():
        wanted = tiny.modules["VAEDecoder"].decode(clean).sample.numpy()
    return [
        *(psnr(one, moment.latent) for one, moment in zip(latents, told, strict=True)),
        psnr(wanted, image, IMAGE_RANGE),
    ]


def pipeline(name: str, tiny: Tiny, scheduler: Any, **more: Any) -> Any:
    import diffusers

    modules = tiny.modules
    return getattr(diffusers, name)(
        vae=modules["VAEDecoder"],
        text_encoder=modules["TextEncoder"],
        tokenizer=None,
        unet=modules["Unet"],
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **more,
    )


def embeds(tiny: Tiny) -> dict[str, torch.Tensor]:
    subject, encoder = tiny.subject(), tiny.modules["TextEncoder"]
    with torch.no_grad():
        return {
            "prompt_embeds": encoder(ids(subject.prompt))[0],
            "negative_prompt_embeds": encoder(ids(subject.negative))[0],
        }


def embeds_xl(tiny: Tiny, encoders: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Return the states of both encoders side by side, and the second's pooled state."""
    told, subject = {}, tiny.subject()
    for name, prompt in (("", subject.prompt), ("negative_", subject.negative)):
        states = []
        for encoder in encoders:
            pads = [SECOND_PAD] if encoder == "TextEncoder2" else []
            found = tiny.modules[encoder](ids(prompt, *pads), output_hidden_states=True)
            states.append(found.hidden_states[-2].detach())
        # The pinned module takes the pooled state at the highest id: the first end token.
        told[f"{name}prompt_embeds"] = torch.cat(states, dim=-1)
        told[f"{name}pooled_prompt_embeds"] = found.text_embeds.detach()
    return told


def test_a_picture_is_that_of_the_pinned_pipeline(tiny: Tiny) -> None:
    from diffusers import PNDMScheduler

    latents: list[Singles] = []
    pipe = pipeline("StableDiffusionPipeline", tiny, PNDMScheduler(**PNDM))
    pipe(**embeds(tiny), **common(SETTINGS, latents), **noise())
    compare(tiny, latents)


def test_a_model_that_predicts_a_velocity(tiny_v: Tiny) -> None:
    from diffusers import DPMSolverMultistepScheduler

    latents: list[Singles] = []
    settings = replace(SETTINGS, method=Method.DPM, steps=15)
    solver = DPMSolverMultistepScheduler(**BETAS, prediction_type="v_prediction")
    pipe = pipeline("StableDiffusionPipeline", tiny_v, solver)
    pipe(**embeds(tiny_v), **common(settings, latents), **noise())
    assert len(latents) == 15
    compare(tiny_v, latents, settings)


def test_a_picture_that_starts_from_one(tiny: Tiny) -> None:
    from diffusers import PNDMScheduler

    latents: list[Singles] = []
    settings = replace(SETTINGS, rng=Rng.TORCH, strength=0.7)
    across = np.linspace(0, 255, SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)
    start = to_image(across, -1)
    subject = replace(tiny.subject(), start=start)
    source = TorchSource(SEED)
    source.draw_array(4 * 16 * 16)  # the app draws the noise before the latent
    with ExitStack() as stack:
        modules = ModulePrograms(InterpretedPrograms(tiny.places, Mode.FP32, stack), tiny.originals)
        latent = encode(modules, start, source, settings.latent_scale)
    pipe = pipeline("StableDiffusionImg2ImgPipeline", tiny, PNDMScheduler(**PNDM))
    pipe(
        image=torch.from_numpy(latent),
        strength=settings.strength,
        generator=torch.Generator().manual_seed(SEED),
        **embeds(tiny),
        **common(settings, latents),
    )
    compare(tiny, latents, settings, subject)


def test_a_picture_that_follows_one(tiny: Tiny) -> None:
    from diffusers import PNDMScheduler

    latents: list[Singles] = []
    across = np.linspace(0, 255, SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)
    guide = to_image(across, 0)
    subject = replace(tiny.subject(), guides={"Canny": guide})
    pipe = pipeline(
        "StableDiffusionControlNetPipeline",
        tiny,
        PNDMScheduler(**PNDM),
        controlnet=tiny.modules["Canny"],
    )
    pipe(image=torch.from_numpy(guide), **embeds(tiny), **common(SETTINGS, latents), **noise())
    compare(tiny, latents, SETTINGS, subject)


def pipeline_xl(name: str, tiny: Tiny, scheduler: Any, unet: str, **more: Any) -> Any:
    import diffusers

    return getattr(diffusers, name)(
        vae=tiny.modules["VAEDecoder"],
        text_encoder=tiny.modules["TextEncoder"],
        text_encoder_2=tiny.modules["TextEncoder2"],
        tokenizer=None,
        tokenizer_2=None,
        unet=tiny.modules[unet],
        scheduler=scheduler,
        add_watermarker=False,
        **more,
    )


SIZES = {"original_size": (1024, 1024), "target_size": (1024, 1024)}


def test_a_picture_of_sdxl_is_that_of_the_pinned_pipeline(tiny_xl: Tiny) -> None:
    from diffusers import PNDMScheduler

    latents: list[Singles] = []
    told = embeds_xl(tiny_xl, ("TextEncoder", "TextEncoder2"))
    pipe = pipeline_xl("StableDiffusionXLPipeline", tiny_xl, PNDMScheduler(**PNDM), "Unet")
    with torch.no_grad():
        pipe(**told, **SIZES, **common(SETTINGS, latents), **noise())
    alone = {name: place for name, place in tiny_xl.places.items() if name != "UnetRefiner"}
    compare(replace(tiny_xl, places=alone), latents)


def test_a_picture_of_sdxl_with_its_refiner(tiny_xl: Tiny) -> None:
    """Diffusers begins its scheduler anew for the refiner; Apple's package goes on with it."""
    from diffusers import PNDMScheduler

    class Continued(PNDMScheduler):  # type: ignore[misc]  # it has no types
        def set_timesteps(self, *args: Any, **more: Any) -> None:
            kept = {name: getattr(self, name) for name in ("ets", "counter", "cur_sample")}
            super().set_timesteps(*args, **more)
            if kept["counter"]:
                self.__dict__.update(kept)

    latents: list[Singles] = []
    settings, scheduler = replace(SETTINGS, steps=5), Continued(**PNDM)
    base = pipeline_xl("StableDiffusionXLPipeline", tiny_xl, scheduler, "Unet")
    refiner = pipeline_xl(
        "StableDiffusionXLImg2ImgPipeline",
        tiny_xl,
        base.scheduler,
        "UnetRefiner",
        requires_aesthetics_score=True,
    )
    with torch.no_grad():
        half_done = base(
            **embeds_xl(tiny_xl, ("TextEncoder", "TextEncoder2")),
            **SIZES,
            **common(settings, latents),
            **noise(),
            denoising_end=0.75,
        ).images
        assert len(latents) == 3
        refiner(
            **embeds_xl(tiny_xl, ("TextEncoder2",)),
            **SIZES,
            **common(settings, latents),
            image=half_done,
            denoising_start=0.75,
        )
    assert len(latents) == 5
    compare(tiny_xl, latents, settings)
