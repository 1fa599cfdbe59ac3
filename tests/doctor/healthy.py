"""Facts of a healthy machine, model and finished folder, in which no check finds a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdcoreml.doctor.core.facts import (
    CondaEnvironment,
    EnvironmentFacts,
    EvidenceFacts,
    Facts,
    Goal,
    HostPython,
    InterpreterFacts,
    LockFacts,
    Memory,
    Proof,
    Smoke,
    System,
    ToolchainFacts,
    VerificationFacts,
    VolumeFacts,
)
from sdcoreml.doctor.core.subjects import (
    Bundle,
    ComponentState,
    ModelFolder,
    Output,
    PortState,
    ProgramState,
    WeightFile,
)
from sdcoreml.doctor.core.tools import Checkout, Git, Hub, XcodeFacts

GB = 10**9
COMMIT = "c891f4357b2269853152d774d97327faab746e7c"
PINS = {"coremltools": "7.2", "diffusers": "0.23.1", "numpy": "1.23.5", "torch": "2.2.0"}
UPSTREAM = {
    "diffusionkit": "0.4.0",
    "omegaconf": "2.3.0",
    "python-coreml-stable-diffusion": "1.1.0",
}
INSTALLED = {**PINS, **UPSTREAM, "huggingface-hub": "0.17.3", "transformers": "4.34.1"}


def weights(name: str, **changes: Any) -> WeightFile:
    fields = {"path": f"/models/sd15/{name}", "kind": "safetensors", "size": GB}
    return WeightFile(**{**fields, **changes})


def part(name: str, **changes: Any) -> ComponentState:
    stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
    fields: dict[str, Any] = {
        "name": name,
        "folder": f"/models/sd15/{name}",
        "weights": (weights(f"{name}/{stem}.safetensors"),),
        "variants": ("",),
    }
    return ComponentState(**{**fields, **changes})


MODEL = ModelFolder(
    path="/models/sd15",
    kind="diffusers",
    family="Stable Diffusion 1.x",
    needed=("text_encoder", "unet", "vae"),
    size=3 * GB,
    components=(
        part("unet", parameters=860_000_000, sample=64),
        part("vae", parameters=84_000_000, sample=512),
        part("text_encoder", parameters=123_000_000),
    ),
    prediction="epsilon",
)

SYSTEM = System(
    name="macOS",
    version="15.6",
    machine="arm64",
    target="macos-arm64",
    translated=False,
    processor="Apple M2",
    cores=8,
    encoding="utf-8",
    case_sensitive=False,
)

HOST = HostPython(
    version="3.12.4",
    executable="/repo/.venv/bin/python",
    isolated=True,
    externally_managed=False,
    conda="",
    pythonpath=(),
    user_site=(),
    pip_settings=(),
    libraries={"git": "present", "numpy": "present", "rich": "present"},
)

TOOLCHAIN = ToolchainFacts(
    name="tested",
    python="3.10.10",
    accepted=">=3.10,<3.11",
    pins=PINS,
    targets=("linux-x86_64", "macos-arm64", "macos-x86_64"),
    refused={"linux-aarch64": "coremltools has no wheel for it"},
    repository="https://github.com/apple/ml-stable-diffusion",
    commit=COMMIT,
    disk=2.0,
    memory=2.0,
    installed_bytes=6 * GB,
    installed_files=33_000,
    rates={"build": 0.01, "text_encoder": 0.1, "unet": 0.4, "vae": 2.0},
)

ENVIRONMENT = EnvironmentFacts(
    path="/repo/.envs/tested",
    python="3.10.10",
    python_path="/repo/.envs/tested/bin/python",
    lock_digest="lock-1",
    seal="seal-1",
    drift=False,
    installed=INSTALLED,
    duplicates=(),
    headless=(),
    hollow=(),
    wheels={
        "coremltools": ("cp310-none-macosx_11_0_arm64",),
        "torch": ("cp310-none-macosx_11_0_arm64",),
    },
    native={"coremltools/libmilstoragepython.so": True},
    origins={},
    strays=(),
    ceilings={"torch": "2.2.0", "scikit-learn": "1.1.2"},
)

PROOF = Proof(
    when="2026-11-25T20:00:00+00:00",
    system="macOS 14.5",
    cpu="Apple M2 (8 cores)",
    python="3.10.10",
    lock_digest="lock-1",
    seal="seal-1",
    figures="788 tests, the sample's programs at least 127.1 dB in fp32, 68.8 dB in fp16",
)

CHECKOUT = Checkout(
    path="/src/ml-stable-diffusion",
    repository=True,
    commit=COMMIT,
    remote="git@github.com:apple/ml-stable-diffusion.git",
    shallow=False,
    changed=(),
)

XCODE = XcodeFacts(
    developer="/Applications/Xcode.app/Contents/Developer",
    compiler="/Applications/Xcode.app/Contents/Developer/usr/bin/coremlcompiler",
    complaint="",
    others=("/Applications/Xcode.app",),
)

HUB = Hub(
    token=True,
    offline=(),
    proxies=(),
    certificates=(),
    cache="/home/me/.cache/huggingface/hub",
    incomplete=(),
    roots=True,
)

MEMORY = Memory(total=16 * GB, available=9 * GB, swap_total=2 * GB, swap_free=2 * GB)

VOLUMES = {
    role: VolumeFacts(path=f"/data/{role}", device=1, total=500 * GB, free=200 * GB, writable=True)
    for role in ("output", "environments", "packages", "temporary", "hub")
}

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]


def program(name: str, **changes: Any) -> ProgramState:
    """Return the facts of one program of a healthy SD 1.5 folder."""
    inputs: Shapes = {
        "Unet": {"sample": (2, 4, 64, 64), "timestep": (2,), "encoder_hidden_states": TEXT},
        "TextEncoder": {"input_ids": (1, 77)},
        "VAEDecoder": {"z": (1, 4, 64, 64)},
        "VAEEncoder": {"x": (1, 3, 512, 512)},
    }
    outputs: Shapes = {
        "Unet": {"noise_pred": (2, 4, 64, 64)},
        "TextEncoder": {"last_hidden_state": (1, 77, 768), "pooled_outputs": (1, 768)},
        "VAEDecoder": {"image": (1, 3, 512, 512)},
        "VAEEncoder": {"latent": (1, 8, 64, 64)},
    }
    fields: dict[str, Any] = {
        "name": name,
        "container": ".mlmodelc",
        "inputs": features(inputs.get(name, inputs["Unet"])),
        "outputs": features(outputs.get(name, outputs["Unet"])),
        "attention": "original" if name.startswith(("Text", "VAE")) else "split",
        "specification": 7,
        "precision": "Mixed (Float16, Float32)",
        "weights": GB,
        "weights_digest": "unet" if "Unet" in name else name,
        "tools": {"coremltools": "7.2"},
    }
    return ProgramState(**{**fields, **changes})


def features(shapes: Mapping[str, tuple[int, ...]]) -> tuple[PortState, ...]:
    return tuple(
        PortState(name=name, shape=shape, dtype="float16") for name, shape in shapes.items()
    )


TEXT = (2, 768, 1, 77)
BUNDLE = Bundle(
    path="/models/sd15-coreml",
    programs=tuple(program(name) for name in ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder")),
    manifest=True,
)

LOCK = LockFacts(path="lock.txt", digest="lock-1", packages=INSTALLED, download=3 * GB)
GIT = Git(version="2.45.1", lfs="git-lfs/3.5.1")

BUILDS = {"python": "3.10.10 h0a1b_0_cpython", "tzdata": "2026a h1_1"}
LOCK = LockFacts(
    path="lock.txt", digest="lock-1", packages=INSTALLED, download=3 * GB, conda=BUILDS
)
CONDA = CondaEnvironment(
    path="/home/me/miniforge3/envs/coreml_stable_diffusion",
    name="coreml_stable_diffusion",
    python="3.10.10",
    builds={**BUILDS, "pip": "23.0 pyhd8ed1ab_0"},
    installed={**INSTALLED, "pip": "23.0"},
)
HEALTHY = Facts(
    goal=Goal(model="/models/sd15", output="/data/output"),
    system=SYSTEM,
    memory=MEMORY,
    host=HOST,
    toolchain=TOOLCHAIN,
    lock=LOCK,
    interpreter=InterpreterFacts(version="3.10.10", path="/opt/python3.10", source="pyenv"),
    environment=ENVIRONMENT,
    verification=VerificationFacts(depth="sizes and times", files=31000, faults=()),
    evidence=EvidenceFacts(proofs=(PROOF,)),
    conda=CONDA,
    smoke=Smoke(imported=tuple(PINS), failures={}),
    git=GIT,
    checkout=CHECKOUT,
    xcode=XCODE,
    volumes=VOLUMES,
    hub=HUB,
    model=MODEL,
    output=Output(path="/data/output", programs=("Unet.mlpackage",), manifest=True),
    bundle=BUNDLE,
)
