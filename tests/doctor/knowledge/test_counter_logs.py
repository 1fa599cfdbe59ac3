"""A line that several causes print is told by what else the log has, or not as likely."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

NO_GPUS = "RuntimeError: No CUDA GPUs are available\n"
RESET = "ConnectionResetError: [Errno 104] Connection reset by peer\n"
SHAPES = "RuntimeError: mat1 and mat2 shapes cannot be multiplied"
TOLD = {
    "a server of this machine": (
        (
            "requests.exceptions.HTTPError: 404 Client Error: Not Found for url:"
            " http://127.0.0.1:7860/sdapi/v1/paint\n"
        ),
        "has no /sdapi/v1/paint",
    ),
    "a worker that ended": (
        f'  File "/usr/lib/python3.8/multiprocessing/resource_sharer.py", line 57, in f\n{RESET}',
        "No network is in it",
    ),
    "a constant": (
        "RuntimeError: value cannot be converted to type at::Half without overflow: -1e+30\n",
        "float16 ends at 65504",
    ),
    "a GPU's number": (f"$ CUDA_VISIBLE_DEVICES=1 python paint.py\n{NO_GPUS}", "counted from 0"),
    "a script without its first line": (
        "OSError: [Errno 8] Exec format error: './paint.sh'\n",
        "first line does not name its interpreter",
    ),
    "a value that begins with a dash": (
        (
            '$ python paint.py --less "-blue"\n'
            "paint.py: error: argument --less: expected one argument\n"
        ),
        "begins with a dash",
    ),
    "files in place of space": (
        (
            "OSError: [Errno 28] No space left on device: '/scratch/a.txt'\n"
            "Filesystem        Inodes     IUsed IFree IUse% Mounted on\n"
            "/dev/sdb1      122101760 122101760     0  100% /scratch\n"
        ),
        "no free inodes",
    ),
    "a terminal that is gone": (
        '    print(f"step {step}")\nOSError: [Errno 5] Input/output error\n',
        "terminal that it prints to is gone",
    ),
    "a picture as a path": (
        "OSError: [Errno 36] File name too long: '/9j/4AAQSkZJRgABAQAAAQABAAD'\n",
        "content itself",
    ),
    "a file of one's own": (
        "ImportError: cannot import name 'Paint' from 'diffusers' (/home/me/diffusers.py)\n",
        "Python imported /home/me/diffusers.py",
    ),
}


@pytest.mark.parametrize(("log", "said"), TOLD.values(), ids=TOLD.keys())
def test_what_else_the_log_has_decides(log: str, said: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.confidence is not Confidence.GUESS
    assert said in cause.cause


@pytest.mark.parametrize(
    "log",
    [
        f"{SHAPES} (576x1024 and 768x4096)\n",
        "KeyError: 'params'\n",
        "urllib.error.HTTPError: HTTP Error 403: Forbidden\n",
        "exec /app/paint.sh: exec format error\n",
        "RuntimeError: CUDA error: unspecified launch failure\n",
    ],
)
def test_where_nothing_decides_it_is_a_guess(log: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is None or cause.confidence is Confidence.GUESS


@pytest.mark.parametrize(
    ("aside", "failure", "entry"),
    [
        (
            "-- Could NOT find Python3 (missing: Python3_INCLUDE_DIRS Development.Module)\n",
            "nvcc fatal   : Unsupported gpu architecture 'compute_89'\n",
            "source-nvcc-does-not-know-gpu",
        ),
        (
            "conftest.c:12:10: fatal error: sys/paint.h: No such file or directory\n",
            "c++: fatal error: Killed signal terminated program cc1plus\n",
            "family-compiler-killed",
        ),
        (
            (
                "Exception in callback _ProactorBasePipeTransport._call_connection_lost(None)\n"
                "Traceback (most recent call last):\n"
                '  File "asyncio\\events.py", line 84, in _run\n'
                "ConnectionResetError: [WinError 10054] An existing connection was closed\n"
            ),
            "  - Value not in list: ckpt_name: 'paint.safetensors' not in ['a.safetensors']\n",
            "family-choice-not-there",
        ),
    ],
)
def test_what_a_program_does_without_is_not_why(aside: str, failure: str, entry: str) -> None:
    cause = examine(aside + failure, entries()).cause
    assert cause is not None
    assert cause.entry.id == entry
