"""Runs Apple's own compiler, available on a Mac with the full Xcode."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.compile.compiled import COREMLDATA, TEXT
from sdcoreml.ground.aside import folder_aside
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent

PATIENCE = 20.0
"""Timeout in seconds for locating the compiler; compiling itself has no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XcodeCompiler:
    """The command that starts Apple's `coremlcompiler`."""

    command: tuple[str, ...]

    def compile(self, package: Path, target: Path, emit: Emit = silent) -> None:
        """Compile `package` to the folder `target`, replacing an older compiled model of that name.

        Raises:
            BadInputError: the compiler refused the package.
            SdcoremlError: the compiler did not start, or wrote no compiled model.
        """
        emit(Event(kind="step", text=f"compile {package.name} with Xcode"))
        with folder_aside(target, COREMLDATA) as part:
            self._run(package, part)
            made = part / f"{package.stem}.mlmodelc"
            for name in (TEXT, COREMLDATA):
                if not (made / name).is_file():
                    raise SdcoremlError(
                        f"coremlcompiler reported success but left no {name}",
                        where=package,
                        remedy="compile without --with-xcode",
                    )
            for entry in made.iterdir():
                entry.replace(part / entry.name)
            made.rmdir()

    def _run(self, package: Path, folder: Path) -> None:
        command = [*self.command, "compile", str(package.resolve()), str(folder.resolve())]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise SdcoremlError(
                f"cannot be started: {error.strerror}",
                where=self.command[0],
                remedy="check the Xcode installation",
            ) from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise BadInputError(
                f"coremlcompiler failed with exit code {done.returncode}: {said}",
                where=package,
                remedy="check the package",
            )


def find_xcode() -> XcodeCompiler | None:
    """Find the compiler of the selected Xcode; return `None` if there is none.

    The Command Line Tools alone do not include the compiler. `xcode-select` is run first, because
    `xcrun` opens a window if no developer tools are installed.
    """
    if platform.system() != "Darwin" or not _answer("xcode-select", "--print-path"):
        return None
    path = _answer("xcrun", "--find", "coremlcompiler")
    return XcodeCompiler(command=(path,)) if path else None


def _answer(*command: str) -> str:
    """Return the output of a short command; empty if it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
