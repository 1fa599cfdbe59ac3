from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from doctor.commands import doctor
from doctor.commands.doctor import UsageError, kind_of, request_of, selected, size_of
from tests.doctor.gather.test_model import folder

ROOT = Path(__file__).parents[3]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.configure(parser)
    return parser.parse_args(words)


def test_each_path_is_recognised_by_what_lies_in_it(tmp_path: Path) -> None:
    for name in ("m", "b/Unet.mlmodelc", "u/python_coreml_stable_diffusion"):
        (tmp_path / name).mkdir(parents=True)
    assert [kind_of(tmp_path / name) for name in "mbu"] == ["model", "bundle", "checkout"]
    request = request_of(parsed(*(str(tmp_path / name) for name in "ubm"), "--size", "512x768"))
    assert request.job.model == str(tmp_path / "m")
    assert request.bundle == str(tmp_path / "b")
    assert request.checkout == str(tmp_path / "u")
    assert (request.job.width, request.job.height) == (512, 768)


def test_two_models_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="two paths of the same kind"):
        request_of(parsed("/a", "/b"))


@pytest.mark.parametrize("text", ["512", "512x", "axb", "512 x 512"])
def test_sizes_are_checked(text: str) -> None:
    with pytest.raises(UsageError, match="give width and height in pixels"):
        size_of(text)


def test_a_misspelt_check_is_refused() -> None:
    with pytest.raises(UsageError, match="no check or family is called PIN999, ghost"):
        selected(parsed("--select", "PIN999", "--ignore", "ghost=because"))


def test_ignoring_needs_a_reason() -> None:
    with pytest.raises(UsageError, match="say why"):
        selected(parsed("--ignore", "PIN001"))
    (ignore,) = selected(parsed("--ignore", "PIN001=on purpose, 3 May")).ignore
    assert (ignore.what, ignore.reason) == ("PIN001", "on purpose, 3 May")


def test_deep_gets_more_time_unless_there_is_a_budget() -> None:
    assert request_of(parsed()).seconds < request_of(parsed("--deep")).seconds
    assert request_of(parsed("--deep", "--budget", "2")).seconds == 2


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "doctor", "doctor", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_whole_command_on_a_broken_model(tmp_path: Path) -> None:
    model = folder(tmp_path)
    (model / "vae/diffusion_pytorch_model.safetensors").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\n"
    )
    done = run(str(model), "--select", "model", "--json")
    content = json.loads(done.stdout)
    assert done.returncode == 1
    found = {result["id"]: result["status"] for result in content["results"]}
    assert found["MOD005"] == "error"
    assert found["MOD007"] == "ok"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "diffusers", "transformers", "coremltools", "rich", "numpy"}
