"""Builds CLIP's text transformer, as SD and SDXL use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sdcoreml.convert.programs.assemble import Draft
from sdcoreml.convert.programs.clip import ClipLayer, clip_layer, read_layer
from sdcoreml.convert.programs.config import Config, ConfigReader, refuse_unknown, require_divisible
from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.inference import Plain, Var
from sdcoreml.convert.programs.layers import add, conv, layer_norm, mul, slice_axis, transpose
from sdcoreml.convert.programs.options import ProgramOptions, TextStates
from sdcoreml.convert.programs.prompt import SECOND_PAD
from sdcoreml.convert.spec.model import DataType, Metadata
from sdcoreml.ground.errors import UnsupportedError

HIDDEN = -1e4
"""Added to the scores of later tokens: it fits float16, and its exponential is 0."""

SECOND = "text_encoder_2"

MOST_BLOCKS = 64
"""More blocks than any encoder has: tensors of unused blocks up to this number are ignored."""

LEGACY_END = 2
"""An `eos_token_id` that transformers takes to mean "the end is the largest id of the prompt"."""

CLIP_WORDS = 49408
"""The size of CLIP's vocabulary. Its last word is the end token; any others were added later."""

_READ = frozenset(
    {
        "attention_dropout",  # training only
        "bos_token_id",
        "dropout",  # training only
        "eos_token_id",
        "hidden_act",
        "hidden_size",
        "initializer_factor",  # training only
        "initializer_range",  # training only
        "intermediate_size",
        "layer_norm_eps",
        "max_position_embeddings",
        "num_attention_heads",
        "num_hidden_layers",
        "pad_token_id",
        "projection_dim",
        "vocab_size",
    }
)
_GENERATION = frozenset(
    {
        "begin_suppress_tokens",
        "chunk_size_feed_forward",
        "decoder_start_token_id",
        "diversity_penalty",
        "early_stopping",
        "encoder_no_repeat_ngram_size",
        "exponential_decay_length_penalty",
        "finetuning_task",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "id2label",
        "label2id",
        "length_penalty",
        "max_length",
        "min_length",
        "no_repeat_ngram_size",
        "num_beam_groups",
        "num_beams",
        "num_return_sequences",
        "prefix",
        "problem_type",
        "repetition_penalty",
        "return_dict",
        "return_dict_in_generate",
        "sep_token_id",
        "suppress_tokens",
        "task_specific_params",
        "temperature",
        "tie_encoder_decoder",
        "tie_word_embeddings",
        "tokenizer_class",
        "top_k",
        "top_p",
        "torchscript",
        "typical_p",
        "use_bfloat16",
    }
)
"""Options about generation and labels, which CLIP's text model does not read.

transformers 4.34.1 writes them for every model.
"""

_ACCEPTED: Mapping[str, tuple[object, ...]] = {"pruned_heads": ({},)}
_IGNORED = ("text_model.embeddings.position_ids",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """The options of a text encoder that the builder reads."""

    vocabulary: int
    width: int
    layers: int
    layer: ClipLayer
    positions: int
    eps: float
    end: int
    projection: int


def parse_text(component: str, config: Config) -> TextConfig:
    """Check and parse a CLIP text model's config.

    Raises:
        UnsupportedError: it has an option that is not implemented.
        BadInputError: it lacks a required option.
    """
    refuse_unknown(component, config, _READ | _GENERATION, _ACCEPTED)
    reader = ConfigReader(component=component, config=config)
    layer, width = read_layer(reader), reader.read("hidden_size", int)
    require_divisible(component, "num_attention_heads", layer.heads, width)
    return TextConfig(
        vocabulary=reader.read("vocab_size", int, 49408),
        width=width,
        layers=reader.read("num_hidden_layers", int),
        layer=layer,
        positions=reader.read("max_position_embeddings", int, 77),
        eps=layer.eps,
        end=reader.read("eos_token_id", int, 49407),
        projection=reader.read("projection_dim", int, 512),
    )


def draw_text_encoder(config: Config, options: ProgramOptions) -> Draft:
    """Draw the first, or only, text encoder.

    Input: `input_ids` (1, S), whole numbers in float32, since float16 cannot hold them all and apps
    do not send integers. Outputs, float32: the states (1, S, D), named `last_hidden_state` or, for
    SDXL, `hidden_embeds`; and `pooled_outputs` (1, D), the last state of the end token.

    Raises:
        UnsupportedError: this builder does not support the config, length or options.
        BadInputError: the config lacks a required option.
    """
    return _draw("text_encoder", config, options)


def draw_text_encoder_2(config: Config, options: ProgramOptions) -> Draft:
    """Draw SDXL's second text encoder, with a projected pooled output; see `draw_text_encoder`."""
    return _draw(SECOND, config, for_second(options))


def for_second(options: ProgramOptions) -> ProgramOptions:
    """Return the options for the second text encoder: SDXL always uses its penultimate states."""
    return replace(options, text_states=TextStates.PENULTIMATE)


def read_extent(component: str, text: TextConfig, options: ProgramOptions) -> tuple[int, int]:
    """Return how many tokens the program takes, and how many of the model's blocks it runs.

    Raises:
        UnsupportedError: the model has too few tokens or blocks, or lacks the padding token.
    """
    _require_known_pad(component, text, options)
    return _tokens(component, text, options), _blocks(component, text, options)


def _draw(component: str, config: Config, options: ProgramOptions) -> Draft:
    text = parse_text(component, config)
    tokens, used = read_extent(component, text, options)
    is_last = options.text_states is TextStates.LAST
    ids = port("input_ids", DataType.FLOAT32, (1, tokens), "The prompt's token ids, padded.")
    g = Graph((ids,), options)
    numbers = g.cast(g.inputs["input_ids"], DataType.INT32)
    numbers, end = _restore_ids(g, component, text, numbers)
    states = [_embed(g, text, numbers)]
    mask = _causal_mask(g, tokens)
    for block in range(used):
        states.append(
            clip_layer(g, text.layer, states[-1], f"text_model.encoder.layers.{block}", mask)
        )
    last = _rows(g, layer_norm(g, states[-1], "text_model.final_layer_norm", eps=text.eps))
    name = "last_hidden_state" if is_last else "hidden_embeds"
    g.output(name, last if is_last else _rows(g, states[-2]))
    pooled = _pool(g, last, end)
    if component == SECOND:
        pooled = _project(g, text, pooled)
    g.output("pooled_outputs", pooled)
    return Draft(
        component=component,
        graph=g,
        outputs={name: "The state of every token.", "pooled_outputs": "One state for the prompt."},
        metadata=Metadata(
            description="Reads a prompt for a Stable Diffusion UNet.",
            user_defined={"sdcoreml.clip_skip": str(options.clip_skip)},
        ),
        ignored=(
            *_IGNORED,
            *(f"text_model.encoder.layers.{block}." for block in range(used, MOST_BLOCKS)),
        ),
    )


def _blocks(component: str, text: TextConfig, options: ProgramOptions) -> int:
    """Return the number of blocks to run."""
    used = text.layers - options.clip_skip + 1
    if options.clip_skip > 1 and options.text_states is TextStates.PENULTIMATE:
        raise UnsupportedError(
            (
                "SDXL is trained on the penultimate states, so clip skip "
                f"{options.clip_skip} does not apply"
            ),
            where=component,
            remedy="leave it out",
        )
    if not 1 <= used <= text.layers:
        raise UnsupportedError(
            f"clip skip {options.clip_skip} is not possible with {text.layers} blocks",
            where=component,
            remedy=f"choose 1 to {text.layers}",
        )
    return used


def _require_known_pad(component: str, text: TextConfig, options: ProgramOptions) -> None:
    if options.pad_id is not None and not 0 <= options.pad_id < text.vocabulary:
        raise UnsupportedError(
            f"the padding token {options.pad_id} is not among the model's {text.vocabulary:,}",
            where=component,
            remedy=f"choose 0 to {text.vocabulary - 1}",
        )


def _end_token(text: TextConfig) -> int:
    """Return the end token's id: the config's, or CLIP's last word if that is the legacy value."""
    is_told = LEGACY_END < text.end < text.vocabulary
    return text.end if is_told else min(text.vocabulary, CLIP_WORDS) - 1


def _restore_ids(g: Graph, component: str, text: TextConfig, ids: Var) -> tuple[Var, Var]:
    """Return the ids (1, S) as diffusers sends them, and the position of the end token, (1,).

    Does the same as `programs.prompt.restore_prompt`, as operations.
    """
    import numpy as np

    end, length = _end_token(text), ids.shape[1]
    app_pad = SECOND_PAD if component == SECOND else end
    pad = app_pad if g.options.pad_id is None else g.options.pad_id
    places = g.table(np.arange(length, dtype=np.int32)[np.newaxis], "places")
    filler = _flag(g, "equal", ids, end)
    if app_pad != end:
        filler = add(g, filler, _flag(g, "equal", ids, app_pad))
    words = mul(g, places, g.emit("sub", x=np.int32(1), y=filler))
    last: Var = g.emit("reduce_max", x=words, axes=[1], keep_dims=False)
    stop = add(g, last, _flag(g, "greater", np.int32(length - 1), last))
    restored = ids
    for where, new in (("equal", end), ("greater", pad)):
        change = g.emit("sub", x=np.int32(new), y=ids)
        restored = add(g, restored, mul(g, _flag(g, where, places, stop), change))
    return restored, stop


def _flag(g: Graph, comparison: str, x: Plain, y: Plain) -> Var:
    """Return 1 where the comparison holds, else 0, as int32."""
    import numpy as np

    y = np.int32(y) if isinstance(y, int) else y
    flag: Var = g.cast(g.emit(comparison, x=x, y=y), DataType.INT32)
    return flag


def _tokens(component: str, text: TextConfig, options: ProgramOptions) -> int:
    tokens = options.tokens or text.positions
    if tokens > text.positions:
        raise UnsupportedError(
            f"{tokens} tokens were requested, but the model has {text.positions} positions",
            where=component,
            remedy=f"choose {text.positions} or fewer",
        )
    return tokens


def _embed(g: Graph, text: TextConfig, ids: Var) -> Var:
    """Embed ids (1, S) as (1, D, 1, S), with positions added."""
    path = "text_model.embeddings"
    vectors = g.weight(f"{path}.token_embedding.weight", (text.vocabulary, text.width))
    x: Var = g.emit("gather", x=vectors, indices=ids, axis=0)
    positions = g.weight(f"{path}.position_embedding.weight", (text.positions, text.width))
    positions = slice_axis(g, positions, 0, 0, ids.shape[1])
    x = transpose(g, add(g, x, positions), 0, 2, 1)
    columns: Var = g.emit("expand_dims", x=x, axes=[2])
    return columns


def _causal_mask(g: Graph, tokens: int) -> Var:
    """Return the mask (1, 1, S, S) with which no token sees a later one."""
    import numpy as np

    mask = np.triu(np.full((tokens, tokens), g.number(HIDDEN)), 1)
    return g.table(mask[np.newaxis, np.newaxis], "causal_mask")


def _rows(g: Graph, x: Var) -> Var:
    """Reshape (1, D, 1, S) to (1, S, D)."""
    return transpose(g, g.emit("squeeze", x=x, axes=[2]), 0, 2, 1)


def _pool(g: Graph, states: Var, end: Var) -> Var:
    """Take the row of `states` (1, S, D) at the end token, (1, D)."""
    row = g.emit("gather", x=states, indices=end, axis=1)
    result: Var = g.emit("squeeze", x=row, axes=[1])
    return result


def _project(g: Graph, text: TextConfig, pooled: Var) -> Var:
    """Project (1, D) to (1, P), without a bias."""
    x = g.emit("expand_dims", x=pooled, axes=[2, 3])
    x = conv(g, x, "text_projection", text.projection, bias=False)
    result: Var = g.emit("squeeze", x=x, axes=[2, 3])
    return result
