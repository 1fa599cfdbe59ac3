"""The workflow of the host that this repository is pushed to: its form, and each shell step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.proving.families import FAMILIES, shapes_of_net
from sdcoreml.doctor.proving.miniature import CONFIGS
from tests.macs.__main__ import ATTENTIONS, Case, cases, steps

ROOT = Path(__file__).parents[1]
FILE = ROOT / ".github" / "workflows" / "test.yml"
JOBS: Mapping[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["jobs"]
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def all_steps() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for job, content in JOBS.items():
        for step in content["steps"]:
            yield f"{job}: {step.get('name') or step['uses']}", step


SHELL = {name: step["run"] for name, step in all_steps() if "run" in step}


def test_every_python_is_tested_on_linux_and_on_both_macs() -> None:
    matrix = JOBS["test"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-24.04", "macos-15", "macos-15-intel"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert JOBS["convert"]["strategy"]["matrix"]["backend"] == ["venv", "conda"]


@pytest.mark.parametrize("name", SHELL)
def test_a_shell_step_is_valid(name: str) -> None:
    script = _EXPRESSION.sub("word", SHELL[name])
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SHELL)
def test_what_a_step_makes_is_a_goal_that_takes_it(name: str) -> None:
    script = _EXPRESSION.sub("venv", SHELL[name])
    if script.startswith("make"):
        command = ["bash", "-c", script.replace("make ", "make -n ", 1)]
        # A host has a program `python`; a machine with `python3` alone does not.
        path = os.pathsep.join((os.fspath(Path(sys.executable).parent), os.environ["PATH"]))
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_actions_are_of_the_host_itself_or_pinned_by_a_commit() -> None:
    for _, step in all_steps():
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"])


def test_no_step_can_write_to_the_repository() -> None:
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert content["permissions"] == {"contents": "read"}
    assert "secrets." not in FILE.read_text(encoding="utf-8")


def test_each_family_is_made_in_each_attention_plain_and_at_6_bits(tmp_path: Path) -> None:
    found = [case.name for case in cases(tmp_path, list(FAMILIES))]
    assert {*found} >= {
        f"{family}-{attention}{bits}"
        for family in FAMILIES
        for attention in ATTENTIONS
        for bits in ("", "-6")
    }
    assert sum(name.startswith("net-") for name in found) == 6


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tiny_model_of_the_family_can_be_converted(
    tmp_path: Path, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    FAMILIES[family](tmp_path / "models" / family)
    case = next(iter(cases(tmp_path, [family])))
    (convert, *_) = steps(case, tmp_path, "Linux")
    assert main([*convert, "--plan"]) == 0
    assert "Unet" in capsys.readouterr().out


def test_the_controlnet_has_a_tensor_for_each_of_its_own_parts() -> None:
    config = {**CONFIGS["unet"], "conditioning_embedding_out_channels": [8, 16, 24, 32]}
    shapes = shapes_of_net(config)
    assert len(shapes) == 42
    assert shapes["controlnet_cond_embedding.conv_in.weight"] == (8, 3, 3, 3)
    assert shapes["controlnet_cond_embedding.blocks.5.weight"] == (32, 24, 3, 3)
    assert shapes["controlnet_cond_embedding.conv_out.weight"] == (32, 32, 3, 3)
    assert shapes["controlnet_down_blocks.3.bias"] == (32,)
    assert shapes["controlnet_down_blocks.11.weight"] == (64, 64, 1, 1)


def test_on_a_mac_each_case_is_loaded_on_the_cpu_and_on_all_units(tmp_path: Path) -> None:
    _, *loads = steps(Case(name="sd1-original", words=("m",)), tmp_path, "Darwin")
    assert [words[5] for words in loads] == ["cpu", "all"]
    assert all("--share" in words for words in loads)


def test_the_readme_says_that_it_has_not_run() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "**The workflow in `.github/workflows`** has not run" in readme
