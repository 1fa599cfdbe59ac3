"""What a log states elsewhere of what a line is about, and what its numbers mean."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.stated import Pair, find_pairs

PIP = "torchaudio 2.1.0+cu118 requires torch==2.1.0, but you have torch 2.0.1 which is bad.\n"
XFORMERS = (
    "xFormers was built for:\nPyTorch 2.10.0+cu128\nPython 3.10\n\nYou have:\nPyTorch 2.9.0\n"
)
LOADED = "OSError: /x/dist-packages/{}/lib/libx.so: undefined symbol: {}\n"


def said(log: str) -> str:
    """Return the first cause and its remedy."""
    cause = examine(log, entries()).cause
    return f"{cause.cause} {cause.fix}" if cause else ""


def test_pairs_that_do_not_fit_are_found_wherever_they_are_stated() -> None:
    assert list(find_pairs(PIP + XFORMERS)) == [
        Pair(package="torchaudio", other="torch", need="==2.1.0", have="2.0.1"),
        Pair(package="xformers", other="torch", need="2.10.0+cu128", have="2.9.0"),
    ]
    assert list(find_pairs("lida 0.0.10 requires kaleido, which is not installed.\n")) == []


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (PIP + LOADED.format("torchaudio", "_ZN3c104cuda9SetDeviceEi"), "torch 2.0.1 is installed"),
        (
            "torch version: 2.4.0\n" + LOADED.format("torchvision", "_ZNK2at6Tensor3fooEv"),
            "torchvision was built for another torch than the installed 2.4.0",
        ),
        (
            PIP + LOADED.format("tokenizers", "PyObject_Call"),
            "is Python's own, and the Python that runs",
        ),
        (LOADED.format("frob", "frob_init"), "install frob again"),
        (
            (
                "xFormers was built for:\n  PyTorch 2.1.0+cu118 with CUDA 1108 (you have 2.0.1)\n"
                "ImportError: DLL load failed while importing _C: The module could not be found.\n"
            ),
            "xformers was built for torch 2.1.0+cu118, and torch 2.0.1 is installed; it needs",
        ),
        (
            "ImportError: DLL load failed while importing onnx_cpp2py: The module was not found.\n",
            "onnx_cpp2py needs a library that is not there",
        ),
    ],
)
def test_what_could_not_be_loaded_is_named_with_what_it_was_built_for(log: str, told: str) -> None:
    assert told in said(log)


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            "The NVIDIA driver on your system is too old (found version 11060).\n",
            "(11.6)",
        ),
        (
            (
                "tokenizers>=0.14,<0.19 is required for a normal functioning of this"
                " module, but found tokenizers==0.20.1.\n"
            ),
            "tokenizers 0.20.1 is too new",
        ),
        ("ImportError: this needs numpy<2.0, it says\n", "numpy as it is installed is too new"),
        (
            (
                "Provided minimum deployment target requires model to be of version 6 but converted"
                " model uses following features which are available from version 7 onwards.\n"
            ),
            "version 7 (iOS 16, macOS 13)",
        ),
        (
            (
                '  File "/c/custom_nodes/Frob/nodes.py", line 1, in f\n'
                "RuntimeError: this needs diffusers>=0.30 to run\n"
            ),
            "Frob needs diffusers >=0.30",
        ),
        (
            (
                '  File "/v/site-packages/accelerate/a.py", line 1, in f\n'
                '  File "/v/site-packages/peft/b.py", line 1, in f\n'
                '  File "/v/site-packages/torch/c.py", line 1, in f\n'
                "RuntimeError: this needs diffusers>=0.30 to run\n"
            ),
            "peft needs diffusers >=0.30",
        ),
    ],
)
def test_numbers_and_names_in_a_line_are_said_as_what_they_mean(log: str, told: str) -> None:
    assert told in said(log)


CALL = """\
  File "/w/run.py", line 9, in sample
    {}
TypeError: {}() got an unexpected keyword argument 'init'
"""


@pytest.mark.parametrize(
    ("source", "call", "told"),
    [
        ("out = pipeline(", "__call__", "run.py gives init to a pipeline that does not take it"),
        ("x = self.scheduler.step(a, init=b)", "step", "run.py gives init to a scheduler"),
    ],
)
def test_whose_code_gives_what_is_not_taken_is_named(source: str, call: str, told: str) -> None:
    assert told in said(CALL.format(source, call))


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha", "one of Stable Diffusion XL's"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.alpha", "Stable Diffusion 1's or 2's"),
        ("diffusion_model.double_blocks.0.img_attn.proj.lora_A.weight", "one of Flux's"),
        ("diffusion_model.blocks.3.cross_attn.k.lora_A.weight", "one of Wan's"),
        ("frob.alpha", "of another family or of a layout"),
    ],
)
def test_a_layer_of_a_lora_tells_whose_it_is(key: str, told: str) -> None:
    assert told in said(f"lora key not loaded: {key}\n")


def test_an_extension_is_told_to_be_of_another_time_than_its_program() -> None:
    log = (
        "Traceback (most recent call last):\n"
        '  File "/ComfyUI/custom_nodes/frob-nodes/utils.py", line 9, in load\n'
        "    vae = comfy.sd.VAE(ink=ink)\n"
        "TypeError: VAE.__init__() got an unexpected keyword argument 'ink'\n"
    )
    assert said(log).startswith(
        "The custom node frob-nodes calls a function of ComfyUI's own with ink"
    )
    elsewhere = said(log.replace("ComfyUI/custom_nodes", "webui/extensions"))
    assert elsewhere.startswith("The extension frob-nodes gives ink to a function of the program")
    assert "the newest state of frob-nodes and of the program" in elsewhere


@pytest.mark.parametrize(
    ("wanted", "given", "told"),
    [
        ("'vae', 'unet', 'safety_checker'", "'vae', 'unet'", "without its safety checker"),
        ("'vae', 'text_encoder_2', 'tokenizer_2'", "'vae'", "one text encoder"),
        ("'vae', 'transformer', 'tokenizer_3'", "'vae'", "of another family"),
        ("'vae', 'controlnet'", "'vae'", "was not handed over"),
        ("'vae', 'unet', 'safety_checker'", "'vae'", "its folder is incomplete"),
    ],
)
def test_why_a_pipeline_lacks_parts_is_told_by_which(wanted: str, given: str, told: str) -> None:
    line = (
        "ValueError: Pipeline <class 'diffusers.PaintPipeline'> expected {%s}, but only {%s} were"
    )
    assert told in said(f"{line % (wanted, given)} passed.\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Error: connect ETIMEDOUT 10.0.0.1:443", "did not answer in time"),
        ("Error: getaddrinfo ENOTFOUND frob.example", "could not be reached"),
        ("-bash: conda: command not found", "Open a new terminal"),
    ],
)
def test_codes_of_node_and_commands_that_a_shell_does_not_know(line: str, told: str) -> None:
    assert told in said(f"{line}\n")
