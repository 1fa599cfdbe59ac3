"""What is given in place of another thing is told by what it is: files, parts, classes, names."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect

PACKAGES = "/Users/me/venv/lib/python3.10/site-packages"
LOAD_KEY = "_pickle.UnpicklingError: invalid load key, '{}'."
UNEXPECTED = "{}.__init__() got an unexpected keyword argument '{}'"


@pytest.mark.parametrize(
    ("byte", "name", "said"),
    [
        (r"\x1f", "pickle-is-packed", "gzip"),
        (r"\xfd", "pickle-is-packed", "xz"),
        ("7", "pickle-is-packed", "7-Zip"),
        ("4", "pickle-is-answer", "404: Not Found"),
        ("E", "pickle-is-answer", "Entry not found"),
        (r"\xe8", "pickle-is-safetensors", "safetensors"),
        ("H", "pickle-is-sized", "safetensors"),
        (r"\x00", "pickle-damaged", "cut off"),
    ],
)
def test_first_byte_tells_what_file_is(byte: str, name: str, said: str) -> None:
    expect(LOAD_KEY.format(byte), name, said)


def test_zip_that_is_read_as_pickle_is_told_by_who_read_it() -> None:
    error = (
        "_pickle.UnpicklingError: A load persistent id instruction was encountered,\n"
        "but no persistent_load function was specified."
    )
    expect(error, "pickle-is-zip", "zip archive")
    legacy = f'  File "{PACKAGES}/torch/serialization.py", line 762, in _legacy_load\n'
    expect(f"{legacy}    magic_number = pickle_module.load(f)\n{error}", "pickle-is-zip", "1.6")
    expect(f"    model = pickle.load(f)\n{error}", "pickle-is-zip", "torch.load(FILE")


@pytest.mark.parametrize(
    ("pipeline", "part", "said"),
    [
        ("StableDiffusionPipeline", "text_encoder_2", "Stable Diffusion XL"),
        ("StableDiffusionControlNetPipeline", "tokenizer_2", "Stable Diffusion XL"),
        ("StableDiffusionXLPipeline", "text_encoder_3", "Stable Diffusion 3"),
        ("StableDiffusionXLImg2ImgPipeline", "safety_checker", "no safety checker"),
        ("StableDiffusionPipeline", "transformer", "in place of a UNet"),
        ("FluxPipeline", "unet", "takes a transformer"),
        ("StableDiffusionPipeline", "controlnet", "takes no ControlNet"),
        ("StableDiffusionPipeline", "motion_adapter", "AnimateDiff"),
    ],
)
def test_part_of_another_family_tells_which(pipeline: str, part: str, said: str) -> None:
    expect(UNEXPECTED.format(pipeline, part), "parts-of-other-family", said)


@pytest.mark.parametrize(
    ("code", "call", "said"),
    [
        ("dtype = next(self.image_encoder.parameters()).dtype", "parameters", "image_encoder was"),
        ("StableDiffusionPipeline.to('cuda')", "to", "class StableDiffusionPipeline"),
        ("model.eval()", "eval", "on a class itself"),
    ],
)
def test_class_in_place_of_object_is_told(code: str, call: str, said: str) -> None:
    error = f"TypeError: {call}() missing 1 required positional argument: 'self'"
    expect(f"    {code}\n{error}", "unexpected-argument", said)


def test_argument_that_is_no_self_is_still_a_question_of_releases() -> None:
    error = "TypeError: PNDMScheduler.step() missing 1 required positional argument: 'timestep'"
    cause = examine(f"{error}\n", entries()).cause
    assert cause is not None
    assert "on the class" not in cause.cause


JAX = "AttributeError: module 'jax.random' has no attribute 'KeyArray'"
REFUSING = f'  File "{PACKAGES}/jax/_src/deprecations.py", line 54, in getattr\n    raise\n'


@pytest.mark.parametrize("log", [JAX, REFUSING + JAX])
def test_name_that_a_module_refuses_itself_was_asked_by_another(log: str) -> None:
    cause = examine(f"Traceback (most recent call last):\n{log}\n", entries()).cause
    assert cause is not None
    assert "jax is too new: 0.4.24 removed KeyArray" in cause.cause
    assert "flax" in cause.cause
    assert "two releases" not in cause.cause


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            (
                '  File "/w/kubin/models.py", line 56, in prepare\n'
                "    self.prior = KandinskyPriorPipeline.from_pretrained(\n"
                "NameError: name 'KandinskyPriorPipeline' is not defined"
            ),
            "older than 0.17.0",
        ),
        (
            (
                '  File "/w/app.py", line 5, in <module>\n'
                "NameError: name 'StableDiffusionXLPipeline' is not defined"
            ),
            "from diffusers import StableDiffusionXLPipeline",
        ),
        (
            (
                "Cell In[3], line 1\n----> 1 pipe = FluxPipeline.from_pretrained(m)\n"
                "NameError: name 'FluxPipeline' is not defined"
            ),
            "this session of the notebook",
        ),
        ("NameError: name 'CLIPTextModel' is not defined", "class of transformers"),
    ],
)
def test_undefined_class_is_looked_up(log: str, said: str) -> None:
    expect(f"Traceback (most recent call last):\n{log}", "class-not-imported", said)


@pytest.mark.parametrize(
    ("name", "said"),
    [("np", "does not import it"), ("frob", "does not define")],
)
def test_undefined_name_of_no_package(name: str, said: str) -> None:
    expect(f"NameError: name '{name}' is not defined", "name-undefined", said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "pipeline_frob.KandinskyV22CombinedPipeline'> \nexpected {'prior_prior', 'movq',"
                " 'unet'}, \nbut only {'movq', 'unet'} were passed."
            ),
            "pipeline-parts",
            "the prior",
        ),
        (
            (
                "ERROR    Failed loading refiner: models/refiner Pipeline <class\n"
                "             'diffusers.pipelines.x.StableDiffusionXLPipeline'> expected {'vae',"
                " 'tokenizer', 'text_encoder'}, but\n             only {'vae'} were passed."
            ),
            "pipeline-parts",
            "refiner",
        ),
        (
            (
                "WARNING  Could not find the bitsandbytes CUDA binary at PosixPath("
                "'/opt/site-packages/bitsandbytes/libbitsandbytes_cuda128.so')\n"
                "ModuleNotFoundError: frob\n"
            ),
            "bitsandbytes-kernels",
            "CUDA 12.8",
        ),
        (
            (
                "FileNotFoundError: [WinError 3] The system cannot find the path specified:"
                " 'models\\\\frob'"
            ),
            "file-missing",
            "frob",
        ),
        (
            (
                "python: can't open file '/w/frob/third_party/ink/draw.py': [Errno 2] No such"
                " file or directory"
            ),
            "script-missing",
            "submodule",
        ),
    ],
)
def test_other_logs(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    "log",
    [
        (
            "    sizes, strides = self.measure(\nValueError: not enough values to unpack"
            " (expected 2, got 1)"
        ),
        "FluxPipeline.__init__() got an unexpected keyword argument 'image_encoder'",
    ],
)
def test_what_is_another_thing(log: str) -> None:
    cause = examine(f"{log}\n", entries()).cause
    assert cause is None or cause.entry.topic != "family_given"


UNPICKLED = (
    "_pickle.UnpicklingError: A load persistent id instruction was encountered, but no"
    " persistent_load function was specified."
)
SCRIPT = '  File "/w/trainer.py", line 32, in train\n    AutoencoderKL.from_pretrained(\n'
CPU_ALONE = "/w/bitsandbytes/bitsandbytes/libbitsandbytes_cpu.so: cannot open shared object file"
SAFE = (
    f'  File "{PACKAGES}/diffusers/pipelines/stable_diffusion/safety_checker.py", line 73, in'
    " forward\n    images[idx] = np.zeros(images[idx].shape)\n"
)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "$ python txt2img.py --ckpt <models/v2.ckpt> --config configs/v2.yaml\n"
                "_pickle.UnpicklingError: invalid load key, 'm'."
            ),
            "pickle-is-safetensors",
            "without the brackets",
        ),
        (f"Reading model from /w/archive/data.pkl\n{UNPICKLED}", "pickle-is-zip", "unpacked it"),
        (
            (
                "RuntimeError: Failed to import diffusers.models.unet because of the following"
                " error (look up to see its traceback):\nname 'PreTrainedTokenizer' is not defined"
            ),
            "lazy-name-undefined",
            "transformers is not installed",
        ),
        (
            f"{SCRIPT}NameError: name 'AutoencoderKL' is not defined",
            "class-not-imported",
            "a fault of its own",
        ),
        (
            (
                f"Could not load bitsandbytes native library: {CPU_ALONE}\nOSError: {CPU_ALONE}: No"
                " such file or directory"
            ),
            "bitsandbytes-kernels",
            "from its source",
        ),
        (
            f"{SAFE}ValueError: assignment destination is read-only",
            "array-read-only",
            "safety checker",
        ),
        (
            "FileNotFoundError:[WinError 3]系统找不到指定的路径。:'F:\\\\frob\\\\models'",
            "file-missing",
            "frob",
        ),
    ],
)
def test_other_programs_say_it_in_their_way(log: str, name: str, said: str) -> None:
    expect(f"Traceback (most recent call last):\n{log}", name, said)


@pytest.mark.parametrize(
    ("error", "name", "said"),
    [
        (
            (
                "TypeError: StableDiffusionXLPipeline.__call__() got an unexpected keyword argument"
                " 'image'"
            ),
            "call-of-other-pipeline",
            "from text alone",
        ),
        (
            "AttributeError: 'StableDiffusionPipeline' object has no attribute 'parameters'",
            "pipeline-is-no-model",
            "pipe.unet.parameters",
        ),
        (
            "TypeError: 'StableDiffusionMegaPipeline' object is not callable",
            "pipeline-not-callable",
            "pipe.text2img",
        ),
        (
            (
                "NotImplementedError: Could not run 'xformers::attention_forward_cutlass'"
                " with arguments from the 'CUDA' backend. This could be because the operator"
                " doesn't exist for this backend"
            ),
            "xformers-not-built",
            "built for another torch",
        ),
        (
            (
                "python: can't open file 'D:\\\\lora-scripts\\\\sd-scripts\\\\train.py':"
                " [Errno 2] No such file or directory"
            ),
            "submodule-empty",
            "In lora-scripts",
        ),
    ],
)
def test_pipelines_are_told_by_what_they_are(error: str, name: str, said: str) -> None:
    expect(error, name, said)


@pytest.mark.parametrize(
    ("present", "said"),
    [("set()", "took nothing from the file"), ("{'ink_0'}", "are called {'ink_0'}")],
)
def test_adapter_that_is_not_there_is_told_by_those_that_are(present: str, said: str) -> None:
    error = f"ValueError: Adapter name(s) {{'ink'}} not in the list of present adapters: {present}"
    expect(error, "lora-not-loaded", said)
