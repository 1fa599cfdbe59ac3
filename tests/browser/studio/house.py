"""A machine of its own for the true studio: a home folder with models, and its processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from sdcoreml.convert.models.sample import write_sample
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.envs.kept import store
from sdcoreml.ground.places import environments_folder
from tests.bench.models import original_shapes
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.models import write_sparse
from tests.guard import make_home

TOOL = Path(__file__).resolve().parents[3] / ".venv" / "bin" / "sdcoreml"
SMALL, SAMPLE, LARGE = "small.safetensors", "sample", "sd-xl.safetensors"
ODD = "'\"><img src=x onerror=alert(1)>&lt;\u202e`x`.safetensors"
"""A name that a file may have, and that must stay a name."""

PATIENCE = 60.0
"""Seconds that the server may take to be there, on a busy machine."""


def why_not() -> str:
    """Return why models cannot be converted here; "" if they can."""
    if store.current() is None:
        return "the tested environment is not built: `sdcoreml env` builds it"
    return ""


@dataclass(kw_only=True)
class House:
    """The folder of a whole machine, and the server that runs on it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[str] | None = None
    address: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def set_up(self) -> None:
        """Make it anew, with a sample, a small file, and one of 7 GB that is a hole in the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.environ.update(os.environ)
        self.environ["SDCOREML_ENVS"] = os.fspath(environments_folder())
        make_home(self.environ, self.folder)
        write_sample(self.home / SAMPLE, vocabulary_folder())
        save(self.home / SMALL, calm(original("sd1")))
        os.link(self.home / SMALL, self.home / ODD)
        write_sparse(self.home / LARGE, original_shapes("sdxl"))

    def start(self) -> str:
        """Start `sdcoreml studio`; return the address that it prints."""
        self.server = subprocess.Popen(
            [TOOL, "studio", "--no-browser"],
            cwd=self.home,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("ab"),
            text=True,
            start_new_session=True,
        )
        assert self.server.stdout
        said = self.server.stdout.readline()
        self.address = said.split()[-1]
        assert self.address.startswith("http://127.0.0.1:"), said
        return self.address

    def kill(self) -> None:
        """End the server as a crash does; what it has started goes on."""
        assert self.server
        self.server.kill()
        self.server.wait()

    def end(self) -> None:
        """End the server as Ctrl-C does, and whatever else is still at work here."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.server.wait(timeout=10)
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()

    def labour(self) -> float:
        """Return how many seconds of a processor the server has taken."""
        assert self.server
        taken = psutil.Process(self.server.pid).cpu_times()
        return float(taken.user + taken.system)

    def processes(self) -> Iterator[psutil.Process]:
        """Yield the processes of this house: its queue's folder is among their variables."""
        own = self.environ["SDCOREML_QUEUE"]
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("SDCOREML_QUEUE") == own:
                    yield process

    def runner(self) -> psutil.Process:
        """Return the process that works on the queue, as soon as it is there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for process in self.processes():
                with suppress(psutil.Error):
                    if process.cmdline()[-2:] == ["queue", "run"]:
                        return process
            time.sleep(0.05)
        raise TimeoutError("the queue has no runner")

    def kill_runner(self) -> None:
        """End the runner and all that it has started by kill -9."""
        runner = self.runner()
        for process in (runner, *runner.children(recursive=True)):
            with suppress(psutil.Error):
                process.kill()


def calm(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return weights of the same shapes whose results are numbers: variance goes through."""
    chance = np.random.default_rng(1)
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.ndim == 0:
            found[name] = array
        elif array.ndim == 1:
            found[name] = np.full(array.shape, float(name.endswith("weight")), array.dtype)
        else:
            drawn = chance.standard_normal(array.shape) * 0.7 / np.sqrt(array[0].size)
            found[name] = drawn.astype(array.dtype)
    return found
