"""A model folder and a runner for tests of a conversion: real files, no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from sdcoreml.convert.bundle.contract import RESIDUAL, chunk_paths
from sdcoreml.convert.bundle.ports import (
    Dimensions,
    Interface,
    Port,
    interfaces,
    optional_interfaces,
)
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import MadeIn, digest_of
from sdcoreml.convert.jobs.plan import Job, default_options, plan
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.upstream import FLAGS
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.layout import Model as Source
from sdcoreml.convert.packages.write import manifest
from sdcoreml.convert.programs.options import Attention
from sdcoreml.convert.proof.record import AuditRecord, ProgramProof
from sdcoreml.convert.spec.model import (
    Block,
    DataType,
    Description,
    Feature,
    Function,
    Model,
    NamedType,
    Operation,
    Program,
    TensorType,
)
from sdcoreml.convert.spec.writer import serialise_model
from sdcoreml.convert.worker import Outcome, Runner
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.lockfiles.lock import load_lock

CERTIFICATE = Certificate(
    key="0" * 64,
    component="unet",
    title="Stable Diffusion 1.x, SPLIT_EINSUM, 512x512",
    outputs=(),
    runs=2,
    toolchain="tested",
    lock="5f",
    date="2026-11-24",
    module="5e",
)
"""A certificate of a graph that no stand-in has."""

VOCAB = {"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}
UNET = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": 4,
    "sample_size": 16,
    "cross_attention_dim": 8,
}


def write_model(folder: Path, unet: Mapping[str, Any] = UNET) -> Path:
    """Write a folder that the readers under test take for a Stable Diffusion 1.x model."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    configs: Mapping[str, Mapping[str, Any]] = {
        "text_encoder": {"architectures": ["CLIPTextModel"], "hidden_size": 8},
        "unet": unet,
        "vae": {"_class_name": "AutoencoderKL"},
    }
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    for name, config in configs.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        tensors = {"weight": np.arange(8, dtype=np.float32)}
        save_file(tensors, folder / name / f"{stem}.safetensors")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(VOCAB))
    (folder / "tokenizer" / "merges.txt").write_bytes(b"#version: 0.2\na b</w>")
    return folder


def add_component(model: Path, name: str, config: Mapping[str, Any], kind: str) -> None:
    """Add a component to a model's folder, and to its model_index.json."""
    index = json.loads((model / "model_index.json").read_text())
    index[name] = ["anywhere", kind]
    (model / "model_index.json").write_text(json.dumps(index))
    write_component(model / name, config)


def write_component(folder: Path, config: Mapping[str, Any]) -> Path:
    """Write the folder of a component that has one tensor."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {"weight": np.arange(8, dtype=np.float32)}
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors")
    return folder


def write_controlnet(folder: Path, config: Mapping[str, Any] = {}) -> Path:
    """Write a folder that the readers under test take for a ControlNet."""
    return write_component(folder, {"_class_name": "ControlNetModel", **config})


def write_xl(folder: Path, *, refiner: bool = False) -> Path:
    """Write a folder that the readers under test take for SDXL's base or refiner."""
    write_model(folder, {**UNET, "addition_embed_type": "text_time"})
    add_component(folder, "text_encoder_2", {"hidden_size": 8}, "CLIPTextModelWithProjection")
    stem = folder / "text_encoder_2"
    (stem / "diffusion_pytorch_model.safetensors").rename(stem / "model.safetensors")
    if refiner:
        index = json.loads((folder / "model_index.json").read_text())
        del index["text_encoder"]
        (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def model_of(interface: Interface) -> Model:
    """Return a model with these inputs and outputs, whose outputs all copy the first input."""
    inputs = tuple(
        NamedType(name=port.name, type=TensorType(dtype=port.dtypes[0], shape=port.shape))
        for port in interface.inputs
    )
    operations = tuple(
        Operation(
            type="identity",
            inputs={"x": (inputs[0].name,)},
            outputs=(
                NamedType(name=port.name, type=TensorType(dtype=port.dtypes[0], shape=port.shape)),
            ),
        )
        for port in interface.outputs
    )
    block = Block(operations=operations, outputs=tuple(port.name for port in interface.outputs))
    function = Function(inputs=inputs, opset="CoreML6", blocks={"CoreML6": block})
    return Model(
        specification_version=7,
        description=Description(
            inputs=tuple(
                Feature(name=port.name, dtype=port.dtypes[0], shape=port.shape)
                for port in interface.inputs
            ),
            outputs=tuple(
                Feature(name=port.name, dtype=port.dtypes[0]) for port in interface.outputs
            ),
        ),
        program=Program(version=1, functions={"main": function}),
    )


def write_stand_in(package: Path, model: Model) -> None:
    """Write a package that has a model with this interface, and no weights."""
    data = package / "Data" / "com.apple.CoreML"
    (data / "weights").mkdir(parents=True)
    content = serialise_model(model)
    (data / "model.mlmodel").write_bytes(content)
    (data / "weights" / "weight.bin").write_bytes(bytes([0, 0, 0, 0, 2, 0, 0, 0]) + bytes(56))
    (package / "Manifest.json").write_text(manifest(sha256(content).hexdigest()))


MADE_IN = MadeIn(
    name="tested",
    seal="5ea1" * 16,
    lock=load_lock("tested", "linux-x86_64").digest,
    target="linux-x86_64",
    python="3.10.10",
    tested_python="3.10.10",
)


def write_raw(content: Mapping[str, Any], folder: Path) -> None:
    """Write a manifest with this content, and with the digest of this content."""
    sealed = {**content, "digest": digest_of(content)}
    text = json.dumps(sealed, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def job_of(
    model: Source,
    output: Path | None,
    attention: str = "SPLIT_EINSUM",
    redo: frozenset[str] | None = None,
    **choices: Any,
) -> Job:
    """Return a job with these fields of `Options`, the others at their defaults."""
    options = replace(default_options(model), attention=Attention(attention), **choices)
    return plan(model, output, options, redo=redo)


def finish(job: Job, runner: Runner, emit: Emit = silent) -> Path:
    """Run a job and return its finished folder."""
    (folder,) = finish_all([job], runner, emit)
    return folder


def finish_all(jobs: Sequence[Job], runner: Runner, emit: Emit = silent) -> tuple[Path, ...]:
    """Run jobs of one model and return their finished folders."""
    return convert_models(jobs, Workshop(runner=runner, toolchain=MADE_IN), emit)


def proof(component: str, **more: Any) -> ProgramProof:
    """Return the result of checking a program that is correct."""
    plain = ProgramProof(
        component=component,
        passed=True,
        runs=2,
        graph=None,
        outputs=(),
        audit=AuditRecord(matched=1),
    )
    return replace(plain, **more)


def components_of(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the components in a request of the task `check`."""
    return tuple(item["component"] for item in request["packages"])


@dataclass
class StandIn:
    """A `Runner` that writes packages with the right inputs and outputs, and approves them all.

    The task named by `fails` raises `failure`. Shapes follow `size`; for a component in `odd`,
    they follow the size given there.
    """

    size: Dimensions
    odd: Mapping[str, Dimensions] = field(default_factory=dict)
    fails: str = ""
    failure: SdcoremlError | None = None
    requests: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        """Run one task, and record the request."""
        self.requests.append((task, request))
        if task == self.fails and self.failure:
            raise self.failure
        emit(Event(kind="note", text=f"{task} done"))
        if task == "build":
            programs = [one for made in request["components"] for one in made["programs"]]
            for program in programs:
                emit(Event(kind="step", text=f"build {program['title']}"))
                self._write(program)
            costs = [
                {
                    "component": one["component"],
                    "cpu": 1.0,
                    "weights": [{"layout": one["component"]}] * (2 if one.get("chunk") else 1),
                }
                for one in programs
            ]
            return Outcome(value=costs, peak_memory=1)
        if task == "upstream":
            return self._write_upstream(request)
        if task == "siblings":
            return Outcome(value={}, peak_memory=1)
        checked = {name: proof(name).as_json() for name in components_of(request)}
        return Outcome(value=checked, peak_memory=1)

    def _write_upstream(self, request: Mapping[str, Any]) -> Outcome:
        """Write packages like the task `upstream`, under the same names."""
        component, out = request["component"], Path(request["out"])
        name = next(
            word.removeprefix("--model-version=")
            for word in request["arguments"]
            if word.startswith("--model-version=")
        )
        stem = f"Stable_Diffusion_version_{name}_{FLAGS[component][1]}"
        package = out / f"{stem}.mlpackage"
        chunk = "--chunk-unet" in request["arguments"]
        self._write({"component": component, "package": package, "chunk": chunk})
        for half, number in zip(chunk_paths(package), (1, 2), strict=True):
            if half.exists():
                half.rename(out / f"{stem}_chunk{number}.mlpackage")
        return Outcome(value=[{"component": component, "cpu": 60.0}], peak_memory=10)

    def _write(self, program: Mapping[str, Any]) -> None:
        component, package = program["component"], Path(program["package"])
        size = self.odd.get(component, self.size)
        ports = {**interfaces(size), **optional_interfaces(size), **_steered(size)}[component]
        if not program.get("chunk"):
            write_stand_in(package, model_of(ports))
            return
        between = Port(name="between", shape=(1, 4), dtypes=(DataType.FLOAT32,))
        halves = (
            Interface(inputs=ports.inputs, outputs=(between,)),
            Interface(inputs=(between,), outputs=ports.outputs),
        )
        for half, each in zip(chunk_paths(package), halves, strict=True):
            write_stand_in(half, model_of(each))


def _steered(size: Dimensions) -> Mapping[str, Interface]:
    """Return the interfaces of a ControlNet with one residual, and of a UNet that takes it."""
    unet = interfaces(size)["unet"]
    shape = unet.inputs[0].shape
    residual = Port(name=f"{RESIDUAL}0", shape=shape, dtypes=(DataType.FLOAT32,))
    picture = Port(name="controlnet_cond", shape=(size.batch, 3, 8 * size.height, 8 * size.width))
    return {
        "controlled_unet": Interface(inputs=(*unet.inputs, residual), outputs=unet.outputs),
        "controlnet": Interface(inputs=(*unet.inputs, picture), outputs=(residual,)),
    }
