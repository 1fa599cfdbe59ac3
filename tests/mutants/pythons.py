"""The interpreters that run tests for mutants: the copy's own, and the built environment's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.inside import runner


@dataclass(slots=True)
class Pythons:
    """Commands that run pytest for a copy of the checkout in `root`.

    The built environment is looked for, and built if necessary, when its first test is run.
    """

    root: Path
    _inside: list[str] = field(default_factory=list)

    def command(self, *, inside: bool) -> list[str]:
        """Return the command of one of them; its working folder is `root`."""
        if not inside:
            return [str(self.root / ".venv" / "bin" / "python"), "-m", "pytest"]
        if not self._inside:
            name = os.environ.get("TOOLCHAIN") or "tested"
            self._inside = runner.launch_command(runner.built(name), self.root)
            os.environ.setdefault("SDCOREML_LIGHT_PYTHON", str(runner.built("light")))
        return self._inside
