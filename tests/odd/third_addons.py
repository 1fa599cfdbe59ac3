"""Odd inputs, third part: models with add-ons and options that fit them or do not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights import torch_files as torch
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.downloads import PAGE
from tests.odd.files import EVIL

KOHYA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
PATH = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
Shapes = dict[str, tuple[int, ...]]
PLAIN: Shapes = {f"{KOHYA}.lora_down.weight": (4, 64), f"{KOHYA}.lora_up.weight": (32, 4)}


def given(
    at: Path,
    shapes: Shapes,
    *,
    name: str = "lora.safetensors",
    family: str = "sd1",
    alpha: bool = True,
    wide: bool = False,
) -> Path:
    """Write a model, and an add-on of tensors with these shapes beside it."""
    tensors = base.drawn(shapes)
    dtypes: dict[str, str] = {}
    for key in list(shapes):
        if alpha and key.endswith("lora_down.weight"):
            tensors[key.replace("lora_down.weight", "alpha")] = np.array(4, "f2")
    if wide:
        tensors = {
            key: (tensor.astype("f4").view("u4") >> 16).astype("u2")
            for key, tensor in tensors.items()
        }
        dtypes = dict.fromkeys(tensors, "BF16")
    base.write(at / name, base.safetensors(tensors, dtypes=dtypes))
    return base.write_folder(at / "model", family)


def beside(at: Path, name: str, data: bytes, family: str = "sd1") -> Path:
    base.write(at / name, data)
    return base.write_folder(at / "model", family)


def evil(at: Path) -> Path:
    torch.write_zip(at / "lora.pt", {}, pickled=EVIL)
    return base.write_folder(at / "model")


def two(at: Path, family: str, other: str) -> Path:
    base.write_folder(at / "other", other)
    return base.write_folder(at / "model", family)


def nan_vae(at: Path) -> Path:
    tensors = dict(base.tensors_of(base.VAE))
    tensors["decoder.conv_in.bias"] = np.full(32, np.nan, "f2")
    return beside(at, "vae.safetensors", base.safetensors(tensors))


def vae_of(at: Path, shapes: Shapes) -> Path:
    return beside(at, "vae.safetensors", base.safetensors(base.drawn(shapes)))


LORA, VAE = ("--lora", "{case}/lora.safetensors"), ("--vae", "{case}/vae.safetensors")

LORAS: dict[str, tuple[Shapes, str]] = {
    "kohya": (PLAIN, "a LoRA for the UNet"),
    "diffusers": (
        {f"unet.{PATH}.lora.down.weight": (4, 64), f"unet.{PATH}.lora.up.weight": (32, 4)},
        "diffusers' names",
    ),
    "peft": (
        {f"unet.{PATH}.lora_A.weight": (4, 64), f"unet.{PATH}.lora_B.weight": (32, 4)},
        "PEFT's names",
    ),
    "locon": (
        {
            "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": (4, 32, 3, 3),
            "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": (32, 4, 1, 1),
        },
        "a LoCon of a convolution",
    ),
    "loha": (
        {
            f"{KOHYA}.hada_w1_a": (32, 4),
            f"{KOHYA}.hada_w1_b": (4, 64),
            f"{KOHYA}.hada_w2_a": (32, 4),
            f"{KOHYA}.hada_w2_b": (4, 64),
        },
        "a LoHa",
    ),
    "lokr": ({f"{KOHYA}.lokr_w1": (4, 4), f"{KOHYA}.lokr_w2": (8, 16)}, "a LoKr"),
}
HARD: dict[str, tuple[Shapes, str]] = {
    "full": ({f"{KOHYA}.diff": (32, 64)}, "a difference in full"),
    "dora": (PLAIN | {f"{KOHYA}.dora_scale": (32, 1)}, "a DoRA"),
    "norm": (
        PLAIN | {"lora_unet_conv_norm_out.w_norm": (32,), "lora_unet_conv_norm_out.b_norm": (32,)},
        "LyCORIS' norms",
    ),
}
FAILING: dict[str, tuple[Shapes, str]] = {
    "oft": ({f"{KOHYA}.oft_blocks": (4, 8, 8)}, "an OFT"),
    "ia3": ({f"{KOHYA}.weight": (32,), f"{KOHYA}.on_input": ()}, "an IA3"),
    "flux": (
        {
            "transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (4, 64),
            "transformer.single_transformer_blocks.0.attn.to_k.lora_B.weight": (64, 4),
        },
        "a LoRA for FLUX",
    ),
    "half": ({f"{KOHYA}.lora_down.weight": (4, 64)}, "only one half of each pair"),
    "sdxl": (
        {
            "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 64),
            "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": (128, 4),
        },
        "a LoRA for SDXL's second text encoder",
    ),
}

CASES: tuple[Case, ...] = (
    # LoRAs
    *(
        yes(f"merged-{name}", partial(given, shapes=shapes), truth, options=LORA)
        for name, (shapes, truth) in LORAS.items()
    ),
    *(
        yes(f"merged-{name}", partial(given, shapes=shapes), truth, options=LORA, also=Can.NO)
        for name, (shapes, truth) in HARD.items()
    ),
    *(
        no(f"merged-{name}", partial(given, shapes=shapes), Why.OPTION, truth, options=LORA)
        for name, (shapes, truth) in FAILING.items()
    ),
    yes(
        "merged-without-alpha",
        partial(given, shapes=PLAIN, alpha=False),
        "no alpha: a scale of one",
        options=LORA,
    ),
    yes("merged-bfloat16", partial(given, shapes=PLAIN, wide=True), "bfloat16", options=LORA),
    *(
        yes(
            f"merged-at-{word}",
            partial(given, shapes=PLAIN),
            "a scale",
            options=("--lora", f"{{case}}/lora.safetensors:{scale}"),
            also=also,
        )
        for word, scale, also in (("0.8", "0.8", None), ("minus-1", "-1", None), ("0", "0", Can.NO))
    ),
    *(
        no(
            f"merged-at-{word}",
            partial(given, shapes=PLAIN),
            Why.OPTION,
            "no scale",
            options=("--lora", f"{{case}}/lora.safetensors:{scale}"),
        )
        for word, scale in (("nothing-known", "strong"), ("nan", "nan"))
    ),
    yes(
        "merged-lcm",
        partial(given, shapes=PLAIN, name="lcm-lora-sdv1-5.safetensors"),
        "a LoRA that makes a model one of few steps",
        options=("--lora", "{case}/lcm-lora-sdv1-5.safetensors"),
        says="few|steps",
    ),
    no(
        "merged-page",
        partial(beside, name="lora.safetensors", data=PAGE),
        Why.DOWNLOAD,
        "a page saved as a LoRA",
        options=LORA,
    ),
    no(
        "merged-evil",
        evil,
        Why.UNSAFE,
        "a LoRA that runs a command",
        options=("--lora", "{case}/lora.pt"),
    ),
    no(
        "merged-model",
        partial(beside, name="lora.safetensors", data=base.file_bytes("sd1")),
        Why.OPTION,
        "a whole model given as a LoRA",
        options=LORA,
    ),
    # VAEs
    no(
        "vae-given-taesd",
        partial(vae_of, shapes={"1.weight": (64, 4, 3, 3)}),
        Why.OPTION,
        "TAESD",
        options=VAE,
    ),
    no(
        "vae-given-page",
        partial(beside, name="vae.safetensors", data=PAGE),
        Why.DOWNLOAD,
        "a page saved as a VAE",
        options=VAE,
    ),
    Case(
        name="vae-given-nan",
        build=nan_vae,
        truth="a VAE with numbers that are none",
        can=Can.HEADERS,
        why=Why.VALUES,
        options=VAE,
    ),
    yes(
        "vae-given-whole-file",
        partial(beside, name="vae.safetensors", data=base.file_bytes("sd1")),
        "a whole model's file, for its VAE",
        options=VAE,
        also=Can.NO,
    ),
    # Refiners
    yes(
        "refiner-given",
        partial(two, family="sdxl", other="refiner"),
        "SDXL and its refiner",
        options=("--refiner", "{case}/other"),
    ),
    no(
        "refiner-given-base",
        partial(two, family="sdxl", other="sdxl"),
        Why.OPTION,
        "SDXL's base given as its refiner",
        options=("--refiner", "{case}/other"),
    ),
    # Options
    *(
        no(
            f"option-{word}",
            partial(two, family=family, other="sd1"),
            Why.OPTION,
            truth,
            options=options,
        )
        for word, family, truth, options in (
            ("clip-skip-9", "sd1", "more blocks than there are", ("--clip-skip", "9")),
            ("controlled-sdxl", "sdxl", "no app drives it", ("--controlled",)),
            ("batch-1-sdxl", "sdxl", "SDXL is asked twice by no app", ("--batch", "1")),
            ("components-unknown", "sd1", "no such component", ("--components", "engine")),
            ("averages-absent", "sd1", "a folder has no averages", ("--extract-ema",)),
            ("tokens-0", "sd1", "a prompt of nothing", ("--tokens", "0")),
            ("pad-beyond", "sd1", "an id beyond the vocabulary", ("--pad-id", "99999999")),
            ("latent-scale-0", "sd1", "latents times nothing", ("--latent-scale", "0")),
            ("checker-sdxl", "sdxl", "SDXL's pictures are not checked", ("--safety-checker",)),
        )
    ),
    *(
        yes(
            f"option-{word}",
            partial(two, family=family, other="sd1"),
            "an option that fits",
            options=options,
        )
        for word, family, options in (
            ("clip-skip-2", "sd1", ("--clip-skip", "2")),
            ("pad-0", "sd1", ("--pad-id", "0")),
            ("controlled", "sd1", ("--controlled",)),
            ("batch-1", "sd1", ("--batch", "1")),
            ("own-size", "sdxl", ("--own-size",)),
        )
    ),
)
