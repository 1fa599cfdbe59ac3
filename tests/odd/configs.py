"""Folders with odd JSON, with configs that contradict the tensors, or with outdated names."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.folders import put, sd1

MARK = "\ufeff"
FULL_UNET: dict[str, Any] = {
    "addition_embed_type": None,
    "addition_embed_type_num_heads": 64,
    "addition_time_embed_dim": None,
    "attention_type": "default",
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "dropout": 0.0,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "mid_block_only_cross_attention": None,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "projection_class_embeddings_input_dim": None,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": 1,
    "upcast_attention": False,
    "use_linear_projection": False,
}
FULL_VAE: dict[str, Any] = {
    "force_upcast": True,
    "latents_mean": None,
    "latents_std": None,
    "mid_block_add_attention": True,
    "shift_factor": None,
    "use_post_quant_conv": True,
    "use_quant_conv": True,
}
FULL_TEXT: dict[str, Any] = {
    "add_cross_attention": False,
    "chunk_size_feed_forward": 0,
    "dropout": 0.0,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "max_length": 20,
    "num_beams": 1,
    "output_attentions": False,
    "output_hidden_states": False,
    "problem_type": None,
    "pruned_heads": {},
    "return_dict": True,
    "temperature": 1.0,
    "tie_word_embeddings": True,
    "torchscript": False,
    "transformers_version": "4.57.1",
    "use_bfloat16": False,
}
FULL_SCHEDULER: dict[str, Any] = {
    "_class_name": "EulerDiscreteScheduler",
    "final_sigmas_type": "zero",
    "interpolation_type": "linear",
    "rescale_betas_zero_snr": False,
    "sigma_max": None,
    "sigma_min": None,
    "timestep_spacing": "leading",
    "timestep_type": "discrete",
    "use_beta_sigmas": False,
    "use_exponential_sigmas": False,
    "use_karras_sigmas": False,
}


def edited(at: Path, name: str, **changes: Any) -> Path:
    model = sd1(at)
    base.edit(model / name, **changes)
    return model


def rewritten(at: Path, name: str, change: Callable[[str], str], encoding: str = "utf-8") -> Path:
    """Write a model, with one text file changed by `change` or written in another encoding."""
    model = sd1(at)
    text = (model / name).read_text()
    base.write(model / name, change(text).encode(encoding))
    return model


def marked(at: Path, name: str) -> Path:
    return rewritten(at, name, lambda text: MARK + text)


def retensored(
    at: Path, component: str, change: Callable[[base.Tensors], base.Tensors], **config: Any
) -> Path:
    """Write a model with one component's tensors changed, and optionally values of its config."""
    model = sd1(at)
    tensors = change(base.tensors_of(base.MODELS["sd1"][component]))
    base.write(base.weights(model, component), base.safetensors(tensors))
    base.edit(model / component / "config.json", **config)
    return model


def older_attention(tensors: base.Tensors) -> base.Tensors:
    """Rename the VAE's attention tensors to their names in diffusers before 0.17."""
    names = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))
    found = {}
    for name, tensor in tensors.items():
        for new, old in names:
            if ".attentions." in name:
                name = name.replace(f".{new}.", f".{old}.")  # noqa: PLW2901
        found[name] = tensor
    return found


def kernels(axes: int, tensors: base.Tensors) -> base.Tensors:
    """Append `axes` axes of size 1 to the VAE's attention weights; two make a 1x1 convolution."""
    return {
        name: tensor.reshape(*tensor.shape, *(1,) * axes)
        if ".attentions." in name and tensor.ndim == 2
        else tensor
        for name, tensor in tensors.items()
    }


def decoder_only(tensors: base.Tensors) -> base.Tensors:
    return {n: t for n, t in tensors.items() if n.startswith(("decoder.", "post_quant"))}


def with_extra(shapes: dict[str, tuple[int, ...]], tensors: base.Tensors) -> base.Tensors:
    return tensors | base.drawn(shapes)


def with_positions(tensors: base.Tensors) -> base.Tensors:
    ids = np.arange(77, dtype=np.int64)[None]
    return tensors | {"text_model.embeddings.position_ids": ids}


def less(count: int, tensors: base.Tensors) -> base.Tensors:
    return dict(list(tensors.items())[:-count])


def duplicate(text: str, name: str, first: object) -> str:
    """Insert a second value for the key `name` at the start; JSON readers use the later one."""
    return text.replace("{", f'{{"{name}": {json.dumps(first)},', 1)


UNET, VAE_CONFIG = "unet/config.json", "vae/config.json"

CASES: tuple[Case, ...] = (
    *(
        yes(f"mark-before-{name}", partial(marked, name=file), f"{file} begins with a BOM")
        for name, file in (
            ("index", "model_index.json"),
            ("unet-config", UNET),
            ("text-config", "text_encoder/config.json"),
            ("scheduler", "scheduler/scheduler_config.json"),
            ("vocabulary", "tokenizer/vocab.json"),
            ("merges", "tokenizer/merges.txt"),
        )
    ),
    yes(
        "duplicate-key-same",
        partial(rewritten, name=UNET, change=lambda t: duplicate(t, "in_channels", 4)),
        "a key twice, with one value",
    ),
    yes(
        "duplicate-key-last-wins",
        partial(rewritten, name=UNET, change=lambda t: duplicate(t, "block_out_channels", [320])),
        "a key twice; the last value, which every reader takes, is right",
        also=Can.NO,
    ),
    yes(
        "duplicate-part-in-index",
        partial(
            rewritten,
            name="model_index.json",
            change=lambda t: duplicate(t, "unet", ["diffusers", "UNet2DConditionModel"]),
        ),
        "a component listed twice",
    ),
    *(
        no(f"{name}-config", build, Why.DAMAGED, truth)
        for name, build, truth in (
            ("trailing-comma", partial(rewritten, name=UNET, change=lambda t: t + ","), "a comma"),
            ("list", partial(put, files={UNET: "[1, 2]"}), "JSON, but a list"),
            ("empty", partial(put, files={UNET: b""}), "zero bytes"),
            ("nested", partial(put, files={UNET: "[" * 50_000}), "nested without end"),
        )
    ),
    yes(
        "utf-16-config",
        partial(rewritten, name=UNET, change=str, encoding="utf-16"),
        "UTF-16, which Python's reader of JSON takes, and the library does not",
        also=Can.NO,
    ),
    no("bare-config", partial(put, files={UNET: "{}"}), Why.CONFIG, "a config that says nothing"),
    yes("full-unet-config", partial(edited, name=UNET, **FULL_UNET), "a newer library's full dump"),
    yes("full-vae-config", partial(edited, name=VAE_CONFIG, **FULL_VAE), "the same of the VAE"),
    yes(
        "full-text-config",
        partial(edited, name="text_encoder/config.json", **FULL_TEXT),
        "a full dump of transformers, whose generation options concern no CLIP",
    ),
    yes(
        "full-scheduler-config",
        partial(edited, name="scheduler/scheduler_config.json", **FULL_SCHEDULER),
        "a full dump of a newer scheduler with SD's own schedule",
    ),
    yes(
        "unheard-of-null",
        partial(edited, name=UNET, option_of_2027=None, another_of_2027=False),
        "options of a library to come, that are off",
    ),
    no(
        "unheard-of-value",
        partial(edited, name=UNET, option_of_2027="sideways"),
        Why.CONFIG,
        "an option of a library to come, that is on",
    ),
    yes(
        "newer-pipeline-name",
        partial(edited, name="model_index.json", _class_name="StableDiffusionPAGPipeline"),
        "the same components under another pipeline",
    ),
    yes(
        "nulls-in-index",
        partial(edited, name="model_index.json", image_encoder=[None, None], unknown=None),
        "components that are listed as absent",
    ),
    yes(
        "custom-pipeline",
        partial(edited, name="model_index.json", _class_name=["pipeline", "MyPipeline"]),
        "a pipeline of its own code, of the usual components",
        also=Can.NO,
    ),
    yes(
        "old-vae-attention",
        partial(retensored, component="vae", change=older_attention),
        "the names of diffusers before 0.17",
    ),
    *(
        yes(
            f"vae-attention-{axes}-axes",
            partial(retensored, component="vae", change=partial(kernels, axes)),
            "the VAE's attention as convolutions of one pixel",
        )
        for axes in (1, 2)
    ),
    yes(
        "old-vae-attention-as-kernels",
        partial(
            retensored, component="vae", change=lambda tensors: older_attention(kernels(2, tensors))
        ),
        "older names and convolutions together",
    ),
    yes(
        "extra-tensors",
        partial(
            retensored, component="unet", change=partial(with_extra, {"loss.log_vars": (4, 4)})
        ),
        "a tensor that the class has not, which the library would leave aside",
    ),
    yes(
        "projection-in-text-encoder",
        partial(
            retensored,
            component="text_encoder",
            change=partial(with_extra, {"text_projection.weight": (64, 64)}),
        ),
        "a text encoder saved with its projection, which its class does not read",
    ),
    yes(
        "text-encoder-with-projection",
        partial(
            retensored,
            component="text_encoder",
            change=partial(with_extra, {"text_projection.weight": (64, 64)}),
            architectures=["CLIPTextModelWithProjection"],
        ),
        "SD 1.x with the text encoder's other class",
        also=Can.NO,
    ),
    yes(
        "position-ids",
        partial(retensored, component="text_encoder", change=with_positions),
        "a buffer of older transformers",
    ),
    no(
        "vae-decoder-only",
        partial(retensored, component="vae", change=decoder_only),
        Why.INCOMPLETE,
        "a VAE without its encoder",
    ),
    *(
        no(
            f"{component.replace('_', '-')}-lacks-a-tensor",
            partial(retensored, component=component, change=partial(less, 1)),
            Why.INCOMPLETE,
            "one tensor is not there",
        )
        for component in ("unet", "text_encoder", "vae")
    ),
    *(
        no(f"mismatch-{name}", partial(edited, name=file, **changes), Why.CONFIG, truth)
        for name, file, changes, truth in (
            ("widths", UNET, {"block_out_channels": [64, 64]}, "widths of another model"),
            ("layers", UNET, {"layers_per_block": 3}, "a layer more than there is"),
            ("context", UNET, {"cross_attention_dim": 96}, "another text encoder's width"),
            ("vocabulary", "text_encoder/config.json", {"vocab_size": 49408}, "other rows"),
            ("latents", VAE_CONFIG, {"latent_channels": 16}, "another VAE's latents"),
            ("linear", UNET, {"use_linear_projection": True}, "matrices where kernels are"),
        )
    ),
    no(
        "context-of-another-encoder",
        partial(
            retensored,
            component="unet",
            change=lambda _: base.tensors_of(base.SD1_UNET | {"cross_attention_dim": 96}),
            cross_attention_dim=96,
        ),
        Why.CONFIG,
        "a UNet that reads 96 wide text beside an encoder that writes 64",
    ),
)
