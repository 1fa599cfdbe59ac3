"""What a command, a path or a frame in a program's log decides is told with it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

FORGE = """\
Loading Model: {{'checkpoint_info': {{'filename': 'D:\\\\forge\\\\models\\\\{file}'}}}}
AttributeError: 'NoneType' object has no attribute 'unet_key_prefix'
"""
HELPER = """\
  File "C:\\w\\webui\\extensions\\frob-nodes\\scripts\\frob.py", line 18, in <module>
    from {module} import {name}
ModuleNotFoundError: No module named '{module}'
"""
MATRIX = """\
  File "C:\\w\\StabilityMatrix\\Packages\\InvokeAI\\invokeai\\backend\\gguf\\loaders.py", line 3, in
    import gguf
    ModuleNotFoundError: No module named 'gguf'
"""
UNKNOWN = """\
  creator CPython3Posix(dest=/home/me/StabilityMatrix/Packages/kohya_ss/venv, clear=False)
setup_linux.py: error: unrecognized arguments: --headless
"""
PIP = """\
  Using cached frob-1.4.1.tar.gz (4.6 MB)
  Installing build dependencies ... done
  Getting requirements to build wheel ... error
  error: subprocess-exited-with-error
        File "/w/lib/python3.12/site-packages/pip/_vendor/pyproject_hooks/_in_process.py", line 70\
, in _build_backend
          obj = import_module(mod_path)
"""
NUMPY = """\
    import cv2
ImportError: numpy.core.multiarray failed to import
"""
OPTION = """\
$ python main.py --frob --input-directory /w/in
main.py: error: argument --frob: expected one argument
"""
LORA = "Error: Could not load the lora model! Reason: {said}\n"
OTHER = (
    "Sorry, could not load C:\\m\\lora\\{file}. You're trying to use a SD1 LoRA model with a SDXL"
    " Stable Diffusion model. They're not compatible, please use a compatible model!"
)
KERNEL = """\
{step}Error! Bad return status for module build on kernel: 6.14.0-29-generic (x86_64)
{step}Consult /var/lib/dkms/amdgpu/6.10.5/build/make.log for more information.
"""
ENDED = """\
C:\\w\\EasyDiffusion\\installer_files\\env\\Scripts\\conda.exe
conda 22.11.1
Press any key to continue . . .
"""
WEBUI = """\
  File "C:\\w\\webui\\extensions\\{folder}\\scripts\\prompt_matrix.py", line 51, in ui
AttributeError: {said}
"""
PORTABLE = """\
  File "D:\\ComfyUI_windows_portable\\ComfyUI\\main.py", line 1, in <module>
    import comfy.options
ModuleNotFoundError: No module named 'comfy'
"""
TRAIN = """\
Running bash "/w/outputs/ball/train.sh"
/w/outputs/ball/train.sh: line 1: accelerate: command not found
"""
OWN = """\
  File "/app/ai-toolkit/jobs/process/GenerateProcess.py", line 105, in __init__
    self.train_config.noise_scheduler,
AttributeError: 'GenerateProcess' object has no attribute 'train_config'
"""
GGUF = (
    "ERROR lora diffusion_model.double_blocks.1.txt_attn.proj.weight The size of tensor a (1728)"
    " must match the size of tensor b (3072) at non-singleton dimension 1"
)
XPU = "NotImplementedError: Could not run 'aten::frob.out' with arguments from the '{}' backend."
NCCL = "ImportError: /v/torch/lib/libtorch_cuda.so: undefined symbol: ncclCommRegister"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (FORGE.format(file="flux_dev.safetensors"), "family-kind-not-detected", "newer family"),
        (FORGE.format(file="frob.safetensors"), "family-kind-not-detected", "frob.safetensors"),
        (
            HELPER.format(module="paint_manager", name="PaintManager"),
            "extension-requirement-missing",
            "paint_manager is by its name a file of frob-nodes's own code",
        ),
        (
            HELPER.format(module="painters", name="Brush"),
            "extension-requirement-missing",
            "A package that frob-nodes needs",
        ),
        (MATRIX, "family-module-missing", "InvokeAI's own code needs the Python package gguf"),
        (
            "ModuleNotFoundError: No module named 'train_network'",
            "family-module-missing",
            "kohya's sd-scripts",
        ),
        (
            "ModuleNotFoundError: No module named 'dskernels'",
            "family-module-missing",
            "DeepSpeed",
        ),
        (UNKNOWN, "family-arguments", "Stability Matrix calls setup_linux.py of kohya_ss"),
        (
            OPTION,
            "family-argument-required",
            "already another option, --input-directory",
        ),
        (
            "python.exe -X utf8=1 -c -I C:\\w\\main.py\nNameError: name 'I' is not defined",
            "family-name-undefined",
            "-c takes the next word",
        ),
        (PIP, "family-build-failed", "frob==1.4.1 has no wheel for Python 3.12"),
        (NUMPY, "family-abi", "cv2 (the package opencv-python)"),
        (
            LORA.format(said="'StableDiffusionPipeline' object has no attribute 'first'"),
            "sdkit-lora-layer-unknown",
            "whole checkpoint",
        ),
        (
            "ERROR cuda:0 Could not find unet.down.dora in the given  model_manager.py:187",
            "sdkit-lora-layer-unknown",
            "DoRA",
        ),
        (
            LORA.format(said=OTHER.format(file="Frob Pony.safetensors")),
            "sdkit-lora-family",
            "detects it wrongly",
        ),
        (
            LORA.format(said=OTHER.format(file="frob.safetensors")),
            "sdkit-lora-family",
            "only with models of the family",
        ),
        (KERNEL.format(step="74.28 "), "family-dkms-build", "A container needs no kernel module"),
        (KERNEL.format(step=""), "family-dkms-build", "kernel module amdgpu 6.10.5"),
        (ENDED, "easy-diffusion-start-ended", "on_env_start.bat"),
        (XPU.format("XPU"), "family-operation-not-on-device", "Intel's graphics cards"),
        (XPU.format("MPS"), "family-operation-not-on-device", "aten::frob.out"),
        ("PS C:\\w\\ComfyUI> python server.py", "comfy-wrong-script", "main.py"),
        (
            "AttributeError: 'ScriptRunner' object has no attribute 'before_process_batch'",
            "webui-class-of-another-time",
            "too old",
        ),
        (
            "Exception training model: ''CheckpointInfo' object is not subscriptable'",
            "webui-class-of-another-time",
            "until January 2023",
        ),
        (
            WEBUI.format(folder="stable-diffusion-webui", said="'Script' object has no frob"),
            "family-extension",
            "The web UI's own repository",
        ),
        (
            WEBUI.format(folder="frob", said="module 'scripts.frob' has no attribute 'paint'"),
            "family-import-name",
            "until it is started anew",
        ),
        (PORTABLE, "family-app-module", "python3XX._pth"),
        (TRAIN, "family-command-missing", "does not find accelerate"),
        (OWN, "program-class-fault", "fault of this release of ai-toolkit"),
        (
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8192x16 and 64x3072)",
            "family-mixed-families",
            "first of a Flux model",
        ),
        (LORA.format(said="Ran out of input"), "family-pickle-damaged", "cut off"),
        (
            "12:00:00.001 ERROR cuda:0 Expecting value: line 1 column 1 (char 0)  manager.py:185",
            "family-config-damaged",
            "empty or no JSON",
        ),
        (
            "AttributeError: 'LoRANetwork' object has no attribute 'train_blocks'",
            "kohya-network-of-other-model",
            "networks.lora",
        ),
        (GGUF, "family-lora-family", "The model is a GGUF file"),
        (NCCL, "family-symbol-missing", "NCCL"),
    ],
)
def test_what_they_say_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        ("PS C:\\w\\site> python server.py --port 80", "comfy-wrong-script"),
        ("conda 22.11.1\nPress any key to continue . . .", "easy-diffusion-start-ended"),
        ("KeyError: Could not find unet in the given dictionary", "sdkit-lora-layer-unknown"),
        ("RuntimeError: the models are not compatible, take another", "sdkit-lora-family"),
    ],
)
def test_lines_of_others_are_not_told_as_theirs(log: str, stranger: str) -> None:
    assert stranger not in {one.entry.id for one in examine(log, entries()).matches}
