"""Odd inputs, third part: single files with odd containers, suffixes, pickles or merges."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.files import TEXT, UNET, VAE, added, content, kept, retyped
from tests.odd.later_files import MATRIX, pickled_with, quantized

HALF = len(base.file_bytes("sd1")) // 2
WHOLE = base.file_bytes("sd1")
SQLITE = b"SQLite format 3\x00" + bytes(4080)


def reframed(at: Path, *, gap: int = 0, spaces: int = 0, backwards: bool = False) -> Path:
    """Write a safetensors file with `gap` bytes before its last tensor.

    `spaces` pads the header; `backwards` lists the tensors in reverse order.
    """
    size = int.from_bytes(WHOLE[:8], "little")
    fields, data = json.loads(WHOLE[8 : 8 + size]), WHOLE[8 + size :]
    if gap:
        last = max((n for n in fields if n != "__metadata__"), key=lambda n: offsets(fields[n]))
        begin, end = offsets(fields[last])
        fields[last]["data_offsets"] = [begin + gap, end + gap]
        data = data[:begin] + bytes(gap) + data[begin:]
    if backwards:
        fields = dict(reversed(fields.items()))
    text = json.dumps(fields).encode() + b" " * spaces
    text += b" " * (-len(text) % 8)
    return content(at, len(text).to_bytes(8, "little") + text + data)


def offsets(field: dict[str, list[int]]) -> tuple[int, int]:
    begin, end = field["data_offsets"]
    return begin, end


def numbered_metadata(at: Path) -> Path:
    """Write a safetensors file with metadata that are not strings, as some programs save."""
    size = int.from_bytes(WHOLE[:8], "little")
    fields = json.loads(WHOLE[8 : 8 + size])
    fields["__metadata__"] = {"epoch": 3, "tags": ["a", "b"]}
    text = json.dumps(fields).encode()
    text += b" " * (-len(text) % 8)
    return content(at, len(text).to_bytes(8, "little") + text + WHOLE[8 + size :])


def told(at: Path, family: str, name: str = "model.safetensors", **metadata: str) -> Path:
    known = {key.replace("__", "."): value for key, value in metadata.items()}
    data = base.safetensors(base.original(family), known)
    return base.write_file(at, name=name, content=data)


def with_control(at: Path) -> Path:
    """Write a ControlNet as published in 2023: one file with a whole SD 1.5 and the ControlNet."""
    copy = {n.replace(UNET, "control_model."): t for n, t in base.original("sd1").items()}
    net = {n: t for n, t in copy.items() if n.startswith("control_model.") and ".output_" not in n}
    more = base.drawn(
        {
            "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
            "control_model.zero_convs.0.0.weight": (32, 32, 1, 1),
        }
    )
    tensors = base.original("sd1") | net | more
    return base.write_file(
        at, name="control_sd15_canny.safetensors", content=base.safetensors(tensors)
    )


def in_library_names(at: Path, *components: str) -> Path:
    """Write components in one file, each tensor named `component.` and its name in diffusers."""
    tensors = {
        f"{component}.{name}": tensor
        for component in components
        for name, tensor in base.tensors_of(base.MODELS["sd1"][component]).items()
    }
    return base.write_file(at, content=base.safetensors(tensors))


def averages_only(at: Path) -> Path:
    tensors = {}
    for name, tensor in base.original("sd1").items():
        is_unet = name.startswith(UNET)
        new = "model_ema." + "".join(name.split(".")[1:]) if is_unet else name
        tensors[new] = tensor
    return base.write_file(at, content=base.safetensors(tensors))


def without_encoder(at: Path) -> Path:
    """Write a single file whose VAE has only a decoder."""
    tensors = base.original("sd1")
    left = {n: t for n, t in tensors.items() if not n.startswith((f"{VAE}encoder.", f"{VAE}quant"))}
    return base.write_file(at, content=base.safetensors(left))


def shallower(at: Path) -> Path:
    """Write a model like SSD-1B: SDXL with attention blocks of different depths."""
    tensors = base.original("sdxl")
    gone = ".middle_block.1.transformer_blocks.1."
    left = {n: t for n, t in tensors.items() if gone not in n}
    return base.write_file(at, content=base.safetensors(left))


def clip_alone(at: Path) -> Path:
    """Write only the text encoders, in a file as ComfyUI saves it."""
    tensors = base.tensors_of(base.FIRST_TEXT)
    named = {f"clip_l.transformer.{name}": tensor for name, tensor in tensors.items()}
    return base.write_file(at, name="clip.safetensors", content=base.safetensors(named))


def fp8_scaled_by(at: Path, value: float) -> Path:
    tensors, dtypes = base.original("sd1"), {MATRIX: "F8_E4M3"}
    tensors[MATRIX] = np.full(tensors[MATRIX].shape, 0x30, "u1")
    tensors[MATRIX.removesuffix("weight") + "scale_weight"] = np.full(1, value, "f4")
    tensors[f"{UNET}scaled_fp8"] = np.zeros(2, "u1")
    dtypes[f"{UNET}scaled_fp8"] = "F8_E4M3"
    return base.write_file(at, content=base.safetensors(tensors, dtypes=dtypes))


def lacking(at: Path, name: str) -> Path:
    tensors = {n: t for n, t in base.original("sd1").items() if n != name}
    return base.write_file(at, content=base.safetensors(tensors))


def with_more(at: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    tensors = base.original("sd1") | base.drawn(shapes)
    return base.write_file(at, content=base.safetensors(tensors))


EDM = {"edm_mean": np.zeros((1, 4, 1, 1), "f4"), "edm_std": np.ones((1, 4, 1, 1), "f4")}
ATTENTION = f"{UNET}input_blocks.1.1.transformer_blocks.0"
STRANGERS: dict[str, tuple[dict[str, tuple[int, ...]], str, str]] = {
    "label": ({f"{UNET}label_emb.0.0.weight": (128, 64)}, "a class embedding", ""),
    "guidance": (
        {f"{UNET}time_embed.cond_proj.weight": (32, 256)},
        "an LCM's embedding of the guidance",
        "",
    ),
    "unclip": (
        {
            "embedder.model.visual.class_embedding": (64,),
            "noise_augmentor.data_mean": (1, 64),
            f"{UNET}label_emb.0.0.weight": (128, 128),
        },
        "Stable unCLIP, which wants a picture's embedding",
        "",
    ),
    "motion": (
        {f"{UNET}input_blocks.1.2.temporal_transformer.proj_in.weight": (32, 32)},
        "motion modules merged into the UNet",
        "",
    ),
    "gated": (
        {f"{ATTENTION}.fuser.linear.weight": (32, 64), "position_net.linears.0.weight": (64, 64)},
        "GLIGEN's gated attention",
        "fuser|gated|gligen|position_net",
    ),
    "adapter": (
        {f"{ATTENTION}.attn2.to_k_ip.weight": (32, 64)},
        "an IP-Adapter's projections in the UNet",
        "_ip|adapter",
    ),
}
"""Extra tensors in a UNet, by kind: shapes, what they are, and a pattern for the message."""

CASES: tuple[Case, ...] = (
    # Containers and suffixes
    no(
        "draw-things",
        partial(content, data=SQLITE, name="sd_v1.5_f16.ckpt"),
        Why.FORMAT,
        "Draw Things' database of tensors",
        says="SQLite|Draw Things",
    ),
    no(
        "tflite",
        partial(content, data=b"\x1c\x00\x00\x00TFL3" + bytes(64), name="unet.tflite"),
        Why.NOT_A_MODEL,
        "TensorFlow Lite's",
    ),
    no(
        "tensorrt",
        partial(content, data=b"ftrt" + bytes(64), name="unet.engine"),
        Why.NOT_A_MODEL,
        "TensorRT's",
    ),
    *(
        no(
            f"packed-{kind}",
            partial(content, data=data + bytes(64), name=f"model.safetensors.{kind}"),
            Why.FORMAT,
            "a packed file",
            says="unpack",
        )
        for kind, data in (
            ("xz", b"\xfd7zXZ\x00"),
            ("zst", b"\x28\xb5\x2f\xfd"),
            ("bz2", b"BZh91AY&SY"),
        )
    ),
    *(
        yes(f"suffix-{word}", partial(content, data=WHOLE, name=name), "another suffix")
        for word, name in (
            ("sft", "model.sft"),
            ("txt", "model.safetensors.txt"),
            ("pth-of-safetensors", "model.pth"),
        )
    ),
    no(
        "file-first-part",
        partial(content, data=WHOLE[:HALF], name="model.safetensors.001"),
        Why.DAMAGED,
        "the first of two parts",
    ),
    no(
        "file-with-a-tail",
        partial(content, data=WHOLE + bytes(100)),
        Why.DAMAGED,
        "bytes after the last tensor, which the library refuses",
        also=Can.YES,
    ),
    no(
        "file-with-a-gap",
        partial(reframed, gap=64),
        Why.DAMAGED,
        "a gap between tensors, which the library refuses",
        also=Can.YES,
    ),
    yes("file-backwards", partial(reframed, backwards=True), "a header in another order"),
    yes("file-header-padded", partial(reframed, spaces=70_000), "a header with room to edit"),
    yes(
        "file-metadata-of-numbers",
        numbered_metadata,
        "metadata that is no text, which the library refuses",
        also=Can.NO,
    ),
    yes(
        "file-large-metadata",
        partial(told, family="sd1", modelspec__thumbnail="data:image/jpeg;base64," + "A" * 900_000),
        "SwarmUI's preview picture in the metadata",
    ),
    # Pickles
    # What is in it
    yes("file-with-controlnet", with_control, "SD 1.5 and a net", also=Can.NO, says="control"),
    yes(
        "file-with-embeddings",
        partial(added, bundle_emb__badhand__string_to_param___=np.ones((2, 64), "f2")),
        "the web UI's embeddings in the file, which no conversion adds by itself",
        says="bundle_emb|embedding",
    ),
    no(
        "file-in-library-names",
        lambda at: in_library_names(at, "unet", "vae", "text_encoder"),
        Why.NOT_A_MODEL,
        "all components by diffusers' names in one file",
        also=Can.YES,
    ),
    no("file-unet-in-library-names", lambda at: in_library_names(at, "unet"), Why.COMPONENT, "one"),
    no(
        "file-averages-only",
        averages_only,
        Why.INCOMPLETE,
        "only averaged weights of the UNet",
        also=Can.YES,
        says="averag|ema",
    ),
    no("file-vae-decoder-only", without_encoder, Why.INCOMPLETE, "a VAE without its encoder"),
    yes(
        "file-without-text-for-unet",
        lambda at: kept(at, UNET, VAE),
        "no text encoder, and only the UNet is asked for",
        options=("--components", "unet"),
        alone=Can.NO,
        also=Can.NO,
    ),
    no("file-of-ssd-1b", shallower, Why.CONFIG, "unequal depths", also=Can.YES),
    no("file-clip-of-comfy", clip_alone, Why.COMPONENT, "a text encoder alone"),
    no(
        "file-of-playground",
        lambda at: base.write_file(at, content=base.safetensors(base.original("sdxl") | EDM)),
        Why.CONFIG,
        "Playground v2.5: EDM, and latents with a mean of their own",
        says="edm|playground",
    ),
    *(
        no(
            f"file-with-{name}",
            partial(with_more, shapes=shapes),
            Why.CONFIG,
            truth,
            also=Can.YES if said else None,
            says=said,
        )
        for name, (shapes, truth, said) in STRANGERS.items()
    ),
    no("file-lacks-a-tensor", partial(lacking, name=MATRIX), Why.DAMAGED, "one is not there"),
    no(
        "file-of-two-shapes",
        partial(with_more, shapes={MATRIX: (32, 64, 1, 1)}),
        Why.DAMAGED,
        "one tensor of a shape that fits nothing",
    ),
    yes(
        "file-labelled-sdxl",
        partial(told, family="sd1", modelspec__architecture="stable-diffusion-xl-v1-base"),
        "an SD 1.x file that a tool has labelled SDXL",
        family="sd1",
    ),
    # Quantized
    Case(
        name="file-fp8-scale-of-nan",
        build=partial(fp8_scaled_by, value=float("nan")),
        truth="FP8 whose scale is no number",
        can=Can.HEADERS,
        also=Can.NO,
        why=Why.VALUES,
    ),
    no("file-f8-e8m0", partial(retyped, dtype="F8_E8M0"), Why.FORMAT, "exponents only"),
    no(
        "file-svdquant",
        partial(quantized, suffixes={"_wscales": np.ones(4, "f2"), "_smooth": np.ones(4, "f2")}),
        Why.FORMAT,
        "SVDQuant's four bits",
    ),
    no(
        "file-quanto",
        partial(quantized, suffixes={"._scale": np.ones(4, "f2"), "._data": np.ones((4, 4), "i1")}),
        Why.FORMAT,
        "Quanto's integers",
    ),
    Case(
        name="ckpt-infinite-text",
        build=partial(
            pickled_with,
            change={
                f"{TEXT}transformer.text_model.final_layer_norm.bias": np.full(64, np.inf, "f2")
            },
        ),
        truth="infinity in a pickle",
        can=Can.HEADERS,
        why=Why.VALUES,
    ),
)
