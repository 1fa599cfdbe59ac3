from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import diagnose
from sdcoreml.doctor.knowledge.grounds import Ground
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.skew import Skew, find_version

ENTRIES = [entry for entry in entries() if entry.topic == "family_skew"]
FRAME = '  File "/venv/lib/python3.10/site-packages/{}/x.py", line 3, in f\n    f()\n'


def first(log: str, **versions: str) -> Match:
    return diagnose(log, ENTRIES, versions)[0]


def test_the_version_that_brought_a_name_is_known() -> None:
    match = first(
        FRAME.format("diffusers")
        + FRAME.format("torch")
        + "AttributeError: module 'torch.library' has no attribute 'custom_op'",
        torch="2.3.1",
        diffusers="0.35.0",
    )
    assert match.cause == (
        "torch is too old: it has custom_op since 2.4.0, and diffusers asks for it"
        " (diffusers 0.35.0 here with torch 2.3.1 here)."
    )
    assert "Install torch 2.4.0 or newer: `pip install 'torch>=2.4.0'`" in match.fix
    assert match.confidence.value == "certain"


@pytest.mark.parametrize(
    ("log", "said", "is_failing"),
    [
        ("", "", None),
        ("numpy==1.26.4\n", " (numpy 1.26.4)", True),
        ("/site-packages/numpy-1.26.4.dist-info\n", " (numpy 1.26.4)", True),
        ("numpy==1.22.0\n", " (numpy 1.22.0)", None),
    ],
)
def test_versions_here_that_do_not_fail_so_are_not_those_of_the_log(
    log: str, said: str, *, is_failing: bool | None
) -> None:
    match = first(log + "AttributeError: module 'numpy' has no attribute 'bool'", numpy="1.23.5")
    assert match.cause.endswith(f"which the code that ran asks for{said}.")
    assert match.grounds[Ground.VERSION] is is_failing


def test_the_version_that_removed_a_name_is_known() -> None:
    match = first(
        "Failed to import diffusers.loaders because of the following error:\n"
        "cannot import name 'shard_checkpoint' from 'transformers.modeling_utils'"
    )
    assert match.cause == (
        "transformers is most likely too new: 4.47.0 removed shard_checkpoint from"
        " transformers.modeling_utils, which diffusers asks for; releases"
        " before 4.18.0 have none either."
    )
    assert match.fix == (
        "`sdcoreml env` installs transformers 4.34.1, which has it. Otherwise install transformers"
        " 4.18.0 or newer, before 4.47.0: `pip install 'transformers>=4.18.0,<4.47.0'`."
    )
    assert match.confidence.value == "likely"


def test_of_an_unknown_name_only_the_pair_is_told() -> None:
    match = first(
        FRAME.format("accelerate")
        + "ImportError: cannot import name 'frob' from 'torch.distributed' (x.py)\n"
        "torch==1.13.1\naccelerate==0.30.0"
    )
    assert match.cause == (
        "accelerate and torch are not made for each other: this torch has no frob"
        " (accelerate 0.30.0 with torch 1.13.1)."
    )
    assert match.confidence.value == "likely"
    assert "install the torch that accelerate was made for." in match.fix


def test_of_an_unknown_package_it_is_a_guess() -> None:
    match = first("ImportError: cannot import name 'frob' from 'mypackage'")
    assert match.confidence.value == "a guess"
    assert match.cause == (
        "mypackage has no frob: it is older or newer than the code that asks for it"
        " was written for."
    )


@pytest.mark.parametrize(
    ("log", "version"),
    [
        ("torch==2.3.1+cu121", "2.3.1+cu121"),
        ("- `diffusers` version: 0.5.1\n- torch version: 2.1.0", "2.1.0"),
        ("/site-packages/torch-1.13.0.dist-info", "1.13.0"),
        ("Torch version 2.4.0 has not been tested", "2.4.0"),
        ("Installing torch-2.2.0-cp310", "2.2.0"),
        ("pytorch 1.2", ""),
        ("nothing", "9.9"),
    ],
)
def test_versions_are_those_of_the_log_or_else_those_installed(log: str, version: str) -> None:
    skew = Skew(text=log, chains=(), versions={"torch": "9.9"})
    assert find_version("torch", skew) == (version or "9.9")


def test_what_one_release_lacks_is_in_those_before_and_after_it() -> None:
    said = first(
        FRAME.format("diffusers")
        + FRAME.format("transformers")
        + "TypeError: CLIPTextModel.__init__() got an unexpected keyword argument"
        " 'offload_state_dict'"
    )
    assert "transformers 4.57 has no offload_state_dict, which diffusers asks for" in said.cause
    assert "transformers before 4.57, or 4.57.1 or newer" in said.fix


def test_a_class_of_a_known_package_is_asked_by_a_script_for_what_it_has_not() -> None:
    match = first("AttributeError: 'PNDMScheduler' object has no attribute 'set_format'")
    assert match.entry.id == "family-removed-attribute"
    assert match.cause == (
        "diffusers is too new: 0.6.0 removed PNDMScheduler.set_format, which the code that ran asks"
        " for."
    )
    assert match.confidence.value == "certain"


def test_what_a_package_misses_in_its_own_object_is_a_guess() -> None:
    log = FRAME.format("diffusers") + "AttributeError: 'Timesteps' object has no attribute 'scale'"
    match = first(log)
    assert match.cause.startswith("diffusers misses scale in an object of its own")
    assert match.confidence.value == "a guess"


def test_classes_of_nobody_known_are_not_spoken_of() -> None:
    log = "AttributeError: 'Shop' object has no attribute 'price'\nTypeError: bad operand"
    assert diagnose(log, ENTRIES) == ()


@pytest.mark.parametrize(
    ("file", "confidence"), [("convert_from_ckpt", "likely"), ("pipeline_utils", "a guess")]
)
def test_a_package_that_fails_at_what_a_script_gives_it(file: str, confidence: str) -> None:
    frame = FRAME.format("diffusers").replace("/x.py", f"/{file}.py")
    match = first(frame + "TypeError: string indices must be integers\ndiffusers==0.26.3")
    assert match.cause.startswith("diffusers 0.26.3 failed at what it was given")
    assert match.confidence.value == confidence


def test_what_went_with_python_3_12_is_no_question_of_another_numpy() -> None:
    match = first("ModuleNotFoundError: No module named 'numpy.distutils'", numpy="1.26.4")
    assert match.entry.id == "family-old-setuptools"
    assert "numpy.distutils" in match.cause


def test_what_a_build_of_pip_lacks_says_nothing_of_the_environment() -> None:
    log = (
        "  \u00d7 Getting requirements to build wheel did not run successfully.\n"
        "  \u2502 exit code: 1\n  \u2570\u2500> [2 lines of output]\n"
        "      ModuleNotFoundError: No module named 'numpy.strings'\n      [end of output]\n"
    )
    assert "family-submodule-gone" not in {one.entry.id for one in diagnose(log, entries())}


CALL = "TypeError: {}() got an unexpected keyword argument '{}'"


@pytest.mark.parametrize(
    "log",
    [
        CALL.format("StableDiffusionPipeline.__call__", "ip_adapter_image"),
        CALL.format("Attention.forward", "image_rotary_emb"),
        CALL.format("Linear.forward", "scale"),
        CALL.format("Conv2d.forward", "scale"),
        CALL.format("Embedding.forward", "mask"),
        CALL.format("LayerNorm.__init__", "bias"),
        FRAME.format("diffusers") + CALL.format("LayerNorm.__init__", "bias"),
        CALL.format("RMSNorm.__init__", "bias"),
        CALL.format("GELU.__init__", "bias"),
        CALL.format("AdamW.__init__", "correct_bias"),
        "AttributeError: 'Attention' object has no attribute 'to_q'",
        "AttributeError: 'T5Tokenizer' object has no attribute 'sp_model'",
        "AttributeError: 'GPT2Model' object has no attribute 'wte'",
        "AttributeError: 'BertTokenizer' object has no attribute 'vocab'",
        "ImportError: cannot import name 'TFCLIPModel' from 'transformers' (x.py)",
        "ImportError: cannot import name 'FlaxCLIPTextModel' from 'transformers' (x.py)",
        "ImportError: cannot import name 'MT5TokenizerFast' from 'transformers' (x.py)",
        "ModuleNotFoundError: No module named 'numpy.core._multiarray_umath'",
        "ModuleNotFoundError: No module named 'numpy._core'",
        "ModuleNotFoundError: No module named 'numpy._core.multiarray'",
        "AttributeError: module 'torch' has no attribute 'vmap'",
        "AttributeError: module 'numpy' has no attribute 'trapz'",
    ],
)
def test_what_the_tables_cannot_know_is_not_certain(log: str) -> None:
    assert "certain" not in [match.confidence.value for match in diagnose(log, ENTRIES)]


def test_a_class_of_torch_is_dated_by_the_one_that_most_call() -> None:
    match = first(FRAME.format("torch") + CALL.format("LayerNorm.__init__", "bias"))
    assert "since 2.1.0" in match.cause
    assert match.fix.endswith("install torch 2.1.0 or newer: `pip install 'torch>=2.1.0'`.")


def test_a_release_that_was_misread_ends_nothing() -> None:
    match = first("ImportError: cannot import name 'Qwen3Config' from 'transformers' (x.py)")
    assert match.fix.endswith("`pip install 'transformers>=4.51.0'`.")


@pytest.mark.parametrize(
    "path", ["diffusers_mod\nules/git/lpw.py", "diffusers_modules/git/lp\nw.py"]
)
def test_a_community_pipeline_is_one_where_a_terminal_broke_its_path(path: str) -> None:
    log = f"""
  File "/root/.cache/huggingface/modules/{path}", line 9, in __call__
AttributeError: 'EulerAncestralDiscreteScheduler' object has no attribute 'order'
"""
    assert "family-removed-attribute" not in {one.entry.id for one in diagnose(log, entries())}
