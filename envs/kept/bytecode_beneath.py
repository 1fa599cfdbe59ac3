"""Compares bytecode of the Python beneath with its sources, by that Python itself.

Python writes such files whenever it likes, so the list at sealing does not decide about them. One
is sound if its code is what its source compiles to. The Python that says so reads none of them: it
is told to look for bytecode in an empty folder, and its sources were compared with the list before.
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
    """Those of `paths`, bytecode in `__pycache__` folders, that are not what their sources give."""
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
