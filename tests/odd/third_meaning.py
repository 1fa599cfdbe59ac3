"""Odd inputs, third part: models that differ from what they seem (prediction, steps, words)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.convert.weights import torch_files as torch
from tests.odd import base
from tests.odd.addons import file
from tests.odd.case import Can, Case, Why, no, yes
from tests.odd.configs import edited
from tests.odd.folders import put, sd1
from tests.odd.later_meaning import FIRST, bare_scheduler, row_for
from tests.odd.meaning import EPSILON, FEW, SCHEDULER, V, labelled, rescheduled
from tests.odd.texts import VOCABULARY, with_tokenizer

OT = {"model_type": "STABLE_DIFFUSION_XL_10_BASE", "force_v_prediction": False}
OT_ZERO = OT | {"rescale_noise_scheduler_to_zero_terminal_snr": True}


def marked(at: Path, family: str, **marks: np.ndarray) -> Path:
    return base.write_file(at, content=base.safetensors(base.original(family) | marks))


def renamed_scheduler(at: Path) -> Path:
    model = sd1(at)
    (model / SCHEDULER).rename(model / "scheduler" / "config.json")
    return model


def with_words(
    at: Path, name: str, shapes: dict[str, tuple[int, ...]], family: str = "sd1"
) -> Path:
    """Write a model, and a textual inversion in the file `name` beside it."""
    file(at, shapes, name)
    return base.write_folder(at / "model", family)


def web_ui_embedding(at: Path) -> Path:
    """Write a textual inversion as the web UI saves it: a pickle that also has training values."""
    vector = torch.tensor(torch.storage("0", "float32", 128), (2, 64))
    root = torch.mapping(
        {
            "string_to_token": torch.mapping({"*": torch.integer(265)}),
            "string_to_param": torch.mapping({"*": vector}),
            "name": torch.text("cat"),
            "step": torch.integer(5000),
            "sd_checkpoint": torch.text("a1b2c3d4"),
        }
    )
    torch.write_zip(at / "cat.pt", {"0": np.ones(128, "f4")}, pickled=torch.finished(root))
    return base.write_folder(at / "model")


def two_of_a_word(at: Path) -> Path:
    for name in ("a", "b"):
        (at / name).mkdir()
        file(at / name, {"emb_params": (1, 64)}, "cat.safetensors")
    return base.write_folder(at / "model")


def not_finite_embedding(at: Path) -> Path:
    data = base.safetensors({"emb_params": np.full((1, 64), np.nan, "f2")})
    base.write(at / "cat.safetensors", data)
    return base.write_folder(at / "model")


def known_word(at: Path) -> Path:
    """Write a model whose tokenizer already has `<cat>`, and an embedding cat.safetensors."""
    file(at, {"emb_params": (1, 64)}, "cat.safetensors")
    model = row_for(base.write_folder(at / "model"))
    base.write(model / "tokenizer" / "added_tokens.json", {"<cat>": FIRST})
    return model


def tokenized(at: Path, **files: Any) -> Path:
    return with_tokenizer(at, **files)


EMBEDDING = ("--embedding", "{case}/cat.safetensors")
GAP = {word: number for word, number in VOCABULARY.items() if word != "dog</w>"}
SPECIAL = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}

CASES: tuple[Case, ...] = (
    # What a UNet predicts
    *(
        yes(
            f"third-{family}-{word}",
            partial(labelled, family, metadata=metadata),
            f"metadata: {metadata}",
            makes={"prediction": meant},
        )
        for family, word, metadata, meant in (
            ("sdxl", "comfys-key-v", {"modelspec.predict_key": "v"}, V),
            ("sdxl", "comfys-key-noise", {"modelspec.predict_key": "epsilon"}, EPSILON),
            ("sd2", "comfys-key-v", {"modelspec.predict_key": "v"}, V),
            ("sd2", "kohya-noise", {"ss_v2": "True", "ss_v_parameterization": "False"}, EPSILON),
            (
                "sdxl",
                "onetrainer-v",
                {"ot_config": json.dumps(OT | {"force_v_prediction": True})},
                V,
            ),
            ("sdxl", "empty-word", {"modelspec.prediction_type": ""}, EPSILON),
        )
    ),
    *(
        no(
            f"third-sdxl-{word}",
            partial(labelled, "sdxl", metadata=metadata),
            why,
            f"metadata: {metadata}",
        )
        for word, metadata, why in (
            ("onetrainer-zero-terminal", {"ot_config": json.dumps(OT_ZERO)}, Why.SCHEDULE),
            ("flow", {"modelspec.prediction_type": "rf"}, Why.CONFIG),
            ("sample", {"modelspec.prediction_type": "x0"}, Why.CONFIG),
        )
    ),
    yes(
        "third-sd1-mark",
        partial(marked, family="sd1", v_pred=np.zeros((0,), "f2")),
        "a mark in SD 1.x",
        makes={"prediction": V},
    ),
    yes(
        "third-sd1-told",
        partial(labelled, "sd1", metadata={}),
        "the person says velocity",
        options=("--prediction-type", V),
        makes={"prediction": V},
    ),
    no(
        "scheduler-says-v-shortly",
        partial(rescheduled, family="sd1", changes={"prediction_type": "v"}),
        Why.CONFIG,
        "a word that the library does not know",
        also=Can.YES,
    ),
    yes(
        "scheduler-under-old-name",
        renamed_scheduler,
        "its config is config.json",
    ),
    # Noise schedules
    *(
        yes(
            f"schedule-same-{kind}",
            partial(rescheduled, family="sd1", changes={"_class_name": f"{kind}Scheduler"}),
            "another sampler over SD's schedule",
        )
        for kind in ("HeunDiscrete", "DEISMultistep", "LMSDiscrete", "EulerAncestralDiscrete")
    ),
    *(
        yes(
            f"few-steps-scheduler-{kind}",
            partial(rescheduled, family="sd1", changes={"_class_name": f"{kind}Scheduler"}),
            "a scheduler of distilled models",
            says=FEW,
        )
        for kind in ("LCM", "TCD")
    ),
    no(
        "schedule-of-wuerstchen",
        partial(bare_scheduler, kind="DDPMWuerstchenScheduler"),
        Why.SCHEDULE,
        "Cascade's cosine",
    ),
    no(
        "schedule-few-betas",
        partial(rescheduled, family="sd1", changes={"trained_betas": [0.1, 0.2]}),
        Why.SCHEDULE,
        "two betas",
    ),
    no(
        "scheduler-is-a-list",
        partial(put, files={SCHEDULER: "[1]"}),
        Why.DAMAGED,
        "JSON, but a list",
        also=Can.YES,
        says="scheduler|assum",
    ),
    # Few steps
    *(
        yes(
            f"third-few-steps-{word}",
            partial(labelled, family, metadata=metadata, name=name),
            "made for few steps",
            says=FEW,
        )
        for word, family, name, metadata in (
            ("hyper-sdxl", "sdxl", "Hyper-SDXL-8steps-CFG.safetensors", {}),
            ("flash", "sdxl", "flash-sdxl.safetensors", {}),
            ("pcm", "sd1", "pcm_sd15_smallcfg_4step_converted.safetensors", {}),
            ("baked", "sdxl", "realvisxlV50_v50LightningBakedvae.safetensors", {}),
            ("title", "sdxl", "m.safetensors", {"modelspec.title": "Juggernaut XL Lightning"}),
        )
    ),
    yes(
        "few-steps-not-hyperreal",
        partial(labelled, "sd1", metadata={}, name="hyperrealism_v3.safetensors"),
        "a style, and no distillation",
        says=r"(?s)\A(?!.*few)",
    ),
    # Latents
    yes(
        "latents-of-another-scale",
        partial(edited, name="vae/config.json", scaling_factor=0.3),
        "a scale that no app has, and the programs make up for",
    ),
    yes(
        "latents-shifted",
        partial(edited, name="vae/config.json", shift_factor=0.1),
        "a shift that no app has, and the programs make up for",
    ),
    no(
        "latents-scale-as-text",
        partial(edited, name="vae/config.json", scaling_factor="0.18215"),
        Why.CONFIG,
        "a number as a text",
        also=Can.YES,
    ),
    # Words that are added
    yes(
        "embedding-with-a-space",
        partial(with_words, name="my cat.safetensors", shapes={"emb_params": (1, 64)}),
        "a file's name with a space; what to type is said",
        options=("--embedding", "{case}/my cat.safetensors"),
        also=Can.NO,
        says="my cat",
    ),
    no(
        "embedding-of-sdxl-for-sd1",
        partial(
            with_words, name="cat.safetensors", shapes={"clip_l": (1, 64), "clip_g": (1, 1280)}
        ),
        Why.OPTION,
        "an embedding for SDXL",
        options=EMBEDDING,
        also=Can.YES,
        says="text_encoder_2",
    ),
    no(
        "embedding-of-sd1-for-sdxl",
        partial(with_words, name="cat.safetensors", shapes={"emb_params": (1, 64)}, family="sdxl"),
        Why.OPTION,
        "an embedding for SD 1.x",
        options=EMBEDDING,
    ),
    no(
        "embedding-too-long",
        partial(with_words, name="cat.safetensors", shapes={"emb_params": (80, 64)}),
        Why.OPTION,
        "more vectors than a prompt has room for",
        options=EMBEDDING,
        also=Can.YES,
        says="75|77|room|prompt",
    ),
    Case(
        name="embedding-of-nan",
        build=not_finite_embedding,
        truth="vectors that are no numbers",
        can=Can.NO,
        why=Why.VALUES,
        also=Can.HEADERS,
        options=EMBEDDING,
    ),
    yes(
        "embedding-of-the-web-ui",
        web_ui_embedding,
        "a pickle with more than tensors",
        options=("--embedding", "{case}/cat.pt"),
        makes={"words": ["<cat>"]},
    ),
    no(
        "embeddings-of-one-word",
        two_of_a_word,
        Why.OPTION,
        "two embeddings for one word",
        options=(
            "--embedding",
            "{case}/a/cat.safetensors",
            "--embedding",
            "{case}/b/cat.safetensors",
        ),
        says="cat",
    ),
    no(
        "embedding-of-a-known-word",
        known_word,
        Why.OPTION,
        "a word that the model has already",
        options=EMBEDDING,
        also=Can.YES,
        says="<cat>",
    ),
    # Vocabularies
    no(
        "merges-of-unknown-words",
        partial(tokenized, merges__txt="\n".join(("#version: 0.2", *base.MERGES, "z z", ""))),
        Why.TOKENIZER,
        "a merge to a word that the vocabulary does not have",
        also=Can.YES,
        says="zz|z z|merge",
    ),
    no(
        "merges-of-three",
        partial(tokenized, merges__txt="\n".join(("#version: 0.2", *base.MERGES, "a b c", ""))),
        Why.TOKENIZER,
        "a merge of three parts",
    ),
    no(
        "vocabulary-of-texts",
        partial(tokenized, vocab__json={word: str(n) for word, n in VOCABULARY.items()}),
        Why.TOKENIZER,
        "ids that are texts",
    ),
    no(
        "vocabulary-of-twins",
        partial(tokenized, vocab__json=VOCABULARY | {"a": 5, "b": 5}),
        Why.TOKENIZER,
        "two words of one id",
        also=Can.YES,
    ),
    yes(
        "pads-with-an-unknown-word",
        partial(tokenized, special_tokens_map__json=SPECIAL | {"pad_token": "[PAD]"}),
        "a padding token that the vocabulary does not have",
        also=Can.NO,
        says=r"\bpad",
    ),
    yes(
        "tokenizer-of-the-fast-class",
        partial(
            tokenized,
            tokenizer_config__json={"tokenizer_class": "CLIPTokenizerFast", "pad_token": "!"},
            special_tokens_map__json=None,
        ),
        "only a newer tokenizer's config says what pads",
        makes={"pad_id": 0},
    ),
    yes("added-tokens-empty", partial(tokenized, added_tokens__json={}), "no added words"),
)
