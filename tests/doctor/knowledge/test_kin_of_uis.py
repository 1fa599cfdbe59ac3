"""What web UIs, ComfyUI, InvokeAI and trainers print of themselves is told, with what they name."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect

CLONE = """\
Cloning into '/w/stable-diffusion-webui/repositories/stable-diffusion-stability-ai'...
fatal: could not read Username for 'https://github.com': terminal prompts disabled
RuntimeError: Couldn't clone Stable Diffusion.
Command: "git" clone "https://github.com/Stability-AI/stablediffusion.git" "/w/repositories/s"
Error code: 128
"""
OWNER = """\
RuntimeError: Couldn't determine Stable Diffusion's hash: cf1d67a6fd5ea1aa600c4df58e5b47da45f6bdbf.
Command: "git" -C "/w/repositories/stable-diffusion-stability-ai" rev-parse HEAD
Error code: 128
stderr: fatal: detected dubious ownership in repository at '/w/repositories/stable-diffusion'
"""
CLIP = """\
RuntimeError: Couldn't install clip.
Command: "/w/venv/bin/python3.10" -m pip install https://github.com/openai/CLIP/archive/d5.zip
stderr:   error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
  \u2570\u2500> [17 lines of output]
      ModuleNotFoundError: No module named 'pkg_resources'
      [end of output]
"""
MAC = """\
Python 3.10.6 (main, Aug 11 2022, 13:49:25) [Clang 13.1.6 (clang-1316.0.21.2.5)]
RuntimeError: Torch is not able to use GPU; add --skip-torch-cuda-test to COMMANDLINE_ARGS variable
"""
PAGE = """\
Traceback (most recent call last):
  File "/w/stable-diffusion-webui/modules/safe.py", line 81, in check_pt
    with zipfile.ZipFile(filename) as z:
zipfile.BadZipFile: File is not a zip file

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/w/stable-diffusion-webui/modules/safe.py", line 104, in check_pt
    unpickler.load()
_pickle.UnpicklingError: invalid load key, '<'.
"""
LORA = """\
  File "/w/extensions-builtin/Lora/networks.py", line 400, in network_apply_weights
    updown, ex_bias = module.calc_updown(weight)
RuntimeError: The size of tensor a (768) must match the size of tensor b (2048) at dimension 1
"""
NODE = """\
  File "/w/ComfyUI/custom_nodes/brush-nodes/control.py", line 12, in <module>
    from comfy.controlnet import StrengthType
ImportError: cannot import name 'StrengthType' from 'comfy.controlnet' (/w/comfy/controlnet.py)
"""
NO_VAE = """\
  File "/w/ComfyUI/nodes.py", line 294, in decode
    return (vae.decode(samples["samples"]), )
AttributeError: 'NoneType' object has no attribute 'decode'
"""
NOT_XL = """\
  File "/w/sd-scripts/library/sdxl_model_util.py", line 212, in load_models_from_sdxl_checkpoint
RuntimeError: Error(s) in loading state_dict for CLIPTextModel:
\tMissing key(s) in state_dict: "text_model.embeddings.token_embedding.weight".
"""
EMPTY = """\
  File "/w/sd-scripts/library/flux_utils.py", line 210, in load_ae
    return load_file(path, device=device)
FileNotFoundError: No such file or directory: ""
"""
WIDTHS = "RuntimeError: mat1 and mat2 shapes cannot be multiplied ({})"
SHAPES = """\
RuntimeError: Error(s) in loading state_dict for T5:
\tsize mismatch for shared.weight: copying a param with shape torch.Size([256384, 4096]) from \
checkpoint, the shape in current model is torch.Size([32128, 4096]).
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (CLONE, "webui-repository", "STABLE_DIFFUSION_REPO=https://github.com/w-e-w"),
        (OWNER, "webui-repository", "safe.directory"),
        (CLIP, "old-setuptools", "built from source, whose setup.py"),
        (MAC, "cuda", "which no Mac has"),
        (PAGE, "zip-damaged", "a web page"),
        (LORA, "widths", "The LoRA is of another family"),
        ("ERROR    Python version incompatible: 3.13.0 required 3.[9, 10]", "webui-python", "3.13"),
        (
            "This program is tested with 3.10.6 Python, but you have 3.12.3.",
            "webui-python-notice",
            "",
        ),
        ("ERROR: This script must not be launched as root, aborting...", "webui-as-root", "-f"),
        ("ERROR: python3-venv is not installed, aborting...", "webui-needs", "python3-venv"),
        ("No Python at '\"C:\\P\\python.exe'", "venv-python-gone", "Delete the folder venv"),
        ("AssertionError: bad sampler name: Euler Karras", "unknown-sampler", "Euler Karras"),
        (
            "AttributeError: 'NoneType' object has no attribute 'lowvram'",
            "webui-no-model",
            "loading the checkpoint failed before",
        ),
        (
            "WARNING  Model detected as VAE model, but attempting to load as model: model=/m/v.pt",
            "detected-as-other",
            "is a VAE, and it was loaded as model",
        ),
        ("AssertionError: BNB Must Use CUDA as Computation Device!", "bnb-needs-cuda", "GGUF"),
        ("EE micromamba download failed", "micromamba-download", "bzip2"),
    ],
)
def test_what_a_web_ui_says_at_its_start_is_told(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (NODE, "node-and-comfy-apart", "The custom node is newer than ComfyUI"),
        (NO_VAE, "comfy-no-vae", "Load VAE"),
        ("RuntimeError: ERROR: clip input is invalid: None", "comfy-no-clip", "DualCLIPLoader"),
        ("  - Required input is missing: positive", "comfy-input-missing", "positive"),
        (
            (
                "  - Return type mismatch between linked nodes: vae, received_type(MODEL) mismatch"
                " input_type(VAE)"
            ),
            "comfy-link-type",
            "MODEL is connected to the input vae, which takes VAE",
        ),
        (
            "Cannot execute because node FaceDetailer does not exist.",
            "comfy-node-missing",
            "uses FaceDetailer",
        ),
        (
            "comfyui-frontend-package is not installed. ",
            "comfy-package",
            "comfyui-frontend-package that it needs",
        ),
        (
            (
                "WARNING SHAPE MISMATCH x.attn2.to_k.weight WEIGHT NOT MERGED"
                " torch.Size([320, 768]) != torch.Size([320, 2048])"
            ),
            "lora-not-merged",
            "768 wide in one and 2048 in the other",
        ),
        ("_pickle.UnpicklingError: invalid load key, 'G'.", "pickle-is-gguf", "GGUF"),
        ("Exception: ClipVision model not found.", "comfy-adapter-file", "models/clip_vision"),
        (
            (
                "Exception: ControlNet model canny(StableDiffusionVersion.SD1x) is not compatible"
                " with sd model(StableDiffusionVersion.SDXL)"
            ),
            "controlnet-family",
            "canny was made for SD1x, and the checkpoint is of SDXL",
        ),
        (WIDTHS.format("512x4096 and 2560x3840"), "mixed-families", "Z-Image"),
        (WIDTHS.format("77x2048 and 3584x3072"), "mixed-families", "Qwen-Image"),
        (WIDTHS.format("77x768 and 4096x5120"), "mixed-families", "UMT5"),
        (WIDTHS.format("1x1280 and 768x3072"), "mixed-families", "clip_l and t5xxl"),
        (WIDTHS.format("257x1664 and 1280x1280"), "image-encoder", "gave 1664"),
        (WIDTHS.format("154x2560 and 768x320"), "mixed-families", "Qwen3 4B (2560 wide"),
        (SHAPES, "state-dict-shapes", "The file is UMT5"),
    ],
)
def test_what_comfyui_and_its_nodes_refuse_is_told(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        ("** Error. The file /i/configs/models.yaml could not be found.", "invoke-root", "/i/con"),
        ("MigrationError: Database is at version 15, expected 14", "invoke-database", "backup"),
        (
            "RuntimeError: Free disk space 3.2 GB is not enough for download of 6.9 GB.",
            "invoke-no-room",
            "it has 3.2 GB free, and 6.9 GB",
        ),
        (
            "InvalidModelException: Cannot determine variant type (in_channels=8) at /m/p.ckpt",
            "invoke-variant",
            "/m/p.ckpt is an instruct-pix2pix model",
        ),
        (
            "ERROR    Error: 'cats' does not contain an underscore, skipping...",
            "kohya-folder-name",
            "cats has no number in front",
        ),
        (NOT_XL, "state-dict-keys", "no whole checkpoint of Stable Diffusion XL"),
        (EMPTY, "empty-path", "the one for ae was left empty"),
        ("ModuleNotFoundError: No module named '_tkinter'", "no-tkinter", "python-tk@"),
        ("ModuleNotFoundError: No module named 'library'", "app-module", "kohya's sd-scripts"),
        ("ModuleNotFoundError: No module named 'cv2'", "module-missing", "opencv-python"),
        (
            "python: can't open file '/k/sd-scripts/train.py': [Errno 2] No such file or directory",
            "submodule-empty",
            "git submodule update",
        ),
        ("ImportError: No Prodigy / Prodigy", "kohya-optimizer", "prodigyopt"),
    ],
)
def test_what_invokeai_and_trainers_refuse_is_told(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    "log",
    [
        "the gallery could not clone the painter's style\n",
        "Model 'a' is not a painter model (got sculptor)\n",
        "this program is tested with care, but you have other brushes\n",
        "value 0 is smaller than the smallest brush\n",
        "the node of the net is missing a fish\n",
        "no such file or directory: the frame is empty\n",
        "a model was already installed in the studio\n",
    ],
)
def test_strangers_are_not_taken_for_these_programs(log: str) -> None:
    mine = {"family_webui", "family_comfy", "family_extensions", "family_invoke"}
    mine |= {"family_trainers", "family_training_data", "family_apps"}
    assert not any(one.entry.topic in mine for one in examine(log, entries()).matches)


def test_what_healthy_runs_print_is_no_cause() -> None:
    log = "This program is tested with 3.10.6 Python, but you have 3.11.9.\nModel loaded in 3.1s.\n"
    assert not any(one.role is Role.CAUSE for one in examine(log, entries()).matches)


FLUX = """\
Loading weights [4610115bb0] from /w/models/Stable-diffusion/flux1-dev.safetensors
AttributeError: 'NoneType' object has no attribute 'cond_stage_model'
"""
SWARM = (
    "No backends match the settings of the request given! Backends refused for the following"
    " reason(s): - Request requires model 'brush' but the backend does not have that model"
)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (FLUX, "webui-no-model", "flux1-dev.safetensors is of a family that this web UI does not"),
        (SWARM, "swarm-backend", "has the model brush"),
        ("Exception: global 'posix/system' is forbidden", "pickle-refused", "malicious"),
        (
            "Exception: global 'pytorch_lightning.callbacks/ModelCheckpoint' is forbidden",
            "pickle-refused",
            "no sign of malice",
        ),
        (
            (
                "RuntimeError: Not enough memory, use lower resolution (max approx. 576x576)."
                " Need: 6.2GB free, Have:4.1GB free"
            ),
            "attention-memory",
            "needs 6.2GB, and 4.1GB is there; about 576x576 would fit",
        ),
        (
            (
                "MotionCompatibilityError: Motion module 'mm.ckpt' is intended for SDXL models,"
                " but the provided model is type SD1.5."
            ),
            "motion-module",
            "made for SDXL, and the checkpoint is of SD1.5",
        ),
        ("ValueError: This model is not compatable with this operation", "bee-operation", ""),
        (
            "ValueError: No .safetensors file found in HuggingFace repo: me/pencil",
            "mflux-lora",
            "cannot use me/pencil",
        ),
    ],
)
def test_what_apps_around_models_say_is_told(log: str, name: str, said: str) -> None:
    expect(log, name, said)
