"""What the options of `sdcoreml convert` make of a model before it is converted."""

from __future__ import annotations

import argparse
from dataclasses import replace

from sdcoreml.convert.bundle.judgement import Judgement, judge
from sdcoreml.convert.models.files import is_part
from sdcoreml.convert.models.identify import Identity
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.doctor.commands.convert_jobs import only_unet, runtime_of
from sdcoreml.ground.places import can_exist


def ingredients_of(args: argparse.Namespace) -> Ingredients:
    """Return the model and the changes to make to it (VAE, LoRAs, embeddings...)."""
    # A folder's scheduler gives the prediction; there the option only overrides it in the program.
    # A UNet's own folder has none.
    is_alone = can_exist(args.model) and (args.model.is_file() or is_part(args.model))
    prediction = vars(args).get("prediction") if is_alone else None
    unpacking = UnpackOptions(
        told=PredictionSource(option=prediction),
        weights=Weights.AVERAGED if args.extract_ema else Weights.TRAINED,
        vae=args.vae,
        tokenizer=args.tokenizer,
        only_unet=only_unet(args),
    )
    return Ingredients(
        model=args.model,
        unpacking=unpacking,
        loras=tuple(args.lora),
        embeddings=tuple(args.embedding),
        accepts_schedule=vars(args).get("accept_schedule", False),
    )


def unpacking_of(args: argparse.Namespace) -> UnpackOptions:
    """Return the options by which the model is judged, be it a file or a folder."""
    told = PredictionSource(option=vars(args).get("prediction"))
    return replace(ingredients_of(args).unpacking, told=told)


def judge_ingredients(args: argparse.Namespace, identity: Identity | None = None) -> Judgement:
    """Judge the model with the given options applied.

    `identity` is what the model was identified as with the same `unpacking_of`, if it was before.
    """
    return judge(
        args.model,
        unpacking_of(args),
        accepts_schedule=vars(args).get("accept_schedule", False),
        runtime=runtime_of(args),
        identity=identity,
    )
