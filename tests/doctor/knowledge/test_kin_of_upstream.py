"""What Apple's Python converter and Swift package stop at is told by file, function and number."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect

_UP = "/x/python_coreml_stable_diffusion"
_FRAME = (
    'Traceback (most recent call last):\n  File "{path}", line 60, in {name}\n    {code}\n{error}\n'
)
_SAMPLE = "swift run StableDiffusionSample cat --resource-path {path} --seed 93 {more}\n{error}\n"
_PREDICTION = (
    "Error: Unable to compute the prediction using ML Program. It can be an invalid input data or"
    " broken/unsupported model."
)


def _in(file: str, name: str, code: str, error: str) -> str:
    return _FRAME.format(path=f"{_UP}/{file}", name=name, code=code, error=error)


@pytest.mark.parametrize(
    ("log", "name", "said", "decisive"),
    [
        (
            _in(
                "coreml_model.py",
                "<dictcomp>",
                '"dtype": DTYPE_MAP[input_tensor.type.multiArrayType.dataType],',
                "KeyError: 65600",
            ),
            "upstream-input-kind",
            "65600",
            "KeyError: 65600",
        ),
        (
            _in(
                "unet.py",
                "__init__",
                'assert mid_block_type == "UNetMidBlock2DCrossAttn"',
                "AssertionError",
            ),
            "upstream-unet-kind",
            "another middle block",
            "assert mid_block_type",
        ),
        (
            _in("unet.py", "forward", "raise NotImplementedError", "NotImplementedError"),
            "upstream-unet-kind",
            "does not have",
            "NotImplementedError",
        ),
        (
            _in(
                "layer_norm.py",
                "forward",
                "assert inputs.size(1) == self.num_channels",
                "AssertionError",
            ),
            "upstream-width",
            "different families",
            "assert inputs.size(1)",
        ),
    ],
)
def test_a_bare_exception_is_told_by_its_file_and_line(
    log: str, name: str, said: str, decisive: str
) -> None:
    expect(log, name, said)
    found = examine(log, entries())
    assert found.decisive is not None
    assert decisive in found.decisive.text


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        ("KeyError: 'CPU_AND_NE'", "compute-unit-name", "too old"),
        ("KeyError: 'CPU_AND_ANE'", "compute-unit-name", "CPU_AND_ANE"),
        (
            "ValueError: Optimization hints are only available on macOS >= 15.0",
            "macos-older-than-asked",
            "from macOS 15.0 on",
        ),
        (
            "TypeError: Image input, 'image' must be of type PIL.Image.Image in the input dict",
            "predict-picture",
            "a picture for image",
        ),
        (
            "Exception: This model was not loaded or compiled with the Core ML Framework.",
            "framework-not-used",
            "skip_model_load",
        ),
        (
            (
                "TypeError: Unrecognized value of argument 'minimum_deployment_target': macOS13."
                " It needs to be a member of 'coremltools.target' enumeration."
            ),
            "convert-option",
            "for minimum_deployment_target that it does not take (macOS13)",
        ),
        (
            "TypeError: dtype=<class 'numpy.int64'> is unsupported for inputs/outputs of the model",
            "interface-type",
            "numpy.int64",
        ),
        ("(StableDiffusion.PipelineError error 1.)", "swift-starting-image", "VAEEncoder"),
        ("(StableDiffusion.PipelineError error 2.)", "swift-refiner-alone", "refiner"),
        ("(StableDiffusion.PipelineError error 3.)", "swift-system-old", "macOS 14"),
        ("(StableDiffusion.Encoder.Error error 0.)", "swift-image-size", "another size"),
        (
            'Error: resources("Resource path does not exist ../m")',
            "file-missing",
            "(../m) is not there",
        ),
        (
            'Error: unsupported("ControlNet is not supported for Stable Diffusion XL")',
            "swift-run-refused",
            "ControlNet with Stable Diffusion XL",
        ),
        (
            (
                "StableDiffusion/Unet.swift:62: Fatal error: 'try!' expression unexpectedly raised"
                ' an error: Error Domain=com.apple.CoreML Code=0 "Failed to create MLModel"'
            ),
            "swift-part-not-loaded",
            "(Unet)",
        ),
        (
            "StableDiffusion/TextEncoderXL.swift:73: Fatal error: Unexpectedly found nil while",
            "swift-nil",
            "was run as XL (--xl)",
        ),
        (
            "StableDiffusion/Unet.swift:63: Fatal error: Unexpectedly found nil while unwrapping",
            "swift-nil",
            "time_ids",
        ),
        (
            "coremlc: error: Model does not exist at ./Unet.mlpackage -- file:///Users/me/",
            "file-missing",
            "./Unet.mlpackage, as seen from /Users/me/",
        ),
        (
            "coremlc: Error: Failed to load the model: Unable to open /a/U.mlpackage/Manifest.json",
            "compiler-package-damaged",
            "git-lfs",
        ),
    ],
)
def test_what_is_thrown_is_told_by_its_name_and_number(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("../sd-2-1-base/original/compiled", "", "left the compute units"),
        ("../sd_original_compiled", "--compute-units cpuAndNeuralEngine", "asked for the Neural"),
        ("../sd/original/compiled", "--compute-units cpuAndGPU", "SPLIT_EINSUM is for"),
        ("../sd/split_einsum/compiled", "", "SPLIT_EINSUM is for"),
    ],
)
def test_the_compute_units_are_judged_by_the_command(path: str, more: str, said: str) -> None:
    expect(_SAMPLE.format(path=path, more=more, error=_PREDICTION), "compute-units", said)


def test_a_check_that_failed_is_told_from_a_conversion_that_failed() -> None:
    error = 'RuntimeError: {\n    NSLocalizedDescription = "Error computing NN outputs.";\n}'
    log = _in("torch2coreml.py", "convert_unet", "coreml_unet.predict(x)", error)
    cause = examine(log, entries()).cause
    assert cause is not None
    assert "only the check of it failed" in cause.cause
    alone = examine(error, entries()).cause
    assert alone is not None
    assert "CPU_ONLY" in alone.fix
