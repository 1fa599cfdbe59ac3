from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.headings import find_heading, find_reason
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.reading import read

REPORT = """\
# ComfyUI Error Report
## Error Details
- **Node Type:** VAEDecode
- **Exception Type:** RuntimeError
- **Exception Message:** the picture is larger than its tile
"""
CMAKE = """\
-- The C compiler identification is unknown
CMake Error at cmake/phone.cmake:12 (message):
  No SDK of a phone is installed here.
Call Stack (most recent call first):
  CMakeLists.txt:3 (project)
"""
PATH_ONLY = """\
CMake Error at CMakeLists.txt:2 (project):
  Running

   '/tmp/pip-build-env-abc/overlay/bin/ninja' '--version'
"""
SDK = """\
CMake Error at phone.cmake:7 (get_filename_component):
  get_filename_component called with incorrect number of arguments
CMake Error at phone.cmake:9 (message):
  Invalid PHONE_ROOT: does not exist.
"""
MAMBA = """\
Could not solve for environment specs
The following packages are incompatible
\u251c\u2500 viewer is requested and can be installed;
\u2514\u2500 painter requires brush >=2, but none of the providers can be installed
"""
CONDA = """\
  - painter=2.0 -> python[version='>=3.8,<3.9']

Your python: python=3.11

When python appears to the right, the thing on the left is
not available for the python version you are constrained to.
"""
PIP = """\
ERROR: Cannot install painter, brush because these package versions have conflicting dependencies.
The conflict is caused by:
    The user requested brush==1
    canvas 3 depends on brush>=1
    wall 3 depends on brush<9
    painter 2 depends on brush==2
"""
INSTALLED = """\
ERROR: pip's dependency resolver does not currently take into account all the packages.
painter 2 requires brush<2, but you have brush 3 which is incompatible.
"""
WHEEL = """\
  error: subprocess-exited-with-error
  \u00d7 Building wheel for painter (pyproject.toml) did not run successfully.
  \u2502 exit code: 1
      warning: `brush` (lib) generated 2 warnings
      error: this cast is never allowed
      error: could not compile `brush` (lib) due to 1 previous error
  ERROR: Failed building wheel for painter
"""
SWIFT = """\
error: emit-module command failed with exit code 1 (use -v to see invocation)
[2/9] Emitting module Painter
Painter/Brush.swift:3:8: error: no such module 'Bristles'
"""
LICENCE = """\
    The terms of the compiler have not been accepted.

        No working compiler found, or bogus options
        passed to it.
        See the error messages above.
"""
USAGE = """\
Error preparing model "Brush.mlmodel": compiler: Error: no language "9" is known
compiler: Error: usage: compiler <command> <input>
"""
APP = """\
2020-01-01 10:00:00.5+0200 Painter[1:2] Error: The model has no input of type image
fatal error: file /Users/me/Painter/View.swift, line 78
"""
NUMPY = """\
RuntimeError: module compiled against API version 0x10 but this version of numpy is 0xf
ImportError: numpy.core.multiarray failed to import
"""
PICKLE = """\
_pickle.UnpicklingError: Weights only load failed. Read on:
Please tell us: WeightsUnpickler error: Unsupported operand 60
"""
OBJECTIVE_C = """\
python[1:2] -[MLThing paint]: unrecognized selector sent to instance 0x1
RuntimeError: Caught an unknown exception!
"""
LORA = """\
Loading the brush was unsuccessful with the following error:
Error(s) in loading state_dict for Painter:
\tsize mismatch for bristles.weight
"""
BEFORE = """\
ld: symbol(s) not found for architecture arm64
clang: error: linker command failed with exit code 1 (use -v to see invocation)
make: *** [all] Error 1
"""


CALLED = """\
error: dry
\u2771 580 \u2502 raise subprocess.CalledProcessError(code)
Error code: 1
CalledProcessError: Command 'paint' returned non-zero exit status 1.
"""
UV = """\
  \u00d7 No solution found when resolving dependencies:
  \u2570\u2500\u25b6 Because painter needs brush>2 and you want brush==1, nothing fits.
"""
WEBUI = """\
RuntimeError: Couldn't install torch.
Command: "python" -m pip install torch==0
Error code: 1
stderr: ERROR: No matching distribution found for torch==0
"""
DOCKER = """\
ERROR: No matching distribution found for painter
ERROR: process "/bin/sh -c pip install painter" did not complete successfully: exit code: 1
"""
CLONE = """\
error: RPC failed; curl 18 transfer closed
fatal: early EOF
fatal: index-pack failed
"""
SMUDGE = """\
batch response: the owner has no quota left
error: external filter 'git-lfs filter-process' failed
fatal: paint.bin: smudge filter lfs failed
"""
WHISPER = """\
paint_init: failed to load Core ML model from 'a.mlmodelc'
error: failed to initialize paint context
"""
BOTH = """\
ERROR: Cannot install a and c because these package versions have conflicting dependencies.
    a 1.0 depends on {}
    c 1.0 depends on {}
"""
GRAPH = """\
loc("a"): error: 'mps.paint' op operand #2 must be dry
failed assertion `original module failed verification'
"""
CRASH = """\
Exception Type:        EXC_CRASH (SIGABRT)
Termination Reason:    Namespace DYLD, Code 1
Library not loaded: @rpath/Paint
"""
WRAPPED = """\
RuntimeError: Failed to import painter.models.brush because of the
following error (look up to see its traceback):
No module named 'bristles'
"""
PLAN = """\
Failed to build the model execution plan using a.mil
with error code: -14.
"""
ABORT = """\
libc++abi: terminating due to uncaught exception of type Dry: no paint
Abort trap: 6
"""


@pytest.mark.parametrize(
    ("log", "heading", "reason"),
    [
        (REPORT, 1, 5),
        (REPORT, 4, 5),
        (CMAKE, 2, 3),
        (PATH_ONLY, 1, 4),
        (SDK, 1, 4),
        (MAMBA, 1, 4),
        (CONDA, 6, 1),
        (PIP, 1, 6),
        (PIP.replace("brush==2", "brush"), 1, 5),
        (CALLED, 4, 1),
        (CALLED.replace("error: dry", "dry"), 4, 4),
        (INSTALLED, 1, 2),
        (WHEEL, 1, 5),
        (WHEEL, 2, 5),
        (WHEEL, 6, 5),
        (WHEEL, 7, 5),
        (SWIFT, 1, 3),
        (LICENCE, 5, 1),
        (USAGE, 2, 1),
        (APP, 2, 1),
        (NUMPY, 2, 1),
        (PICKLE, 1, 2),
        (OBJECTIVE_C, 2, 1),
        (LORA, 1, 3),
        (BEFORE, 2, 1),
        (BEFORE, 3, 1),
        (UV, 1, 2),
        (WHISPER, 2, 1),
        (GRAPH, 2, 1),
        (BOTH.format("b==2", "b<3"), 1, 2),
        (BOTH.format("b", "b<3"), 1, 3),
        (BOTH.format("b", "c"), 1, 2),
        (CRASH, 1, 3),
        (WRAPPED, 1, 3),
        (PLAN, 2, 1),
        ("ERROR\nThe check of the brushes has failed.\n", 1, 2),
        ("a.swift:1:1: error: no brush\n** BUILD FAILED **\n", 2, 1),
        ("ERROR: no brush\nCondaEnvException: Pip failed\n", 2, 1),
        (WEBUI, 1, 4),
        (DOCKER, 2, 1),
        (CLONE, 3, 1),
        (SMUDGE, 2, 1),
        (SMUDGE, 3, 1),
        (ABORT, 2, 1),
        ("ResolvePackageNotFound:\n  - brush=1\n", 1, 2),
        ("RuntimeError: {\n    said = no brush;\n}\n", 1, 2),
    ],
)
def test_the_reason_of_a_heading(log: str, heading: int, reason: int) -> None:
    lines = read(log)
    assert find_reason(lines[heading - 1], lines).number == reason


@pytest.mark.parametrize(
    "text",
    [
        "CMake Error at CMakeLists.txt:2 (project):",
        "error: subprocess-exited-with-error",
        "# ComfyUI Error Report",
        "fatal error: file /Users/me/View.swift, line 78",
        "See the error messages above.",
        "Error occurred when executing Painter:",
    ],
)
def test_a_heading_without_a_reason_stands_for_itself(text: str) -> None:
    line = Line(number=1, text=text)
    assert find_heading(text)
    assert find_reason(line, [line]) == line


@pytest.mark.parametrize(
    "text",
    ["ValueError: no brush", "error: no such module 'Bristles'", "fatal error: file not found"],
)
def test_a_line_that_says_why_is_no_heading(text: str) -> None:
    lines = read(f"Error: one\n{text}\nError: another\n")
    assert find_heading(text) is None
    assert find_reason(lines[1], lines) == lines[1]
