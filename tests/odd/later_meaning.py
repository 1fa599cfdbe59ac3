"""Odd inputs, second part: models that differ from what they seem, and odd vocabularies."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.convert.weights import torch_files
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.configs import edited
from tests.odd.meaning import EPSILON, FEW, SCHEDULER, V, labelled, rescheduled, scheduled, tagged
from tests.odd.texts import FAST, with_tokenizer, with_words

BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype="f4") ** 2
KEPT = np.cumprod(1 - BETAS)
FIRST = len(base.WORDS)


def bare_scheduler(at: Path, kind: str) -> Path:
    """Write a model whose scheduler config has only a class, so that all values are defaults."""
    model = base.write_folder(at / "model")
    base.write(model / SCHEDULER, {"_class_name": kind, "_diffusers_version": "0.23.1"})
    return model


def with_yaml(at: Path, family: str, yaml: str, name: str = "model.safetensors") -> Path:
    path = base.write_file(at, family, name)
    base.write(path.with_suffix(".yaml"), yaml)
    return path


def buffered(at: Path, kept: np.ndarray) -> Path:
    """Write a single file that also has the noise schedule's tensors, as in files of 2022."""
    more = {"alphas_cumprod": kept.astype("f4"), "betas": BETAS}
    return base.write_file(at, content=base.safetensors(base.original("sd1") | more))


def marked(at: Path, *, name: str = "model.safetensors", **marks: np.ndarray) -> Path:
    tensors = base.original("sdxl") | marks
    if name.endswith(".ckpt"):
        base.write_tokenizer(at / "tokenizer")
        return torch_files.write_zip(at / name, tensors)
    return base.write_file(at, name=name, content=base.safetensors(tensors))


def contradicting(at: Path) -> Path:
    """Write a file whose metadata says noise prediction, while a tensor marks v-prediction."""
    tensors = base.original("sdxl") | {"v_pred": np.zeros((0,), "f2")}
    metadata = {"modelspec.prediction_type": EPSILON}
    return base.write_file(at, content=base.safetensors(tensors, metadata))


def row_for(model: Path, words: int = 1) -> Path:
    """Extend the text encoder's embedding by a row for each of `words` more tokens."""
    config = base.TEXT | {"vocab_size": FIRST + words}
    base.write(model / "text_encoder" / "config.json", config)
    base.write(base.weights(model, "text_encoder"), base.safetensors(base.tensors_of(config)))
    return model


def decoder_words(at: Path) -> Path:
    """Write a model whose extra word is only in tokenizer_config.json, as by newer libraries."""
    model = row_for(base.write_folder(at / "model"))
    entry = {"content": "<cat>", "lstrip": False, "normalized": True, "special": False}
    base.edit(
        model / "tokenizer" / "tokenizer_config.json",
        added_tokens_decoder={
            str(FIRST - 2): entry | {"content": "<|startoftext|>", "special": True},
            str(FIRST - 1): entry | {"content": "<|endoftext|>", "special": True},
            str(FIRST): entry,
        },
    )
    return model


def fast_words(at: Path) -> Path:
    """Write a model whose extra word is only in tokenizer.json."""
    added = [*FAST["added_tokens"], {"id": FIRST, "content": "<cat>", "special": False}]
    model = with_tokenizer(
        at, vocab__json=None, merges__txt=None, tokenizer__json=FAST | {"added_tokens": added}
    )
    return row_for(model)


def padded(at: Path, **files: Any) -> Path:
    return with_tokenizer(at, **files)


def put_added(at: Path, words: dict[str, int]) -> Path:
    """Write a folder whose added_tokens.json contains `words`."""
    return with_tokenizer(at, added_tokens__json=words)


MERGED = '{"abc": {"name": "x_lightning_4step.safetensors"}}'
PAD = {"content": "!", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
CONFIG_OF_PAD = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "!"}
SGM_V = (
    "model:\n  target: sgm.models.diffusion.DiffusionEngine\n  params:\n    denoiser_config:\n"
    "      params:\n        scaling_config:\n"
    "          target: sgm.modules.diffusionmodules.denoiser_scaling.VScaling\n"
)

CASES: tuple[Case, ...] = (
    # What a UNet predicts
    *(
        yes(
            f"sd2-says-{name}",
            partial(labelled, "sd2", metadata=metadata),
            f"metadata: {metadata}",
            makes={"prediction": meant},
        )
        for name, metadata, meant in (
            ("architecture-768-v", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, V),
            ("architecture-512", {"modelspec.architecture": "stable-diffusion-v2-512"}, EPSILON),
            ("kohya-base-v", {"ss_base_model_version": "sd_v2_v"}, V),
            ("capitals", {"modelspec.prediction_type": "V_Prediction"}, V),
            ("eps", {"modelspec.prediction_type": "eps"}, EPSILON),
        )
    ),
    yes(
        "sdxl-kohya-no",
        partial(
            labelled,
            "sdxl",
            metadata={"ss_v_parameterization": "None", "ss_zero_terminal_snr": "False"},
        ),
        "the trainer's word for no",
        makes={"prediction": EPSILON},
    ),
    no(
        "sdxl-says-both",
        contradicting,
        Why.CONFIG,
        "metadata says noise, a marker tensor velocity",
        also=Can.YES,
        says="v_pred",
    ),
    yes(
        "sdxl-mark-of-one",
        lambda at: marked(at, v_pred=np.ones(1, "f4")),
        "a mark that holds a number",
        makes={"prediction": V},
    ),
    yes(
        "sdxl-ckpt-mark",
        lambda at: marked(at, name="model.ckpt", v_pred=np.ones(1, "f4")),
        "a mark in a pickle",
        makes={"prediction": V},
    ),
    no(
        "sdxl-zero-terminal-mark-alone",
        lambda at: tagged("sdxl", at, "ztsnr"),
        Why.SCHEDULE,
        "a schedule that ends in pure noise",
    ),
    yes(
        "sdxl-yaml-v",
        partial(with_yaml, family="sdxl", yaml=SGM_V),
        "Stability's newer training config says velocity",
        makes={"prediction": V},
    ),
    yes(
        "sd1-yaml-v",
        partial(with_yaml, family="sd1", yaml="model:\n  params:\n    parameterization: v\n"),
        "SD 1.x whose training config says velocity",
        makes={"prediction": V},
    ),
    yes(
        "told-against-the-scheduler",
        partial(scheduled, "sd1", prediction_type=V),
        "the scheduler says velocity, the person noise",
        options=("--prediction-type", EPSILON),
        makes={"prediction": EPSILON},
        alone=None,
    ),
    yes(
        "vpred-by-folder-name",
        partial(scheduled, "sdxl", name="noobai-xl-vpred", prediction_type=...),
        "only the folder's name points to velocity",
        says="assum",
    ),
    # Noise schedules
    *(
        no(
            f"schedule-defaults-of-{kind}",
            partial(bare_scheduler, kind=f"{kind}Scheduler"),
            Why.SCHEDULE,
            "only the class is said; its defaults are another schedule than SD's",
        )
        for kind in ("DDPM", "PNDM", "EulerDiscrete")
    ),
    *(
        no(
            f"schedule-{name}",
            partial(rescheduled, family="sd1", changes=changes),
            Why.SCHEDULE,
            truth,
        )
        for name, changes, truth in (
            ("other-start", {"beta_start": 0.0001}, "another first beta"),
            ("sigmoid", {"beta_schedule": "sigmoid"}, "a sigmoid"),
            ("flow-sigmas", {"use_flow_sigmas": True}, "flow matching by an option"),
            (
                "consistency",
                {"_class_name": "CMStochasticIterativeScheduler"},
                "a consistency model's",
            ),
            ("edm-dpm", {"_class_name": "EDMDPMSolverMultistepScheduler"}, "EDM's sigmas"),
        )
    ),
    *(
        yes(f"schedule-same-{name}", partial(rescheduled, family="sd1", changes=changes), truth)
        for name, changes, truth in (
            ("trained", {"trained_betas": [float(b) for b in BETAS]}, "SD's own betas, listed"),
            ("float-steps", {"num_train_timesteps": 1000.0}, "a thousand, as a float"),
            ("old-ddim", {"_class_name": "DDIMScheduler", "set_alpha_to_one": True}, "DDIM"),
            ("unipc", {"_class_name": "UniPCMultistepScheduler"}, "UniPC"),
        )
    ),
    yes(
        "zero-terminal-accepted",
        partial(rescheduled, family="sdxl", changes={"rescale_betas_zero_snr": True}),
        "a schedule that the person accepts",
        options=("--accept-schedule",),
        alone=Can.NO,
    ),
    yes("file-with-its-schedule", partial(buffered, kept=KEPT), "SD's schedule in buffers"),
    no(
        "file-with-another-schedule",
        partial(buffered, kept=np.append(KEPT[:-1], 0.0)),
        Why.SCHEDULE,
        "buffers of a schedule that ends in pure noise",
        also=Can.YES,
        says="alphas|schedule|terminal",
    ),
    # Few steps
    *(
        yes(
            f"few-steps-{word}",
            partial(labelled, family, metadata=metadata, name=name),
            "made for few steps and little guidance",
            says=FEW,
        )
        for word, family, name, metadata in (
            ("dmd2", "sdxl", "bigasp_dmd2_4step.safetensors", {}),
            ("lcm-file", "sd1", "dreamshaper8LCM.safetensors", {}),
            ("turbo-vision", "sdxl", "turbovisionxlSuperFast_v431.safetensors", {}),
            (
                "merged-from",
                "sdxl",
                "m.safetensors",
                {"sd_merge_models": MERGED},
            ),
        )
    ),
    yes(
        "few-steps-lcm-pipeline",
        partial(edited, name="model_index.json", _class_name="LatentConsistencyModelPipeline"),
        "a latent consistency model without its guidance embedding",
        says=FEW,
    ),
    # Words
    yes("added-word-by-newer-config", decoder_words, "a word", makes={"words": ["<cat>"]}),
    yes("added-word-in-tokenizer-json", fast_words, "a word", makes={"words": ["<cat>"]}),
    yes(
        "added-word-in-capitals",
        lambda at: with_words(at, "<CAT>"),
        "a word in capitals; apps write prompts small",
        says="<cat>",
    ),
    yes(
        "added-tokens-of-the-library",
        lambda at: put_added(at, {"<|startoftext|>": FIRST - 2, "<|endoftext|>": FIRST - 1}),
        "the library's own tokens listed as added",
    ),
    no(
        "added-word-far-away",
        lambda at: put_added(at, {"<cat>": 60_000}),
        Why.TOKENIZER,
        "a word with an id that is no row",
        also=Can.YES,
    ),
    yes(
        "pads-by-an-object",
        partial(padded, special_tokens_map__json={"pad_token": PAD}),
        "the padding word as an object",
        makes={"pad_id": 0},
    ),
    yes(
        "pads-by-the-config",
        partial(padded, special_tokens_map__json=None, tokenizer_config__json=CONFIG_OF_PAD),
        "the padding word only in the tokenizer's config",
        makes={"pad_id": 0},
    ),
    yes(
        "merges-without-version",
        partial(padded, merges__txt="\n".join((*base.MERGES, ""))),
        "merges.txt without its first line",
    ),
    yes(
        "merges-with-blanks",
        partial(padded, merges__txt="\n".join(("#version: 0.2", *base.MERGES, "", "", ""))),
        "merges.txt that ends in empty lines",
    ),
    no(
        "merges-of-nothing",
        partial(padded, merges__txt=""),
        Why.TOKENIZER,
        "an empty merges.txt",
        also=Can.YES,
    ),
    no(
        "vocabulary-as-a-list",
        partial(padded, vocab__json=list(base.WORDS)),
        Why.TOKENIZER,
        "words without ids",
    ),
    no(
        "vocabulary-cut",
        partial(padded, vocab__json='{"!": 0, "a'),
        Why.TOKENIZER,
        "half a vocabulary",
    ),
    no(
        "tokenizer-of-t5",
        partial(padded, vocab__json=None, merges__txt=None, spiece__model=b"\x0a\x0b"),
        Why.TOKENIZER,
        "SentencePiece in place of CLIP's",
    ),
)
