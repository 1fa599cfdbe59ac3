"""What the log itself decides: whose part it was, by the command and the paths in it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

TOLD = {
    "a text given as a checkpoint": (
        (
            "$ python main.py --actual_resume models/kl-f32/config.yaml -n t\n"
            "_pickle.UnpicklingError: invalid load key, 'm'."
        ),
        "family-pickle-is-safetensors",
        "is a text (config.yaml)",
    ),
    "an extension without its requirements": (
        (
            "Traceback (most recent call last):\n  File "
            '"C:\\w\\extensions\\booth\\scripts\\main.py", line 2, in <module>\n '
            "   from accelerate import Accelerator\nModuleNotFoundError: No module "
            "named 'accelerate'"
        ),
        "torch-missing-in-venv",
        "The extension booth needs accelerate",
    ),
    "a folder of pictures that is not there": (
        "ValueError: Instance images root doesn't exists.",
        "family-no-training-images",
        "(--instance_data_dir) does not exist",
    ),
    "kohya's folders": (
        (
            "16:35:37-591289 ERROR No image folders found in /content/dataset. Please\nfollow the"
            " folder structure documentation found at"
        ),
        "family-no-training-images",
        "/content/dataset has no folder with pictures",
    ),
    "options that a terminal broke": (
        (
            "train.py: error: the following arguments are required: "
            "--pretrained_m\nodel_name_or_path, --instance_data_dir"
        ),
        "family-argument-required",
        "nothing but its name reached it",
    ),
    "a script's name": (
        "can't open file 'D:\\\\W\\\\train_dream_booth.py': [Errno 2] No such file or directory",
        "family-script-missing",
        "There is no file train_dream_booth.py",
    ),
    "a container on the CPU": (
        (
            "$ ./build.sh run 'a bee' --device cpu\nnvidia-container-cli: "
            "initialization error: load library failed: libnvidia-ml.so.1: cannot "
            "open shared object file: no such file"
        ),
        "family-docker-gpu",
        "was started with --gpus",
    ),
    "a notebook's web UI on the Drive": (
        (
            "Traceback (most recent call last):\n  File "
            '"/content/gdrive/MyDrive/sd/stable-diffusion-webui/modules/paths.py", '
            "line 4, in <module>\n    from modules.paths_internal import "
            "a\nModuleNotFoundError: No module named 'modules.paths_internal'"
        ),
        "family-app-module",
        "what the notebook fast-stable-diffusion puts beside it",
    ),
    "a picture of another size than the pipeline": (
        (
            "    latent = torch.cat([latent_model_input, mask, masked_image_latents], dim=1)\n"
            "RuntimeError: Sizes of tensors must match except in dimension 1. Expected size 64 but"
            " got size 96 for tensor number 2 in the list."
        ),
        "family-image-size",
        "The inpainting pipeline draws in its own size (latents of 64",
    ),
    "a development version": (
        (
            "ERROR: Could not find a version that satisfies the requirement kit==2021.4.* (from"
            " versions: 0.0.2, 2021.4.1.dev44+gd4, 2021.5.26)"
        ),
        "family-no-such-version",
        "only a pre-release, 2021.4.1.dev44+gd4",
    ),
    "a file that is taken for a name": (
        (
            "exception occurs in loading vae: We couldn't connect to "
            "'https://huggingface.co/' to load this model, couldn't find it in the "
            "cached files and it looks like /c/vae.safetensors is not the path to "
            "a directory containing a config.json file."
        ),
        "family-unreachable",
        "There is no file /c/vae.safetensors",
    ),
    "names in another order": (
        (
            '\tMissing key(s) in state_dict: "up_blocks.0.upsamplers.0.conv.weight".\n\tUnexpected'
            ' key(s) in state_dict: "up_blocks.0.attentions.2.conv.bias".'
        ),
        "family-state-dict-keys",
        "took its upsamplers for attentions",
    ),
    "poetry's tags": (
        (
            "Unable to find installation candidates for torch (2.5.1)\n  - 17 "
            "wheel(s) were skipped as your project's environment does not support "
            "the identified abi tags"
        ),
        "family-no-platform-wheel",
        "this is an Intel Mac, for which torch ends at 2.2.2, or its Python",
    ),
    "pip's old script": (
        "pkg_resources.DistributionNotFound: pip==1.5.4",
        "distribution-not-found",
        "a script of an older pip",
    ),
    "a package that is asked for at the start": (
        "importlib.metadata.PackageNotFoundError: torch",
        "distribution-not-found",
        "torch is not installed",
    ),
    "a package of another version": (
        "pkg_resources.VersionConflict: (numpy 1.26.4 (/v/lib), Requirement.parse('numpy<1.24'))",
        "distribution-conflict",
        "asks for numpy<1.24, and numpy 1.26.4",
    ),
    "Docker on another processor": (
        (
            "! invoke The requested image's platform (linux/amd64) does not match the detected host"
            " platform (linux/arm64/v8) and no specific platform was requested\nError response from"
            ' daemon: could not select device driver "nvidia" with capabilities: [[gpu]]'
        ),
        "family-docker-gpu",
        "on a Mac Docker can give it none",
    ),
    "an emulated image": (
        "qemu: uncaught target signal 4 (Illegal instruction) - core dumped",
        "family-illegal-instruction",
        "is emulated here",
    ),
    "a hook that crashed": (
        (
            "OCI runtime create failed: error running hook #0: error running hook: signal:"
            " segmentation fault, stdout: , stderr:: unknown"
        ),
        "",
        "nvidia-container-cli: it does not fit the driver",
    ),
    "cgroups": (
        "nvidia-container-cli: container error: cgroup subsystem devices not found: unknown",
        "family-docker-gpu",
        "this Linux has version 2 alone",
    ),
    "a platform": (
        "Error response from daemon: platform linux/arm64/v8 not supported",
        "family-image-platform",
        "an image for linux/arm64/v8",
    ),
    "a step of a Dockerfile": (
        (
            'ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit'
            " code: 2"
        ),
        "docker-build-step",
        "A command of the Dockerfile failed while the image was built: /bin/sh -c make",
    ),
    "a line of BuildKit": (
        "#12 1.234 ERROR: No matching distribution found for torch==1.12.1+cu113",
        "family-cuda-build-wanted",
        "",
    ),
    "the sizes of a batch": (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x2048 and 2816x1280)",
        "family-mixed-families",
        "half as many pictures as the batch has texts",
    ),
    "a Drive that is gone": (
        (
            "python3: can't open file '/content/gdrive/MyDrive/sd/webui.py': [Errno 107] Transport"
            " endpoint is not connected"
        ),
        "family-disk-failing",
        "The Google Drive that the notebook had mounted",
    ),
    "a notebook's program": (
        (
            "python3: can't open file '/content/gdrive/MyDrive/sd/w/webui.py': [Errno 2] No such"
            " file or directory"
        ),
        "family-script-missing",
        "is not in the Drive at /content/gdrive/MyDrive/sd/w",
    ),
}


@pytest.mark.parametrize("told", TOLD)
def test_the_log_decides_what_of_several_it_was(told: str) -> None:
    log, entry, words = TOLD[told]
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == entry or not entry
    assert words in cause.cause


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("_pickle.UnpicklingError: invalid load key, 'm'.", "is a text"),
        ("nvidia-container-cli: initialization error: nvml error: driver not loaded", "--gpus"),
        (
            (
                "ERROR: Could not find a version that satisfies the requirement kit==3 "
                "(from versions: 0.0.2, 2021.4.1.dev44)"
            ),
            "pre-release",
        ),
        ("ModuleNotFoundError: No module named 'accelerate'", "extension"),
    ],
)
def test_what_the_log_does_not_decide_is_not_told(log: str, words: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert words not in cause.cause
