"""What was met once is told of others of its kind, too, with the thing that the line names."""

from __future__ import annotations

import pytest

from tests.doctor.kin import expect

XFORMERS = """\
WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:
    PyTorch {built} with CUDA 1108 (you have {have})
    Python  3.10.13 (you have 3.10.12)
RuntimeError: boom
"""
FLASH = "/x/lib/python3.10/site-packages/flash_attn_2_cuda.cpython-310-x86_64-linux-gnu.so"
SYMBOL = f"ImportError: {FLASH}: undefined symbol: _ZN3c104cuda9SetDeviceEi\n"
COMMUNITY = """\
  File "/root/.cache/huggingface/modules/diffusers_modules/git/lpw.py", line 9, in __call__
AttributeError: 'DDIMScheduler' object has no attribute 'order'
"""
REMOTE = """\
  File "/c/modules/transformers_modules/THUDM/chatglm-6b/8fd7/tokenization_chatglm.py", line 2, in f
AttributeError: 'ChatGLMTokenizer' object has no attribute 'sp_tokenizer'
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (XFORMERS.format(built="2.0.1+cu118", have="2.1.0+cu121"), "built-for-another", "2.1.0"),
        (XFORMERS.format(built="2.1.0+cu118", have="2.1.0+cpu"), "cpu-build", "2.1.0+cpu"),
        (SYMBOL, "symbol-missing", "flash_attn_2_cuda was built for another torch"),
        (
            "CUDA driver version is insufficient for CUDA runtime version\n",
            "driver-too-old",
            "CUDA",
        ),
        (
            (
                "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible"
                " with the current"
                " PyTorch installation.\n"
            ),
            "gpu-not-in-build",
            "sm_120",
        ),
        (
            (
                "RuntimeError: Detected that PyTorch and torchvision were compiled"
                " with different CUDA"
                " major versions. PyTorch has CUDA Version=12.1 and torchvision has"
                " CUDA Version=11.8."
            ),
            "cuda-versions-differ",
            "torchvision is of the other",
        ),
        (
            (
                "RuntimeError: The detected CUDA version (12.4) mismatches the version"
                " that was used to"
                " compile PyTorch (11.8). Please make sure to use the same CUDA versions."
            ),
            "cuda-versions-differ",
            "12.4 and 11.8",
        ),
        (
            "AttributeError: module 'torch.library' has no attribute 'custom_op'",
            "import-name",
            "torch is too old: it has custom_op since",
        ),
        (
            (
                "TypeError: scaled_dot_product_attention() got an unexpected keyword argument"
                " 'enable_gqa'"
            ),
            "torch-too-old",
            "enable_gqa",
        ),
        (
            "ImportError: cannot import name 'AttrsDescriptor' from 'triton.compiler.compiler'",
            "triton-pair",
            "triton",
        ),
        ("ModuleNotFoundError: No module named 'triton.ops'", "triton-pair", "triton"),
        ("RuntimeError: Failed to find C compiler. Please specify via CC", "triton-setup", "C "),
        (
            "ImportError: libcudart.so.11.0: cannot open shared object file: No such file",
            "cuda-library",
            "11",
        ),
        (COMMUNITY, "community-pipeline", "lpw"),
        (REMOTE, "code-of-a-model", "THUDM/chatglm-6b"),
    ],
)
def test_packages_that_do_not_fit_are_named_with_their_versions(
    log: str, name: str, said: str
) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            "RuntimeError: Input type (c10::BFloat16) and bias type (float) should be the same",
            "precision-mixed",
            "BFloat16",
        ),
        (
            "RuntimeError: self and mat2 must have the same dtype, but got Half and Float",
            "precision-mixed",
            "Half",
        ),
        (
            (
                "RuntimeError: Index put requires the source and destination dtypes"
                " match, got Float"
                " for the destination and Half for the source."
            ),
            "precision-mixed",
            "Half",
        ),
        (
            (
                "ValueError: Please make sure to always have all model weights in full float32"
                " precision when starting training - even if doing mixed precision training."
                " Unet loaded as datatype torch.float16."
            ),
            "fp16-training",
            "float32",
        ),
        (
            "AssertionError: No inf checks were recorded for this optimizer.",
            "nothing-to-train",
            "frozen",
        ),
        ("ValueError: optimizer got an empty parameter list", "nothing-to-train", "frozen"),
        (
            (
                "RuntimeError: unscale_() has already been called on this optimizer since the last"
                " update()."
            ),
            "unscaled-twice",
            "twice",
        ),
    ],
)
def test_a_training_that_cannot_go_on_is_told_why(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            "ValueError: The following keys have not been correctly renamed: ['double_blocks.0.q']",
            "file-of-another-kind",
            "a Flux model",
        ),
        (
            "AttributeError: 'UNet2DConditionModel' object has no attribute 'first_stage_model'",
            "file-of-another-kind",
            "a whole checkpoint of Stable Diffusion",
        ),
        (
            (
                "RuntimeError: Encountered unexpected IP Adapter state dict key:"
                " 'lora_unet_x.lora_up'."
            ),
            "file-of-another-kind",
            "a LoRA",
        ),
        (
            "ERROR: controlnet file is invalid and does not contain a valid controlnet model.",
            "kind-not-detected",
            "controlnet",
        ),
        ("ValueError: Failed to recognize model type!", "kind-not-detected", "newer"),
        (
            "ValueError: unable to determine FLUX.2 model variant from state dict",
            "kind-not-detected",
            "newer",
        ),
        (
            "RuntimeError: Exporting model exceed maximum protobuf size of 2GB.",
            "onnx-too-large",
            "2 GB",
        ),
        (
            "google.protobuf.message.DecodeError: Error parsing message",
            "model-file-broken",
            "pointer",
        ),
        (
            "OSError: Unable to synchronously open file (file signature not found)",
            "model-file-broken",
            "pointer",
        ),
        (
            (
                "ValueError: No available version for pixel_unshuffle in the"
                " coremltools.target.iOS15"
                " opset. Please update the minimum_deployment_target to coremltools.target.iOS16"
            ),
            "target-too-low",
            "iOS16",
        ),
        (
            "TypeError: To use fp16 input, please set minimum deployment target to iOS16+",
            "target-too-low",
            "iOS16",
        ),
        (
            (
                "ValueError: When 'convert_to' is mlprogram, the minimum deployment"
                " target must be at"
                " least iOS15/macOS12/watchOS8/tvOS15"
            ),
            "target-too-low",
            "iOS15",
        ),
        ("KeyError: 'up.0.lora_unet_x.alpha'", "lora-alpha", "up.0.lora_unet_x.alpha"),
    ],
)
def test_a_file_of_another_kind_is_told_as_what_it_is(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        ("x.py: error: unrecognized arguments: Models/sd 15.ckpt", "path-split", "Models/sd"),
        ("Error: Got unexpected extra argument (v2/last.ckpt)", "path-split", "v2/last.ckpt"),
        ("x.py: error: unrecognized arguments: \\", "command-pasted", "backslash"),
        (
            "x.py: error: argument --bits: invalid choice: '5' (choose from '4', '6', '8')",
            "invalid-choice",
            "'4', '6', '8'",
        ),
        ("x.py: error: argument --steps: invalid int value: 'ten'", "invalid-choice", "ten"),
        (
            "x.py: error: the following arguments are required: --dump_path",
            "argument-required",
            "--dump_path",
        ),
        ("x.py: error: unrecognized arguments: --fast-mode", "arguments", "--fast-mode"),
        (
            "OSError: Incorrect path_or_model_id: '/models/gone'. Please provide either the path",
            "folder-taken-for-name",
            "/models/gone",
        ),
        (
            (
                "HFValidationError: Repo id must be in the form 'repo_name' or"
                " 'namespace/repo_name':"
                " 'D:\\sd\\gone'. Use `repo_type` argument if needed."
            ),
            "folder-taken-for-name",
            "D:\\sd\\gone",
        ),
        (
            "AssertionError: transformers>=4.40 requirement not met",
            "version-required",
            "transformers as it is installed is too old",
        ),
        (
            "ImportError: Offloading requires `accelerate v0.17.0` or higher.",
            "version-required",
            "accelerate",
        ),
        (
            "ValueError: You need `peft` 0.9.0 at least to use DoRA-enabled LoRAs.",
            "version-required",
            "0.9.0",
        ),
        (
            "RuntimeError: this node needs numpy<2.0 to run",
            "version-required",
            "numpy as it is installed is too new",
        ),
    ],
)
def test_what_was_given_or_asked_for_stands_in_the_cause(log: str, name: str, said: str) -> None:
    expect(log, name, said)
