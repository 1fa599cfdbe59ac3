"""What a build or a program says of itself is told as its cause, with what it names."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

LIKELY, GUESS = Confidence.LIKELY, Confidence.GUESS
XCODE = "CMake Error at phone.cmake:4 (message):\n  iphoneos is not an iOS SDK\n"
STALE = """\
CMake Error at CMakeLists.txt:2 (project):
  Running

   '/tmp/pip-build-env-abc/overlay/bin/ninja' '--version'
"""
OLD = """\
      CMake Error at CMakeLists.txt:9 (cmake_minimum_required):
        Compatibility with CMake < 3.5 has been removed from CMake.
"""
NEEDS = "CMake Error at a.cmake:2 (message):\n  Could NOT find OpenMP_C (missing: OpenMP_C_FLAGS)\n"
OTHER = "CMake Error at a.cmake:2 (message):\n  the moon is in the wrong place\n"
CONDA = """\
  - painter=2.0 -> python[version='>=3.8,<3.9']

Your python: python=3.11
"""
PIP = """\
ERROR: pip's dependency resolver does not currently take into account all the packages.
painter 0.3 requires hub<1.0,>=0.23, but you have hub 1.2.0 which is incompatible.
"""
ARCHIVE = 'InvalidArchiveError("Error with archive /c/pkgs/a.conda.  Message: Failed to open")\n'
IMAGE = (
    "The model expects input feature 0 to be an image, but the input (MultiArray) is of type 5.\n"
)
NATIVE = "CoreML: failure: No module named 'coremltools.libmilstoragepython'\n"
DICTIONARY = (
    'ValueError: Op "a" (op_type: identity) Input x="b" expects list, tensor, or scalar but got '
    "dict[str,fp64]\n"
)
WEIGHTS_ONLY = "_pickle.UnpicklingError: Weights only load failed. Read on:\n"
OPERAND = "Please tell us: WeightsUnpickler error: Unsupported operand {}\n"
CLASS = "AttributeError: 'BasicTransformerBlock' object has no attribute 'bristles'\n"


@pytest.mark.parametrize(
    ("log", "name", "sure", "said"),
    [
        (XCODE, "family-no-apple-sdk", LIKELY, "Xcode"),
        (
            'xcrun: error: unable to find utility "metal", not a developer tool or in PATH\n',
            "family-no-apple-sdk",
            LIKELY,
            "metal comes with Xcode only",
        ),
        (STALE, "family-stale-build-folder", GUESS, "build folder"),
        (OLD, "family-cmake-too-new", LIKELY, "before 3.5"),
        (NEEDS, "family-build-needs", LIKELY, "OpenMP_C"),
        (OTHER, "family-cmake", GUESS, "below this line"),
        (CONDA, "family-conda-other-python", LIKELY, "Python 3.11 was asked for"),
        (PIP, "family-pip-check", LIKELY, "hub 1.2.0 is installed beside it"),
        (ARCHIVE, "family-conda-archive", LIKELY, "broken or not there"),
        (IMAGE, "family-image-wanted", LIKELY, "and the app sends an array"),
        (NATIVE, "family-coremltools-without-native", LIKELY, "Linux on ARM"),
        (DICTIONARY, "family-classifier-dictionary", GUESS, "classifier"),
        (WEIGHTS_ONLY + OPERAND.format(118), "family-pickle-is-pointer", GUESS, "Git LFS"),
        (WEIGHTS_ONLY + OPERAND.format(60), "family-pickle-is-page", GUESS, "web page"),
        (WEIGHTS_ONLY + OPERAND.format(9), "torch-weights-only", LIKELY, "pickles"),
        ("AttributeError: module 'clip' has no attribute 'load'\n", "family-namesake", GUESS, ""),
        (CLASS, "family-object-of-another-release", GUESS, "BasicTransformerBlock"),
        ('fileMissing("config.json")\n', "family-swift-file-absent", GUESS, "config.json"),
        ("RuntimeError: value type not convertible\n", "family-predict-value", GUESS, "keys"),
        (
            "ImportError: Only macOS 13.5 and newer are supported, not 13.4\n",
            "family-system-too-old",
            LIKELY,
            "macOS 13.4 is too old: the program needs 13.5",
        ),
        (
            "ImportError: Please install the `accelerate` library to paint.\n",
            "family-package-asked",
            LIKELY,
            "does not see accelerate",
        ),
        (
            "ImportError: Please install the `bristles-of-mine` library to paint.\n",
            "family-package-asked",
            GUESS,
            "",
        ),
        (
            "ValueError: the brush is dry. Please dip it into the paint before you go on\n",
            "family-advice",
            GUESS,
            '"Please dip it into the paint before you go on"',
        ),
        (
            "Error: this paint is only supported on walls of stone\n",
            "family-advice",
            GUESS,
            "stone",
        ),
    ],
)
def test_what_a_log_says_itself_is_told(log: str, name: str, sure: Confidence, said: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.confidence) == (name, sure)
    assert said in cause.cause


@pytest.mark.parametrize(
    "log",
    [
        "Error: something broke. Please file an issue with this log\n",
        "Error: something broke. Please report this to the authors\n",
        "Please wait while the paint is being mixed for you\n",
        "all went well. Please enjoy the picture that was painted\n",
        (
            "Token indices sequence length is longer than the specified maximum sequence length for"
            " this model (98 > 77). Running this will result in indexing errors\n30/30\n"
        ),
        (
            "/App/V.swift:3:7: warning: value 'error' was never used; consider replacing with '_'\n"
            "** BUILD SUCCEEDED **\n"
        ),
        "/App/V.swift:3:7: warning: 'a' does not fit; use 'b' instead\n",
        (
            "WARNING: Running pip as the 'root' user can result in broken permissions. It is"
            " recommended to use a virtual environment instead: https://pip.pypa.io/warnings/venv\n"
        ),
    ],
)
def test_a_request_that_mends_nothing_is_no_cause(log: str) -> None:
    assert examine(log, entries()).cause is None


def test_an_app_that_cmake_cannot_configure_is_no_package_without_a_wheel() -> None:
    for log in (XCODE, STALE, OTHER):
        assert all(one.entry.id != "family-build-failed" for one in examine(log, entries()).matches)
