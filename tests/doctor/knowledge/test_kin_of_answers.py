"""What the log says of two causes decides between them: a version found, a login, whose object."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

FUNCTIONING = "ImportError: huggingface-hub{} is required for a normal functioning of this module,"
GATED = "Cannot access gated repo for url https://huggingface.co/me/paint/resolve/main/x.json.\n"
VAE = "ValueError: Cannot load me/paint because decoder.conv_in.bias expected shape"
MISSES = "AttributeError: 'DPMSolverMultistepScheduler' object has no attribute 'sigmas'"
DIFFUSERS = "/venv/lib/python3.10/site-packages/diffusers"


def misses(path: str, code: str) -> str:
    """Return the traceback of an object of diffusers that lacks what a file asks for."""
    return (
        f'Traceback (most recent call last):\n  File "{path}", line 8, in paint\n    {code}\n'
        f'  File "{DIFFUSERS}/configuration_utils.py", line 137, in __getattr__\n'
        f'    raise AttributeError("x")\n{MISSES}'
    )


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            f"{FUNCTIONING.format('>=0.15.1,<1.0')} but found huggingface-hub==0.12.1.",
            "family-version-required",
            "0.12.1 is too old",
        ),
        (
            f"{FUNCTIONING.format('>=0.15.1,<1.0')} but found huggingface-hub==1.2.3.",
            "hub-version-conflict-transformers",
            "refuses huggingface_hub 1.x",
        ),
        (
            (
                f"{GATED}Access to model me/paint is restricted. You must have access to it and be"
                " authenticated to access it. Please log in."
            ),
            "gated-repo",
            "is not logged in",
        ),
        (
            (
                f"{GATED}Access to model me/paint is restricted and you are not in the authorized"
                " list. Visit https://huggingface.co/me/paint to ask for access."
            ),
            "gated-repo",
            "the account of the token that was sent",
        ),
        (
            f"{VAE} tensor(..., device='meta', size=(64,)), but got torch.Size([512]).",
            "family-state-dict-shapes",
            "built with diffusers' own default sizes",
        ),
        (
            (
                'ValueError: Trying to set a tensor of shape torch.Size([32768512]) in "weight" (which'
                " has shape torch.Size([32000, 4096])), this look incorrect."
            ),
            "family-state-dict-shapes",
            "tensors are flat",
        ),
        (
            misses(f"{DIFFUSERS}/schedulers/x.py", "sigmas = self.sigmas"),
            "family-removed-attribute",
            "this release has a fault",
        ),
        (
            misses("/srv/run.py", "print(scheduler.sigmas)"),
            "family-removed-attribute",
            "diffusers is too old",
        ),
        (
            (
                "ValueError: Calling CLIPTokenizer.from_pretrained() with the path to a single file or"
                " url is not supported for this tokenizer."
            ),
            "family-file-in-place-of-a-tokenizer",
            "the folder of a model",
        ),
    ],
)
def test_the_log_decides(log: str, name: str, said: str) -> None:
    cause = examine(f"{log}\n", entries()).cause
    assert cause is not None
    assert cause.entry.id == name
    assert said in cause.cause + cause.fix
