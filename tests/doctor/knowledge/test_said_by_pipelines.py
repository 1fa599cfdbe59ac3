"""What diffusers' pipelines, loaders and schedulers refuse is told with its own cause."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

TOLD = {
    "another's program reads a file with the bare class": (
        (
            '  File "/v/lib/python3.10/site-packages/segmoe/main.py", line 9, in load\n'
            "AttributeError: type object 'DiffusionPipeline' has no attribute 'from_single_file'"
        ),
        "pipeline-reads-no-single-file",
        "release of segmoe",
    ),
    "an exception above a traceback that was cut": (
        (
            "AttributeError: 'Logger' object has no attribute 'warninging'. Did you mean:"
            " 'warning'?\n\nTraceback (most recent call last):\n"
            '  File "/v/site-packages/diffusers/loaders/single_file.py", line 491, in load\n'
            "    loaded_sub_model = load("
        ),
        "builtin-misspelt",
        "misspells",
    ),
    "a community pipeline without a loader": (
        "AttributeError: 'LPWPaintPipeline' object has no attribute 'load_textual_inversion'",
        "pipeline-has-no-loader",
        "LPWPaintPipeline has no load_textual_inversion",
    ),
    "a path with backslashes asked from the hub": (
        (
            "OSError: me/paint does not appear to have a file named models\\enc\\config.json."
            " Checkout 'https://huggingface.co/me/paint/main' for available files."
        ),
        "family-not-on-hub",
        "(models\\enc\\config.json)",
    ),
    "offloading leaves the encoder on the CPU": (
        (
            "with enable_sequential_cpu_offload():\n"
            "RuntimeError: \"LayerNormKernelImpl\" not implemented for 'Half'"
        ),
        "family-half-on-cpu",
        "offloading keeps parts there",
    ),
    "a layer kind that load_lora_weights does not read": (
        (
            '  File "/v/site-packages/diffusers/loaders.py", line 928, in load_lora_weights\n'
            "ValueError: None does not seem to be in the correct format expected by LoRA or Custom"
            " Diffusion training."
        ),
        "family-lora-names",
        "OFT",
    ),
    "hidden states of another image encoder": (
        (
            "    latents = self.proj_in(x)\n"
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (514x1664 and 1280x1280)"
        ),
        "family-ip-adapter-encoder",
        "ViT-bigG is loaded",
    ),
    "a LoRA of Flux with the control picture's channels": (
        (
            "RuntimeError: Error(s) in loading state_dict for FluxTransformer2DModel:\n"
            "\tsize mismatch for x_embedder.lora_A.default_0.weight: copying a param with shape"
            " torch.Size([64, 128]) from checkpoint, the shape in current model is"
            " torch.Size([64, 64])."
        ),
        "family-lora-family",
        "Control model",
    ),
    "a scheduler of another kind of model": (
        (
            '  File "/v/site-packages/diffusers/pipelines/flux/pipeline_flux.py", line 9, in run\n'
            "ValueError: The current scheduler class <class 'a.b.DDIMScheduler'>'s `set_timesteps`"
            " does not support custom sigmas schedules. Please check it."
        ),
        "scheduler-takes-no-list",
        "flow kind",
    ),
    "a file that was not recognised": (
        (
            "404 Client Error: Not Found for url: https://huggingface.co/stable-diffusion-v1-5/"
            "stable-diffusion-v1-5/resolve/main/transformer/config.json"
        ),
        "single-file-not-recognised",
        "did not recognise the file's kind",
    ),
    "a GGUF read as plain weights": (
        (
            "ValueError: Trying to set a tensor of shape torch.Size([3072, 3264]) in "
            '"weight" (which has shape torch.Size([3072, 3072])), this looks incorrect.'
        ),
        "family-state-dict-shapes",
        "GGUFQuantizationConfig",
    ),
    "an adapter of fewer layers": (
        (
            '  File "/v/loaders/unet.py", line 8, in _convert_ip_adapter_attn_to_diffusers'
            "\n    value.update(state[key])\nKeyError: '33.to_k_ip.weight'"
        ),
        "family-ip-adapter-kind",
        "another family",
    ),
    "weights of Flax alone": (
        (
            "OSError: Error no file named diffusion_pytorch_model.bin found in directory ./a/unet"
            " but there is a file for Flax weights. Use `from_flax=True` to load it."
        ),
        "family-other-framework-weights",
        "Flax",
    ),
    "a community pipeline of another day": (
        (
            "ValueError: Pipeline <class 'diffusers_modules.git.lpw_paint.PaintPipeline'> expected"
            " {'unet', 'requires_safety_checker'}, but only {'unet'} were passed."
        ),
        "family-pipeline-parts",
        "The community pipeline lpw_paint",
    ),
    "an address for a name": (
        (
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or"
            " 'namespace/repo_name': 'https://huggingface.co/me/paint'. Use `repo_type`."
        ),
        "hub-address-for-a-name",
        "Give me/paint alone",
    ),
    "half and single precision told by the value": (
        (
            "RuntimeError: Expected query, key, and value to have the same dtype, but got"
            " query.dtype: float key.dtype: float and value.dtype: c10::Half instead."
        ),
        "family-precision-mixed",
        "numbers in float came to a part of the model that is in c10::Half",
    ),
    "a prompt that nobody cut": (
        (
            "Token indices sequence length is longer than the specified maximum sequence length for"
            " this model (103 > 77).\n"
            "RuntimeError: The size of tensor a (103) must match the size of tensor b (77) at"
            " non-singleton dimension 1"
        ),
        "prompt-too-long-uncut",
        "103 tokens",
    ),
}


@pytest.mark.parametrize(("log", "entry", "said"), TOLD.values(), ids=TOLD)
def test_the_refusal_is_told_with_its_cause(log: str, entry: str, said: str) -> None:
    expect_entry(f"{log}\n", entry, said)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        ("IndexError: list index out of range", "no-face-in-picture"),
        ("RuntimeError: Already borrowed", "tokenizer-used-by-two"),
        ("ValueError: axes don't match array", "picture-of-one-channel"),
        ("TypeError: 'NoneType' object is not subscriptable", "hidden-states-not-asked-for"),
        ("remote: Invalid username or password.", "hub-token-is-not-valid"),
        (
            "ValueError: invalid literal for int() with base 10: 'model'",
            "pipeline-checkpoint-prefix",
        ),
        (
            "TypeError: Linear.forward() takes 2 positional arguments but 3 were given",
            "layer-given-a-scale",
        ),
        (
            "AttributeError: 'StableDiffusionXLPipeline' object has no attribute 'fuse_lora'",
            "pipeline-has-no-loader",
        ),
        (
            (
                "RuntimeError: The size of tensor a (96) must match the size of tensor b (77) at"
                " non-singleton dimension 1"
            ),
            "prompt-too-long-uncut",
        ),
    ],
)
def test_a_bare_line_is_not_told_as_a_pipelines(log: str, stranger: str) -> None:
    cause = examine(f"{log}\n", entries()).cause
    assert cause is None or cause.entry.id != stranger
