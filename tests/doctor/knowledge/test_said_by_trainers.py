"""What stops a training, or keeps a model from coming to the machine, is told by its own words."""

from __future__ import annotations

import pytest

from tests.doctor.kin import expect_entry

XFORMERS = (
    '  File "/v/site-packages/xformers/ops/fmha/__init__.py", line 105, in backward\n'
    "RuntimeError: CUDA error: invalid argument\n"
)
WARNED = (
    "/v/torch/cuda/__init__.py:141: UserWarning: CUDA initialization: CUDA unknown error - this "
    "may be due to an incorrectly set up environment.\n"
    "  return torch._C._cuda_getDeviceCount() > 0\n"
    "RuntimeError: Torch is not able to use GPU; add --skip-torch-cuda-test to COMMANDLINE_ARGS\n"
)
SERVED = (
    '{\n  "code": 400,\n  "type": "InternalServerException",\n'
    '  "message": "No module named \\u0027diffusers\\u0027"\n}\n'
)
SLOW = (
    "httpx.ReadTimeout: timed out\n"
    "ValueError: When localhost is not accessible, a shareable link must be created.\n"
)
SOCKS = '    raise InvalidSchema("Missing dependencies for SOCKS support.")\n'
FULL = "RuntimeError: Data processing error: File reconstruction error: IO Error: {}\n"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (XFORMERS, "family-cuda-refused", "xformers 0.0.16"),
        (WARNED, "family-cuda", "driver cannot start it"),
        (SERVED, "sagemaker-module-missing", "has no diffusers"),
        (SLOW, "family-timed-out", "NO_PROXY"),
        (SOCKS, "proxy-needs-socks", "SOCKS"),
        (FULL.format("No space left on device (os error 28)"), "family-xet", "disk is full"),
        (
            "voluptuous.error.MultipleInvalid: extra keys not allowed @ data['general']['paint']\n",
            "kohya-config-schema",
            "has paint in a place",
        ),
        (
            "IsADirectoryError: [Errno 21] Is a directory: '/content/cats/.ipynb_checkpoints'\n",
            "family-path-kind",
            "Jupyter",
        ),
        (
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4, please\n",
            "family-driver-too-old",
            "newer CUDA (cuda>=12.4)",
        ),
        (
            (
                "pytorch_lightning.utilities.exceptions.MisconfigurationException: You requested"
                " gpu: [1]\n But your machine only has: [0]\n"
            ),
            "lightning-no-gpu",
            "counted from 0",
        ),
        (
            (
                "Unable to load\nModuleNotFoundError: No module named 'paint.brush';"
                " 'paint' is not a package\n"
            ),
            "own-file-hides-package",
            "paint.py",
        ),
        (
            "RuntimeError: Device type privateuseone is not supported for torch.Generator() api.\n",
            "directml-no-generator",
            "generator source: CPU",
        ),
        ("/bin/bash: line 1: -O: command not found\n", "typed-line-broken", "without quotes"),
        ("bash: line 7: --paint: command not found\n", "typed-line-broken", "several lines"),
        (
            "slurmstepd: error: *** JOB 1 ON a CANCELLED AT 2024-03-01T12:00:1 DUE TO PREEMPTION\n",
            "job-time-over",
            "higher rank",
        ),
        ("Cannot write to 'a.ckpt' (Success).\n", "wget-disk-full", "disk"),
        (
            "AssertionError: paint_swap is not supported with paint_offload / \u4f75\u7528\n",
            "kohya-options-clash",
            "paint_swap is not supported with paint_offload",
        ),
        (
            "AttributeError: 'Conv2d' object has no attribute 'base_layer'\n",
            "family-base-layer-saved",
            "peft",
        ),
    ],
)
def test_its_own_words_are_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)
