"""The task `upstream`, with a stand-in for the upstream converter that uses coremltools."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.upstream import UpstreamConverter
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.tasks.upstream import Log
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.ground.errors import WorkerError
from sdcoreml.ground.events import Event
from tests.convert.stand_ins import MADE_IN, job_of

MODULE = """
import argparse, json, logging, os

import coremltools as ct
from coremltools.converters.mil.testing_utils import random_gen_input_feature_type
from diffusionkit.tests.torch2coreml import convert_mmdit_to_mlpackage, convert_vae_to_mlpackage
from python_coreml_stable_diffusion import unet

logging.basicConfig()
logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

from diffusers import DiffusionPipeline
from sdcoreml.convert.tasks import build


def main(args):
    os.makedirs(args.o, exist_ok=True)
    assert unet.NAME == "unet"
    name = "vae_decoder" if args.convert_vae_decoder else "vae_encoder"
    logger.info(f"Converting {name}")
    DiffusionPipeline.from_pretrained(
        args.model_version, variant="fp16", use_safetensors=True, use_auth_token=True
    )
    if args.latent_h == 8:
        raise ValueError("8.1 dB is too low!")
    options = {"height": args.latent_h, "width": args.latent_w}
    vae = f"{args.model_version}/vae"
    program = {"component": name, "package": "made.mlpackage", "options": options}
    weights = f"{vae}/diffusion_pytorch_model.safetensors"
    request = {"config": f"{vae}/config.json", "weights": weights, "programs": [program]}
    build.task({"components": [request]}, lambda event: None)
    package = f"Stable_Diffusion_version_{args.model_version}_{name}.mlpackage"
    ct.models.MLModel("made.mlpackage", skip_model_load=True).save(os.path.join(args.o, package))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("vae-decoder", "vae-encoder"):
        parser.add_argument(f"--convert-{name}", action="store_true")
    parser.add_argument("--model-version", required=True)
    parser.add_argument("--latent-h", type=int)
    parser.add_argument("--latent-w", type=int)
    parser.add_argument("--attention-implementation")
    parser.add_argument("-o")
    main(parser.parse_args())
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream") / "sample"
    write_miniature(folder)
    return folder


@pytest.fixture
def workshop(tmp_path: Path, worker: Worker) -> Workshop:
    package = tmp_path / "checkout/python_coreml_stable_diffusion"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "unet.py").write_text('NAME = "unet"\n')
    (package / "torch2coreml.py").write_text(MODULE)
    upstream = UpstreamConverter(
        checkout=tmp_path / "checkout", repository="https://example.invalid/a", commit="c891"
    )
    return Workshop(runner=worker, toolchain=MADE_IN, upstream=upstream)


def test_its_packages_are_checked_compiled_and_verified_like_ours(
    model: Path, tmp_path: Path, workshop: Workshop, worker: Worker
) -> None:
    redo = frozenset({"vae"})
    job = job_of(open_model(model), tmp_path / "out", redo=redo, height=16, width=16)
    told: list[Event] = []
    (folder,) = convert_models([job], workshop, told.append)
    programs = read_manifest(folder).programs
    assert set(programs) == {"VAEDecoder", "VAEEncoder"}
    for entry in programs.values():
        assert entry.made_by is not None
        assert {figure.floor for figure in entry.checked.outputs} == {35.0}
        assert min(figure.psnr for figure in entry.checked.outputs) > 60
        assert entry.checked.audit.matched > 50
    steps = [event.text for event in told if event.kind == "step"]
    assert "upstream: Converting vae_decoder" in steps
    assert not list((tmp_path / "checkout").rglob("__pycache__"))
    again = verify(folder, worker, Against(model=model, certificates={}, fast=True))
    assert again.passed


def test_its_failure_is_told_with_its_log_and_leaves_nothing(
    model: Path, tmp_path: Path, workshop: Workshop
) -> None:
    redo = frozenset({"vae_decoder"})
    job = job_of(open_model(model), tmp_path / "out", redo=redo, height=8, width=8)
    with pytest.raises(WorkerError, match=r"ValueError: 8\.1 dB is too low!") as caught:
        convert_models([job], workshop)
    assert "Traceback (most recent call last)" in caught.value.log
    assert [path.name for path in tmp_path.iterdir()] == ["checkout"]


def test_progress_is_read_from_the_log() -> None:
    told: list[Event] = []
    stream = io.StringIO()
    log = Log(stream, told.append)
    words = (
        "INFO:__main__:Converting unet\n",
        "INFO:__main__:JIT tracing..\n",
        "WARNING:coremltools:Tuple detected\n",
        "\rRunning MIL default pipeline:  31%|###  | 24/78 [00:19<00:44,  1.21 passes/s]",
        "\nINFO:__main__:Saved unet into out/x_unet.mlpackage\n",
    )
    for word in words:
        log.write(word)
    assert stream.getvalue() == "".join(words)
    assert told[0] == Event(kind="step", text="upstream: Converting unet")
    assert told[1] == Event(kind="step", text="upstream: JIT tracing")
    bar = Event(
        kind="progress", text="Running MIL default pipeline", done=24, total=78, unit="passes"
    )
    assert told[2] == bar
    assert told[-1] == Event(kind="step", text="upstream: Saved unet into out/x_unet.mlpackage")
