"""What to do, in the window's words: a person there chooses and presses, and types no option.

The tool's remedies name options of `convert` and commands of the queue. Where the window has a
choice or a button for these, it is named in their place; all else stays as the tool says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sdcoreml.convert.bundle import noise
from sdcoreml.convert.bundle.judgement import ONE_OF
from sdcoreml.convert.models.unpack import UNSAID
from sdcoreml.doctor.studio.plain import as_sentence, plain
from sdcoreml.doctor.studio.wording import Said, Text, say, title

CHOICES = frozenset(
    {
        *("app", "bits", "size", "vae", "lora", "embedding", "refiner", "recipe", "tokenizer"),
        *("clip-skip", "prediction-type", "batch", "target", "packages", "for"),
    }
)
"""Options of `convert` for which the window has a choice of that name."""

BUTTONS = ("retry", "cancel", "remove", "resume")
"""Commands of the queue for which the window has a button of that name."""

_CHOOSE = re.compile(
    r"(?:add|choose|give|say)(?: one| another| it)?(?: with)? --([a-z]+(?:-[a-z]+)*)(?: [A-Z]+)?"
)
_BELONGS = re.compile(r"`[^`]*\bconvert\s+MODEL\s+--([a-z-]+)[\s=][^`]*`")
_BUTTON = re.compile(rf"(.*?)`[^`]*\bqueue ({'|'.join(BUTTONS)})\b[^`]*`(.*)", re.DOTALL)


def in_window(remedy: str, write: Callable[[str], str] = as_sentence) -> Text:
    """Return what to do, in the window's words where it has them; else as `write` writes it.

    A remedy is known whole or not at all: words that are left out may turn it into its opposite.
    """
    return _choice(remedy) or _button(remedy) or write(remedy)


def _choice(remedy: str) -> Said | None:
    if (found := _BELONGS.fullmatch(remedy)) and found[1] in CHOICES:
        return say("remedy.belongs", group=title(found[1]))
    if remedy.startswith(f"{ONE_OF};") and remedy.endswith("comfyui`"):
        return say("remedy.comfyui", group=title("app"), app=title("app", "comfyui"))
    if (found := _CHOOSE.fullmatch(remedy)) and found[1] in CHOICES:
        return say("remedy.choose", group=title(found[1]))
    predicts = title(kind := "prediction-type")
    if remedy == noise.SAY_WHAT:
        return say("remedy.predicts", group=predicts)
    if remedy == UNSAID.remedy:
        epsilon, velocity = (title(kind, one) for one in ("epsilon", "v_prediction"))
        return say("remedy.which", group=predicts, epsilon=epsilon, velocity=velocity)
    return None


def _button(remedy: str) -> Said | None:
    found = _BUTTON.fullmatch(remedy)
    if not found:
        return None
    before, button, after = found.groups()
    told = {"before": as_sentence(before), "after": plain(after)}
    return say("remedy.button", button=say(button), **told)
