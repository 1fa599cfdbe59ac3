"""Runs a composite action of GitHub's as its runner would, as far as shell steps go.

What a step of another's action puts out is given: here nothing of the host is at hand.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
_EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


class Ran(NamedTuple):
    """How an action ended: its exit code, what it printed, and what later steps of a job see."""

    code: int
    text: str
    outputs: Mapping[str, str]
    environ: Mapping[str, str]
    keys: Mapping[str, str]


def run(
    folder: Path,
    temp: Path,
    python: Path | str,
    inputs: Mapping[str, str] | None = None,
    workspace: Path | None = None,
) -> Ran:
    """Run the action of a folder.

    Args:
        folder: where the action and what it calls lie, as the host would unpack it.
        temp: the runner's own folder.
        python: what `setup-python` brought.
        inputs: what the job gives; defaults stand for the rest.
        workspace: the folder in which steps run.

    Returns:
        The result; `keys` are the names under which `cache` would keep what it is given.
    """
    content = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
    known = {
        "github.action_path": str(folder),
        "runner.temp": str(temp),
        "runner.os": "Linux",
        "runner.arch": "X64",
        "steps.python.outputs.python-path": str(python),
        "steps.python.outputs.python-version": "3.10.13",
        "steps.kept.outputs.cache-hit": "",
    }
    known |= {f"inputs.{name}": str(each["default"]) for name, each in content["inputs"].items()}
    known |= {f"inputs.{name}": value for name, value in (inputs or {}).items()}
    environ = dict(os.environ)
    text = ""
    keys = {}
    for step in content["runs"]["steps"]:
        if "uses" in step:
            given = step.get("with", {})
            if "key" in given:
                keys[fill(given["path"], known)] = fill(given["key"], known)
            continue
        done, said = _run_step(step, known, environ, temp, workspace or temp)
        text += done.stdout
        if done.returncode:
            return Ran(done.returncode, text, {}, environ, keys)
        known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in said.items()}
    outputs = {name: fill(each["value"], known) for name, each in content["outputs"].items()}
    return Ran(0, text, outputs, environ, keys)


def fill(text: str, known: Mapping[str, str]) -> str:
    """Return the text with each expression's value; one that is not known is a KeyError."""
    return _EXPRESSION.sub(lambda found: known[found[1]], text)


def _run_step(
    step: Mapping[str, Any],
    known: Mapping[str, str],
    environ: dict[str, str],
    temp: Path,
    workspace: Path,
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run a shell step as the host documents it: `bash -e -o pipefail`, with files to write to."""
    files = {name: temp / name for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
    for path in files.values():
        path.write_text("")
    own = {name: fill(str(value), known) for name, value in step.get("env", {}).items()}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=workspace,
        env=environ | own | {name: str(path) for name, path in files.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    environ.update(_pairs(files["GITHUB_ENV"]))
    for line in files["GITHUB_PATH"].read_text().splitlines():
        environ["PATH"] = f"{line}{os.pathsep}{environ['PATH']}"
    return done, _pairs(files["GITHUB_OUTPUT"])


def _pairs(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())
