"""A tiny toolchain with wheels and a conda channel, and a folder of environments for it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.building.base import CONDA
from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import EnvError
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.channel import channel, lock_conda
from tests.envs.conda_engine import lend_engine
from tests.envs.wheels import standard_wheels, toolchain


class Place:
    """A toolchain with wheels and a channel, and a folder of environments to build it in."""

    def __init__(self, folder: Path) -> None:
        self.wheels, self.channel = folder / "wheels", folder / "channel"
        self.root = folder / "envs"
        self.locked = standard_wheels(self.wheels)
        self.name = toolchain(folder / "tiny", self.locked)
        self.lock = channel(self.channel)
        lock_conda(self.name, self.lock)
        lend_engine(self.root)

    def source(self, channel: str = "") -> PackageSource:
        place = channel or self.channel.as_uri()
        return PackageSource(wheels=self.wheels, channel=place)

    def make(self, root: Path | None = None, **asked: Any) -> Environment:
        events = asked.pop("events", [])
        assert isinstance(events, list)
        fields: dict[str, Any] = {"backend": CONDA, "source": self.source()}
        fields |= {"root": root or self.root} | asked
        options = BuildOptions(**fields)
        return build(load_toolchain(self.name), options=options, emit=events.append)

    def fails(self, error: type[EnvError], words: str, **asked: Any) -> None:
        """Require that a build fails with this message, and leaves nothing behind."""
        with pytest.raises(error, match=words) as caught:
            self.make(**asked)
        assert "\n" not in str(caught.value)
        assert leftovers(self.root) == []


def output(*command: Path | str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob(".sdcoreml-*"))
