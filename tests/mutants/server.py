"""Forks a pytest for each request: what all tests import is loaded once.

Runs as a script, on the host or in the built environment, with the folders for `sys.path` as its
arguments. A request is a JSON line on stdin: the run's arguments, variables, output file and CPU
seconds. Two lines answer it: the id of the run's process, which leads a group of its own, and its
exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import tempfile
import traceback

LIBRARIES = (
    *("pytest", "_pytest.legacypath", "_pytest.doctest", "_pytest.junitxml", "xdist.newhooks"),
    *("hypothesis", "hypothesis.internal.conjecture.engine", "pygments.lexers", "numpy", "anyio"),
    *("torch", "coremltools", "diffusers", "transformers"),
)
"""What tests import of others' code; some of it is in one of the two environments only."""


def serve() -> None:
    """Answer requests until stdin ends."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(request)
        print(child, flush=True)  # noqa: T201  the answer
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  the answer


def run(request: dict[str, object]) -> None:
    """Become the run: pytest, as if it had been started by itself."""
    code = 3
    try:
        os.setsid()
        output = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for handle, number in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(handle, number)
        # The parent counts the whole family's time; this ends a run whose parent was killed.
        longest = int(float(str(request["seconds"]))) + 60
        resource.setrlimit(resource.RLIMIT_CPU, (longest, longest))
        os.environ.clear()
        os.environ.update(request["environ"])  # type: ignore[call-overload]
        tempfile.tempdir = None
        import pytest

        code = int(pytest.main(request["arguments"]))  # type: ignore[arg-type]
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path[:1] = []  # this folder: the run imports from the checkout
    sys.path.extend(sys.argv[1:])
    serve()
