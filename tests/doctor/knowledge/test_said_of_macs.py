"""What logs of Macs are told whose line alone does not decide, and what stays untold."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

REFUSED = "ERROR: painter-1.6.0-cp38-cp38-macosx_11_{}_arm64.whl is not a supported wheel on this"
MISSING = (
    'Error Domain=com.apple.CoreML Code=0 "The model is not found at URL: file://{}.mlmodelc/"'
)
TOLD = {
    "a library for a newer macOS, two lines below": (
        (
            "ImportError: dlopen(/v/mlx/core.so, 0x0002): Library not loaded: @rpath/libmlx.dylib\n"
            "  Referenced from: <4C> /v/mlx/core.so\n"
            "  Reason: tried: '/libmlx.dylib' (built for macOS 14.0 "
            "which is newer than running OS)\n"
        ),
        "family-newer-than-system",
        "built for 14.0",
    ),
    "a model that returns an object": (
        (
            "RuntimeError: Only tuples, lists and Variables are supported as JIT inputs/outputs. "
            "Here, received an input of unsupported type: PaintOutput\n"
        ),
        "family-trace-types",
        "returns an object (paintoutput)",
    ),
    "a wheel that is named for a part of a release": (
        f"{REFUSED.format(1)} platform.\n",
        "wheel-not-supported-on-platform",
        "macosx_11_0_arm64",
    ),
    "a wheel for another Python": (
        f"{REFUSED.format(0)} platform.\n",
        "wheel-not-supported-on-platform",
        "for python 3.8",
    ),
    "packages of Swift for a newer Xcode": (
        (
            "error: Dependencies could not be resolved because no versions of 'swift-frob' match "
            "the requirement 0.1.8..<1.0.0 and root depends on 'swift-frob' 0.1.8..<1.0.0.\n"
            "'swift-frob' 0.1.8 contains incompatible tools version (5.8.0)\n"
        ),
        "family-swift-packages",
        "need swift 5.8.0",
    ),
    "a package that only nvcc builds": (
        (
            "      fatal: not a git repository (or any of the parent directories): .git\n"
            "      UserWarning: frob_attn was requested, but nvcc was not found.\n"
            "      NameError: name 'bare_metal_version' is not defined\n"
        ),
        "family-needs-nvcc",
        "on a mac there is none",
    ),
    "a ControlNet that is not there": (
        f"{MISSING.format('/Users/me/Resources/controlnet/Frob')}\n",
        "family-program-incomplete",
        "the controlnet frob",
    ),
    "a program that is not there": (
        f"{MISSING.format('/Users/me/Resources/Unet')}\n",
        "family-program-incomplete",
        "/users/me/resources has no unet.mlmodelc",
    ),
    "a program in a folder that the system empties": (
        f"{MISSING.format('/private/var/mobile/Containers/Data/9F/Unet')}\n",
        "family-core-ml-error",
        "the app compiles a model",
    ),
    "quantized weights, names on lines of their own": (
        "ValueError: Received 2 parameters not in model: \nlm_head.biases,\nlm_head.scales.\n",
        "family-mlx-parameters",
        "quantized weights",
    ),
    "a library that an app lacks": (
        (
            "dyld[19]: Library not loaded: @rpath/libFROB.1.dylib\n"
            "  Referenced from: <5D> /Applications/Paint.app/Contents/MacOS/Paint\n"
            "  Reason: tried: '/usr/lib/libFROB.1.dylib' (no such file)\n"
        ),
        "family-app-without-its-library",
        "built without its library",
    ),
    "an option that another release calls otherwise": (
        (
            "usage: frob-train [-h] [--train-config TRAIN_CONFIG]\n"
            "frob-train: error: unrecognized arguments: --config a.json\n"
        ),
        "family-arguments",
        "has --train-config",
    ),
    "a header of the package itself": (
        (
            "/w/Sources/cfrob/inlines.h:21:26: error: unknown type name 'cfrob_map'\n"
            "error: could not build Objective-C module 'cfrob'\n"
        ),
        "family-clang-module",
        "the developer tools are sound",
    ),
    "an app that wants a newer macOS for one family": (
        "Could not load model, error: Stable Diffusion XL requires macOS 14\n",
        "family-app-needs-macos",
        "from macos 14 on",
    ),
    "a converter whose own library is missing": (
        "AttributeError: module 'coremltools.converters.keras' has no attribute 'convert'\n",
        "family-converter-without-its-library",
        "only where it finds that library",
    ),
    "a converter that is gone": (
        "AttributeError: module 'coremltools.converters' has no attribute 'onnx'\n",
        "family-import-name",
        "6.0 removed onnx",
    ),
    "packages for Intel Macs": (
        (
            "Platform: osx-arm64\nSolving environment: failed\n\n"
            "LibMambaUnsatisfiableError: Encountered problems while solving:\n"
            "  - nothing provides requested frob::paint-sim =0.2.2*\n"
            "  - nothing provides requested mkl <2022\n"
        ),
        "family-conda-not-for-arm",
        "no frob::paint-sim =0.2.2*",
    ),
    "a renamed file of the source": (
        "make: *** No rule to make target `frob.m', needed by `frob.o'.  Stop.\n",
        "family-nothing-to-build",
        "the build needs frob.m",
    ),
    "a package by its SSH address": (
        (
            "Error while fetching remote repository: git@github.com:painter/Runtime.git\n"
            "Authentication failed because the credentials were missing.\n"
        ),
        "family-package-login",
        "needs an ssh key",
    ),
    "a scale for each channel": (
        (
            '  File "/v/coremltools/converters/mil/backend/mil/passes/'
            'insert_image_preprocessing_op.py", line 74, in insert\n'
            "ValueError: Incompatible dim 3 in shapes (1, 3, 224, 224) vs. (1, 1, 1, 3)\n"
        ),
        "family-translation-sizes",
        "a scale for each channel",
    ),
    "a Mac that is older than the project": (
        (
            "error: The run destination My Mac is not valid for Running the scheme 'Paint'. "
            "Paint doesn't support My Mac's macOS 12.6.3, it requires macOS 13.1\n"
        ),
        "family-destination-too-old",
        "has macos 12.6.3",
    ),
    "numbers as names of classes": (
        "CoreML: export failure: 0 has type int, but expected one of: bytes, unicode\n",
        "family-field-of-another-type",
        "names of the classes are numbers",
    ),
    "a pasted line of another language": (
        "zsh: parse error near `}'\n",
        "family-shell-script",
        "typed or pasted at the prompt",
    ),
    "an array that is too large for one buffer": (
        (
            "RuntimeError: [metal::malloc] Attempting to allocate 193 bytes which is greater than "
            "the maximum allowed buffer size of 95 bytes.\n"
        ),
        "family-mlx-buffer",
        "193 bytes",
    ),
}


@pytest.mark.parametrize(("log", "entry", "words"), TOLD.values(), ids=TOLD)
def test_the_rest_of_the_log_decides(log: str, entry: str, words: str) -> None:
    told = examine(log, entries()).cause

    assert told is not None
    assert told.entry.id == entry
    assert words in told.cause.lower()


STRANGERS = {
    "an object of one's own": "AttributeError: 'Model' object has no attribute 'description'\n",
    "an Electron app's own words": "Object has been destroyed\n",
    "a Windows file on Windows": "'webui.cmd' is not recognized as an internal command\n",
}


@pytest.mark.parametrize("log", STRANGERS.values(), ids=STRANGERS)
def test_strangers_are_not_told_of_macs(log: str) -> None:
    told = examine(log, entries()).cause

    assert told is None or told.entry.id not in {
        "family-spec-and-model",
        "family-electron-window-gone",
        "family-batch-file-elsewhere",
    }
