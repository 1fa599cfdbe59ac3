"""Odd inputs, second part: files and add-ons from mergers, trainers and quantizers."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights import torch_files
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.files import TEXT, UNET, VAE, added, kept, pickled, retyped

MATRIX = f"{UNET}input_blocks.1.1.proj_in.weight"
E4M3_NAN = 0x7F


def comfy(at: Path) -> Path:
    """Write SDXL as ComfyUI saves it, with CLIP-L's projection and scale, which are not used."""
    more = {
        "conditioner.embedders.0.text_projection": np.eye(32, dtype="f2"),
        "conditioner.embedders.0.logit_scale": np.array(4.6, "f2"),
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": np.arange(77)[
            None
        ],
        "denoiser.sigmas": np.linspace(0.03, 14.6, 1000, dtype="f4"),
    }
    return base.write_file(at, content=base.safetensors(base.original("sdxl") | more))


def quantized(at: Path, suffixes: dict[str, np.ndarray]) -> Path:
    """Write a UNet of packed bytes, with the tensors that a quantizer adds for each matrix."""
    tensors = base.original("sd1")
    for name, tensor in list(tensors.items()):
        if name.startswith(UNET) and tensor.ndim == 2:
            tensors[name] = np.zeros((tensor.size // 2, 1), "u1")
            tensors |= {f"{name}{suffix}": value for suffix, value in suffixes.items()}
    return base.write_file(at, content=base.safetensors(tensors))


def scaled_anew(at: Path) -> Path:
    """Write FP8 weights as by ComfyUI since 2025: a scale and a format tensor for each matrix."""
    tensors, dtypes = base.original("sd1"), {}
    for name, tensor in list(tensors.items()):
        if name.startswith(UNET) and tensor.ndim == 2:
            bits = np.random.default_rng(1).integers(0x30, 0x3A, tensor.shape)
            tensors[name] = bits.astype("u1")
            dtypes[name] = "F8_E4M3"
            tensors[f"{name}_scale"] = np.array(0.5, "f4")
            words = np.frombuffer(b'{"format": "float8_e4m3fn"}', "u1")
            tensors[f"{name.removesuffix('weight')}comfy_quant"] = words
    return base.write_file(at, content=base.safetensors(tensors, dtypes=dtypes))


def spoilt(at: Path, dtype: str, value: int, width: str) -> Path:
    """Write a file with one number of the bits `value`, in a tensor of a dtype that numpy lacks."""
    tensors = base.original("sd1")
    bits = np.full(tensors[MATRIX].shape, 0x30 if width == "u1" else 0x3C00, width)
    bits.reshape(-1)[7] = value
    content = base.safetensors(tensors | {MATRIX: bits}, dtypes={MATRIX: dtype})
    return base.write_file(at, content=content)


def averaged_nan(at: Path) -> Path:
    """Write a file whose averaged weights (EMA) are not finite, but whose trained weights are."""
    tensors = base.original("sd1")
    for name in list(tensors):
        if name.startswith(UNET):
            average = np.full(tensors[name].shape, np.nan, "f2")
            tensors["model_ema." + "".join(name.split(".")[1:])] = average
    return base.write_file(at, content=base.safetensors(tensors))


def unused_nan(at: Path) -> Path:
    """Write an SD 2.x file with NaN in the text encoder's last block, which is not used."""
    tensors = base.original("sd2", blocks=23)
    for name, tensor in list(tensors.items()):
        if ".resblocks.23." in name:
            tensors[name] = np.full(tensor.shape, np.nan, "f2")
    metadata = {"modelspec.prediction_type": "epsilon"}
    return base.write_file(at, content=base.safetensors(tensors, metadata))


def pickled_with(at: Path, change: base.Tensors) -> Path:
    base.write_tokenizer(at / "tokenizer")
    return torch_files.write_zip(at / "model.ckpt", base.original("sd1") | change)


def parameters(at: Path) -> Path:
    """Write a pickle of module parameters (`torch.nn.Parameter`) instead of plain tensors."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    parts = {
        key: torch_files.call(
            torch_files.name("torch._utils", "_rebuild_parameter"),
            torch_files.tensor(
                torch_files.storage(str(number), array.dtype.name, array.size), array.shape
            ),
            b"\x88",
            torch_files.call(torch_files.name("collections", "OrderedDict")),
        )
        for number, (key, array) in enumerate(tensors.items())
    }
    pickled = torch_files.finished(torch_files.mapping({"state_dict": torch_files.mapping(parts)}))
    return torch_files.write_zip(at / "model.ckpt", tensors, pickled=pickled)


NUMPY_SCORE = torch_files.call(
    torch_files.name("numpy.core.multiarray", "scalar"),
    torch_files.call(torch_files.name("numpy", "dtype"), torch_files.text("f8"), b"\x89", b"\x88"),
    b"C\x08" + struct.pack("<d", 0.5),
)


def inner(at: Path, start: str, name: str = "model.safetensors") -> Path:
    """Write only a UNet, with original tensor names after the prefix `start`."""
    tensors = {
        start + n.removeprefix(UNET): t
        for n, t in base.original("sd1").items()
        if n.startswith(UNET)
    }
    return base.write(at / name, base.safetensors(tensors))


NF4 = {
    ".absmax": np.ones(8, "f4"),
    ".quant_map": np.ones(16, "f4"),
    ".nested_absmax": np.ones(1, "f4"),
    ".quant_state.bitsandbytes__nf4": np.zeros(90, "u1"),
}

CASES: tuple[Case, ...] = (
    # What savers leave in files that are sound
    yes("sdxl-saved-by-comfy", comfy, "ComfyUI's SDXL, with what CLIP-L's class has more"),
    yes(
        "averages-numbers-only",
        partial(added, model_ema__decay=np.array(0.9999, "f4"), model_ema__num_updates=np.ones(1)),
        "counters of averages that were pruned",
    ),
    yes(
        "file-with-training-loss",
        partial(added, first_stage_model__loss__logvar=np.zeros((), "f4")),
        "the VAE's training loss was left in",
    ),
    yes(
        "file-with-positions-in-half",
        partial(
            added,
            cond_stage_model__transformer__text_model__embeddings__position_ids=np.linspace(
                0, 76.2, 77
            ).astype("f2")[None],
        ),
        "position ids that a merge has cast and bent; the library makes its own",
    ),
    yes("ckpt-of-parameters", parameters, "a pickle of parameters"),
    yes(
        "ckpt-with-numpy-score",
        partial(pickled, beside={"best_model_score": NUMPY_SCORE}),
        "a trainer's score as a number of NumPy's",
    ),
    yes(
        "ckpt-flat",
        partial(pickled_with, change={}),
        "a pickle of tensors with no state_dict around them",
    ),
    yes(
        "civitai-beside",
        lambda at: base.write(
            base.write_file(at).with_name("model.civitai.info"), {"model": {"type": "Checkpoint"}}
        ).with_name("model.safetensors"),
        "a manager's notes and a picture beside the file",
    ),
    # Quantized
    no("file-nf4", partial(quantized, suffixes=NF4), Why.FORMAT, "bitsandbytes' four bits"),
    no(
        "file-int8-scb",
        partial(quantized, suffixes={"_scb": np.ones(4, "f4")}),
        Why.FORMAT,
        "packed bytes with scales",
    ),
    yes(
        "file-fp8-newer-scales",
        scaled_anew,
        "FP8 with newer names of its scales",
        also=Can.NO,
    ),
    yes(
        "file-fp8-text",
        partial(retyped, dtype="F8_E4M3", start=TEXT),
        "a text encoder in FP8",
    ),
    # Numbers that are none
    *(
        Case(
            name=f"file-nan-{name}",
            build=build,
            truth="a number that is none, which only reading the weights tells",
            can=Can.HEADERS,
            why=Why.VALUES,
        )
        for name, build in (
            ("fp8", partial(spoilt, dtype="F8_E4M3", value=E4M3_NAN, width="u1")),
            ("fp8-e5m2", partial(spoilt, dtype="F8_E5M2", value=0x7C, width="u1")),
            ("bfloat16", partial(spoilt, dtype="BF16", value=0x7FC1, width="u2")),
            (
                "pickled",
                partial(
                    pickled_with, change={f"{UNET}out.2.bias": np.array([0, np.nan, 0, 0], "f2")}
                ),
            ),
        )
    ),
    yes("file-nan-in-averages", averaged_nan, "NaN only where nobody reads"),
    yes("file-nan-in-unused-block", unused_nan, "NaN only in the block that SD 2.x leaves aside"),
    Case(
        name="file-minus-infinity-in-a-bias",
        build=partial(
            pickled_with, change={f"{VAE}decoder.conv_out.bias": np.full(3, -np.inf, "f4")}
        ),
        truth="minus infinity in a vector",
        can=Can.HEADERS,
        why=Why.VALUES,
    ),
    # Parts of a model in a file
    no("unet-of-comfy", partial(inner, start="diffusion_model."), Why.COMPONENT, "a UNet"),
    no("unet-of-original", partial(inner, start=UNET), Why.COMPONENT, "a UNet with its start"),
    no(
        "text-and-vae-only",
        lambda at: kept(at, TEXT, VAE),
        Why.INCOMPLETE,
        "everything but the UNet",
    ),
)
