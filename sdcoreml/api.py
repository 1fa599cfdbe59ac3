"""The stable names for programs that use sdcoreml; all others may change.

    from sdcoreml.api import SdcoremlError, convert, inspect

    print(inspect("model.safetensors").judgement.ruling.can)
    try:
        made = convert("model.safetensors", bits=6, on_event=print)
    except SdcoremlError as error:
        print(error.what, error.remedy)
    else:
        print(made.folders)

Options are those of the command line, with underscores for dashes. Every error is a
`SdcoremlError`. `follow` runs `convert`, `plan` or `verify` in a
thread and yields its events; `show_progress` draws
them, in a notebook, too. Nothing here imports torch.
"""

from sdcoreml.doctor.api.following import Following, follow
from sdcoreml.doctor.api.verbs import (
    Conversion,
    Inspection,
    convert,
    doctor,
    inspect,
    plan,
    show_progress,
    verify,
)
from sdcoreml.ground.errors import ExitCode, Fault, SdcoremlError
from sdcoreml.ground.events import Event

__all__ = [
    "Conversion",
    "Event",
    "ExitCode",
    "Fault",
    "Following",
    "Inspection",
    "SdcoremlError",
    "convert",
    "doctor",
    "follow",
    "inspect",
    "plan",
    "show_progress",
    "verify",
]
