"""What ComfyUI, its custom nodes and front ends, ffmpeg and stable-diffusion.cpp say is told."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

RUN = """\
got prompt
!!! Exception during processing !!! {said}
Traceback (most recent call last):
  File "D:\\ComfyUI\\execution.py", line 327, in execute
    output_data, output_ui, has_subgraph = get_output_data(obj, input_data_all)
  File "D:\\ComfyUI\\custom_nodes\\frob-nodes\\nodes.py", line 163, in run
    raise Exception(said)
{kind}: {said}

Prompt executed in 0.52 seconds
"""
CHECKED = """\
got prompt
Failed to validate prompt for output 9:
* {node} 12:
  - {said}
Output will be ignored
"""
SERVER = "12:00:01.2 [Error] Refused to generate image for local: {said}\n"
FLUX = """\
$ ./sd {option} ../models/flux1-dev-q8_0.gguf -p "a cat"
[INFO ] model.cpp:908  - load ../models/flux1-dev-q8_0.gguf using gguf format
[ERROR] stable-diffusion.cpp:221  - get sd version from file failed: '../models/flux1-dev-q8_0.gguf'
new_sd_ctx_t failed
"""
CUDA = """\
[INFO ] stable-diffusion.cpp:503  - total params memory size = 21471.11MB
ggml_backend_cuda_buffer_type_alloc_buffer: allocating 12124.00 MiB on device 0: cudaMalloc \
failed: out of memory
[ERROR] ggml_extend.hpp:1115 - flux alloc params backend buffer failed, num_tensors = 780
"""
SD3 = """\
[INFO ] model.cpp:891  - load sd3.5_large.safetensors using safetensors format
[ERROR] model.cpp:2046 - tensor '{key}' not in model file
"""
FORWARD = """\
  File "/w/ComfyUI/comfy/ldm/flux/model.py", line 181, in forward
    out = self.forward_orig(img, img_ids, context)
TypeError: frob_forward_orig() got an unexpected keyword argument 'ink'
"""
CV2 = "ImportError: cannot import name 'guidedFilter' from 'cv2.ximgproc' (unknown location)\n"
OLD_NODE = "When loading the graph, the following node types were not found:\nIPAdapterApply\n"
ENDED = """\
got prompt
model weight dtype torch.float8_e4m3fn, manual cast: torch.bfloat16
model_type FLUX

D:\\ComfyUI_windows_portable>pause
Press any key to continue . . .
"""
NO_NODE = """\
  File "D:\\w\\custom_nodes\\Frob-Inpainting\\__init__.py", line 3, in <module>
    from controlnet_frob import FrobControlNetModel
ModuleNotFoundError: No module named 'controlnet_frob'
"""
SPACE = """\
> activating venv C:\\w\\AI Art\\OneTrainer\\venv
> installing dependencies
> The system cannot find the path specified.
"""
PY_LIST = """\
Creating venv at "C:\\w\\OneTrainer\\venv"...
'"py -3.14[-64]"' is not recognized as an internal or external command,
operable program or batch file.

ERROR: venv creation failed using py -3.14[-64]
"""
QUOTES = """\
sqlite3.OperationalError: no such column: "size" - should this be a string literal in \
single-quotes?
"""
SWARM = """\
All available backends failed to load the model 'C:/w/Models/diffusion_models/a.safetensors'.

Possible reason: Model loader for a.safetensors didn't work - are you sure it has an architecture \
ID set properly? (Currently set to: 'stable-diffusion-xl-v1-base')
"""
STARTUP = "Failed to execute startup-script: /w/custom_nodes/ComfyUI-Manager/p.py / {said}\n"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            CHECKED.format(
                node="LoadImage",
                said="Custom validation failed for node: image - Invalid image file: pose (3).png",
            ),
            "comfy-picked-file-gone",
            "pose (3).png as its image",
        ),
        (
            CHECKED.format(
                node="KSampler",
                said="Exception when validating inner node: tuple index out of range",
            ),
            "comfy-link-to-nothing",
            "an output that its node no longer has",
        ),
        (
            RUN.format(kind="Exception", said="Reference Image: No face detected."),
            "face-not-found",
            "No face",
        ),
        (
            RUN.format(kind="AssertionError", said="Height(135) is not multiple of 64."),
            "size-not-of-64",
            "135",
        ),
        (
            SERVER.format(
                said="Model 'a.gguf' is in GGUF format, but the server does not have GGUF support"
                " installed. Cannot run."
            ),
            "swarm-models-refused",
            "nodes are not installed",
        ),
        (FLUX.format(option="-m"), "sdcpp-kind-unknown", "for a whole checkpoint"),
        (FLUX.format(option="--diffusion-model"), "sdcpp-kind-unknown", "cannot tell"),
        (CUDA, "sdcpp-no-memory", "12124.00 MiB"),
        (
            SD3.format(key="first_stage_model.decoder.conv_in.bias"),
            "family-part-of-a-model",
            "No VAE",
        ),
        (
            SD3.format(key="text_encoders.t5xxl.transformer.shared.weight"),
            "family-part-of-a-model",
            "text encoder was not given",
        ),
        (ENDED, "comfy-ended-without-word", "page file"),
        (NO_NODE, "repository-is-no-node", "controlnet_frob"),
        (SPACE, "family-file-missing", "a space in the folder's name"),
        (PY_LIST, "py-list-misread", "3.14[-64]"),
        (QUOTES, "sqlite-strict-quotes", "double quotes"),
        (SWARM, "swarm-architecture-missing", "whole checkpoint"),
        (FORWARD, "family-unexpected-argument", "older than this ComfyUI"),
        (CV2, "family-half-installed", "opencv-contrib-python"),
        (OLD_NODE, "family-comfy-node-missing", "ComfyUI_IPAdapter_plus 2"),
        (
            STARTUP.format(said="'set' object is not a mapping"),
            "manager-startup-own-fault",
            "fault",
        ),
        (
            STARTUP.format(said="No module named 'toml'"),
            "manager-startup-own-fault",
            "toml before ComfyUI starts",
        ),
    ],
)
def test_what_they_say_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        ("Error: Directory '/srv/www' is not empty", "frames-folder-empty"),
        ("error: unknown argument: '-fopenmp'", "sdcpp-option-unknown"),
        ("ValueError: No image detected in the clipboard", "face-not-found"),
        ("AssertionError: Width is not a multiple of the patch", "size-not-of-64"),
        ("CMake Error: backend was not found", "sdcpp-backend-missing"),
        ("IndexError: tuple index out of range", "comfy-link-to-nothing"),
        ("ENOSPC: not enough space in the memory pool of the server", "ggml-context-pool"),
        ("C:\\w>pause\nPress any key to continue . . .", "comfy-ended-without-word"),
    ],
)
def test_lines_of_others_are_not_told_as_theirs(log: str, stranger: str) -> None:
    assert stranger not in {one.entry.id for one in examine(log, entries()).matches}
