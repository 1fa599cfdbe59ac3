"""Recognises few-step models, and gives the settings that they need in an app.

At the apps' defaults, 20 steps and guidance 7.5, such models give burnt pictures. Merging such a
model leaves no trace in the tensors, so names, metadata and the scheduler are examined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """Settings for the app. `kind` is the distillation method, `by` the evidence for it."""

    kind: str
    by: str
    steps: str
    guidance: str
    scheduler: str = "DPM-Solver++"

    @property
    def advice(self) -> str:
        """The settings as one line for users."""
        return (
            f"{self.by} {self.kind}: made for few steps and little guidance; in the app set"
            f" {self.scheduler}, {self.steps} steps, guidance {self.guidance}"
        )


_KINDS: tuple[tuple[str, str, str, str], ...] = (
    (r"(?i:lightning)", "lightning", "4 to 8", "1"),
    (r"(?i:turbo)", "turbo", "1 to 4 (merges: 4 to 8)", "1 (merges: up to 2)"),
    (r"(?i:hyper[-_ ]?(?:sd|xl|flux|\d+[-_ ]?steps?))", "hyper", "1 to 8", "1"),
    (r"LCM|(?<![A-Za-z])(?i:lcm)(?![A-Za-z])", "lcm", "4 to 8", "1 to 2"),
    (r"TCD|(?<![A-Za-z])(?i:tcd)(?![A-Za-z])", "tcd", "4 to 8", "1"),
    (r"(?<![A-Za-z])(?i:dmd2?)(?![A-Za-z])", "dmd", "4 to 8", "1"),
    (r"(?<![A-Za-z])(?i:pcm)(?![A-Za-z])", "pcm", "2 to 16", "1 to 3"),
    (r"(?i:flash[-_ ]?(?:sd|xl|diffusion))", "flash", "4", "1"),
    (r"(?<![A-Za-z])(?i:sdxs)(?![A-Za-z])", "sdxs", "1", "1"),
    (r"(?i:instaflow|perflow)", "perflow", "1 to 8", "1 to 5"),
)
"""Name pattern, method, and the steps and guidance from its published model cards.

Guidance 1 means no guidance, and is the smallest value that Mochi Diffusion accepts.
"""

_STEPS = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])", re.IGNORECASE)

METADATA = (
    "modelspec.title",
    "modelspec.description",
    "modelspec.merged_from",
    "sd_merge_models",
    "sd_merge_recipe",
    "ss_output_name",
    "ss_base_model_name",
    "ss_sd_model_name",
)
"""Metadata keys that hold a file's name, or the names of the models that it was made from.

AUTOMATIC1111's merger writes `sd_merge_*`.
"""

CLASSES: Mapping[str, str] = {
    "LCMScheduler": "lcm",
    "LatentConsistencyModelImg2ImgPipeline": "lcm",
    "LatentConsistencyModelPipeline": "lcm",
    "TCDScheduler": "tcd",
}
"""Maps classes of schedulers and pipelines to the distillation method."""


def find_settings(
    name: str,
    metadata: Mapping[str, str] | None = None,
    scheduler: Mapping[str, object] | None = None,
    pipeline: str = "",
) -> AppSettings | None:
    """Find the app settings for a model, with the evidence; `None` if it needs many steps.

    Args:
        name: the name of the model, or of a LoRA that is merged into it.
        metadata: the metadata of that model or LoRA.
        scheduler: the config of the model's scheduler.
        pipeline: the class of the model's pipeline.
    """
    return next(_find_settings(name, metadata or {}, scheduler or {}, pipeline), None)


def _find_settings(
    name: str, metadata: Mapping[str, str], scheduler: Mapping[str, object], pipeline: str
) -> Iterator[AppSettings]:
    said = [("its name says", name)]
    said += [("its metadata say", metadata[key]) for key in METADATA if key in metadata]
    for by, text in said:
        for pattern, method, steps, guidance in _KINDS:
            if re.search(pattern, text):
                own = _STEPS.search(text)
                count = str(own[1]) if own else steps
                yield AppSettings(kind=method, by=by, steps=count, guidance=guidance)
    for by, name_of_class in (("scheduler", scheduler.get("_class_name")), ("pipeline", pipeline)):
        if kind := CLASSES.get(str(name_of_class)):
            row = next(row for row in _KINDS if row[1] == kind)
            yield AppSettings(kind=kind, by=f"its {by} says", steps=row[2], guidance=row[3])
    if scheduler.get("timestep_spacing") == "trailing":
        yield AppSettings(
            kind="turbo or lightning",
            by="its scheduler spaces steps as",
            steps="1 to 8",
            guidance="1",
        )
