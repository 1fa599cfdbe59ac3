"""Compares bytecode of an environment's Python with its sources, using that Python itself.

Python writes bytecode at any time, so it cannot be compared with the manifest. It is valid if it
equals what its source compiles to. The Python that compares them loads none of it: its own bytecode
folder is an empty one, and its sources were compared with the manifest before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sdcoreml.envs.processes.process import isolate, run

_PROGRAM = """\
import importlib.util, marshal, sys
for path in sys.stdin.buffer.read().split(b"\\0"):
    try:
        path = path.decode("utf-8", "surrogateescape")
        source = importlib.util.source_from_cache(path)
        with open(path, "rb") as stream:
            head, code = stream.read(16), stream.read()
        with open(source, "rb") as stream:
            wanted = compile(stream.read(), source, "exec", dont_inherit=True)
        same = head[:4] == importlib.util.MAGIC_NUMBER and marshal.loads(code) == wanted
    except Exception:
        same = False
    print(int(same), flush=True)
"""


def find_foreign(python: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the bytecode files in `paths` that differ from what their sources compile to."""
    if not paths:
        return ()
    with tempfile.TemporaryDirectory() as nowhere:
        words = [*isolate(python), "-S", "-B", "-W", "ignore", "-X", f"pycache_prefix={nowhere}"]
        try:
            done = run([*words, "-c", _PROGRAM], words="\0".join(paths))
        except OSError:
            return tuple(paths)
    said = done.out.split()
    said += ["0"] * (len(paths) - len(said))  # it died of one of them
    return tuple(path for path, same in zip(paths, said, strict=False) if same != "1")
