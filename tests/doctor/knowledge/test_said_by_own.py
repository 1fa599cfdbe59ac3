"""What the log's own words decide: one release's fault, and things of another program or system."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

WHEEL = "ERROR: Could not find a version that satisfies the requirement"
NO_OPTION = "AttributeError: 'Namespace' object has no attribute 'paint_mode'\n"
NO_GPU = "RuntimeError: Torch is not able to use GPU; add --skip-torch-cuda-test to\n"
NO_OPERATOR = "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for"
TOLD = {
    "an option that a trainer forgot": (
        f'  File "/w/sd-scripts/library/paint.py", line 5, in load\n{NO_OPTION}',
        "family-namespace-option",
        "a fault of this release of sd-scripts itself",
    ),
    "an option that an extension asks for": (
        f'  File "/w/extensions/sd-paint/scripts/paint.py", line 5, in load\n{NO_OPTION}',
        "family-namespace-option",
        "the extension sd-paint asks the program",
    ),
    "a fork for AMD": (
        (
            '  File "C:\\w\\stable-diffusion-webui-directml\\launch.py", line 5, in <module>\n'
            f"{NO_GPU}"
        ),
        "family-cuda",
        "--use-directml",
    ),
    "an option that was replaced": (
        f"Launching Web UI with arguments: --medvram --backend=directml\n{NO_GPU}",
        "family-cuda",
        "no effect any more",
    ),
    "a build for an older Python": (
        f"{WHEEL} torch==2.1.2+cu121 (from versions: none)\n",
        "family-cuda-build-wanted",
        "python 3.8 to 3.11 alone",
    ),
    "a build for NVIDIA on a Mac": (
        f"/Users/me/paint: installing\n{WHEEL} torch==2.1.2+cu121 (from versions: none)\n",
        "family-cuda-build-wanted",
        "none for a mac",
    ),
    "a package for Linux": (
        f"{WHEEL} intel-extension-for-pytorch (from versions: none)\n",
        "family-no-versions-at-all",
        "wheels for linux",
    ),
    "a package for Windows": (
        f"/Users/me/paint: installing\n{WHEEL} pywin32>=300 (from versions: none)\n",
        "family-no-versions-at-all",
        "for windows alone",
    ),
    "a card that ROCm's torch does not know": (
        (
            "rocBLAS error: Could not load /v/site-packages/torch/lib/rocblas/library/"
            "TensileLibrary.dat\n"
        ),
        "family-rocblas-library",
        "no file is damaged",
    ),
    "a library among the extensions": (
        (
            '  File "/w/extensions/diffusers-main/scripts/convert_paint.py", line 7, in <module>\n'
            "ModuleNotFoundError: No module named 'diffusers'\n"
        ),
        "torch-missing-in-venv",
        "it is no extension",
    ),
    "a file's path as a name": (
        (
            "OSError: Cannot load model ./m/paint.ckpt: model is not cached locally and an error"
            " occurred while trying to fetch metadata from the Hub.\n"
        ),
        "family-not-cached-not-fetched",
        "path of a single file",
    ),
    "a system that passes for an older one": (
        (
            "MPSGraphExecutable.mm:180: failed assertion `Error: the minimum deployment target for"
            " iOS is 17.0'\n"
        ),
        "mpsgraph-deployment-target",
        "fault of that iOS release",
    ),
    "a Mac's command over SSH": (
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'sysctl'\n"
            '  File "/Users/me/paint/info.py", line 3, in main\n'
        ),
        "mac-command-off-the-path",
        "a PATH without /usr/sbin",
    ),
    "a Mac's command on Linux": (
        (
            '  File "/home/me/paint/info.py", line 3, in main\n'
            "FileNotFoundError: [Errno 2] No such file or directory: 'sw_vers'\n"
        ),
        "mac-command-off-the-path",
        "this is no Mac",
    ),
    "a tokenizer that was stored": (
        "AttributeError: 'T5Tokenizer' object has no attribute 'added_tokens_decoder'\n",
        "stored-object-of-older-transformers",
        "T5Tokenizer was stored as a whole",
    ),
    "T5 taken for CLIP": (
        (
            '  File "/w/sd-scripts/train_paint.py", line 5, in train\n'
            "AttributeError: 'T5EncoderModel' object has no attribute 'text_model'\n"
        ),
        "text-encoder-of-another-kind",
        "fault of this release of sd-scripts",
    ),
    "an operation for GPUs": (
        f"{NO_OPERATOR} NhwcConv(1) node with name 'NhwcConv_3'\n",
        "onnxruntime-without-operator",
        "plain onnxruntime for the cpu",
    ),
    "a quantized operation": (
        f"{NO_OPERATOR} ConvInteger(10) node with name '/conv/Conv_quant'\n",
        "onnxruntime-without-operator",
        "QUInt8",
    ),
    "a namesake for Python 2": (
        (
            '  File "/v/lib/python3.10/site-packages/taming.py", line 7\n    print "paint"\n'
            "    ^^^^^^^^^^^^^\nSyntaxError: invalid syntax\n"
        ),
        "python2-package-in-the-way",
        "hides the folder taming",
    ),
    "a line for a Unix shell": (
        "C:\\paint> mkdir models/paint\nThe syntax of the command is incorrect.\n",
        "unix-line-in-cmd",
        "line for Unix shells",
    ),
    "a Mac that passes for Intel": (
        "ERROR: paint is only supported on Macs: it only supports Apple Silicon.\n",
        "setup-takes-mac-for-intel",
        "Rosetta",
    ),
    "a processor that is not known": (
        "Exception: py-cpuinfo currently only works on X86 and some ARM/PPC CPUs.\n",
        "py-cpuinfo-too-old",
        "8.0.0",
    ),
    "a helper that was not fetched": (
        (
            "Cell In[5], line 4\n----> 1 sd()\n"
            "      2 get_ipython().system('python /notebooks/paint/main.py')\n\n"
            "NameError: name 'sd' is not defined\n"
        ),
        "family-name-undefined",
        "helper script that its first cell downloads",
    ),
    "code of a repository": (
        "ModuleNotFoundError: No module named 'ip_adapter'\n",
        "family-module-missing",
        "tencent-ailab/IP-Adapter",
    ),
}


@pytest.mark.parametrize("told", TOLD)
def test_the_words_decide(told: str) -> None:
    log, entry, words = TOLD[told]
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == entry
    assert words.lower() in (cause.cause + cause.fix).lower()


@pytest.mark.parametrize(
    ("log", "entry"),
    [
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'paint/sysctl.txt'\n",
            "mac-command-off-the-path",
        ),
        ("This build is for Apple Silicon and Intel.\n", "setup-takes-mac-for-intel"),
        ("Using the Apple Silicon GPU\n", "setup-takes-mac-for-intel"),
        (
            (
                '  File "/w/paint.py", line 7\n    print "paint"\n          ^\n'
                "SyntaxError: invalid syntax\n"
            ),
            "python2-package-in-the-way",
        ),
        (
            "AttributeError: 'PaintTokenizer' object has no attribute 'brush'\n",
            "stored-object-of-older-transformers",
        ),
        (
            "AttributeError: 'CLIPTextModel' object has no attribute 'text_model'\n",
            "text-encoder-of-another-kind",
        ),
    ],
)
def test_others_are_not_taken_for_it(log: str, entry: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is None or cause.entry.id != entry


def test_a_vae_that_is_loaded_later_is_there() -> None:
    log = (
        "Couldn't find VAE named paint.safetensors; using None instead\n"
        "Loading VAE weights specified in settings: /w/models/VAE/paint.safetensors\n"
    )
    (said,) = [match for match in examine(log, entries()).matches if "VAE" in match.text][:1]
    assert "is there, since it is loaded later" in said.cause


def test_xformers_for_cuda_does_not_load_beside_rocm() -> None:
    log = (
        "WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:"
        "      _cpp_lib.py:137\n    PyTorch 2.1.0+cu121 with CUDA 1201 (you have 2.1.0+rocm5.6)\n"
    )
    (said,) = examine(log, entries()).matches[:1]
    assert "for AMD cards, is installed" in said.cause
