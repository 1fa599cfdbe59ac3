from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

RESET = "fatal: unable to access 'https://x.example/': Recv failure: Connection was reset\n"
NO_CONDA = "zsh: command not found: conda\n"
METAL = (
    "libc++abi: terminating due to uncaught exception of type x: [METAL] Command buffer execution"
    " failed: Invalid Resource\n"
)
TRIAGE = """\
Exception Type:  EXC_CRASH (SIGABRT)
Kernel Triage:
VM - (arg = 0x3) mach_vm_allocate_kernel failed within call to vm_map_enter
"""


def told(log: str) -> tuple[str, Confidence] | None:
    """Return the id of the first cause and how sure it is."""
    cause = examine(log, entries()).cause
    return (cause.entry.id, cause.confidence) if cause else None


def test_what_was_not_fetched_explains_what_is_missing() -> None:
    assert told(NO_CONDA) == ("conda-is-not-in-path", Confidence.GUESS)
    assert told(NO_CONDA + RESET) == ("family-unreachable", Confidence.LIKELY)


def test_that_there_is_no_environment_explains_the_modules_that_are_missing() -> None:
    missing = "ModuleNotFoundError: No module named 'omegaconf'\n"
    gone = "EnvironmentNameNotFound: Could not find conda environment: ldm\n"
    assert told(missing) == ("omegaconf-missing", Confidence.LIKELY)
    assert told(gone + missing) == ("conda-no-such-environment", Confidence.LIKELY)


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (METAL, "family-gpu-graph"),
        (TRIAGE, "family-kernel-triage"),
    ],
)
def test_a_guess_that_says_little_comes_after_any_other(log: str, name: str) -> None:
    assert told(log) == (name, Confidence.GUESS)


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("zsh: permission denied: ./webui.sh\n", ("family-not-executable", Confidence.GUESS)),
        (
            "cp: permission denied: /System/x\n",
            ("family-not-writable", Confidence.GUESS),
        ),
        (
            "dyld[1]: Library not loaded: @executable_path/../.Python\n",
            ("family-python-gone", Confidence.LIKELY),
        ),
        (
            "dyld[1]: Library not loaded: @rpath/libx.dylib\n",
            ("family-library-missing", Confidence.GUESS),
        ),
        (
            "zsh: /bin/pipenv: bad interpreter: /opt/python/bin/python3.6: no such file\n",
            ("family-python-gone", Confidence.LIKELY),
        ),
        (
            "zsh: ./x.sh: bad interpreter: /bin/env: no such file or directory\n",
            ("family-command-missing", Confidence.GUESS),
        ),
        (
            "/bin/sh: line 1: git: No such file or directory\n",
            ("family-command-missing", Confidence.GUESS),
        ),
        (
            "PermissionError: [Errno 13] error while attempting to bind on address ('::1', 80)\n",
            ("family-port-in-use", Confidence.CERTAIN),
        ),
        (
            "RuntimeError: Placeholder storage has not been allocated on MPS device!\n",
            ("family-devices-mixed", Confidence.LIKELY),
        ),
        (
            "Failed to build the model execution plan using a model architecture file\n",
            ("family-execution-plan", Confidence.GUESS),
        ),
        ("Failed to build frobs\n", ("family-build-failed", Confidence.LIKELY)),
        (
            "ModuleNotFoundError: No module named 'triton'\n",
            ("family-not-for-mac", Confidence.LIKELY),
        ),
        ("KeyError: 'frobs'\n", ("family-key-missing", Confidence.GUESS)),
        ("overwriting variable {'PYTORCH_ENABLE_MPS_FALLBACK'}\n", None),
    ],
)
def test_what_only_reads_like_another_family_is_told_apart(
    log: str, cause: tuple[str, Confidence] | None
) -> None:
    assert told(log) == cause


WRAPPED = """\
Traceback (most recent call last):
  File "/v/lib/python3.11/site-packages/huggingface_hub/hub.py", line 9, in load
    raise FrobError(message)
huggingface_hub.FrobError: {inner}

{link}

Traceback (most recent call last):
  File "/v/lib/python3.11/site-packages/transformers/utils/hub.py", line 449, in cached_file
    raise EnvironmentError(
OSError: We couldn't connect to 'https://huggingface.co' to load this file
"""


@pytest.mark.parametrize(
    "link",
    [
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    ],
)
def test_what_only_wraps_an_exception_that_nobody_knows_is_a_guess(link: str) -> None:
    told = {
        inner: examine(WRAPPED.format(inner=inner, link=link), entries()).cause
        for inner in ("the frob is not for sale", "Failed to resolve: NameResolutionError")
    }
    unknown, known = told.values()
    assert unknown is not None
    assert known is not None
    assert unknown.confidence is Confidence.GUESS
    assert known.entry.id == "host-not-resolved"
    assert known.confidence is not Confidence.GUESS
