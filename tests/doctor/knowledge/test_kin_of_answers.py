"""What the log says of two causes decides between them: a version found, a login, whose object."""

from __future__ import annotations

import pytest

from tests.doctor.kin import expect_entry

FUNCTIONING = "ImportError: huggingface-hub{} is required for a normal functioning of this module,"
GATED = "Cannot access gated repo for url https://huggingface.co/me/paint/resolve/main/x.json.\n"
VAE = "ValueError: Cannot load me/paint because decoder.conv_in.bias expected shape"
MISSES = "AttributeError: 'DPMSolverMultistepScheduler' object has no attribute 'sigmas'"
DIFFUSERS = "/venv/lib/python3.10/site-packages/diffusers"


EXTENSIONS = "/srv/stable-diffusion-webui/extensions"


def extends(file: str, code: str, error: str) -> str:
    """Return the traceback of an extension of the web UI."""
    return (
        "Traceback (most recent call last):\n"
        '  File "/srv/stable-diffusion-webui/modules/scripts.py"'
        ", line 164, in load_scripts\n    module = load(path)\n"
        f'  File "{EXTENSIONS}/{file}", line 4, in <module>\n    {code}\n{error}'
    )


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
                'ValueError: Trying to set a tensor of shape torch.Size([32768512]) in "weight"'
                " (which has shape torch.Size([32000, 4096])), this look incorrect."
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
                "ValueError: Calling CLIPTokenizer.from_pretrained() with the path to a single file"
                " or url is not supported for this tokenizer."
            ),
            "family-file-in-place-of-a-tokenizer",
            "the folder of a model",
        ),
        (
            extends(
                "frob/scripts/main.py",
                "from modules.frob_queue import wrap",
                "ModuleNotFoundError: No module named 'modules.frob_queue'",
            ),
            "webui-older-than-its-extension",
            "The web UI is older than the extension frob",
        ),
        (
            extends(
                "frob/scripts/api.py",
                "import extensions.sd_frob.lib",
                "ModuleNotFoundError: No module named 'extensions.sd_frob'",
            ),
            "extension-folder-of-another-name",
            "extensions/frob to extensions/sd_frob",
        ),
        (
            extends(
                "frob/scripts/api.py",
                "from scripts.frob_base import *",
                "ModuleNotFoundError: No module named 'scripts.frob_base'",
            ),
            "scripts-of-another-package",
            "found another scripts first",
        ),
        (
            (
                "RuntimeError: Given groups=1, weight of size [320, 5, 3, 3], expected input[2, 9,"
                " 64, 64] to have 5 channels, but got 9 channels instead"
            ),
            "family-channels-of-conditions",
            "Stable Diffusion 2 depth",
        ),
        (
            "AttributeError: 'Qwen2Tokenizer' object has no attribute 'batch_encode_plus'",
            "family-removed-attribute",
            "`pip install 'transformers<5.0.0'`",
        ),
        (
            "OSError: me/paint does not appear to have a file named diffusion_pytorch_model.bin.",
            "family-no-weights-of-a-part",
            "The repository me/paint has no diffusion_pytorch_model.bin",
        ),
    ],
)
def test_the_log_decides(log: str, name: str, said: str) -> None:
    expect_entry(f"{log}\n", name, said)
