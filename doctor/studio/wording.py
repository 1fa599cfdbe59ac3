"""Texts of the window as values: a key of the catalogue, and what the page puts into the text.

Every text that a person reads in the window is in `page/texts.en.json`, and in `texts.LANG.json`
for another language; here are its keys. In JSON for the page, `{"say": KEY, ...values}` is such a
text, which the page words. A plain string is none: it is a name, what the tool says of itself
wherever it is asked (findings, commands, logs), or a refusal, also one that only the window has.
These are English everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sdcoreml.convert.bundle.apps import App

Said: TypeAlias = Mapping[str, object]
"""A text of the window: `say` is its key, all else are values for it."""

Text: TypeAlias = str | Said
"""What the page shows: a string as it is, or a text of the window."""


def say(key: str, **values: object) -> Said:
    """Return a text of the window; sizes are bytes, times seconds: the catalogue formats them."""
    return {"say": key, **values}


def together(first: Text, *others: Text) -> Text:
    """Return texts one after the other."""
    found = first
    for other in others:
        found = say("together", first=found, second=other)
    return found


DEVICES = ("ne", "gpu", "phone")
EXTRAS = ("controlled", "safety-checker", "install")
MORE = ("chunk", "extract-ema", "own-size", "full", "force")
"""What each switch adds, or changes."""

TARGETS = ("macOS13", "macOS14", "macOS15")
"""The systems that our compiler compiles for; programs for the last of them run on newer ones."""

PREDICTIONS = ("", "epsilon", "v_prediction")
SKIPS = (1, 2)
KEEP = ("keep", "drop")
APPS = (App.MOCHI, App.APPLE, App.COMFYUI)
BATCHES: Mapping[bool, tuple[int, ...]] = {True: (2, 1), False: (1, 2, 4)}
"""The rows of a UNet: for apps on Apple's package, and for ComfyUI."""

BITS = (16, 8, 6, 4)


def title(key: str, value: object = None) -> Said:
    """Return the title of a group of choices, or of one of its values."""
    return say(f"choice.{key}" if value is None else f"{key}.{value or 'own'}")


def why(key: str, value: object = None) -> Said:
    """Return the sentence about a group of choices, or about one of its values."""
    return say(f"{title(key, value)['say']}.why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """How near pictures of the sample are to those of its own modules: dB, and the least SSIM."""

    least: int
    most: int
    ssim: float | None = None

    def say(self) -> Said:
        """Return it in words."""
        range_ = {"least": self.least, "most": self.most}
        return say("cost.ssim", **range_, ssim=self.ssim) if self.ssim else say("cost", **range_)


COSTS: Mapping[int, Cost] = {
    16: Cost(least=53, most=59),
    8: Cost(least=50, most=55, ssim=0.9996),
    6: Cost(least=36, most=43, ssim=0.993),
    4: Cost(least=25, most=33, ssim=0.936),
}
"""What fewer bits cost three pictures of the sample.

Measured on 2026-11-30 with the folders that `MEASURED_BY` names, by its JSON (`rows`, `near`).
"""

MEASURED_BY: tuple[str, ...] = (
    *("draw", "models/sample-split-einsum_128x128"),
    *("a red circle on a blue background", "a yellow star", "a purple heart on a white background"),
    *("--against", "build/sample"),
    *("--compare", "models/sample-split-einsum-8-bit_128x128"),
    *("--compare", "models/sample-split-einsum-6-bit_128x128"),
    *("--compare", "models/sample-split-einsum-4-bit_128x128"),
    "--json",
)
"""The words of the command that reproduces `COSTS`.

`sdcoreml convert --sample` and `sdcoreml convert build/sample --bits N` make its folders.
"""
