"""Odd inputs, third part: folders with odd configs or shards, and trainers' folders."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.convert.weights.torch_files import write_zip
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.configs import edited, retensored
from tests.odd.families import other_part, reshaped, set_in_unet
from tests.odd.folders import UNET, put, renamed, sd1, sharded, without
from tests.odd.later_folders import CONFIG, INDEX, SHARD, TEXT_CONFIG, VAE_CONFIG

UNET_INDEX = "diffusion_pytorch_model.safetensors.index.json"


def of_2022(at: Path) -> Path:
    """Write a model in pickles, with file names as of 2022."""
    model = sd1(at)
    for name in ("unet", "vae", "text_encoder"):
        base.weights(model, name).unlink()
        stem = "pytorch_model" if name == "text_encoder" else "diffusion_pytorch_model"
        write_zip(model / name / f"{stem}.bin", base.tensors_of(base.MODELS["sd1"][name]))
    return model


def begun(start: str, tensors: base.Tensors) -> base.Tensors:
    return {start + name: tensor for name, tensor in tensors.items()}


def half_fetched(at: Path) -> Path:
    """Write a model whose fp16 UNet weights are complete, while the plain ones are empty."""
    model = renamed(at, UNET, "unet/diffusion_pytorch_model.fp16.safetensors")
    base.write(model / UNET, b"")
    return model


def newer_variant(at: Path) -> Path:
    """Write sharded fp16 weights, named as by newer libraries (`….fp16-00001-of-00002…`)."""
    names = [f"diffusion_pytorch_model.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = "diffusion_pytorch_model.fp16.safetensors.index.json"
    return sharded(at, index=index, names=(names[0], names[1]))


def index_of(at: Path, content: object) -> Path:
    model = sharded(at)
    base.write(model / "unet" / UNET_INDEX, content)
    return model


def outward(at: Path) -> Path:
    """Write a model whose index lists shards outside the model's folder."""
    model = sharded(at)
    place = model / "unet" / UNET_INDEX
    known = json.loads(place.read_text())["weight_map"]
    base.write(place, {"weight_map": {n: f"../../other/{s}" for n, s in known.items()}})
    return model


def twice(at: Path) -> Path:
    """Write two shards that share a tensor, with different values; the index names the first."""
    model = sharded(at)
    first, second = (model / "unet" / SHARD.format(n) for n in (1, 2))
    tensors = base.tensors_of(base.SD1_UNET)
    known = json.loads((model / "unet" / UNET_INDEX).read_text())["weight_map"]
    name = next(n for n, shard in known.items() if shard == first.name)
    part = {n: tensors[n] for n, shard in known.items() if shard == second.name}
    base.write(second, base.safetensors(part | {name: tensors[name] * 0}))
    return model


def whole_clip(at: Path) -> Path:
    """Write a model that has all of CLIP, text and vision, in place of its text encoder."""
    model = sd1(at)
    tensors = base.tensors_of(base.TEXT) | base.drawn(
        {
            "vision_model.encoder.layers.0.self_attn.q_proj.weight": (64, 64),
            "visual_projection.weight": (64, 64),
            "logit_scale": (),
        }
    )
    text = {name: value for name, value in base.TEXT.items() if name != "architectures"}
    config = {"architectures": ["CLIPModel"], "model_type": "clip", "text_config": text}
    base.write(model / TEXT_CONFIG, config | {"vision_config": {}, "projection_dim": 64})
    base.write(base.weights(model, "text_encoder"), base.safetensors(tensors))
    return model


def replaced(at: Path, name: str) -> Path:
    """Write a model with a folder in place of the file `name`, or a file in place of a folder."""
    model = sd1(at)
    place = model / name
    if place.is_dir():
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        base.write(place, b"x")
    else:
        place.unlink()
        place.mkdir()
    return model


def backup(at: Path) -> Path:
    """Write a backup by OneTrainer: the model beside the state of the training."""
    model = sd1(at)
    base.write(model / "meta.json", {"train_progress": {"epoch": 3}})
    base.write(model / "optimizer" / "optimizer.pt", bytes(64))
    base.write(model / "ema" / "ema.pt", bytes(64))
    base.write(model / "onetrainer_config" / "args.json", {"model_type": "STABLE_DIFFUSION_15"})
    return model


def changed(at: Path, name: str, *, drop: str = "", **values: Any) -> Path:
    return edited(at, name, **values, **({drop: ...} if drop else {}))


def two_heads(at: Path) -> Path:
    """Write a model whose text encoder's config states two heads, with unchanged weights."""
    return edited(at, TEXT_CONFIG, num_attention_heads=2)


CHANGES: tuple[tuple[str, Any], ...] = (
    ("only_cross_attention", True),
    ("resnet_out_scale_factor", 2.0),
    ("conv_in_kernel", 5),
    ("conv_out_kernel", 5),
    ("time_embedding_type", "fourier"),
    ("cross_attention_norm", "layer_norm"),
    ("timestep_post_act", "silu"),
    ("mid_block_only_cross_attention", True),
    ("resnet_skip_time_act", True),
    ("time_embedding_act_fn", "gelu"),
    ("addition_embed_type", "text"),
)
"""Options (and values) of diffusers' UNet that change what it computes."""

CASES: tuple[Case, ...] = (
    # Files
    yes("folder-of-2022", of_2022, "pickles only"),
    yes(
        "unet-by-the-other-librarys-name",
        partial(renamed, old=UNET, new="unet/model.safetensors"),
        "the only weights there, by transformers' name",
        also=Can.NO,
    ),
    *(
        no(
            f"folder-begins-{word}",
            partial(retensored, component="unet", change=partial(begun, start)),
            Why.CONFIG,
            "names with something before them, that no library reads",
            also=Can.YES,
            says=start,
        )
        for word, start in (("compiled", "_orig_mod."), ("parallel", "module."))
    ),
    no("folder-half-fetched", half_fetched, Why.DOWNLOAD, "an empty file first", also=Can.YES),
    yes("shards-of-newer-variant", newer_variant, "the variant before the suffix"),
    *(
        no(f"index-{word}", partial(index_of, content=content), Why.DAMAGED, "an index of nothing")
        for word, content in (
            ("is-a-list", []),
            ("maps-a-list", {"weight_map": ["a", "b"]}),
            ("has-no-map", {"metadata": {"total_size": 9}}),
            ("maps-to-numbers", {"weight_map": {"conv_in.weight": 1}}),
        )
    ),
    no("index-outward", outward, Why.INCOMPLETE, "shards outside, which are not there"),
    no(
        "shards-with-one-twice",
        twice,
        Why.DAMAGED,
        "a tensor in both shards: the index names the first, libraries take the last",
    ),
    no(
        "shards-of-three",
        partial(
            sharded,
            index="",
            names=(
                "diffusion_pytorch_model-00001-of-00003.safetensors",
                "diffusion_pytorch_model-00002-of-00003.safetensors",
            ),
        ),
        Why.INCOMPLETE,
        "two shards of three",
    ),
    *(
        no(f"replaced-{word}", partial(replaced, name=name), Why.UNREADABLE, truth, also=also)
        for word, name, truth, also in (
            ("index", INDEX, "a folder, without which the others say what they hold", Can.YES),
            ("config", CONFIG, "a folder in place of a file", None),
            ("unet", "unet", "a file in place of a folder", None),
        )
    ),
    yes("backup-of-onetrainer", backup, "a training's states beside"),
    # Pipelines
    yes(
        "pipeline-safe",
        partial(
            edited, name=INDEX, _class_name="StableDiffusionPipelineSafe", _safety_text_concept="x"
        ),
        "Safe Stable Diffusion: the same components",
    ),
    no(
        "pipeline-marigold",
        partial(reshaped, "sd2", pipeline="MarigoldDepthPipeline", in_channels=8),
        Why.TASK,
        "depth of a picture: eight channels",
    ),
    no(
        "pipeline-marigold-4ch",
        partial(edited, name=INDEX, _class_name="MarigoldNormalsPipeline"),
        Why.FAMILY,
        "a pipeline that draws no pictures, whatever its UNet",
        also=Can.YES,
    ),
    no(
        "pipeline-unclip",
        partial(
            reshaped,
            "sd2",
            pipeline="StableUnCLIPImg2ImgPipeline",
            class_embed_type="projection",
            projection_class_embeddings_input_dim=128,
        ),
        Why.CONFIG,
        "Stable unCLIP",
    ),
    no(
        "unet-with-learned-variance",
        partial(reshaped, "sd1", out_channels=8),
        Why.CONFIG,
        "a UNet that writes eight channels",
    ),
    # Components
    *(
        no(f"vae-of-{kind}", partial(other_part, name="vae", kind=kind), Why.CONFIG, "another VAE")
        for kind in ("VQModel", "ConsistencyDecoderVAE", "AutoencoderOobleck")
    ),
    no("text-encoder-of-whole-clip", whole_clip, Why.CONFIG, "all of CLIP", also=Can.YES),
    no(
        "vae-of-four-colours",
        partial(edited, name=VAE_CONFIG, in_channels=4),
        Why.CONFIG,
        "transparency",
    ),
    no(
        "vae-without-mid-attention",
        partial(edited, name=VAE_CONFIG, mid_block_add_attention=False),
        Why.CONFIG,
        "no attention, though its weights have it",
    ),
    no(
        "vae-of-gelu",
        partial(edited, name=VAE_CONFIG, act_fn="gelu"),
        Why.CONFIG,
        "another activation",
        also=Can.YES,
    ),
    *(
        no(
            f"third-{key.replace('_', '-')}",
            partial(set_in_unet, key=key, value=value),
            Why.CONFIG,
            f"a UNet with {key}={value!r}, which changes what it computes",
        )
        for key, value in CHANGES
    ),
    *(
        yes(f"third-inert-{word}", partial(changed, name=name, **values), "nothing to a conversion")
        for word, name, values in (
            ("upcast", CONFIG, {"upcast_attention": True}),
            ("dropout", CONFIG, {"dropout": 0.1}),
            ("size", CONFIG, {"sample_size": None}),
            ("text-dropout", TEXT_CONFIG, {"attention_dropout": 0.1, "dropout": 0.1}),
            ("text-width", TEXT_CONFIG, {"projection_dim": 999}),
            ("floats", CONFIG, {"layers_per_block": 2}),
        )
    ),
    yes("heads-by-default", partial(changed, name=CONFIG, drop="attention_head_dim"), "8 is usual"),
    yes("text-of-two-heads", two_heads, "two heads; the weights cannot tell"),
    no(
        "config-of-whole-floats",
        partial(edited, name=CONFIG, in_channels=4.0, block_out_channels=[32.0, 32.0]),
        Why.CONFIG,
        "whole numbers with a point",
        also=Can.YES,
    ),
    no(
        "config-with-comment",
        partial(put, files={CONFIG: "// mine\n" + json.dumps(base.SD1_UNET)}),
        Why.DAMAGED,
        "a comment, which JSON has not",
    ),
    no(
        "config-not-a-number",
        partial(put, files={CONFIG: json.dumps(base.SD1_UNET | {"norm_eps": float("nan")})}),
        Why.CONFIG,
        "an epsilon that is no number",
    ),
    no(
        "sdxl-of-first-folders",
        lambda at: without(at, "unet/config.json", more={CONFIG: json.dumps(base.SDXL_UNET)}),
        Why.CONFIG,
        "SDXL's config in an SD 1.x folder",
    ),
)
