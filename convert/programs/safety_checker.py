"""Builds SD 1.x's safety checker, which compares an image with a list of concepts."""

from __future__ import annotations

from dataclasses import replace

from sdcoreml.convert.programs.assemble import Draft
from sdcoreml.convert.programs.clip import clip_layer, read_layer
from sdcoreml.convert.programs.config import Config, ConfigReader
from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.inference import Var
from sdcoreml.convert.programs.layers import (
    Kernel,
    add,
    concat,
    conv,
    layer_norm,
    mul,
    reshape,
    transpose,
)
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.spec.model import DataType, Metadata

PICTURE = 512
"""The side length, in pixels, of the images that apps send, for models of any size."""

CONCEPTS, SPECIAL = 17, 3
MORE_CAREFUL = 0.01
"""Added to all scores if an image matches a special concept."""

VISION = "vision_model.vision_model"
_IGNORED = (f"{VISION}.embeddings.position_ids",)


def draw_safety_checker(config: Config, options: ProgramOptions) -> Draft:
    """Draw the safety checker.

    Inputs, float16: `clip_input` (1, 3, 224, 224), `images` (1, 512, 512, 3), `adjustment` (1,),
    added to the special scores. Outputs, float32: `filtered_images`, black if a concept matches;
    `has_nsfw_concepts` (1,), 0 or 1; `concept_scores` (1, 17), above 0 for a concept that matches.

    The published config lists every default of transformers, so only the options read here are
    checked; `account` checks the tensors.

    Raises:
        UnsupportedError: the config has an unknown activation.
        BadInputError: the config lacks a required option.
    """
    reader = ConfigReader(component="safety_checker", config=config)
    reader.require("vision_config")
    vision = replace(reader, config=reader.read("vision_config", dict[str, object]))
    size, patch = vision.read("image_size", int, 224), vision.read("patch_size", int, 32)
    half = DataType.FLOAT16
    features = (
        port("clip_input", half, (1, 3, size, size), "The picture as CLIP wants it."),
        port("images", half, (1, PICTURE, PICTURE, 3), "The picture to black out."),
        port("adjustment", half, (1,), "Added to the scores of special concepts."),
    )
    g = Graph(features, options)
    embedded = _see(g, vision, g.input("clip_input"), Kernel(size=patch, stride=patch))
    width = reader.read("projection_dim", int, 512)
    seen = conv(g, embedded, "visual_projection", width, bias=False)
    seen = _unit(g, reshape(g, seen, 1, width))
    special = _scores(g, seen, "special_care_embeds", SPECIAL)
    special = add(g, special, g.cast(g.inputs["adjustment"], DataType.FLOAT32))
    extra = mul(g, _any(g, special), _single(MORE_CAREFUL))
    scores = add(g, _scores(g, seen, "concept_embeds", CONCEPTS), extra)
    is_near = reshape(g, _any(g, scores), 1)
    clear = g.emit("sub", x=_single(1), y=is_near)
    pictures = g.cast(g.inputs["images"], DataType.FLOAT32)
    g.output("filtered_images", mul(g, pictures, clear))
    g.output("has_nsfw_concepts", is_near)
    g.output("concept_scores", scores)
    return Draft(
        component="safety_checker",
        graph=g,
        outputs={
            "filtered_images": "The picture, or black.",
            "has_nsfw_concepts": "1 if a concept is near, else 0.",
            "concept_scores": "Above 0 where a concept is near.",
        },
        metadata=Metadata(description="Tells how near a picture is to a list of concepts."),
        ignored=_IGNORED,
    )


def _see(g: Graph, vision: ConfigReader, picture: Var, kernel: Kernel) -> Var:
    """Run CLIP's vision transformer; return the class token's normalised state, (1, D, 1, 1)."""
    layer = read_layer(vision)
    width, layers = vision.read("hidden_size", int), vision.read("num_hidden_layers", int)
    path = f"{VISION}.embeddings"
    patches = Kernel(size=kernel.size, stride=kernel.stride, pad=(0, 0, 0, 0))
    x = conv(g, picture, f"{path}.patch_embedding", width, patches, bias=False)
    count = x.shape[2] * x.shape[3]
    token = g.weight(f"{path}.class_embedding", (1, width, 1, 1))
    x = concat(g, [token, reshape(g, x, 1, width, 1, count)], 3)
    places = g.weight(f"{path}.position_embedding.weight", (count + 1, width))
    x = add(g, x, reshape(g, transpose(g, places, 1, 0), 1, width, 1, count + 1))
    x = layer_norm(g, x, f"{VISION}.pre_layrnorm", eps=layer.eps)
    for index in range(layers):
        x = clip_layer(g, layer, x, f"{VISION}.encoder.layers.{index}")
    x = g.emit("slice_by_index", x=x, begin=[0, 0, 0, 0], end=[1, width, 1, 1])
    return layer_norm(g, x, f"{VISION}.post_layernorm", eps=layer.eps)


def _scores(g: Graph, seen: Var, name: str, count: int) -> Var:
    """Compute by how much `seen` (1, P) exceeds each concept's similarity limit, (1, `count`)."""
    concepts = _unit(g, g.weight(name, (count, seen.shape[1])))
    cosines = g.emit("matmul", x=seen, y=concepts, transpose_x=False, transpose_y=True)
    limits = g.cast(g.weight(f"{name}_weights", (count,)), DataType.FLOAT32)
    scores: Var = g.emit("sub", x=cosines, y=limits)
    return scores


def _unit(g: Graph, x: Var) -> Var:
    """Normalise rows to length 1, in float32, because their squares overflow float16.

    The squares are added by a product with ones. With numpy 2.4, coremltools 9 cannot load a
    `reduce_sum` of constants, such as the concepts, because it fails to evaluate it.
    """
    import numpy as np

    x = g.cast(x, DataType.FLOAT32)
    ones = g.table(np.ones((x.shape[1], 1), np.float32), "ones")
    square = g.emit("square", x=x)
    squares = g.emit("matmul", x=square, y=ones, transpose_x=False, transpose_y=False)
    result: Var = g.emit("real_div", x=x, y=g.emit("sqrt", x=squares))
    return result


def _any(g: Graph, scores: Var) -> Var:
    """Return 1.0 if one of the scores is above 0, else 0.0, (1, 1)."""
    highest = g.emit("reduce_max", x=scores, axes=[1], keep_dims=True)
    return g.cast(g.emit("greater", x=highest, y=_single(0)), DataType.FLOAT32)


def _single(value: float) -> object:
    import numpy as np

    return np.float32(value)
