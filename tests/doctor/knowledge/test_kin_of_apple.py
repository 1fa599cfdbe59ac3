"""What Xcode, macOS, Swift and Core ML refuse is told with what they name, in any wording."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect

TYPES = "error: input types 'tensor<1x77x768xf16>' and 'tensor<1xf32>' are not broadcast compatible"
SIZES = "error: input types 'tensor<1x64xf16>' and 'tensor<1x32xf16>' are not broadcast compatible"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            "xcrun: error: missing DEVELOPER_DIR path: /Applications/Xcode-beta.app",
            "developer-folder-gone",
            "/Applications/Xcode-beta.app was renamed",
        ),
        (
            (
                "error: compiling for macOS 10.13, but module 'Brush' has a minimum deployment"
                " target of macOS 13.0"
            ),
            "swift-minimum",
            "(macOS 10.13) than Brush runs on",
        ),
        (
            (
                "Package.swift:6:20: error: reference to member 'v14' cannot be resolved without a"
                " contextual type"
            ),
            "swift-language-older",
            "v14",
        ),
        (
            "error: the manifest is backward-incompatible with Swift < 5.7",
            "swift-language-older",
            "Swift 5.7",
        ),
        (
            "error: 'async' call in a function that does not support concurrency",
            "swift-concurrency",
            "Swift Language Version to 5",
        ),
        (
            "/x/B.swift:36:5 Let 'a' is not concurrency-safe because of non-'Sendable' type 'B'",
            "swift-concurrency",
            "Swift 6",
        ),
        ("B.swift:3:5: error: cannot find 'nonisolated' in scope", "swift-syntax-newer", "5.10"),
        ("Unable to install P: ApplicationVerificationFailed", "sign-none", "no signature"),
        ("error: no such module 'CoreML'", "apple-module-elsewhere", "CoreML is a part"),
        ("error: No such module 'Brush'", "swift-module", "The code uses Brush"),
        (
            "error: unable to resolve module dependency: 'MLX'",
            "swift-module",
            "The code uses MLX",
        ),
        (
            "error: PCH was compiled with module cache path '/a', but the path is currently '/b'",
            "stale-products",
            "DerivedData",
        ),
        (
            "error: module map file '/x/brush.modulemap' not found",
            "build-file-absent",
            "/x/brush.modulemap that is not there",
        ),
        (
            "error: While building for macOS, no library for this platform was found in '/x/B'",
            "link-other-platform",
            "no build for macOS",
        ),
        (
            (
                "error: failed downloading 'https://x/b.zip' which is required by binary"
                " target 'B': badResponseStatusCode(404)"
            ),
            "package-not-fetched",
            "(https://x/b.zip)",
        ),
        (
            "error: 'paint': unknown package 'brush' in dependencies of target 'p'",
            "package-manifest",
            "at brush",
        ),
        (
            "error: Multiple commands produce '/x/Paint.app/a.mlpackage/Data/weight.bin'",
            "inside-a-package",
            "from inside a.mlpackage",
        ),
        ("Paint: nested code is modified or invalid", "sign-seal-broken", "signed later"),
        ("Paint: User interaction is not allowed.", "sign-keychain", "locked"),
        ("error: The executable was signed with invalid entitlements.", "sign-capability", "right"),
        (
            'error: The app identifier "com.a.b" cannot be registered to your team',
            "sign-identifier-taken",
            "com.a.b belongs",
        ),
    ],
)
def test_what_xcode_refuses_is_told_with_what_it_names(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "Terminating app due to uncaught exception 'NSInvalidArgumentException', reason:"
                " '-[__NSCFNumber length]: unrecognized selector sent to instance 0x1'"
            ),
            "object-without-method",
            "called length on a __NSCFNumber",
        ),
        (
            (
                "Terminating app due to uncaught exception 'NSRangeException', reason: '***"
                " -[__NSArrayM objectAtIndexedSubscript:]: index 2 beyond bounds [0 .. 1]'"
            ),
            "list-too-short",
            "element 2",
        ),
        (
            "Downloading https://x/paint.zip\nHTTP status code: 404",
            "variant-absent",
            "https://x/paint.zip does not exist",
        ),
        (
            (
                "Error: The value 'gpu' is invalid for '--compute-units <u>'. Please provide one of"
                " 'all' and 'cpuOnly'."
            ),
            "swift-arguments",
            "with gpu for --compute-units",
        ),
        ("mkdir: /Volumes/X/a: Read-only file system", "volume-read-only", "/Volumes/X/a"),
        ("Installing Rosetta 2 on this system is not supported.", "rosetta-on-intel", "Intel Mac"),
        ("error: Exited with signal code 11", "swift-run-ended", "signal 11"),
        (
            (
                "*** Terminating app due to uncaught exception 'NSRangeException', reason: 'index 0"
                " beyond bounds for empty array'\n3  libmlx.dylib  0x10 mlx::x\n"
            ),
            "mlx-no-device",
            "no Metal GPU",
        ),
        (
            "Termination Reason: Namespace CODESIGNING, Code 2 Invalid Page",
            "code-signature",
            "not what was signed",
        ),
        (
            "LSOpenURLsWithRole() failed with error -10810 for the file /x/Paint.app.",
            "app-not-launched",
            "could not start",
        ),
        (
            "_LSOpenURLsWithCompletionHandler() failed with error -10661 for the file /x/P.app.",
            "mac-of-another-kind",
            "another processor",
        ),
        (
            "_LSOpenURLsWithCompletionHandler() failed with error -10825 for the file /x/P.app.",
            "app-and-macos",
            "newer macOS",
        ),
        (
            "_LSOpenURLsWithCompletionHandler() failed with error -54 for the file /x/P.app.",
            "app-not-readable",
            "missing permission",
        ),
        (
            "Thread 9 Crashed:: Dispatch queue: com.Metal.CompletionQueueDispatch",
            "mlx-gpu-error",
            "",
        ),
        ('"Paint" is damaged and cant be opened', "quarantine", "quarantine mark"),
        ("xattr: Paint.app: No such xattr: com.apple.quarantine", "no-quarantine-mark", "nothing"),
        (
            '"Paint" cannot be opened because it is from an unidentified developer.',
            "quarantine",
            "",
        ),
        (
            "You can't open the application Paint because it is not supported on this type of Mac.",
            "mac-of-another-kind",
            "another processor",
        ),
        (
            (
                "The application cannot be opened for an unexpected reason, error=Error"
                ' Domain=RBSRequestErrorDomain Code=5 "Launch failed."'
            ),
            "app-not-launched",
            "Contents/MacOS",
        ),
        ("dyld: cannot load 'p' (load command 0x80000034 is unknown)", "load-command", "newer"),
        ("Termination Reason: Namespace DYLD, Code 4 Symbol missing", "app-symbol-absent", "newer"),
        (
            "BUG IN CLIENT OF LIBMALLOC: memory corruption of free block",
            "heap-damaged",
            "two copies",
        ),
        (
            "Application Specific Information:\ncrashed on child side of fork pre-exec",
            "fork-crash",
            "forked",
        ),
        (
            (
                "Swift/x.swift:9: Fatal error: Double value cannot be converted to Int because"
                " it is either infinite or NaN"
            ),
            "swift-nan",
            "half precision",
        ),
        (
            "Fatal error: Can't form Range with upperBound < lowerBound",
            "swift-arithmetic",
            "upperBound < lowerBound",
        ),
        (
            "Could not cast value of type 'NSNull' (0x1) to 'NSString' (0x2).",
            "swift-cast",
            "a NSNull for a NSString",
        ),
        (
            'Error Domain=NSCocoaErrorDomain Code=4097 "connection to service named com.x.y"',
            "helper-ended",
            "helper",
        ),
        ('Error Domain=NSURLErrorDomain Code=-1002 "unsupported URL"', "url-wrong", "https://"),
    ],
)
def test_what_macos_and_swift_stop_is_told(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "Exception: The specification has version 9 but the Core ML framework"
                " version installed only supports Core ML model specification version 8 or older."
            ),
            "specification-newer",
            "asks for 9, and here it is 8",
        ),
        ("The operation couldn't be completed. (com.apple.CoreML error 4.)", "custom-layer", ""),
        ("The operation couldn't be completed. (com.apple.CoreML error 8.)", "encrypted-model", ""),
        (
            "The operation couldn't be completed. (com.apple.CoreML error 1.)",
            "input-of-another-type",
            "code 1",
        ),
        (
            "The operation couldn't be completed. (com.apple.CoreML error 3.)",
            "model-not-readable",
            "code 3",
        ),
        ("TypeError: BFloat16 is not supported on MPS", "mps-no-type", "BFloat16"),
        (
            (
                "NotImplementedError: The operator 'aten::roll' is not currently implemented for"
                " the MPS device."
            ),
            "mps-no-operation",
            "aten::roll",
        ),
        ("AssertionError: Device mps not supported", "mps-compile", "torch.compile"),
        (
            "TypeError: Expected dtype float16, got float32 for input: sample",
            "input-type-in-python",
            "given float32 for sample, and the program takes float16",
        ),
        (
            "validator error: Interface specifies output 'y' which is not produced by any layer",
            "model-inconsistent",
            "y is asked for",
        ),
        (
            'Espresso exception: "Memory error": Memory allocation error 12: 1448 bytes',
            "network-memory",
            "enough memory",
        ),
        ("input to be a multi array, but the input is an image", "image-input", "is an array"),
        ("Error: expects x to be an image, but got an array", "image-wanted", "app sends an array"),
        (
            "TypeError: Operation 'sign_out_mps()' does not support input type 'bool' in MPS",
            "mps-whole-numbers",
            "sign_out_mps with bool",
        ),
        ("[espresso] [Espresso::overflow_error] x/model.espresso.net:3", "engine-overflow", "half"),
        ("Error: Unable to mmap file a.mlmodelc/weights/0.bin", "weights-not-mapped", "map"),
        ("Error: Failed to look up root model.", "not-a-compiled-model", ".mlmodelc"),
        (
            (
                "compiler error: Encountered an error while compiling a neural network model: in"
                " operation concat_3: no axis"
            ),
            "operation-refused",
            "concat_3",
        ),
        (
            'Espresso exception: "Invalid blob shape": elementwise: cannot broadcast',
            "network-shapes",
            "another size",
        ),
        (
            "Failed to build the model execution plan with error code: -5.",
            "execution-plan",
            "cpuOnly",
        ),
        (
            "Error: Shape (1 x 128 x 32) was not in enumerated set of allowed shapes",
            "coreml-shape",
            "an array of 1 x 128 x 32",
        ),
        (
            "Error: Expected shape (1, 4, 64, 64), got (1, 4, 96, 96) for input: sample",
            "coreml-shape",
            "1, 4, 96, 96 and takes 1, 4, 64, 64",
        ),
        ("Error: Feature brush is required but not specified.", "coreml-name", "name brush"),
        (TYPES, "mps-two-types", "(f16 and f32)"),
        (SIZES, "mps-shapes", "1x64xf16 and 1x32xf16"),
        (
            "error: 'mps.matmul' op contracting dimensions differ 768 & 1024",
            "mps-mixed-families",
            "(768 and 1024)",
        ),
        (
            "failed assertion `A command encoder is already encoding to this command buffer'",
            "mps-two-threads",
            "Two threads",
        ),
        (
            (
                "Ignored (for causing prior/excessive GPU errors)"
                " (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)"
            ),
            "gpu-after-another",
            "first GPU error",
        ),
    ],
)
def test_what_core_ml_and_the_gpu_refuse_is_told(log: str, name: str, said: str) -> None:
    expect(log, name, said)


def test_a_mark_that_is_not_there_is_not_taken_for_one() -> None:
    found = examine("xattr: [Errno 93] No such xattr: com.apple.quarantine\n", entries())
    assert all(match.entry.id != "family-quarantine" for match in found.matches)
