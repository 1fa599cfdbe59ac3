"""Kin of what fresh logs of notebooks, containers and odd machines were not told rightly."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

INTERRUPTED = """\
FirstStage: Running in eps-prediction mode
making attention of type 'vanilla' with 512 in_channels
^C
"""
NO_IMAGE = """\
RuntimeError: CUDA error: no kernel image is available for execution on the device
  File "/content/stable-diffusion-webui/modules/paint.py", line 17, in paint
"""
NO_IMAGE_ELSEWHERE = NO_IMAGE.replace("/content/", "/srv/")
TOKENIZER = """\
  File "/v/site-packages/transformers/tokenization_utils_base.py", line 1210, in \
_set_model_specific_special_tokens
AttributeError: 'list' object has no attribute 'keys'
"""
NINE = "('shape mismatch at', 'model.diffusion_model.input_blocks.0.0.weight', %s, %s)"
LYCORIS = """\
ValueError: The following keys have not been correctly renamed:

 lora_unet_down_blocks_0_attentions_0_proj_in.alpha, lora_unet_down_blocks_0_att
"""
SHARDS = """\
ls /w/brush/unet
diffusion_pytorch_model-00001-of-00003.bin  diffusion_pytorch_model.bin.index.json
ValueError: /w/brush is not a folder containing a `.index.json` file or a pytorch_model.bin
"""
ONNX = """\
14:02:11-113 ERROR    ONNX: Failed to convert model: model='brush.safetensors', \
error=load_checkpoint_and_dispatch() got an unexpected keyword argument 'force_hooks'
TypeError: 'OnnxRawPipeline' object is not callable
"""
CPU = "COMMANDLINE_ARGS: --always-cpu\nValueError: Expected a cuda device, but got: cpu\n"
WEBUI = """\
  File "/srv/stable-diffusion-webui/modules/devices.py", line 277, in first_time_calculation
RuntimeError: Found no NVIDIA driver on your system.
"""
CLIP = """\
Creating model from config: v1-inference.yaml
ConnectionRefusedError: [Errno 111] Connection refused
"""
DRIVES = "ValueError: path is on mount 'D:', start on mount 'c:'\n"
HALF = """\
  File "/w/venv/lib/python3.11/site-packages/torch/__init__.py", line 12, in <module>
ModuleNotFoundError: No module named 'sympy'
"""
CELL = """\
[<ipython-input-3-8a>](https://localhost:8080/#) in <cell line: 3>()
----> 3 import diffusers
ModuleNotFoundError: No module named 'diffusers'
"""
JETSON = """\
ARCH=tegra-aarch64 L4T_VERSION=35.4.1
RuntimeError: Torch is not able to use GPU; add --skip-torch-cuda-test to COMMANDLINE_ARGS
"""
MERGE = """\
  File "/w/networks/merge_lora.py", line 148, in merge_lora_models
    base_alpha = base_alphas[lora_module_name]
KeyError: 'first_stage_model.encoder.conv_in.weigh'
"""
PATCH = """\
  File "/w/comfy/sd.py", line 453, in patch_model
RuntimeError: shape '[640, 1024]' is invalid for input of size 491520
"""
POPPED = """\
    state_dict = _convert_non_diffusers_paint_lora_to_diffusers(state_dict)
    new["a"] = original_state_dict.pop("blocks.7.proj.lora_A.weight")
KeyError: 'blocks.7.proj.lora_A.weight'
"""
MOUNTED = """\
$ docker run -v "$(pwd)"/brushes:/home/painter brush:latest
PermissionError: [Errno 13] Permission denied: '/home/painter/user'
"""
DRIVE = """\
  File "/content/drive/MyDrive/brush/main.py", line 6, in <module>
ModuleNotFoundError: No module named 'torch'
"""
CUT_AT = """\
    key, value = optimizer_arg.split("=")
ValueError: not enough values to unpack (expected 2, got 1)
"""


@pytest.mark.parametrize(
    ("log", "name", "words"),
    [
        (INTERRUPTED, "stopped-while-loading", "nobody pressed Ctrl-C"),
        (NO_IMAGE, "family-gpu-not-in-build", "the xformers that the notebook installed"),
        (NO_IMAGE_ELSEWHERE, "family-gpu-not-in-build", "newer than the build, or older"),
        (TOKENIZER, "tokenizer-config-of-newer-transformers", "written by transformers 5"),
        (
            "AssertionError: " + NINE % ("[320, 9, 3, 3]", "(320, 4, 3, 3)"),
            "family-state-dict-shapes",
            "an inpainting model (nine channels)",
        ),
        (LYCORIS, "family-lora-kind", "no LoRA but a LyCORIS"),
        (
            "AttributeError: 'PaintPipeline' object has no attribute 'merge_and_unload'",
            "family-lora-method-of-a-model",
            "has no merge_and_unload",
        ),
        (SHARDS, "accelerate-given-no-checkpoint", "/w/brush itself"),
        (ONNX, "family-unexpected-argument", "accelerate is too old"),
        (CPU, "family-cuda-asked-of-cpu", "--always-cpu"),
        (WEBUI, "family-cuda", "The web UI computes on an NVIDIA GPU"),
        (CLIP, "family-unreachable", "asked the Hugging Face Hub"),
        (
            "brush.dll: Can't restore time: Invalid argument\n",
            "family-tar-cannot-set-times",
            "exFAT",
        ),
        (DRIVES, "family-paths-on-two-drives", "D: and c:"),
        ("URL: https://none-7860.proxy.runpod.net\n", "runpod-notebook-elsewhere", "7860"),
        (HALF, "family-module-missing", "only half installed"),
        (CELL, "torch-missing-in-venv", "the notebook's Python"),
        (JETSON, "family-cuda", "On a Jetson"),
        (
            "ERROR: for b  Cannot create container for service b: Unknown runtime specified nvidia",
            "family-docker-gpu",
            "no runtime of the name nvidia",
        ),
        (MERGE, "family-part-of-a-model", "given as LoRAs is none"),
        (PATCH, "family-tensor-sizes", "another family"),
        (POPPED, "family-lora-names", "no layer blocks.7.proj"),
        (MOUNTED, "family-not-writable", "The container's user"),
        (CUT_AT, "builtin-unpack", "cuts each optimizer_arg"),
        (
            "python: can't open file '/workspace/brush/main.py': [Errno 2] No such file\n",
            "family-script-missing",
            "installs it there",
        ),
        (
            'cog: exec: "docker": executable file not found in $PATH\n',
            "family-docker-start",
            "Docker is not installed",
        ),
        ("pull access denied for local/brush, repository", "family-docker-image", "builds here"),
        (
            "python3: can't open file '/content/webui.py': [Errno 2] No such file\n",
            "family-script-missing",
            "in this session",
        ),
        (
            "/w/brush.mjs:3\nconst a = b?.c;\n            ^\n\nSyntaxError: Unexpected token .\n",
            "node-too-old-for-script",
            "Node.js is too old",
        ),
        (
            DRIVE,
            "torch-missing-in-venv",
            "gone with each session",
        ),
        (":: 407 :: Proxy Authentication Required\n", "family-proxy", "user and a password"),
        ("TypeError: LycorisNetworkBrush.paint() takes 2\n", "lycoris-of-another-release", "time"),
        ("Raspberry Pi 4\nIllegal instruction\n", "family-illegal-instruction", "Cortex-A53"),
    ],
)
def test_it_is_told(log: str, name: str, words: str) -> None:
    expect_entry(log, name, words)


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("AttributeError: 'list' object has no attribute 'keys'\n", "tokenizer-config-of-newer"),
        ("tar: brush: Cannot open: Permission denied\n", "family-tar-cannot-set-times"),
        ("Running on local URL: https://abc123-3000.proxy.runpod.net/\n", "runpod-notebook"),
        ("level=info error=none retries=0\n", "family-"),
    ],
)
def test_of_others_it_says_nothing(log: str, name: str) -> None:
    found = examine(log, entries())
    assert not any(
        one.entry.id.startswith(name) and one.confidence is not Confidence.GUESS
        for one in found.matches
    )


def test_a_message_behind_an_equals_sign_is_quoted_as_it_stands() -> None:
    cause = examine(ONNX, entries()).cause
    assert cause is not None
    assert cause.text in ONNX
