"""What programs of the field and their GPUs refuse is told with the names and numbers in it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        ("NotImplementedError: Cannot copy out of meta tensor; no data!", "weights-away", "meta"),
        (
            "RuntimeError: You can't move a model that has some modules offloaded to cpu or disk.",
            "weights-away",
            "device_map",
        ),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "cudnn", "NOT_INITIALIZED"),
        (
            "RuntimeError: CUDA error: an illegal memory access was encountered",
            "cuda-fault",
            "xformers",
        ),
        (
            "NotImplementedError: No operator found for `memory_efficient_attention_forward`",
            "xformers-no-operator",
            "python -m xformers.info",
        ),
        (
            (
                "RuntimeError: The size of tensor a (77) must match the size of tensor b (154) at"
                " non-singleton dimension 1"
            ),
            "prompt-lengths",
            "took 77, the other 154",
        ),
        ("RuntimeError: NaN detected in latents: /d/x.png", "nan", "half precision"),
    ],
)
def test_what_a_gpu_cannot_do_is_told_with_its_numbers(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "ValueError: Model expects an added time embedding vector of"
                " length 2816, but a vector"
                " of 2560 was created."
            ),
            "base-and-refiner",
            "a vector of 2560 was made for a UNet that takes 2816",
        ),
        (
            "ValueError: LoRA 'x' is for sdxl models, not FLUX models.",
            "lora-base",
            "The LoRA x was made for sdxl, and the model is FLUX",
        ),
        (
            "TypeError: Expected AutoencoderKLWan for Wan VAE, got AutoencoderKL.",
            "other-part-wanted",
            "AutoencoderKLWan is wanted there, and AutoencoderKL came",
        ),
        ("ValueError: Model 'a' is not a TextLLM model (got lora)", "other-part-wanted", "lora"),
        (
            "NotAMatchError: model looks like an Anima LoRA, not a Stable Diffusion LoRA",
            "refused-as",
            "model looks like an Anima LoRA",
        ),
        (
            "RuntimeError: Missing keys in checkpoint: ['encoder.down.0.weight']",
            "part-of-a-model",
            "encoder.down.0.weight",
        ),
        (
            "No checkpoints found. When searching for checkpoints, looked at:\n - file /w/x.ckpt",
            "no-checkpoint",
            "--ckpt-dir",
        ),
        (
            (
                "No data found. Please verify arguments (train_data_dir must be"
                " the parent of folders"
                " with images)"
            ),
            "no-training-images",
            "10_name",
        ),
        (
            (
                "ValueError: After adjusting the num_inference_steps by"
                " strength parameter: 0.1, the"
                " number of pipelinesteps is 0 which is < 1"
            ),
            "strength-steps",
            "at least 1",
        ),
        (
            "ValueError: --aspect_ratio_buckets requires --use_aspect_ratio_buckets to be set.",
            "option-needs-another",
            "together with --use_aspect_ratio_buckets",
        ),
        (
            "ValueError: `--train_text_encoder` cannot be used with `--pre_compute_embeddings`",
            "options-exclude",
            "--train_text_encoder and --pre_compute_embeddings exclude",
        ),
        (
            "ValueError: Specify either `--dataset_name` or `--train_data_dir`",
            "option-either",
            "--dataset_name or --train_data_dir",
        ),
        (
            (
                "ImportError: To use Prodigy, please install the prodigyopt library: `pip install"
                " prodigyopt`"
            ),
            "optional-package",
            "prodigyopt is not installed",
        ),
        (
            (
                "ImportError: Loading these requires the `frobs` package."
                " Install it with `pip install"
                " frobs`."
            ),
            "optional-package",
            "not installed in the Python that ran: frobs",
        ),
        (
            "ValueError: TorchAoConfig requires torchao >= 0.15.0. Please upgrade it.",
            "version-required",
            "torchao >= 0.15.0",
        ),
    ],
)
def test_what_projects_refuse_themselves_is_told_by_name(log: str, name: str, said: str) -> None:
    expect(log, name, said)


GIT = "fatal: Authentication failed for 'https://github.com/me/thing.git/'\n"
CONDA = "LibMambaUnsatisfiableError: Encountered problems while solving:\n"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (GIT, "family-git-password", "github.com"),
        (
            (
                "TypeError: Cannot convert a MPS Tensor to float64 dtype as the MPS framework"
                " doesn't support float64.\n"
            ),
            "family-mps-float64",
            "float32",
        ),
        ("bash: sdcoreml: command not found\n", "family-sdcoreml-missing", "`make bootstrap`"),
        (f"{CONDA}  - nothing provides requested torch ==2.5.0\n", "family-conda-other-name", ""),
        (
            (
                f"{CONDA}  - package a-8-py312_1 requires python >=3.12, but none of the providers"
                " can be installed\n"
            ),
            "family-conda-python-wanted",
            "a-8-py312_1 exists only for Python >=3.12",
        ),
        (
            "dyld[8]: Library not loaded: @rpath/libswift_Concurrency.dylib\n",
            "family-swift-runtime",
            "Runpath Search Paths",
        ),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n",
            "family-picture-library",
            "opencv-python-headless",
        ),
        (
            "AttributeError: module 'collections' has no attribute 'MutableMapping'\n",
            "collections-abc-moved",
            "a newer release",
        ),
        (
            "ImportError: the 'einops' package is not installed\n",
            "family-optional-package",
            "einops",
        ),
    ],
)
def test_what_another_family_told_wrong_has_its_own(log: str, name: str, said: str) -> None:
    found = {one.entry.id: f"{one.cause} {one.fix}" for one in examine(log, entries()).matches}
    assert said in found[name]
