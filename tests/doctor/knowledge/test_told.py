"""What small logs are told: the cause that a reader would name, and no surer than that."""

from __future__ import annotations

import json

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

CERTAIN, LIKELY, GUESS = Confidence.CERTAIN, Confidence.LIKELY, Confidence.GUESS


def told(log: str) -> tuple[str, Confidence] | None:
    """Return the id of the first cause and how sure it is."""
    cause = examine(log, entries()).cause
    return (cause.entry.id, cause.confidence) if cause else None


def ips(signal: str, namespace: str, code: int, **exception: str) -> str:
    """Return a crash report of macOS in JSON."""
    return json.dumps({"bug_type": "309"}) + json.dumps(
        {
            "exception": {"type": "EXC_CRASH", "signal": signal, **exception},
            "termination": {"namespace": namespace, "code": code},
            "faultingThread": 0,
            "threads": [],
        }
    )


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("zsh: killed     python x.py\n", "oom-killed"),
        ("error: it failed with exit code 137\n", "family-killed-for-memory"),
    ],
)
def test_however_it_is_told_that_a_program_was_killed_memory_is_as_likely(
    log: str, name: str
) -> None:
    assert told(log) == (name, LIKELY)


def test_what_follows_from_a_kill_is_no_surer_than_its_own_grounds() -> None:
    leaked = "UserWarning: resource_tracker: There appear to be 1 leaked semaphore objects to clean"
    log = f"zsh: killed     python x.py\n{leaked} up at shutdown\n"
    assert {one.confidence for one in examine(log, entries()).matches} == {LIKELY}


UNSIGNED = """\
Exception Type:        EXC_CRASH (SIGKILL (Code Signature Invalid))
Termination Reason:    Namespace CODESIGNING, Code 2 Invalid Page
"""
WATCHDOG = """\
Exception Type:  EXC_CRASH (SIGKILL)
Termination Reason: Namespace FRONTBOARD, Code 0x8badf00d
"""
JETSAM = """\
Exception Type:  EXC_CRASH (SIGKILL)
Termination Reason: Namespace JETSAM, Code 0x1
"""


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (UNSIGNED, "family-code-signature"),
        (WATCHDOG, "family-watchdog"),
        (JETSAM, "family-killed-for-memory"),
        (ips("SIGKILL (Code Signature Invalid)", "CODESIGNING", 2), "family-code-signature"),
        (ips("SIGKILL", "FRONTBOARD", 2343432205), "family-watchdog"),
        (ips("SIGKILL", "JETSAM", 1), "family-killed-for-memory"),
        ("process exited: SIGKILL\n", "family-killed-for-memory"),
    ],
)
def test_who_killed_an_app_is_told_by_its_crash_report(log: str, name: str) -> None:
    assert told(log) == (name, LIKELY)


@pytest.mark.parametrize(
    "log",
    [
        ips("SIGKILL", "SIGNAL", 9),
        "Exception Type: EXC_CRASH (SIGKILL)\nTermination Reason: Namespace SIGNAL, Killed: 9\n",
        "Exception Type: EXC_RESOURCE (RESOURCE_TYPE_CPU: CPU usage trigger)\n",
    ],
)
def test_a_crash_report_that_names_no_memory_is_told_no_memory(log: str) -> None:
    assert told(log) == ("family-app-crash", GUESS)


RENAMED = "PermissionError: [Errno 1] Operation not permitted: 'a.tmp' -> 'a.bin'\n"
LINKED = '  File "os_x.py", line 3, in f\n    os.symlink(a, b)\n    ^^^^^^^^^^^^^^^^\n' + RENAMED


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("curl: (23) Failure writing output to destination\n", ("family-write-failed", GUESS)),
        ("Failure writing output to destination\n", ("family-write-failed", GUESS)),
        ("curl: (23) client returned ERROR on write\n", ("family-write-failed", GUESS)),
        ("mount: /Volumes/USB: access denied\n", ("family-access-refused", GUESS)),
        (
            "An error occurred (AccessDenied) when calling GetObject: Access Denied\n",
            ("family-access-refused", GUESS),
        ),
        ("error: access to this repo was denied\n", ("family-access-denied", LIKELY)),
        ("error: 403: Access denied\n", ("family-access-denied", LIKELY)),
        ("curl: (22) The requested URL returned error: 416\n", ("family-stale-partial", LIKELY)),
        ("HTTP Error 416: Requested Range Not Satisfiable\n", ("family-stale-partial", LIKELY)),
        ("layer 416 Range: ok\nerror code: 416\n", None),
        (RENAMED, ("family-not-writable", LIKELY)),
        (RENAMED.replace("a.tmp", "../../blobs/9c"), ("family-no-symlinks", LIKELY)),
        (RENAMED.replace("a.tmp", "/c/blobs/9c"), ("family-no-symlinks", LIKELY)),
        (LINKED, ("family-no-symlinks", LIKELY)),
    ],
)
def test_what_was_written_or_refused_is_told_no_surer_than_the_line_says(
    log: str, cause: tuple[str, Confidence] | None
) -> None:
    assert told(log) == cause


SCRIPT = 'Traceback (most recent call last):\n  File "my.py", line 3, in <module>\n    run()\n'
SWIFT = "Sources/a.swift:3:1: error: cannot find {} in scope\n"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            SCRIPT + "FileExistsError: [Errno 17] File exists: 'a'\n",
            ("family-path-kind", LIKELY),
        ),
        (
            SCRIPT + "IsADirectoryError: [Errno 21] Is a directory: 'a'\n",
            ("family-path-kind", LIKELY),
        ),
        (
            "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?\n",
            ("family-python-2-code", LIKELY),
        ),
        (
            SCRIPT + "TypeError: 'type' object is not subscriptable\n",
            ("family-not-subscriptable", GUESS),
        ),
        (
            SCRIPT.replace("run()", "def f(a: list[int]):")
            + "TypeError: 'type' object is not subscriptable\n",
            ("family-python-too-old", GUESS),
        ),
        ("and then I got permission denied again when I ran it\n", None),
        (SCRIPT + "OSError: [Errno 19] Operation not possible\n", None),
        (SCRIPT + "OSError: [Errno 19] No such device: 'a'\n", ("family-no-mmap", LIKELY)),
        ("error: Bad message from peer\n", None),
        ("error: Bad message (os error 74)\n", ("family-disk-failing", LIKELY)),
        (SWIFT.format("'foo'"), ("family-swift-build", GUESS)),
        (SWIFT.format("type 'Foo'"), ("family-swift-build", GUESS)),
        (SWIFT.format("type 'NLContextualEmbedding'"), ("family-swift-sdk", LIKELY)),
        (SWIFT.format("'Process'"), ("family-swift-sdk", LIKELY)),
        (
            "error: failed to load model a.mlmodelc: permission denied\n",
            ("family-not-writable", GUESS),
        ),
        (SCRIPT + "KeyError: 'model'\n", ("family-key-of-a-checkpoint", GUESS)),
        (
            SCRIPT + "RuntimeError: The size of tensor a (3) must match the size of tensor b (4) at"
            " non-singleton dimension 0\n",
            ("family-tensor-sizes", GUESS),
        ),
        (
            SCRIPT + "AttributeError: 'StableDiffusionPipeline' object has no attribute 'frob'\n",
            ("family-removed-attribute", GUESS),
        ),
    ],
)
def test_what_a_user_s_own_code_may_cause_is_told_no_surer_than_that(
    log: str, cause: tuple[str, Confidence] | None
) -> None:
    assert told(log) == cause


NO_TOOLS = "xcrun: error: invalid active developer path (/x), missing xcrun at: /y\n"
NO_TOOLS_ID = "xcrun-invalid-active-developer-path"


@pytest.mark.parametrize(
    "prompt",
    [
        "me@mac ~ % ",
        "$ ",
        "(venv) me@host:~/sd$ ",
        "[root@host sd]# ",
        "\u279c  ",
        "C:\\Users\\me>",
        "PS C:\\sd> ",
    ],
)
def test_what_an_earlier_command_said_is_not_why_a_later_one_failed(prompt: str) -> None:
    again = f"{prompt}python3 my.py\n"
    assert told(NO_TOOLS) == (NO_TOOLS_ID, CERTAIN)
    assert told(NO_TOOLS + again + "done\n") == (NO_TOOLS_ID, CERTAIN)
    assert told(NO_TOOLS + again + SCRIPT + "StrangeError: x\n") == (NO_TOOLS_ID, GUESS)
    later = SCRIPT + "OSError: [Errno 28] No space left on device\n"
    assert told(NO_TOOLS + again + later) == ("disk-full", CERTAIN)


@pytest.mark.parametrize("text", ["% Total    % Received", "# a note", "costs 3 $ a day", "50% x"])
def test_what_only_looks_like_a_prompt_is_none(text: str) -> None:
    log = f"{NO_TOOLS}{text}\n{SCRIPT}StrangeError: x\n"
    assert told(log) == (NO_TOOLS_ID, GUESS)


TOKENIZER = """\
ValueError: Couldn't instantiate the backend tokenizer from one of:
(1) a
(2) b
You need to have sentencepiece installed to convert a slow tokenizer
"""
CUT_SHORT = """\
Traceback (most recent call last):
  File "/x/safetensors/torch.py", line 100, in load_file
    result[k] = f.get_tensor(k)
RuntimeError: shape '[75, 768]' is invalid for input of size 54888
"""
LORA, NAME = "family-lora-family", "family-coreml-name"
EMPTY = """\
Warning: caught exception 'Torch not compiled with CUDA enabled', memory monitor disabled
Loading weights [e3b0c442] from a.ckpt
error: it failed
"""


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("AttributeError: module 'numpy' has no attribute 'bfloat16'\n", "family-number-type"),
        (
            "RuntimeError: shape '[640, 768]' is invalid for input of size 13\n",
            "family-tensor-sizes",
        ),
        ("ImportError: No module named bz2\n", "family-python-without-library"),
        ("NameError: name 'frobs' is not defined\n", "family-name-undefined"),
        ("OSError: [Errno 2] No such file: '/croot/x_1/work/x'\n", "family-frozen-paths"),
        (
            f"FileNotFoundError: [Errno 2] No such file or directory: 'C:\\\\{'long' * 60}'\n",
            "windows-path-too-long",
        ),
        ("./x.py: /Volumes/My: bad interpreter: No such file\n", "family-path-with-space"),
        ("zsh: ./x.py: bad interpreter: /Volumes/My: no such file\n", "family-path-with-space"),
        ("error: terminated(72): xcrun --sdk macosx --find xctest\n", "family-command-line-tools"),
        ("x.cpp:9: error: program_source:7:17: error: no mpp\n", "family-gpu-kernel"),
        ("env: pkg-config: No such file or directory\n", "family-command-missing"),
        (
            "EnvironmentLocationNotFound: Not a conda environment: D:\\x\n",
            "conda-no-such-environment",
        ),
        ("loading stable diffusion model: UnpicklingError\n", "family-weights-unreadable"),
        (
            "AttributeError: module 'torch' has no attribute '__version__'\n",
            "family-half-installed",
        ),
        (
            "ImportError: cannot import name 'load' from 'torch' (unknown location)\n",
            "family-half-installed",
        ),
        ("ModuleNotFoundError: No module named 'py.nodes'\n", "family-submodule-absent"),
        ("RuntimeError: Tracer cannot infer type of {'sample': 1}\n", "family-trace-types"),
        ("CodeSign error: entitlements are required\n", "family-signing"),
        ("RepositoryNotFoundError: 404 Client Error. (Request ID: R)\n", "family-not-on-hub"),
        (
            'ERROR: File "setup.py" not found. Directory cannot be installed in editable mode: x\n',
            "folder-is-no-project",
        ),
        ('Fatal error: Code=15 "The model does not have a valid input feature"\n', NAME),
        (CUT_SHORT, "family-safetensors-damaged"),
        ("ERROR clip_g.fc1.weight shape '[5, 1]' is invalid for input of size 7\n", LORA),
        (
            EMPTY,
            "family-pickle-damaged",
        ),
        (
            TOKENIZER,
            "family-optional-package",
        ),
    ],
)
def test_the_cause_is_told_by_what_is_general_in_a_line(log: str, cause: str) -> None:
    found = told(log)
    assert found is not None
    assert found[0] == cause


LOGGED = """\
Traceback (most recent call last):
  File "/usr/lib/python3.9/logging/__init__.py", line 368, in getMessage
    msg = msg % self.args
TypeError: not all arguments converted during string formatting
Call stack:
  File "/x/app.py", line 266, in run
    logger.error("error", e)
"""
FALLBACK = """\
Traceback (most recent call last):
  File "/x/safe.py", line 88, in check_pt
zipfile.BadZipFile: File is not a zip file

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/x/safe.py", line 109, in check_pt
"""


def test_what_logging_could_not_print_is_no_exception_of_the_program() -> None:
    assert examine(LOGGED, entries()).structure.chains == ()
    assert told(LOGGED + "OSError: [Errno 28] No space left on device\n") == ("disk-full", CERTAIN)


def test_an_exception_that_was_being_handled_when_the_log_ends_is_a_guess() -> None:
    assert told(FALLBACK) == ("family-zip-damaged", GUESS)
    whole = "OSError: [Errno 28] No space left on device\n"
    assert told(FALLBACK.replace("zipfile.BadZipFile: File is not a zip file\n", whole)) == (
        "disk-full",
        GUESS,
    )


FULL = "OSError: [Errno 28] No space left on device\n"


def test_what_was_typed_into_a_shell_is_a_guess() -> None:
    assert told("git libcudart.so not found\n" + FULL) == ("disk-full", CERTAIN)
    assert told("me@mac ~ % echo " + FULL) == ("disk-full", GUESS)


def test_before_a_traceback_that_the_log_does_not_end_all_is_a_guess() -> None:
    frame = 'Traceback (most recent call last):\n  File "my.py", line 3, in <module>\n    main()\n'
    because = "The above exception was the direct cause of the following exception:\n\n"
    assert told(FULL) == ("disk-full", CERTAIN)
    assert told(FULL + frame) == ("disk-full", GUESS)
    assert told(FULL + "\n" + because + frame) == ("disk-full", CERTAIN)


ALPHA = "KeyError: 'blocks.3.mix.alpha'\n"
ASIDE = (
    "ERROR: Ignored the following versions that require a different python version:"
    " 1.0 Requires-Python <3.11; 1.1 Requires-Python <3.11\n"
)
WANTS = "ERROR: Could not find a version that satisfies the requirement frob=={}\n"
CALLED = """\
  File "/usr/lib/python3.10/subprocess.py", line 1842, in _execute_child
    raise child_exception_type(errno_num, err_msg, err_filename)
FileNotFoundError: [Errno 2] No such file or directory: 'frob-config'
"""
RETRY = (
    "WARNING: Retrying (Retry(total=1)) after connection broken by"
    " 'SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number')': /x/\n"
)
CHANNELS = (
    "ValueError: The config of `pipeline.unet` expects 9 but received"
    " `num_channels_latents`: 4 = 4. Please verify\n"
)


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (ALPHA, "family-lora-alpha"),
        (
            "Please use pip<24.1 if you need to use this version.\n" + WANTS.format("1.2"),
            "pip-refuses-metadata",
        ),
        (ASIDE + WANTS.format("1.1"), "family-requires-python"),
        (CALLED, "family-program-missing"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'frob-config'\n",
            "family-file-missing",
        ),
        (RETRY, "answer-is-no-tls"),
        (CHANNELS, "family-channels-of-pipeline"),
        ("- Value not in list: vae_name: 'a.pt' not in ['b.pt']\n", "family-choice-not-there"),
        (
            "xcodebuild: error: tvOS 18.0 is not installed. Please install it\n",
            "family-xcode-platform",
        ),
        (
            "RuntimeError: MPS: frob with int64 is supported starting from macOS 13.2\n",
            "family-mps-of-newer-macos",
        ),
        (
            "Library not loaded: /opt/homebrew/opt/frob/lib/libfrob.3.dylib\n",
            "family-homebrew-library-gone",
        ),
        (
            "AttributeError: 'X' object has no attribute 'lora_te2_frob_1'\n",
            "family-lora-names-unplaced",
        ),
        (
            "Exception: Could not deserialize ATN with version 4 (expected 3).\n",
            "family-parser-of-other-runtime",
        ),
        (
            "set: In fish, please use 'set A 1'. Unsupported use of '='\n",
            "family-other-system-shell",
        ),
        ("error: the path of this folder contains spaces\n", "family-space-in-path"),
    ],
)
def test_kinds_of_failures_are_told_by_what_they_have_in_common(log: str, name: str) -> None:
    found = told(log)
    assert found is not None
    assert found[0] == name


def test_versions_that_were_not_asked_for_are_set_aside_for_nothing() -> None:
    assert told(ASIDE + WANTS.format("1.2")) in {None, ("family-requires-python", GUESS)}
    assert told(ASIDE + WANTS.format("1.1")) == ("family-requires-python", LIKELY)


def test_a_retry_that_a_log_goes_on_from_is_no_cause() -> None:
    assert told(RETRY + "Successfully installed frob-1\n") is None
