"""Tells what a program was doing when an exception was raised, by the code that it passed through.

What a message does not say, the functions that were running often do: a KeyError while weights are
read is about the file, one while packages are imported about their versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from sdcoreml.doctor.knowledge.exceptions import Raised


class Stage(Enum):
    """What was being done."""

    DOWNLOADING = "downloading"
    TRANSLATING = "translating"
    CONVERTING = "converting"
    LOADING = "loading"
    EXTENSION = "extension"
    IMPORTING = "importing"
    COMMUNITY = "community"
    REMOTE = "remote"
    CALLING = "calling"
    OWN = "own"
    """An extension's own code raised it, whatever that was doing."""

    CUT = "cut"
    """The log ends in its traceback, which tells what was being done but not what was raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """A stage, and the name of the extension or package whose code ran, or ""."""

    stage: Stage
    name: str = ""


_DOWNLOADS = (
    r"[/\\](?:huggingface_hub[/\\](?:file_download|_snapshot_download|hf_api|utils[/\\]_http)"
    r"|requests|urllib3|httpx|httpcore|aiohttp)\b|urllib[/\\]request\.py"
)
_LOADS = (
    r" \w*(?:load_(?:state_dict|checkpoint|model(?!s_from)|weights|file|torch_file|diffusion|lora"
    r"|vae|ckpt|sd|safetensors)|from_(?:single_file|ckpt|pretrained|safetensors)|read_state_dict"
    r"|convert_(?:ldm|sd|vae|unet|open_clip|model|state_dict|checkpoint)|model_config_from"
    r"|detect_unet|infer_\w*model|torch_load|set_module_tensor)\w*$"
    r"|convert_from_ckpt|single_file\w*\.py|model_detection|convert_model\.py|model_probe"
    r"|torch[/\\]serialization|safetensors[/\\]torch"
)
_TRANSLATES = (
    r"coremltools[/\\]converters[/\\](?:mil[/\\](?:frontend|mil|backend)[/\\]|\w+\.py convert$)"
)
_STEPS = (
    (Stage.CALLING, r"\bsubprocess\.py _execute_child$"),
    (Stage.COMMUNITY, r"[/\\]diffusers_modules[/\\]git[/\\](?P<name>\w+)\.py"),
    (Stage.REMOTE, r"[/\\]transformers_modules[/\\](?P<name>[\w.-]+(?:[/\\][\w.-]+)?)[/\\]"),
    (Stage.DOWNLOADING, _DOWNLOADS),
    (Stage.TRANSLATING, _TRANSLATES),
    (
        Stage.CONVERTING,
        r"coremltools[/\\]converters[/\\]|torch[/\\](?:jit[/\\]_trace|onnx|export)\b|torch2coreml",
    ),
    (Stage.LOADING, _LOADS),
    (
        Stage.EXTENSION,
        r"(?:custom_nodes|[/\\]extensions(?:-builtin)?)[/\\](?P<name>[\w.-]+)[/\\]",
    ),
    (Stage.IMPORTING, r"(?:site|dist)-packages[/\\](?P<name>\w+)[^ ]* <module>$"),
)
"""What the steps of a stage look like: a path, a space, and the name of the function."""

EXTENSION = re.compile(dict(_STEPS)[Stage.EXTENSION])
"""The file of an extension's own code; `name` is the extension."""

_TABLE = tuple((stage, re.compile(pattern)) for stage, pattern in _STEPS)
_DEEPEST = 200
"""So many steps are looked at; a recursion has thousands."""


def find_doing(chain: Sequence[Raised], place: int) -> Doing | None:
    """Return what was being done when the exception at a place of a chain was raised.

    The innermost step that tells decides; if none of that exception's does, those of the others.
    """
    return next((doing for one in (chain[place], *chain) for doing in _doings(one)), None)


def find_raiser(raised: Raised) -> Doing | None:
    """Return the extension whose code raised an exception itself, if any did."""
    found = raised.steps and EXTENSION.search(raised.steps[-1])
    return Doing(stage=Stage.OWN, name=found["name"]) if found else None


def _doings(raised: Raised) -> Iterator[Doing]:
    first = next((number for number, step in enumerate(raised.steps) if "runpy" not in step), 0)
    numbered = list(enumerate(raised.steps))
    for number, step in islice(reversed(numbered), _DEEPEST):
        for stage, pattern in _TABLE:
            found = pattern.search(step)
            # The first module is not imported but run (python -m).
            if found and (stage is not Stage.IMPORTING or number > first):
                yield Doing(stage=stage, name=found.groupdict().get("name") or "")
