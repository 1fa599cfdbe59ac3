"""Models that can be converted but differ from what they seem: commands must report that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes

SCHEDULER = "scheduler/scheduler_config.json"
V, EPSILON = "v_prediction", "epsilon"


def labelled(
    family: str, at: Path, metadata: dict[str, str], name: str = "model.safetensors"
) -> Path:
    """Write a single file with these metadata entries."""
    content = base.safetensors(base.original(family), metadata)
    return base.write_file(at, name=name, content=content)


def tagged(family: str, at: Path, *marks: str) -> Path:
    """Write a single file with empty tensors of these names, by which programs mark a model."""
    tensors = base.original(family) | {mark: np.zeros((0,), "f2") for mark in marks}
    return base.write_file(at, content=base.safetensors(tensors))


def scheduled(family: str, at: Path, *, name: str = "model", **changes: Any) -> Path:
    """Write a folder with values of its scheduler's config changed; `...` removes one."""
    return rescheduled(at, family, changes, name)


def rescheduled(at: Path, family: str, changes: Mapping[str, Any], name: str = "model") -> Path:
    """Like `scheduled`, with the changed values as a mapping."""
    model = base.write_folder(at / name, family)
    base.edit(model / SCHEDULER, **changes)
    return model


def beside(at: Path, yaml: str) -> Path:
    """Write an SD 2.x file, and its training config (YAML) beside it."""
    path = base.write_file(at, "sd2")
    base.write(path.with_suffix(".yaml"), yaml)
    return path


FEW = "few|steps"

CASES: tuple[Case, ...] = (
    # What a UNet predicts
    *(
        yes(
            f"{family}-modelspec-{word}",
            partial(labelled, family, metadata={"modelspec.prediction_type": word}),
            f"metadata says {word}",
            makes={"prediction": meant},
        )
        for family in ("sdxl", "sd2")
        for word, meant in (
            ("v", V),
            ("velocity", V),
            (V, V),
            ("v-prediction", V),
            (EPSILON, EPSILON),
        )
    ),
    yes(
        "sd1-modelspec-v",
        partial(labelled, "sd1", metadata={"modelspec.prediction_type": "v"}),
        "SD 1.x trained for velocity",
        makes={"prediction": V},
    ),
    yes(
        "sdxl-kohya-v",
        partial(labelled, "sdxl", metadata={"ss_v_parameterization": "True", "ss_v2": "False"}),
        "the trainer's own word for velocity",
        makes={"prediction": V},
    ),
    yes("sdxl-v-mark", lambda at: tagged("sdxl", at, "v_pred"), "a mark", makes={"prediction": V}),
    no(
        "sdxl-v-and-zero-terminal-marks",
        lambda at: tagged("sdxl", at, "v_pred", "ztsnr"),
        Why.SCHEDULE,
        "velocity and a schedule that ends in pure noise",
    ),
    no(
        "sdxl-kohya-zero-terminal",
        partial(labelled, "sdxl", metadata={"ss_zero_terminal_snr": "True"}),
        Why.SCHEDULE,
        "trained with a schedule that ends in pure noise",
    ),
    yes(
        "sdxl-vpred-by-name",
        partial(labelled, "sdxl", metadata={}, name="noobaiXL_vPred10.safetensors"),
        "only its name points to velocity; noise is assumed",
        says="assum",
    ),
    yes(
        "sd2-silent",
        partial(labelled, "sd2", metadata={}),
        "says nothing",
        says="assum|predict",
        also=Can.NO,
    ),
    yes(
        "sd2-told",
        partial(labelled, "sd2", metadata={}),
        "says nothing, and the person does",
        options=("--prediction-type", V),
        makes={"prediction": V},
        alone=None,
    ),
    yes(
        "sd2-yaml-v",
        partial(beside, yaml='model:\n  params:\n    parameterization: "v"\n'),
        "the training config beside it says velocity",
        makes={"prediction": V},
    ),
    yes(
        "sd2-yaml-eps",
        partial(beside, yaml="model:\n  params:\n    linear_start: 0.00085\n"),
        "the training config beside it says nothing else than noise",
        makes={"prediction": EPSILON},
    ),
    *(
        yes(
            f"{family}-folder-v",
            partial(scheduled, family, prediction_type=V),
            "the scheduler says velocity",
            makes={"prediction": V},
        )
        for family in ("sd1", "sd2", "sdxl")
    ),
    yes(
        "scheduler-without-prediction",
        partial(scheduled, "sd1", prediction_type=...),
        "an older scheduler's config; the library predicts noise then",
        makes={"prediction": EPSILON},
    ),
    *(
        no(
            f"predicts-{kind}",
            partial(scheduled, "sd1", prediction_type=kind),
            Why.CONFIG,
            f"a UNet that predicts {kind}, which no builder turns into noise",
        )
        for kind in ("sample", "flow_prediction")
    ),
    # Noise schedules
    *(
        no(
            f"schedule-{name}",
            partial(rescheduled, family="sd1", changes=changes),
            Why.SCHEDULE,
            truth,
        )
        for name, changes, truth in (
            ("linear", {"beta_schedule": "linear"}, "betas grow linearly"),
            ("cosine", {"beta_schedule": "squaredcos_cap_v2"}, "a cosine schedule"),
            ("trained-betas", {"trained_betas": [0.001] * 1000}, "betas of its own"),
            ("500-steps", {"num_train_timesteps": 500}, "half as many steps"),
            ("other-end", {"beta_end": 0.02}, "another last beta"),
            ("zero-terminal", {"rescale_betas_zero_snr": True}, "ends in pure noise"),
            ("flow", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "flow matching"),
            ("edm", {"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}, "EDM's sigmas"),
        )
    ),
    *(
        yes(f"schedule-same-{name}", partial(rescheduled, family="sd1", changes=changes), truth)
        for name, changes, truth in (
            ("dpm", {"_class_name": "DPMSolverMultistepScheduler"}, "another sampler"),
            ("karras", {"use_karras_sigmas": True}, "spacing of steps is the app's own matter"),
            ("integers", {"steps_offset": 0, "beta_end": 1.2e-2}, "the same schedule"),
        )
    ),
    no(
        "cosxl",
        lambda at: tagged("sdxl", at, "edm_vpred.sigma_max", "edm_vpred.sigma_min"),
        Why.SCHEDULE,
        "CosXL: continuous EDM with velocity",
    ),
    # Few steps
    *(
        yes(
            f"few-steps-{name}",
            partial(rescheduled, family=family, changes=changes, name=name),
            "made for few steps and little guidance",
            says=FEW,
        )
        for name, family, changes in (
            ("sdxl-turbo", "sdxl", {"timestep_spacing": "trailing"}),
            ("sd-turbo", "sd2", {"timestep_spacing": "trailing"}),
            ("dreamshaper-xl-lightning", "sdxl", {}),
            ("hyper-sd15-1step", "sd1", {}),
            ("dreamshaper-8", "sd1", {"_class_name": "LCMScheduler"}),
            ("tcd-model", "sd1", {"_class_name": "TCDScheduler"}),
        )
    ),
    yes(
        "few-steps-by-metadata",
        partial(labelled, "sdxl", metadata={"modelspec.title": "Juggernaut XL Lightning 4 step"}),
        "only its metadata says so",
        says=FEW,
    ),
)
