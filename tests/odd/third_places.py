"""Odd inputs, third part: other programs' folders, caches, ControlNets and adapters."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.downloads import cached
from tests.odd.folders import sd1
from tests.odd.places import files

NET = "diffusion_pytorch_model.safetensors"


def tree(at: Path, name: str, *places: str, folders: tuple[str, ...] = ()) -> Path:
    """Write a program's folder `name` of models, with SD 1.x files at `places`."""
    root = at / name
    for place in folders:
        (root / place).mkdir(parents=True)
    for place in places:
        base.write(root / place, base.file_bytes("sd1"))
    return root


def blob(at: Path) -> Path:
    """Write a blob of the hub's cache: a UNet's weights in a file named by its digest."""
    snapshot = cached(at, give="snapshot")
    return (snapshot / "unet" / NET).resolve()


def linked_file(at: Path) -> Path:
    """Write a single file in the hub's cache, as a link to a blob that has no suffix."""
    root = at / "models--somebody--file"
    found = base.write(root / "blobs" / ("a" * 64), base.file_bytes("sd1"))
    link = root / "snapshots" / ("b" * 40) / "model.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(found, link.parent))
    base.write_tokenizer(link.parent / "tokenizer")
    return link


def begun(at: Path) -> Path:
    """Write a snapshot in the hub's cache that has only model_index.json."""
    snapshot = cached(at, give="snapshot")
    for place in sorted(snapshot.rglob("*"), reverse=True):
        if place.name != "model_index.json":
            place.rmdir() if place.is_dir() else place.unlink()
    return snapshot


def net(at: Path, *, name: str = NET, value: float | None = None, **config: Any) -> Path:
    """Write a ControlNet with changed config values, or one bias filled with `value`."""
    known, tensors = base.controlnet(base.SD1_UNET)
    folder = at / "control"
    if value is not None:
        tensors = dict(tensors)
        tensors["controlnet_mid_block.bias"] = np.full(32, value, "f2")
    base.write(folder / "config.json", known | config)
    base.write(folder / name, base.safetensors(tensors))
    return folder


def adapter(at: Path, kind: str, names: tuple[str, ...]) -> Path:
    """Write the folder of an adapter of the class `kind`, which is used together with a model."""
    folder = at / "adapter"
    base.write(folder / "config.json", {"_class_name": kind, "_diffusers_version": "0.30.0"})
    tensors = base.drawn(dict.fromkeys(names, (32, 32)))
    base.write(folder / NET, base.safetensors(tensors))
    return folder


def peft(at: Path) -> Path:
    folder = at / "my-lora"
    base.write(folder / "adapter_config.json", {"peft_type": "LORA", "r": 4})
    stem = "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    shapes = {f"{stem}.lora_A.weight": (4, 768), f"{stem}.lora_B.weight": (320, 4)}
    base.write(folder / "adapter_model.safetensors", base.safetensors(base.drawn(shapes)))
    return folder


def several_nets(at: Path) -> Path:
    """Write a folder with several ControlNets, each in a single file."""
    for name in ("canny", "depth"):
        shapes = {
            "control_model.input_blocks.0.0.weight": (320, 4, 3, 3),
            "control_model.zero_convs.0.0.weight": (320, 320, 1, 1),
        }
        data = base.safetensors(base.drawn(shapes))
        base.write(at / "nets" / f"control_v11p_sd15_{name}.safetensors", data)
    return at / "nets"


def ip_adapters(at: Path) -> Path:
    shapes = {"image_proj.proj.weight": (3072, 1024), "ip_adapter.1.to_k_ip.weight": (320, 768)}
    for place in ("models/ip-adapter_sd15", "sdxl_models/ip-adapter_sdxl"):
        data = base.safetensors(base.drawn(shapes))
        base.write(at / "IP-Adapter" / f"{place}.safetensors", data)
    return at / "IP-Adapter"


def other_case(at: Path) -> Path:
    """Write a model whose folder `unet` is called `UNet`, as on disks that ignore case."""
    model = sd1(at)
    (model / "unet").rename(model / "UNet")
    return model


COMFY = ("checkpoints", "clip", "controlnet", "loras", "text_encoders", "unet", "vae")

CASES: tuple[Case, ...] = (
    # Programs' folders
    no(
        "models-of-comfy",
        lambda at: tree(at, "models", "checkpoints/dreamshaper_8.safetensors", folders=COMFY[1:]),
        Why.NOT_A_MODEL,
        "ComfyUI's models, whose folders have names of components",
        says="dreamshaper_8|checkpoints",
    ),
    no(
        "models-of-web-ui",
        lambda at: tree(
            at, "models", "Stable-diffusion/deliberate.safetensors", folders=("Lora", "VAE")
        ),
        Why.NOT_A_MODEL,
        "the web UI's models",
    ),
    no(
        "checkpoints-of-comfy",
        lambda at: tree(at, "checkpoints", "a.safetensors", "b.safetensors"),
        Why.NOT_A_MODEL,
        "two models in one folder",
        says="a.safetensors",
    ),
    # Caches
    no(
        "cache-snapshots",
        lambda at: cached(at, give="snapshot").parent,
        Why.NOT_A_MODEL,
        "the folder above the snapshot",
        also=Can.YES,
        says="a" * 20,
    ),
    no("cache-blob", blob, Why.COMPONENT, "a UNet's blob"),
    yes("cache-single-file", linked_file, "a link to a blob without a suffix"),
    no("cache-begun", begun, Why.DOWNLOAD, "only the index came"),
    # Other formats
    no(
        "core-ai-model",
        partial(files, name="unet.aimodel", names={"main.mlirb": bytes(64), "metadata.json": "{}"}),
        Why.NOT_A_MODEL,
        "Apple's newer form",
    ),
    no(
        "ncnn",
        partial(files, name="ncnn", names={"unet.param": "7767517\n1 1\n", "unet.bin": bytes(64)}),
        Why.NOT_A_MODEL,
        "ncnn's",
    ),
    no(
        "mlx",
        partial(
            files, name="mlx", names={"unet.npz": b"PK\x03\x04" + bytes(64), "config.json": "{}"}
        ),
        Why.NOT_A_MODEL,
        "MLX's arrays",
    ),
    no(
        "shortcut",
        partial(files, name="x", names={"m.lnk": b"L\x00\x00\x00\x01\x14\x02"}, give="m.lnk"),
        Why.NOT_A_MODEL,
        "Windows' shortcut",
    ),
    no(
        "alias",
        partial(
            files, name="x", names={"model": b"book\x00\x00\x00\x00mark" + bytes(64)}, give="model"
        ),
        Why.NOT_A_MODEL,
        "the Finder's alias",
    ),
    no("component-of-other-case", other_case, Why.INCOMPLETE, "UNet/", also=Can.YES, says="UNet"),
    # ControlNets
    no(
        "net-that-pools",
        partial(net, global_pool_conditions=True),
        Why.CONFIG,
        "a shuffle ControlNet, whose residuals are averaged over the picture",
        says="global_pool_conditions|averag",
    ),
    yes(
        "net-of-blue-first",
        partial(net, controlnet_conditioning_channel_order="bgr"),
        "colours in the other order",
        also=Can.NO,
    ),
    no(
        "net-of-four-colours",
        partial(net, conditioning_channels=4),
        Why.CONFIG,
        "a picture of four channels, though its weights read three",
    ),
    yes(
        "net-in-a-variant",
        partial(net, name="diffusion_pytorch_model.fp16.safetensors"),
        "only the fp16 variant",
    ),
    yes(
        "net-of-a-full-dump",
        partial(
            net,
            addition_embed_type=None,
            class_embed_type=None,
            encoder_hid_dim=None,
            global_pool_conditions=False,
            mid_block_type="UNetMidBlock2DCrossAttn",
            num_attention_heads=None,
            resnet_time_scale_shift="default",
            transformer_layers_per_block=1,
            upcast_attention=False,
        ),
        "a newer library's full dump",
    ),
    Case(
        name="net-of-nan",
        build=partial(net, value=float("nan")),
        truth="a ControlNet with numbers that are none",
        can=Can.HEADERS,
        why=Why.VALUES,
    ),
    # Adapters
    *(
        no(f"folder-of-{word}", build, Why.ADD_ON, truth)
        for word, build, truth in (
            ("files-of-nets", several_nets, "ControlNets in files"),
            ("ip-adapters", ip_adapters, "IP-Adapters"),
            ("peft", peft, "a LoRA as PEFT saves it"),
        )
    ),
    *(
        no(
            f"adapter-{word}",
            partial(adapter, kind=kind, names=names),
            Why.ADD_ON,
            "an adapter, which goes with a model",
        )
        for word, kind, names in (
            ("motion", "MotionAdapter", ("down_blocks.0.motion_modules.0.proj_in.weight",)),
            ("t2i", "T2IAdapter", ("adapter.conv_in.weight", "adapter.body.0.in_conv.weight")),
            ("net-xs", "ControlNetXSAdapter", ("controlnet_cond_embedding.conv_in.weight",)),
            ("sparse", "SparseControlNetModel", ("controlnet_cond_embedding.conv_in.weight",)),
        )
    ),
)
