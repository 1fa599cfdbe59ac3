"""A path that is no model is told by what it is, and whose file lacks what by its frames."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

UNREACHED = "OSError: We couldn't connect to 'https://{}' to load this {}, couldn't find it in the"
LOOKS = " cached files and it looks like {} is not the path to a directory containing {}"
CACHED = "/root/.cache/huggingface/hub/models--me--the-paint"
FOUND = "OSError: Error no file named {} found in directory {}."
NODES = "/srv/ComfyUI/custom_nodes"


def unreached(place: str, file: str = "a config.json file.", host: str = "huggingface.co") -> str:
    """Return what transformers and diffusers say of a model that they did not find anywhere."""
    return UNREACHED.format(host, "file") + LOOKS.format(place, file)


def trace(path: str, code: str, error: str) -> str:
    """Return a traceback that ends in a file."""
    return (
        'Traceback (most recent call last):\n  File "/srv/main.py", line 9, in <module>\n'
        f'    run()\n  File "{path}", line 4, in <module>\n    {code}\n{error}'
    )


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (unreached("/data/me/paint"), "family-unreachable", "The folder /data/me/paint is not"),
        (unreached("./paint", host="hf-mirror.com"), "family-unreachable", "has no config.json"),
        (unreached(r"D:\models\paint"), "family-unreachable", r"The folder D:\models\paint is"),
        (unreached("~/paint", "a model_index.json file."), "family-unreachable", "begins with ~"),
        (unreached(CACHED), "family-unreachable", "Give me/the-paint"),
        (unreached("me/paint"), "family-unreachable", "The Hugging Face Hub was not reached"),
        (
            (
                "HFValidationError: Repo id must be in the form 'repo_name' or"
                f" 'namespace/repo_name': '{CACHED}'. Use `repo_type` argument if needed."
            ),
            "family-folder-taken-for-name",
            "snapshots/HASH",
        ),
        (FOUND.format("model_index.json", CACHED), "model-index-missing", "snapshots/HASH"),
        (
            FOUND.format("model_index.json", f"{CACHED}/snapshots/0a1b"),
            "model-index-missing",
            "only some of its files",
        ),
        (
            FOUND.format("diffusion_pytorch_model.bin", f"{CACHED}/snapshots/0a1b/vae"),
            "no-unet-weights-file",
            "of me/the-paint lacks the weights of vae",
        ),
        (
            FOUND.format(
                "diffusion_flax_model.msgpack or diffusion_pytorch_model.bin",
                f"{CACHED}/snapshots/0a1b/vae",
            ),
            "family-no-weights-of-a-part",
            "Flax classes look for",
        ),
        (
            (
                'ValueError: The provided pretrained_model_name_or_path "./Models/me/list.txt" is'
                " neither a valid local path nor a valid repo id. Please check the parameter."
            ),
            "family-model-path-is-none",
            "a file and no model",
        ),
        (
            trace(
                f"{NODES}/frob-nodes/__init__.py",
                "from .loader import Frob",
                "ModuleNotFoundError: No module named 'frob-nodes.loader'",
            ),
            "comfy-node-without-own-file",
            "asks for loader of its own folder",
        ),
        (
            trace(
                f"{NODES}/frob/nodes.py",
                "import frobber",
                "ModuleNotFoundError: No module named 'frobber'",
            ),
            "extension-requirement-missing",
            "pip install -r custom_nodes/frob/requirements.txt",
        ),
        (
            trace(
                "/srv/stable-diffusion-webui/scripts/frob2frob.py",
                "from frob2frob.parts import one",
                "ModuleNotFoundError: No module named 'frob2frob'",
            ),
            "family-module-missing",
            "which was not copied along",
        ),
        (
            trace(
                "/srv/webui/modules/shared.py",
                "x = ui_components.FrobPicker",
                "AttributeError: module 'modules.ui_components' has no attribute 'FrobPicker'",
            ),
            "app-copy-is-mixed",
            "own files are of two revisions",
        ),
        (
            trace(
                "/src/diffusers/scripts/convert_frob_to_diffusers.py",
                "frob(pipeline=pipeline)",
                "NameError: name 'pipeline' is not defined",
            ),
            "family-name-undefined",
            "The script itself has a fault",
        ),
        (
            (
                "RuntimeError: Input type (torch.FloatTensor) and weight type"
                " (torch.cuda.HalfTensor) should be the same or input should be a MKLDNN tensor"
            ),
            "family-devices-mixed",
            "The model is on the GPU",
        ),
        (
            (
                "RuntimeError: Input type (torch.cuda.HalfTensor) and weight type"
                " (torch.HalfTensor) should be the same"
            ),
            "family-devices-mixed",
            "still on the CPU, and what is given to it is on the GPU",
        ),
        (
            (
                "cannot import name 'FLUXPipeline' from 'diffusers'"
                " (/venv/lib/python3.10/site-packages/diffusers/__init__.py)"
            ),
            "family-import-name",
            "it is called FluxPipeline there",
        ),
        (
            (
                "cannot import name '_ignored_ops' from 'torch.utils.checkpoint'"
                " (/venv/lib/python3.8/site-packages/torch/utils/checkpoint.py)"
            ),
            "family-import-name",
            "torch is too old",
        ),
        (
            (
                "!!! Exception during processing !!! ModelMixin._load_pretrained_model() missing 1"
                " required positional argument: 'loaded_keys'"
            ),
            "family-unexpected-argument",
            "diffusers is most likely newer",
        ),
    ],
)
def test_what_was_given_is_told_by_what_it_is(log: str, name: str, said: str) -> None:
    expect_entry(f"{log}\n", name, said)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        (
            trace(
                "/srv/webui/extensions/frob/modules/shared.py",
                "from modules import frob",
                "ImportError: cannot import name 'frob' from 'modules.shared' (/srv/webui/x.py)",
            ),
            "app-copy-is-mixed",
        ),
        (
            trace(
                f"{NODES}/frob/nodes.py",
                "import cv2",
                "ModuleNotFoundError: No module named 'cv2'",
            ),
            "extension-requirement-missing",
        ),
        (
            trace(
                "/venv/lib/python3.10/site-packages/frob/nodes.py",
                "import frobber",
                "ModuleNotFoundError: No module named 'frobber'",
            ),
            "extension-requirement-missing",
        ),
        (
            "ModuleNotFoundError: No module named 'frob-nodes.loader'",
            "comfy-node-without-own-file",
        ),
    ],
)
def test_of_other_places_this_is_not_said(log: str, stranger: str) -> None:
    assert stranger not in {one.entry.id for one in examine(f"{log}\n", entries()).matches}


def test_a_notice_that_is_printed_often_is_no_failure() -> None:
    line = "Failed to load _ML{}Proxy: No module named 'coremltools.libcoremlpython'\n"
    log = "".join(line.format(one) for one in ("Model", "ModelAsset", "GPUComputeDevice"))
    found = examine(log, entries())
    assert found.cause is None
    assert found.deciding is not None
    assert not found.deciding.others


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "ValueError: P {} has been incorrectly initialized or <class 'frob.P'> is"
                " incorrectly implemented. Expected {'vae', 'ink'} to be defined, but"
                " dict_keys(['vae']) are defined."
            ),
            "family-pipeline-of-other-parts",
            "takes ink and does not register",
        ),
        (
            (
                "ValueError: P {} has been incorrectly initialized or <class 'frob.P'> is"
                " incorrectly implemented. Expected {'vae'} to be defined, but"
                " dict_keys(['vae', 'ink']) are defined."
            ),
            "family-pipeline-of-other-parts",
            "does not take ink",
        ),
        (
            (
                "TypeError: FluxSingleTransformerBlock.forward() missing 1 required positional"
                " argument: 'encoder_hidden_states'"
            ),
            "family-unexpected-argument",
            "diffusers is newer than the code that ran: since 0.35.0",
        ),
        (
            "TypeError: XFormersAttnProcessor.call() got an unexpected keyword argument 'temb'",
            "family-unexpected-argument",
            "XFormersAttnProcessor.__call__(temb",
        ),
        (
            trace(
                f"{NODES}/frob/nodes.py",
                "import ComfyUI.comfy.sd",
                "ModuleNotFoundError: No module named 'ComfyUI'",
            ),
            "comfy-own-code-by-another-name",
            "take ComfyUI. out of that import",
        ),
        (
            (
                "ValueError: Target modules {'base_model.model.blocks.1.to_q'} not found in"
                " the base model. Please check the target modules and try again."
            ),
            "family-lora-targets",
            "written by peft itself",
        ),
        (
            trace(
                "/venv/lib/python3.10/site-packages/diffusers/pipeline_utils.py",
                'if class_name.startswith("Flax"):',
                "AttributeError: 'NoneType' object has no attribute 'startswith'",
            ),
            "family-none-part",
            "diffusers is older than the model's folder",
        ),
        (
            unreached("/models/paint.safetensors/transformer"),
            "family-unreachable",
            "A single file (/models/paint.safetensors)",
        ),
        (
            (
                "cannot import name 'pipeline' from 'transformers'"
                " (/venv/lib/python3.10/site-packages/transformers/__init__.py)"
            ),
            "family-import-name",
            "damaged, or hidden by a file",
        ),
    ],
)
def test_whose_fault_it_is_is_told(log: str, name: str, said: str) -> None:
    expect_entry(f"{log}\n", name, said)
