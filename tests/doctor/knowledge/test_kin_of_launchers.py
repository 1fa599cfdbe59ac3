"""What web UIs, trainers and launchers print is told as the case that the log is."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

LIKELY, GUESS = Confidence.LIKELY, Confidence.GUESS
MEMORY = (
    "RuntimeError: host_statistics64(HOST_VM_INFO64) syscall failed: (ipc/mig) array not large"
    " enough\n"
)
HUB = (
    "We couldn't connect to 'https://huggingface.co' to load this model, couldn't find it in the"
    " cached files and it looks like {place} is not the path to a directory containing a"
    " config.json file.\n"
)
ARIA = """\
Download Results:
gid   |stat|avg speed  |path/URI
======+====+===========+====================
eab662|ERR |       0B/s|models/unet/{file}
5b0032|OK  |       0B/s|models/vae/ae.safetensors
Status Legend:
(OK):download completed.(ERR):error occurred.
"""
TIMED_OUT = (
    "'HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url:"
    " /me/pose.onnx (Caused by ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at"
    " 0x0>, 'Connection to huggingface.co timed out. (connect timeout=10)'))' thrown while"
    " requesting HEAD https://huggingface.co/me/pose.onnx\n"
)
KOHYA = """\
INFO     load StableDiffusion checkpoint: ./sd3.5_large.safetensors          train_util.py:5315
Traceback (most recent call last):
  File "/w/sd-scripts/train_network.py", line 1513, in <module>
    trainer.train(args)
  File "/w/sd-scripts/train_network.py", line 413, in train
    model_version, text_encoder, vae, unet = self.load_target_model(args, weight
"""
RELEASE = """\
UnboundLocalError: local variable 'release' referenced before assignment

/w/Kohya/kohya_gui.py:136 in <module>
"""
WHEEL = (
    "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory:"
    " 'D:\\\\a\\\\Frob\\\\deps\\\\numpy-2.4.6-cp313-cp313-win_amd64.whl'\n"
)
CHOICES = """\
Prompt outputs failed validation
VAELoader:
- Value not in list: vae_name: 'ae.sft' not in ['a.safetensors', 'b.safetensors']
"""
TORCH = """\
RuntimeError: Couldn't install torch.
Command: "C:\\sd\\venv\\Scripts\\python.exe" -m pip install torch==2.1.2
Error code: 1
stderr: ERROR: Could not find a version that satisfies the requirement torch==2.1.2 (from\
 versions: 2.2.0)
ERROR: No matching distribution found for torch==2.1.2
"""
PAGE = """\
localhost:9090 shows {"detail":"Not Found"}
WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:
    PyTorch 2.1.2+cu121 with CUDA 1201 (you have 2.1.2+cpu)
[InvokeAI]::INFO --> Patchmatch initialized
"""
KFD = """\
Unable to open /dev/kfd read-write: Permission denied
RuntimeError: No HIP GPUs are available
"""
FREQUENCY = (
    "FileNotFoundError: [Errno 2] No such file or directory (originated from sysctl(HW_CPU_FREQ))\n"
)


@pytest.mark.parametrize(
    ("log", "name", "sure", "said"),
    [
        (MEMORY, "psutil-older-than-macos", LIKELY, "psutil is older than this macOS"),
        (FREQUENCY, "psutil-cpu-frequency", LIKELY, "Apple silicon"),
        (
            HUB.format(place="/w/ComfyUI/models/cn"),
            "family-unreachable",
            LIKELY,
            "config.json in it",
        ),
        (
            HUB.format(place="D:\\w\\cn"),
            "family-unreachable",
            LIKELY,
            "The folder D:\\w\\cn is not there",
        ),
        (HUB.format(place="me/paint"), "family-unreachable", LIKELY, "was not reached"),
        (ARIA.format(file="flux1-dev.safetensors"), "aria-did-not-get", GUESS, "without a login"),
        (ARIA.format(file="frob.safetensors"), "aria-did-not-get", GUESS, "aria2c did not get"),
        (TIMED_OUT, "offline-original-config", LIKELY, "huggingface.co did not answer"),
        (KOHYA, "kohya-script-of-another-family", GUESS, "trains Stable Diffusion 1 and 2 only"),
        (RELEASE, "family-unset-variable", GUESS, ".release"),
        (WHEEL, "wheel-of-build-machine", LIKELY, "numpy came from a file of the machine"),
        (CHOICES, "family-choice-not-there", LIKELY, "ae.sft"),
        (TORCH, "family-no-such-version", LIKELY, "this Python is too new"),
        (PAGE, "server-has-no-page", LIKELY, "without its web page"),
        (KFD, "family-hip-none", LIKELY, "groups render and video"),
        (
            "AssertionError: C:\\paint\\venv\\Scripts\\python310.zip\\distutils\\core.pyc\n",
            "distutils-loaded-before",
            LIKELY,
            "its own distutils",
        ),
        (
            "module 'comfy.sd' has no attribute 'load_text_encoder_state_dicts'\n",
            "family-node-and-comfy-apart",
            LIKELY,
            "newer than ComfyUI",
        ),
        (
            "module 'comfy.samplers' has no attribute 'calc_cond_uncond_batch'\n",
            "family-node-and-comfy-apart",
            LIKELY,
            "older than ComfyUI",
        ),
        (
            "module 'comfy.samplers' has no attribute 'frobnicate'\n",
            "family-node-and-comfy-apart",
            GUESS,
            "mostly ComfyUI",
        ),
        (
            "ERROR: Package 'painter' requires a different Python: 3.10.6 not in '>=3.11'\n",
            "python-older-than-needed",
            LIKELY,
            "painter needs Python >=3.11, and Python 3.10.6 runs",
        ),
    ],
)
def test_what_the_log_says_decides(log: str, name: str, sure: Confidence, said: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.confidence) == (name, sure)
    assert said in cause.cause


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        (KOHYA.replace("sd3.5_large", "paint15"), "kohya-script-of-another-family"),
        (KOHYA.replace("train_network.py", "sd3_train.py"), "kohya-script-of-another-family"),
        (
            "ERROR: Package 'painter' requires a different Python: 3.13.1 not in '<3.13,>=3.11'\n",
            "python-older-than-needed",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'D:\\\\a\\\\frob.whl'\n",
            "wheel-of-build-machine",
        ),
        ("5b0032|OK  |       0B/s|models/vae/ae.safetensors\n", "aria-did-not-get"),
    ],
)
def test_what_only_looks_like_it_is_told_otherwise(log: str, stranger: str) -> None:
    assert stranger not in {match.entry.id for match in examine(log, entries()).matches}


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            "AttributeError: module 'execution' has no attribute 'recursive_execute'\n",
            "family-node-and-comfy-apart",
            "older than ComfyUI",
        ),
        (
            "AttributeError: 'PromptServer' object has no attribute 'add_on_prompt_handler'\n",
            "family-comfy-object",
            "newer than ComfyUI",
        ),
        (
            (
                "python.exe: can't open file 'D:\\w\\custom_nodes\\ComfyUI-Frob\\ComfyUI\\main.py':"
                " [Errno 2] No such file or directory\n"
            ),
            "family-script-missing",
            "the custom node ComfyUI-Frob had changed",
        ),
        (
            (
                "Looking in indexes: https://download.pytorch.org/whl/cu12.6\n"
                "ERROR: Could not find a version that satisfies the requirement torch==2.4.0"
                " (from versions: none)\n"
            ),
            "family-no-versions-at-all",
            "no index of the name cu12.6",
        ),
        ("Repository not found at G:\\frob\\Fooocus\n", "update-finds-no-clone", "no git clone"),
    ],
)
def test_a_direction_is_told_where_the_name_decides_it(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)
