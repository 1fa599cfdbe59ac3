"""What coremltools refuses is told by the operation, the sizes and the types that it names."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect

_OPS = "/x/site-packages/coremltools/converters/mil/frontend/torch/ops.py"
_WITHIN = (
    "Converting PyTorch Frontend ==> MIL Ops:  20%|##        | 15/75\n"
    "Traceback (most recent call last):\n"
    '  File "{path}", line 812, in {name}\n    {code}\n{error}\n'
)


def _within(name: str, code: str, error: str, path: str = _OPS) -> str:
    return _WITHIN.format(path=path, name=name, code=code, error=error)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            _within("gelu", "assert approximate == 'none'", "AssertionError"),
            "translation-assertion",
            "before 7.0",
        ),
        (
            _within(
                "_lower_graph_block",
                "assert torch.equal(module.cpu(), params_dict[prefix].cpu())",
                "AssertionError",
                _OPS.replace("ops.py", "torchscript_utils.py"),
            ),
            "translation-assertion",
            "NaN",
        ),
        (
            _within("unflatten", "assert x_shape is not None", "AssertionError"),
            "translation-assertion",
            "x_shape is not None",
        ),
        (
            _within("mean", "assert len(inputs) <= 3 or inputs[3] is None", "AssertionError"),
            "translation-assertion",
            "another number of inputs or outputs",
        ),
        (
            _within("slice", "assert dim is not None", "AssertionError"),
            "translation-assertion",
            "the operation slice only where this holds: dim is not None",
        ),
        (
            _within("to", "dtype_str = NUM_TO_DTYPE_STRING[dtype]", "KeyError: 15"),
            "translation-number-of-type",
            "traced in bfloat16",
        ),
        (
            _within("to", "dtype_str = NUM_TO_DTYPE_STRING[dtype]", "KeyError: 9"),
            "translation-number-of-type",
            "complex",
        ),
        (
            _within(
                "scaled_dot_product_attention",
                "is_causal = inputs[5].val",
                "AttributeError: 'NoneType' object has no attribute 'val'",
            ),
            "translation-nothing-given",
            "the operation scaled_dot_product_attention empty",
        ),
        (
            _within("roll", "raise ValueError", "ValueError: shifts and dims must be const"),
            "translation-const",
            "At the operation roll",
        ),
        (
            _within("_slice", "begin[dim] = start", "ValueError: Cannot add const [1, is0, 320]"),
            "translation-open-size",
            "was left open",
        ),
        (
            _within(
                "upsample",
                "raise ValueError",
                'ValueError: input to the "resize_bilinear" op must have rank at least 3',
            ),
            "translation-rank",
            "must have rank at least 3",
        ),
        (
            _within(
                "split", "raise", "ValueError: num_split 3 does not divide split dim (length = 64)"
            ),
            "translation-fit",
            "at the operation split",
        ),
        (
            _within(
                "_replace_var",
                "raise ValueError(msg)",
                "ValueError: anchor op x not in the block.",
                _OPS.replace("frontend/torch/ops.py", "mil/block.py"),
            ),
            "translation-place",
            "by its own rules",
        ),
        (
            _within(
                "_quantize_general",
                "raise ValueError(msg)",
                "ValueError: cannot fit zero point into quantization dtype",
                _OPS.replace("ops.py", "quantization_ops.py"),
            ),
            "translation-place",
            "quantized in torch",
        ),
        (
            _within("div", "raise", 'NotImplementedError: rounding mode "ceil" not supported'),
            "translation-form",
            "the operation div",
        ),
    ],
)
def test_what_a_translation_stops_at_is_told_by_its_frames(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            "ValueError: A non-zero dropout probability is specified. Since Core ML does not",
            "translation-dropout",
            "training mode",
        ),
        (
            (
                'ValueError: Core ML only supports tensors with rank <= 5. Layer "x.7", with type'
                ' "reshape", outputs a rank 6 tensor. '
            ),
            "translation-rank-six",
            "an array of 6 dimensions (at x.7, a reshape)",
        ),
        (
            (
                'ValueError: Op "45" (op_type: real_div) Input x="t" expects tensor or scalar of'
                " dtype from type domain ['fp16', 'fp32'] but got tensor[1,int32]"
            ),
            "translation-types",
            "real_div takes fractions, and x is whole numbers",
        ),
        (
            (
                "ValueError: In op, of type linear, named h.5, the named input `bias` must have the"
                " same data type as the named input `x`. However, bias has dtype fp32 whereas x has"
                " dtype fp16."
            ),
            "translation-types",
            "Half and single precision meet in one operation (linear)",
        ),
        (
            "ValueError: Incompatible dim 1 in shapes (1, 320, 64, 64) vs. (1, 4, 64, 64)",
            "translation-sizes",
            "(1, 320, 64, 64 and 1, 4, 64, 64)",
        ),
        ("ValueError: No matching select or slice.", "translation-written-into", "in place"),
        (
            "ValueError: BatchNorm: got 5 inputs, expected 7 or 9",
            "translation-input-count",
            "newer than this coremltools",
        ),
        (
            (
                "TypeError: @model must either be a PyTorch .pt or .pth file or a TorchScript"
                " object, received: <class 'collections.OrderedDict'>"
            ),
            "op-conversion",
            "dictionary of weights",
        ),
        (
            (
                "TypeError: Model must either be a TorchScript object (or .pt or .pth file) or an"
                " ExportedProgram object (if using torch.export based API), received:"
                " <class 'diffusers.UNet2DConditionModel'>"
            ),
            "model-not-traced",
            "(<class 'diffusers.UNet2DConditionModel'>)",
        ),
        (
            (
                "ValueError: Number of outputs provided, 1, do not match the number of outputs"
                " detected in the model, 2."
            ),
            "outputs-declared",
            "1 in the list, 2 in what was traced",
        ),
        (
            (
                "ValueError: Number of TorchScript inputs (5) must match the user provided inputs"
                " (3)."
            ),
            "inputs-declared",
            "3 in the list, and 5 in the model",
        ),
        (
            "ValueError: Dimension cannot be None or -1. Use ct.RangeDim for runtime dimension.",
            "shape-declared",
            "every dimension",
        ),
        (
            "ValueError: Image output, 'image', must have rank 4. Instead it has rank 3",
            "image-declared",
            "declared for image",
        ),
        (
            "ValueError: iOS 18+ is required to convert mutable buffer",
            "states-declared",
            "writes to one of its buffers",
        ),
        (
            (
                "TypeError: float16 dtype for inputs is only supported for deployment target"
                " >= iOS16/macOS13/watchOS9/tvOS16"
            ),
            "target-and-options",
            "iOS16/macOS13",
        ),
        (
            (
                "NotImplementedError: Conversion for models with only ATEN or EDGE dialect is"
                " supported/tested. Provided Dialect: TRAINING. Run '.run_decompositions({})'"
            ),
            "exported-program",
            "TRAINING",
        ),
        (
            (
                "TypeError: coremltools.optimize.coreml are meant to be used only with mlprogram"
                " typed coreml models. This model has type neuralNetwork."
            ),
            "compress-kind",
            ".mlmodel",
        ),
        (
            "AssertionError: too many clusters 64 for 4 samples",
            "compress-few-values",
            "fewer numbers (4)",
        ),
        (
            'ValueError: "nbits" must be provided for kmeans mode',
            "compress-options",
            '"nbits" must be provided',
        ),
    ],
)
def test_what_coremltools_says_is_told_without_frames(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("view_as_complex", "complex numbers"),
        ("quantized::linear_dynamic", "quantized dynamically"),
        ("__ior__", "transformers"),
        ("unfold", "No coremltools up to 9.0"),
        ("gelu", "too old"),
    ],
)
def test_an_operation_without_a_translation_is_told_by_who_has_one(
    operation: str, said: str
) -> None:
    log = f"RuntimeError: PyTorch convert function for op '{operation}' not implemented."
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == "op-not-implemented-generic"
    assert said in cause.cause


@pytest.mark.parametrize(
    "log",
    [
        "ValueError: mode must be one of None, 'linear'",
        "KeyError: 15",
        "AssertionError",
        "ValueError: input must have rank 4",
        "AttributeError: 'NoneType' object has no attribute 'shape'",
        "ValueError: only float is supported",
    ],
)
def test_a_line_that_others_print_too_is_not_told_as_a_translation(log: str) -> None:
    found = [one.entry.topic for one in examine(log, entries()).matches]
    assert not {"family_translating", "family_converting"} & set(found)
