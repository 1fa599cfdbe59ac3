"""What a reader found wrong in what logs of other programs, and short ones, were told."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, Role, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

FRAME = 'Traceback (most recent call last):\n  File "/x/a.py", line 5, in f\n'
TENSORFLOW = """\
2021-05-01 10:00:00.1: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not \
load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object \
file: No such file or directory
Epoch 1/2
10/10 [=====] - 1s 2ms/step - loss: 0.3
"""
DISTUTILS = "ModuleNotFoundError: No module named 'distutils'\n"
SCHEMA = """\
Traceback (most recent call last):
  File "/x/site-packages/gradio_client/utils.py", line 863, in get_type
    if "const" in schema:
       ^^^^^^^^^^^^^^^^^
TypeError: argument of type 'bool' is not iterable
"""
GO = """\
verifying brush.example/a@v1.2.3: checksum mismatch
\tdownloaded: h1:abc=
\tgo.sum:     h1:def=
"""
WORKER = """\
[2023-01-01 10:00:00 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:12)
[2023-01-01 10:00:01 +0000] [7] [ERROR] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?
"""
SUPERVISOR = "paint: SIGKILL after stopwaitsecs\npaint terminated by signal 9\n"
POD = """\
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
"""
MEMORY = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"


PACKAGES = (
    'Traceback (most recent call last):\n  File "/x/site-packages/{}/x.py", line 1, in <module>\n'
)
REPORT = """\
# ComfyUI Error Report
- **Exception Type:** RuntimeError
- **Exception Message:** mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)
## Logs
Traceback (most recent call last):
  File "/x/nodes.py", line 21, in load
    import foo
ModuleNotFoundError: No module named 'foo'
"""
MIXED = """\
ld: warning: ignoring file '/x/libfoo.a': found architecture 'x86_64', required architecture 'arm64'
** BUILD {} **
"""
GIT = """\
FileNotFoundError: [WinError 2] Das System kann die angegebene Datei nicht finden: 'git'
"""


def first(log: str) -> tuple[str, str]:
    """Return the id of what is told first, and what is said; empty if no cause is."""
    cause = examine(log, entries()).cause
    return (cause.entry.id, f"{cause.cause} {cause.fix}") if cause else ("", "")


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (FRAME + DISTUTILS, "family-old-setuptools", "Python 3.12 has no distutils"),
        (f"gyp ERR! configure error\n{FRAME}{DISTUTILS}", "family-old-setuptools", "setuptools"),
        (f"Collecting numpy==1.23.5\n{FRAME}{DISTUTILS}", "numpy123-no-distutils", "numpy 1.23"),
        (SCHEMA, "family-gradio-schema", "pydantic"),
        (WORKER, "family-killed-for-memory", "time limit"),
        (SUPERVISOR, "family-killed-for-memory", "stopwaitsecs"),
        (POD, "family-killed-for-memory", "memory runs out"),
        (
            "me@host: Permission denied (publickey).\n",
            "git-ssh-key",
            "logged in to by SSH (me@host)",
        ),
        ("git@host: Permission denied (publickey).\n", "git-ssh-key", "Use the https:// address"),
        (
            'Get "https://x.example/": dial tcp: lookup x.example on 127.0.0.53:53: no such host\n',
            "family-unreachable",
            "no computer of the name x.example",
        ),
        (
            f"{FRAME}    a, b = g()\nTypeError: cannot unpack non-iterable NoneType object\n",
            "family-none-part",
            "g() gives nothing (None)",
        ),
        (
            f"{FRAME}    go()\nRuntimeError: There is no current event loop in thread 'T-1'.\n",
            "asyncio-no-loop",
            "T-1",
        ),
        (
            (
                "javax.net.ssl.SSLHandshakeException: PKIX path building failed: unable to find"
                " valid certification path to requested target\n"
            ),
            "java-certificate",
            "Java does not trust",
        ),
        (
            f"{FRAME}alembic.util.exc.CommandError: Can't locate revision identified by 'abc'\n",
            "alembic-revision",
            "revision abc",
        ),
        (GIT, "family-manager-git", "git is not installed"),
        (
            PACKAGES.format("google/protobuf")
            + "ImportError: libbrush.so.2: cannot open shared object file: No such file\n",
            "family-library-missing",
            "install protobuf again",
        ),
        (
            PACKAGES.format("MySQLdb")
            + "ImportError: libmysqlclient.so.21: cannot open shared object file: No such file\n",
            "family-library-missing",
            "install mysqlclient again",
        ),
        (
            f"{FRAME}    assert torch.backends.mps.is_available()\nAssertionError\n",
            "family-own-check",
            "There is no MPS here",
        ),
    ],
)
def test_the_cause_is_told(log: str, name: str, said: str) -> None:
    told = first(log)
    assert told[0] == name
    assert said in told[1]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("C:\\\\temp\\\\new:2023.txt", "new:2023.txt has a colon"),
        ("out/10:30.png", "10:30.png has a colon"),
        ("C:\\\\temp\\\\a|b.txt", "a|b.txt has a character that Windows does not allow"),
        ("\\\\\\\\?\\\\C:\\\\temp\\\\ok.txt", "The system does not take"),
        ("C:\\temp.txt", "took a backslash"),
        ("C:\\\\temp\\\\new.txt", "The system does not take"),
    ],
)
def test_of_a_path_the_sign_that_is_forbidden_is_told(path: str, said: str) -> None:
    told = first(f"{FRAME}    open(p)\nOSError: [Errno 22] Invalid argument: '{path}'\n")
    assert told[0] == "family-argument-of-system"
    assert said in told[1]


@pytest.mark.parametrize(
    "message",
    [
        "ValueError: invalid argument to f",
        "RuntimeError: invalid state transition",
        "ValueError: Unknown format code 'd' for object of type 'str'",
        "RuntimeError: Invalid operation",
        "sqlalchemy.exc.ProgrammingError: Invalid column name 'age'.",
    ],
)
def test_a_word_of_the_message_is_no_setting(message: str) -> None:
    name, said = first(f"{FRAME}    go()\n{message}\n")
    assert name == "family-wrong-value"
    assert "no such value for one of its arguments or settings" in said


@pytest.mark.parametrize(
    "log",
    [
        TENSORFLOW,
        GO,
        TENSORFLOW + "Cannot dlopen some GPU libraries. Please make sure they are installed.\n",
        "verifying module: checksum mismatch\n",
        "TypeError: f() got an unexpected keyw\n",
        '127.0.0.1 - - [01/Jan/2023] "POST /items HTTP/1.1" 500 -\n',
        'INFO:     127.0.0.1:5000 - "POST /items HTTP/1.1" 500 Internal Server Error\n',
        'level=error msg="POST /v1/items HTTP/1.1 500 Internal Server Error"\n',
        MIXED.format("SUCCEEDED"),
        "Completed 500 Internal Server Error in 12ms (ActiveRecord: 1.2ms)\n",
        f"{FRAME}    a[10]\nIndexError: index 10 is out of bounds for axis 0 with size 10\n",
        "- Fix ModuleNotFoundError: No module named 'foo' when started from a link\n",
        "* `RuntimeError: CUDA out of memory` is gone on small cards\n",
        "fatal: No names found, cannot describe anything.\nStarting server\n",
        f"{MEMORY}retrying with tiled VAE\nPrompt executed in 12.34 seconds\n",
        f"{MEMORY}retrying with a batch of 1\nstep 50/50 loss 0.1\nmodel saved\n",
        "'NoneType' object has no attribute 'cadam32bit_grad_fp32'\nsteps: 50/50\nmodel saved.\n",
    ],
)
def test_no_cause_is_told(log: str) -> None:
    assert first(log)[0] == ""


def test_what_failed_again_is_told() -> None:
    assert first(f"{MEMORY}retrying with a batch of 1\n{MEMORY}")[0] == "family-gpu-memory"


def test_a_cause_is_told_once() -> None:
    told = [one.entry.id for one in examine(SCHEMA, entries()).matches if one.role is Role.CAUSE]
    assert told == ["family-gradio-schema"]


def test_a_release_and_a_module_are_named_once() -> None:
    log = f"{FRAME}AttributeError: `np.Inf` was removed in the NumPy 2.0 release. Use `np.inf`.\n"
    assert "(numpy 2.0)" not in first(log)[1]
    log = f"{FRAME}AttributeError: module 'cv2' has no attribute 'foo'\n"
    assert "cv2 has no foo: " in first(log)[1]


def test_what_comfyui_reports_is_told_beside_another_traceback() -> None:
    told = {one.entry.id for one in examine(REPORT, entries()).matches}
    assert "family-mixed-families" in told


def test_a_warning_above_a_build_that_failed_may_tell_why() -> None:
    assert first(MIXED.format("FAILED"))[0] != ""


def test_no_guess_stands_above_what_is_likely() -> None:
    log = "/bin/sh: line 1: 4711 Terminated: 15\n    State: x\n      Reason:  OOMKilled\n"
    causes = [one for one in examine(log, entries()).matches if one.role is Role.CAUSE]
    assert causes[0].entry.id == "family-killed-for-memory"
    assert causes[0].confidence is not Confidence.GUESS
