"""Compares the noise schedule that a model was trained with to the one that apps use.

The apps read no scheduler's config: they count 1000 steps, with betas whose square roots grow
linearly from the root of 0.00085 to the root of 0.012 (`schedules.json` of Apple's own Swift). They
pass a step to the program, with a latent that has that schedule's noise level. A model trained on
other noise levels would need another step, and no other schedule has exactly the same level at a
whole step, so steps are not translated: such a model is refused, or converted unchanged if the user
accepts that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from operator import mul

from sdcoreml.ground.codec import from_plain, read_field

STEPS = 1000
BETAS = (0.00085, 0.012)
"""The first and last beta of the apps' schedule, which is `scaled_linear` between them."""

TOLERANCE = 1e-4
"""The largest accepted difference of alphas_cumprod; betas in configs are rounded."""

ACCEPT = "--accept-schedule"
"""The option that converts a model with another schedule."""

_USUAL = (0.0001, 0.02, "linear")
_LATENT = (*BETAS, "scaled_linear")
_MIXED = (*BETAS, "linear")
DEFAULTS: Mapping[str, tuple[float, float, str]] = {
    "DPMSolverSDEScheduler": _MIXED,
    "HeunDiscreteScheduler": _MIXED,
    "KDPM2AncestralDiscreteScheduler": _MIXED,
    "KDPM2DiscreteScheduler": _MIXED,
    "LCMScheduler": _LATENT,
    "TCDScheduler": _LATENT,
}
"""diffusers' defaults by class: first beta, last beta, growth; other classes use `_USUAL`."""

OTHER_KINDS: Mapping[str, str] = {
    "FlowMatch": "it was trained on straight flows (flow matching)",
    "EDM": "it was trained on EDM's continuous noise levels",
    "ScoreSde": "it was trained on continuous noise levels",
    "KarrasVe": "it was trained on continuous noise levels",
    "CMStochastic": "it is a consistency model with noise levels of its own",
}
"""Maps a part of a scheduler's class name to a description of schedulers without betas."""


def describe_difference(scheduler: Mapping[str, object]) -> str:
    """Describe how the schedule of a `scheduler_config.json` differs from the apps', or return "".

    An option that a config leaves out has its class's default, as in the library; a config without
    a class and without betas counts as the apps' own.
    """
    kind, betas = str(scheduler.get("_class_name", "")), scheduler.get("trained_betas")
    if other := next((what for part, what in OTHER_KINDS.items() if part in kind), ""):
        return other
    if scheduler.get("use_flow_sigmas"):
        return OTHER_KINDS["FlowMatch"]
    stated = scheduler.get("num_train_timesteps", STEPS)
    steps = len(betas) if isinstance(betas, list) and betas else stated
    if steps != STEPS:
        return f"it was trained with {steps} steps of noise, the apps count {STEPS}"
    if scheduler.get("rescale_betas_zero_snr"):
        return "its noise schedule ends in pure noise (zero terminal SNR), the apps' does not"
    return _compare_betas(kind, scheduler, betas)


def _compare_betas(kind: str, scheduler: Mapping[str, object], betas: object) -> str:
    said = scheduler.keys() & {"_class_name", "beta_start", "beta_end", "beta_schedule"}
    if not betas and not said:
        return ""
    first, last, growth = DEFAULTS.get(kind, _USUAL)
    begin, end = scheduler.get("beta_start", first), scheduler.get("beta_end", last)
    stated = scheduler.get("beta_schedule", growth)
    own_words = "betas of its own" if betas else f"{stated} from {begin} to {end}"
    try:
        if betas:
            own = from_plain(tuple[float, ...], betas, "trained_betas")
            is_same = _is_same([float(beta) for beta in own])
        else:
            is_same = _grows_the_same(
                read_field(scheduler, "beta_schedule", str, growth),
                read_field(scheduler, "beta_start", float, first),
                read_field(scheduler, "beta_end", float, last),
            )
    except ValueError:
        return f"its noise schedule is {own_words}, which is unknown here"
    if is_same:
        return ""
    return f"its noise schedule is {own_words}, the apps' is scaled_linear from 0.00085 to 0.012"


def make_betas(growth: str, first: float, last: float, steps: int = STEPS) -> list[float]:
    """Compute the share of noise that each step adds, as diffusers' schedulers do.

    Raises:
        ValueError: the growth is unknown.
    """
    places = [step / (steps - 1) for step in range(steps)]
    match growth:
        case "linear":
            return [first + (last - first) * place for place in places]
        case "scaled_linear":
            root, end = math.sqrt(first), math.sqrt(last)
            return [(root + (end - root) * place) ** 2 for place in places]
        case "sigmoid":
            grown = (1 / (1 + math.exp(6 - 12 * place)) for place in places)
            return [first + (last - first) * share for share in grown]
        case "squaredcos_cap_v2":
            kept = [
                math.cos((step / steps + 0.008) / 1.008 * math.pi / 2) ** 2
                for step in range(steps + 1)
            ]
            return [min(1 - kept[step + 1] / kept[step], 0.999) for step in range(steps)]
        case _:
            raise ValueError(growth)


def kept_shares(betas: list[float]) -> list[float]:
    """Compute the share of the image in the variance at each step (`alphas_cumprod`)."""
    return list(accumulate((1 - beta for beta in betas), mul))


@lru_cache
def _grows_the_same(growth: str, first: float, last: float) -> bool:
    """Whether betas that grow so are the apps'; most models say the same of theirs."""
    return _is_same(make_betas(growth, first, last))


def _is_same(betas: list[float]) -> bool:
    usual = kept_shares(make_betas("scaled_linear", *BETAS))
    return all(
        abs(own - theirs) <= TOLERANCE
        for own, theirs in zip(kept_shares(betas), usual, strict=True)
    )
