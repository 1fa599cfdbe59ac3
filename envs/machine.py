"""What the machine is that something was built or proven on, in words for a record."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from envs.process import run

_MODEL = re.compile(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", re.MULTILINE)


def cpu_model(root: Path = Path("/"), system: str = sys.platform) -> str:
    """The processor's model and cores, such as `Apple M2 (8 cores)`."""
    if system == "darwin":
        model = _words("sysctl", "-n", "machdep.cpu.brand_string")
    else:
        try:
            found = _MODEL.search((root / "proc/cpuinfo").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            found = None
        model = " ".join(found[1].split()) if found else ""
    return f"{model or f'unknown {platform.machine()}'} ({os.cpu_count()} cores)"


def system_name(system: str = sys.platform) -> str:
    """The operating system and its version, such as `macOS 14.5` or `Debian GNU/Linux 12`."""
    if system == "darwin":
        return f"macOS {_words('sw_vers', '-productVersion') or platform.release()}"
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return ", ".join((name, *filter(None, (" ".join(platform.libc_ver()).strip(),))))


def _words(*command: str) -> str:
    try:
        done = run(command)
    except OSError:
        return ""
    return done.out.strip() if done.code == 0 else ""
