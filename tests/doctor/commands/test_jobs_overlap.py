"""Two real processes whose jobs overlap, at once: each artefact is made once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.ground.digest import describe, named_below
from tests.doctor.commands.test_inspect import unpacked

ROOT = Path(__file__).parents[3]
SMALL = '[[models]]\nmodel = "model"\nsize = "64x64"\nbits = 4\n'
PLAIN = '[[models]]\nmodel = "model"\nsize = "64x64"\n'
OTHER = PLAIN.replace('model"\n', 'model"\nname = "other"\n', 1)


class Process:
    """A run in a process of its own, which is told when to go on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []

    def hear(self, what: str) -> Any:
        """Return what the process says next of this kind."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.heard.append(json.loads(line))
            if what in self.heard[-1]:
                return self.heard[-1][what]
        raise AssertionError(f"it never said {what}: {self.heard}")

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> list[tuple[str, str]]:
        """Let it do all the rest; return what became of its folders."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.stdout
        self.heard += [json.loads(line) for line in self.process.stdout]
        assert self.process.wait() == 0
        return [(one["folder"], one["state"]) for one in self.heard if "folder" in one]

    @property
    def built(self) -> list[str]:
        return [name for one in self.heard for name in one.get("building", ())]


@contextmanager
def start(folder: Path, name: str, text: str) -> Iterator[Process]:
    file = folder / f"{name}.toml"
    file.write_text(text)
    command = [sys.executable, "-m", "tests.doctor.commands.overlap_stand_in"]
    with subprocess.Popen(
        [*command, os.fspath(file), os.fspath(folder / "cache")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.fspath(ROOT)},
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "folder", "state"),
    [
        (PLAIN, "model-split-einsum_64x64", "reused"),
        (OTHER, "other-split-einsum_64x64", "done"),
    ],
    ids=["the same folder", "the same programs in another folder"],
)
def test_what_two_runs_want_is_made_once(
    text: str, folder: str, state: str, tmp_path: Path
) -> None:
    unpacked(tmp_path)
    small = ("model-split-einsum-4-bit_64x64", "done")
    with ExitStack() as stack:
        one = stack.enter_context(start(tmp_path, "one", PLAIN + SMALL))
        assert sorted(one.hear("building")) == [
            *("text_encoder", "unet", "vae_decoder", "vae_encoder"),
        ]
        other = stack.enter_context(start(tmp_path, "other", text))
        assert "waiting for" in other.hear("waits")
        one.go_on()
        one.hear("building")
        assert other.finish() == [(folder, state)]
        assert one.finish() == [("model-split-einsum_64x64", "done"), small]
    assert other.built == []
    assert sorted(one.built[4:]) == ["text_encoder", "unet"]
    waits = [said for said in other.heard if "waits" in said]
    assert len(waits) == 1, "waiting is said once"
    made = {
        name: {key: value for key, value in describe(named_below(path)).items() if "mlp" in key}
        for path in (tmp_path / "models").iterdir()
        if "4-bit" not in (name := path.name)
    }
    assert made[folder] == made["model-split-einsum_64x64"] != {}
