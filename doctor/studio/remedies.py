"""What to do, in the window's words: a person there chooses and presses, and types no option.

The tool's remedies name options of `convert` and commands of the queue. Where the window has a
choice or a button for these, it is named in their place; all else stays as the tool says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sdcoreml.doctor.studio.plain import as_sentence, plain
from sdcoreml.doctor.studio.wording import Text, say, title

CHOICES = frozenset(
    {
        *("app", "bits", "size", "vae", "lora", "embedding", "refiner", "recipe", "tokenizer"),
        *("clip-skip", "prediction-type", "batch", "target", "packages", "for"),
    }
)
"""Options of `convert` for which the window has a choice of that name."""

BUTTONS = ("retry", "cancel", "remove", "resume")
"""Commands of the queue for which the window has a button of that name."""

_OPTION = re.compile(r"--([a-z]+(?:[-_][a-z]+)*)")
_BELONGS = re.compile(r"`[^`]*\bconvert\s+MODEL\s+--([a-z-]+)[\s=][^`]*`")
_BUTTON = re.compile(rf"(.*?)`[^`]*\bqueue ({'|'.join(BUTTONS)})\b[^`]*`(.*)", re.DOTALL)


def in_window(remedy: str, write: Callable[[str], str] = as_sentence) -> Text:
    """Return what to do, in the window's words where it has them; else as `write` writes it."""
    if (found := _BELONGS.fullmatch(remedy)) and found[1] in CHOICES:
        return say("remedy.belongs", group=title(found[1]))
    if found := _BUTTON.fullmatch(remedy):
        before, button, after = found.groups()
        return say("remedy.button", before=plain(before), button=say(button), after=plain(after))
    named = [option.replace("_", "-") for option in _OPTION.findall(remedy)]
    if named == ["app"] and "comfyui" in remedy:
        return say("remedy.comfyui", group=title("app"), app=title("app", "comfyui"))
    chosen = [one for one in named if one in CHOICES]
    if chosen and len({*named}) == 1:
        return say("remedy.choose", group=title(chosen[0]))
    return write(remedy)
