"""Runs a command in a fork of this process, with limits, and reports what it did.

The fork inherits all imported modules, so a command costs only its own work. Its current folder,
its home and its temporary folder are in one root folder, which is compared before and after.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeAlias

from tests.fuzz.tree import walk

Command: TypeAlias = Callable[[Sequence[str]], int]

ESCAPED = 99
"""The fork's exit code if its command raised an exception."""

_SECONDS = 40.0
"""The time in seconds without any use of the CPU after which a command counts as hanging."""
_CPU_SECONDS = 20
_LOOK = 1.0
"""The time in seconds between two looks at the use of the CPU."""
_MEMORY = 1 << 30
"""The resident memory in bytes above which a command is killed."""
_HASHED = 8 << 20
"""The size in bytes above which files are compared by their times, not by their content."""
_POLLS = (0.001,) * 20 + (0.005,) * 100
_POLL = 0.02

Entry: TypeAlias = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """The folders in which a command runs: `root`, with `work`, `home`, `temporary` and `envs`.

    `user` is the id of the user it runs as, `None` for the present one. The fork calls `patch`
    before it runs the command.
    """

    root: Path
    user: int | None = None
    patch: Callable[[], None] | None = None

    @property
    def work(self) -> Path:
        """Return the command's current folder."""
        return self.root / "work"

    def environ(self) -> dict[str, str]:
        """Return the environment variables of the command."""
        home = f"{self.root}/home"
        return {
            "HOME": home,
            "TMPDIR": f"{self.root}/temporary",
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "SDCOREML_ENVS": f"{self.root}/envs",
            "HF_HOME": f"{home}/.cache/huggingface",
            "HF_HUB_OFFLINE": "1",
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a command did: `code` is its exit code, or negative for a signal as in `subprocess`.

    `seconds` is CPU time, `memory` the peak in bytes beyond what its parent held, and `log` the log
    that it wrote of a bug. `left` are the paths it added and `changed` those it changed, relative
    to the root.
    """

    code: int
    out: str
    err: str
    log: str
    seconds: float
    wall: float
    memory: int
    left: tuple[str, ...]
    changed: tuple[str, ...]
    hung: bool
    orphans: bool


def observe(command: Command, words: Sequence[str], grounds: Grounds, spool: Path) -> Observation:
    """Run one command, with its output in files of the folder `spool`; return what it did."""
    before = dict(_entries(grounds.root))
    began, held = time.monotonic(), _resident(os.getpid())
    pid = os.fork()
    if pid == 0:
        _run(command, words, grounds, spool)
    status, usage, hung = _wait(pid, began, held)
    orphans = _end_group(pid)
    wall = time.monotonic() - began
    after = dict(_entries(grounds.root))
    logs = sorted((grounds.root / "temporary").glob("sdcoreml-bug-*.log"))
    return Observation(
        code=os.waitstatus_to_exitcode(status),
        out=_text(spool / "out"),
        err=_text(spool / "err"),
        log=_text(logs[0]) if logs else "",
        seconds=usage.ru_utime + usage.ru_stime,
        wall=wall,
        memory=max(0, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) - held),
        left=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(name for name in before if before[name] != after.get(name))),
        hung=hung,
        orphans=orphans,
    )


def _run(command: Command, words: Sequence[str], grounds: Grounds, spool: Path) -> NoReturn:
    """Run the command in the fork, and exit; never returns."""
    try:
        os.setsid()
        _redirect(spool)
        os.chdir(grounds.work)
        os.environ.clear()
        os.environ.update(grounds.environ())
        tempfile.tempdir = None
        sys.argv = ["sdcoreml", *words]
        _come_home(grounds)
        _limit()
        if grounds.user is not None:
            os.setgroups([])
            os.setgid(grounds.user)
            os.setuid(grounds.user)
        if grounds.patch is not None:
            grounds.patch()
        code = command(words)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  whatever comes out is what we look for
        traceback.print_exc()
        code = ESCAPED
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _come_home(grounds: Grounds) -> None:
    """Let the hub's library, which has read its variables already, look into the command's home."""
    if constants := sys.modules.get("huggingface_hub.constants"):
        home = grounds.environ()["HF_HOME"]
        for name, path in (("HF_HOME", home), ("HF_HUB_CACHE", f"{home}/hub")):
            setattr(constants, name, path)
        setattr(constants, "HF_TOKEN_PATH", f"{home}/token")  # noqa: B010  a fork's own


def _redirect(spool: Path) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(spool / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  the fork's own
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (4 * _MEMORY, 4 * _MEMORY))


def _wait(pid: int, began: float, held: int) -> tuple[int, resource.struct_rusage, bool]:
    """Wait for the fork; return its status, its use of resources, and whether it was killed.

    It has `held` bytes of memory from its parent, which may have run thousands of tests.
    """
    polls = iter(_POLLS)
    hung, used, moved, looked = False, -1, began, began
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return status, usage, hung
        now = time.monotonic()
        if now - looked > _LOOK:
            looked = now
            if (ticks := _ticks(pid)) != used:  # a busy machine makes nothing hang
                used, moved = ticks, now
        if not hung and (now - moved > _SECONDS or _resident(pid) - held > _MEMORY):
            hung = now - moved > _SECONDS
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(next(polls, _POLL))


def _ticks(pid: int) -> int:
    """Return the CPU time of a process and of its ended children, in the system's unit; or 0."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    except (OSError, ValueError):
        return 0


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if unknown."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _end_group(pid: int) -> bool:
    """Kill processes that the fork left running; return True if there were any."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _entries(root: Path) -> Iterator[tuple[str, Entry]]:
    """Yield each path below `root` with its mode, size, time, and link target or digest."""
    for path, folder, name, status in walk(root):
        yield path, _entry(name, status, folder)


def _entry(name: str, status: os.stat_result, folder: int) -> Entry:
    mode = status.st_mode
    if stat.S_ISDIR(mode):  # its own time changes with every file that comes and goes
        return (mode, 0, 0, "")
    content = ""
    if stat.S_ISLNK(mode):
        content = os.readlink(name, dir_fd=folder)
    elif stat.S_ISREG(mode) and status.st_size <= _HASHED:
        with open(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:  # noqa: PTH123
            content = str(zlib.crc32(file.read()))
    return (mode, status.st_size, status.st_mtime_ns, content)


def imports_of(command: Command, words: Sequence[str], grounds: Grounds, spool: Path) -> set[str]:
    """Run a command in a fork to find out which modules it imports."""

    def run(words: Sequence[str]) -> int:
        code = command(words)
        sys.stdout.flush()
        (spool / "modules").write_text("\n".join(sys.modules), encoding="utf-8")
        return code

    observe(run, words, grounds, spool)
    path = spool / "modules"
    return set(path.read_text(encoding="utf-8").split("\n")) if path.is_file() else set()


def prepare(root: Path) -> None:
    """Make the folders of a `Grounds` in `root`."""
    for name in ("work", "home", "temporary", "envs"):
        (root / name).mkdir(parents=True, exist_ok=True)
