"""Recognises what a set of tensors is, by their names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sdcoreml.convert.models.family import TASKS, Family, Task
from sdcoreml.convert.models.original_layout import UNET_PREFIX, layout_of

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


class Kind(Enum):
    """The kinds of content of a file or folder."""

    PIPELINE = "a whole model"
    UNET = "a UNet alone"
    TRANSFORMER = "a transformer alone"
    VAE = "a VAE"
    TEXT_ENCODER = "a text encoder"
    CONTROLNET = "a ControlNet"
    CONTROL_LORA = "a Control-LoRA or ControlNet-LLLite"
    T2I_ADAPTER = "a T2I adapter"
    LORA = "a LoRA"
    TEXTUAL_INVERSION = "a textual inversion"
    IP_ADAPTER = "an IP-Adapter"
    MOTION_MODULE = "a motion module of AnimateDiff"
    HYPERNETWORK = "a hypernetwork"
    TINY_VAE = "a tiny VAE (TAESD)"
    OTHER_FAMILY = "a model of another family"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The recognised content of a file or folder.

    `flavour` is the way in which a LoRA names its tensors, or a trait such as LCM, or the name of a
    family that cannot be converted.
    """

    kind: Kind
    family: Family = Family.UNKNOWN
    task: Task | None = None
    flavour: str = ""


class _Named(dict[str, tuple[int, ...]]):
    """Shapes, and all their names in one text: many rules look for words in thousands of names."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.text = "\n".join(shapes)


def recognise(shapes: Shapes) -> Contents:
    """Recognise the tensors with `shapes`. The first matching rule decides."""
    named = _Named(shapes)
    for rule in _RULES:
        if found := rule(named):
            return found
    return Contents(kind=Kind.UNKNOWN)


def _has(shapes: _Named, *parts: str) -> bool:
    """Whether every part occurs in some tensor's name."""
    return all(part in shapes.text for part in parts)


def _width(shapes: Shapes, *ends: str, axis: int = -1) -> int | None:
    """Return the length of `axis` of the first tensor with that many whose name ends so."""
    for name, shape in shapes.items():
        if name.endswith(ends) and shape[axis:]:
            return shape[axis]
    return None


BY_CONTEXT: Mapping[int | None, Family] = {
    768: Family.SD1,
    1024: Family.SD2_BASE,
    2048: Family.SDXL,
    1280: Family.SDXL_REFINER,
}
"""Maps the width of the text states that the cross attention takes to the family."""

_CONTEXT = (
    "attn2.to_k.weight",
    "attn2_to_k.lora_down.weight",
    "attn2.to_k.lora_A.weight",
    "attn2.to_k.lora.down.weight",
    "attn2.processor.to_k_lora.down.weight",
)


def _lora(shapes: _Named) -> Contents | None:
    for part, flavour in LORA_FLAVOURS.items():
        if _has(shapes, part):
            family = BY_CONTEXT.get(_width(shapes, *_CONTEXT), Family.UNKNOWN)
            return Contents(kind=Kind.LORA, family=family, flavour=flavour)
    return None


LORA_FLAVOURS: Mapping[str, str] = {
    ".hada_w1_a": "LoHa (LyCORIS)",
    ".lokr_w1": "LoKr (LyCORIS)",
    "lora_unet_": "kohya",
    "lora_te": "kohya",
    ".lora_A.": "PEFT",
    "_lora.down.": "diffusers",
    ".lora.down.": "diffusers",
}
"""Maps a part of a tensor's name to the tool or kind of LoRA that uses such names."""


def _checkpoint(shapes: _Named) -> Contents | None:
    if found := layout_of(shapes):
        channels = _width(shapes, f"{UNET_PREFIX}input_blocks.0.0.weight", axis=1)
        task = TASKS.get(channels or 0, Task.OTHER)
        return Contents(kind=Kind.PIPELINE, family=found[0], task=task)
    return None


OTHER_FAMILIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("time_stack.", "input_blocks."), "Stable Video Diffusion"),
    (("time_mix",), "Stable Video Diffusion"),
    (("clip_txt_pooled_mapper.",), "Stable Cascade"),
    (("clip_mapper.", "down_blocks."), "Stable Cascade"),
    (("effnet_mapper.",), "Stable Cascade"),
    (("img_in.proj.", "double_blocks."), "HunyuanVideo"),
    (("token_refiner.",), "HunyuanVideo"),
    (("double_blocks.", "img_attn_qkv."), "HunyuanVideo"),
    (("pooler.attn", "blocks.0.default_modulation"), "HunyuanDiT"),
    (("text_embedding_padding",), "HunyuanDiT"),
    (("y_embedder.y_embedding",), "PixArt"),
    (("y_embedder.y_proj.", "t_block."), "PixArt"),
    (("caption_projection.", "adaln_single."), "PixArt"),
    (("joint_transformer_blocks.",), "AuraFlow"),
    (("double_layers.", "single_layers."), "AuraFlow"),
    (("transformer_blocks.0.img_mlp.", "img_in."), "Qwen-Image"),
    (("transformer_blocks.0.img_mod.",), "Qwen-Image"),
    (("double_stream_modulation_img.",), "FLUX.2"),
    (("distilled_guidance_layer.",), "Chroma"),
    (("patch_embedding.", "blocks.0.cross_attn."), "Wan video"),
    (("patch_embedding.weight", "blocks.0.attn1."), "Wan video"),
    (("patch_embedding.weight", "blocks.0.self_attn."), "Wan video"),
    (("double_stream_blocks.", "caption_projection."), "HiDream"),
    (("time_caption_embed.",), "OmniGen"),
    (("t5_y_embedder.",), "Mochi 1 video"),
    (("pretransform.",), "Stable Audio"),
    (("patchify_proj.",), "LTX video"),
    (("noise_refiner.",), "Lumina or Z-Image"),
    (("cap_embedder.", "context_refiner."), "Lumina or Z-Image"),
    (("body.0.rdb1.",), "an ESRGAN upscaler"),
    (("RRDB_trunk.",), "an ESRGAN upscaler"),
    (("model.1.sub.0.RDB1.",), "an ESRGAN upscaler"),
    (("conv_first.", "conv_up1."), "an ESRGAN upscaler"),
)
"""Maps parts of tensor names, all of which must occur, to a family that cannot be converted."""

ADAPTERS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("motion_modules.", "temporal_transformer."), Kind.MOTION_MODULE),
    (("lllite_",), Kind.CONTROL_LORA),
    (("lora_controlnet",), Kind.CONTROL_LORA),
    (("ip_adapter.",), Kind.IP_ADAPTER),
    (("image_proj.", "to_k_ip."), Kind.IP_ADAPTER),
)
"""Maps parts of tensor names to a kind of file that changes a model in a way no app supports."""


def _other(shapes: _Named) -> Contents | None:
    for parts, flavour in OTHER_FAMILIES:
        if _has(shapes, *parts):
            return Contents(kind=Kind.OTHER_FAMILY, flavour=flavour)
    for parts, kind in ADAPTERS:
        if _has(shapes, *parts) and not _has(shapes, "first_stage_model."):
            return Contents(kind=kind)
    if _is_tiny_vae(shapes):
        return Contents(kind=Kind.TINY_VAE)
    return Contents(kind=Kind.HYPERNETWORK) if _is_hypernetwork(shapes) else None


def _is_tiny_vae(shapes: Shapes) -> bool:
    """Whether every layer's name is a plain number and some layer is a `conv`."""
    names = [name.removeprefix("decoder.").removeprefix("encoder.") for name in shapes]
    numbered = all(re.match(r"(layers\.)?\d+\.", name) for name in names)
    return bool(names) and numbered and any(".conv." in name for name in names)


def _is_hypernetwork(shapes: Shapes) -> bool:
    """Whether all tensors are layers of networks keyed by text width, two networks per width."""
    pattern = r"(?:.*[._])?(768|1024|1280|320|640|2048)\.?[._](\d)[._].*"
    return bool(shapes) and all(re.fullmatch(pattern, name) for name in shapes)


def _transformer(shapes: _Named) -> Contents | None:
    for parts, family, flavour in (
        (("joint_blocks.", ".ln_q."), Family.SD3, "3.5"),
        (("joint_blocks.",), Family.SD3, "3"),
        (("double_blocks.", "single_blocks."), Family.FLUX, ""),
        (("single_transformer_blocks.",), Family.FLUX, ""),
        (("transformer_blocks.0.attn.add_q_proj.", "norm_q."), Family.SD3, "3.5"),
        (("transformer_blocks.0.attn.add_q_proj.",), Family.SD3, "3"),
    ):
        if _has(shapes, *parts):
            is_whole = _has(shapes, "first_stage_model.")
            kind = Kind.PIPELINE if is_whole else Kind.TRANSFORMER
            return Contents(kind=kind, family=family, flavour=flavour)
    return None


CONTROLNETS = (
    "control_model.",
    "controlnet_cond_embedding.",
    "controlnet_down_blocks.",
    "input_hint_block.",
    "zero_convs.",
)
"""Parts of names that only a ControlNet's tensors have, in either layout."""


def _controlnet(shapes: _Named) -> Contents | None:
    if any(_has(shapes, part) for part in CONTROLNETS):
        family = BY_CONTEXT.get(_width(shapes, *_CONTEXT), Family.UNKNOWN)
        return Contents(kind=Kind.CONTROLNET, family=family)
    return None


def _adapter(shapes: _Named) -> Contents | None:
    is_adapter = any(name.startswith(("adapter.", "body.0.", "body.1.")) for name in shapes)
    return Contents(kind=Kind.T2I_ADAPTER) if is_adapter else None


def _unet(shapes: _Named) -> Contents | None:
    original = _has(shapes, "input_blocks.0.0.weight", "output_blocks.")
    if not original and not {"conv_in.weight", "time_embedding.linear_1.weight"} <= shapes.keys():
        return None
    family = BY_CONTEXT.get(_width(shapes, *_CONTEXT), Family.UNKNOWN)
    channels = _width(shapes, "input_blocks.0.0.weight", "conv_in.weight", axis=1)
    flavour = "LCM" if "time_embedding.cond_proj.weight" in shapes else ""
    task = TASKS.get(channels or 0, Task.OTHER)
    return Contents(kind=Kind.UNET, family=family, task=task, flavour=flavour)


def _vae(shapes: _Named) -> Contents | None:
    is_vae = _has(shapes, "encoder.conv_in.weight", "decoder.conv_in.weight")
    return Contents(kind=Kind.VAE) if is_vae else None


def _text_encoder(shapes: _Named) -> Contents | None:
    is_clip = _has(shapes, "encoder.layers.0.self_attn.q_proj.weight")
    is_text = is_clip or _has(shapes, "encoder.block.0.layer.0.SelfAttention.")
    return Contents(kind=Kind.TEXT_ENCODER) if is_text else None


EMBEDDINGS: Mapping[int, Family] = {768: Family.SD1, 1024: Family.SD2_BASE, 1280: Family.SDXL}
"""Maps the width of a textual inversion's vectors to its family."""


def _embedding(shapes: _Named) -> Contents | None:
    few = len(shapes) <= 4 and all(len(shape) in (1, 2) for shape in shapes.values())  # noqa: PLR2004
    widths = {shape[-1] for shape in shapes.values() if shape}
    if not few or not widths <= EMBEDDINGS.keys() or not widths:
        return None
    family = Family.SDXL if len(widths) > 1 else EMBEDDINGS[widths.pop()]
    return Contents(kind=Kind.TEXTUAL_INVERSION, family=family)


_LAYER = re.compile(r"(?:^|[._])(?:layers?|\w*blocks|h)\.\d+\.(?:\w+\.)*\w*(?:attn|attention)")


def _any_transformer(shapes: _Named) -> Contents | None:
    """Recognise any other transformer by numbered layers with attention; this is the last rule."""
    if _has(shapes, "model.layers.0.self_attn."):
        return Contents(kind=Kind.OTHER_FAMILY, flavour="a language model")
    if any(_LAYER.search(name) for name in shapes):
        return Contents(kind=Kind.OTHER_FAMILY, flavour="a transformer that is not known here")
    return None


_RULES: tuple[Callable[[_Named], Contents | None], ...] = (
    _lora,
    _other,
    _checkpoint,
    _transformer,
    _controlnet,
    _adapter,
    _unet,
    _vae,
    _text_encoder,
    _embedding,
    _any_transformer,
)
