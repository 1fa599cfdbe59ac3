"""What Core ML, torch on the Mac's GPU, macOS and Xcode say of a run is told by what they name."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            "RuntimeError: Expected self.is_mps() to be true, but got false.",
            "mps-elsewhere",
            "(self) is on the CPU",
        ),
        (
            "RuntimeError: MPS bfloat16 type is supported on MacOS 14.0 or newer.",
            "mps-macos-old",
            "too old for bfloat16",
        ),
        (
            "RuntimeError: Conv3D is only supported on MPS for MacOS_13_2 or newer",
            "mps-macos-old",
            "Conv3D",
        ),
        ("RuntimeError: invalid low watermark ratio 1.4", "mps-watermark", "LOW_WATERMARK"),
        (
            "RuntimeError: Adaptive pool MPS: input sizes must be divisible by output sizes.",
            "mps-adaptive-pool",
            "multiple",
        ),
        (
            "NotImplementedError: Output channels > 65536 not supported at the MPS device.",
            "mps-output-large",
            "macOS before 15.1",
        ),
        (
            "RuntimeError: MPS device does not support addbmm or baddbmm for non-float inputs",
            "mps-form",
            "addbmm or baddbmm",
        ),
        (
            "RuntimeError: MPS: Unsupported Border padding mode",
            "mps-form",
            "Unsupported Border padding mode",
        ),
        (
            (
                "failed assertion `[MPSNDArrayDescriptor sliceDimension:withSubrange:] error:"
                " subRange.start (6) is not less than length of dimension[0] (6)'"
            ),
            "mps-slice",
            "(place 6 of 6)",
        ),
        (
            "RuntimeError: Mismatched Tensor types in NNPack convolutionOutput",
            "half-meets-single-on-cpu",
            "--no-half",
        ),
        ("error: extra argument 'reduceMemory' in call", "swift-call", "('reduceMemory')"),
        (
            "error: type 'MLComputeUnits' has no member 'cpuAndNeuralEngine'",
            "sdk-lacks-class",
            "no cpuAndNeuralEngine",
        ),
        ("error: cannot find type 'MLTensor' in scope", "sdk-lacks-class", "MLTensor"),
        ("xcodebuild: error: Xcode 15.0 requires macOS 13.5 or later", "xcode-and-macos", "13.5"),
        (
            "error: Cycle inside Paint; building could produce unreliable results.",
            "xcode-cycle",
            "in Paint",
        ),
        (
            "error: could not build Objective-C module 'SwiftShims'",
            "clang-module",
            "of SwiftShims",
        ),
        (
            "[CoreML] E5RT: Cannot provide zero compute device types. (1)",
            "no-compute-device",
            "virtual machine",
        ),
        ("E5RT: Ios17 dialect is not supported", "dialect-newer", "iOS 17"),
        (
            "Error parsing MIL model: at x: Unknown operator 'ios18.constexpr_lut_to_dense'",
            "dialect-newer",
            "iOS 18",
        ),
        (
            "Failed to parse the model specification. Error: Unable to deserialize object",
            "model-cut-off",
            "Git LFS pointer",
        ),
        (
            (
                "python[9:7] -[MLMultiArray getBytesWithHandler:]: unrecognized selector sent to"
                " instance 0x7f\nRuntimeError: Caught an unknown exception!"
            ),
            "unsupported-os",
            "no getBytesWithHandler",
        ),
        (
            (
                "xcode-select: error: tool 'xcodebuild' requires Xcode, but active developer"
                " directory '/Library/Developer/CommandLineTools' is a command line tools instance"
            ),
            "command-line-tools",
            "are selected",
        ),
        (
            "A required plugin failed to load. Try running 'xcodebuild -runFirstLaunch'.",
            "command-line-tools",
            "not opened since",
        ),
    ],
)
def test_what_a_run_stops_at_is_told_by_what_it_names(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    "log",
    [
        "UserWarning: MPS: no support for int64 for min_max, downcasting to a smaller data type",
        "python(1234) MallocStackLogging: can't turn off malloc stack logging because it was not",
        "iPhone is busy: Copying shared cache symbols (12% completed)",
    ],
)
def test_what_is_only_a_notice_is_no_cause(log: str) -> None:
    assert examine(log, entries()).cause is None
