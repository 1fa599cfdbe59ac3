"""Literal facts: one healthy machine, and for each check the smallest change that makes it sick."""

# ruff: noqa: ANN401  the helpers pass any field on to the value that declares it

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from doctor.facts import (
    Absent,
    Checkout,
    Component,
    Environment,
    Facts,
    Git,
    HostPython,
    Hub,
    Interpreter,
    Job,
    Lock,
    Memory,
    ModelFolder,
    Smoke,
    System,
    Toolchain,
    Verification,
    Volume,
    WeightFile,
    Xcode,
)

GB = 10**9
COMMIT = "c891f4357b2269853152d774d97327faab746e7c"
PINS = {"coremltools": "7.2", "diffusers": "0.23.1", "numpy": "1.23.5", "torch": "2.2.0"}


def weights(name: str, **changes: Any) -> WeightFile:
    fields = {"path": f"/models/sd15/{name}", "kind": "safetensors", "size": GB}
    return WeightFile(**{**fields, **changes})


def part(name: str, **changes: Any) -> Component:
    stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
    fields: dict[str, Any] = {
        "name": name,
        "folder": f"/models/sd15/{name}",
        "config": UNET if name == "unet" else {},
        "index": "",
        "weights": (weights(f"{name}/{stem}.safetensors"),),
        "variants": ("",),
    }
    return Component(**{**fields, **changes})


UNET: Mapping[str, Any] = {
    "in_channels": 4,
    "cross_attention_dim": 768,
    "sample_size": 64,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}

MODEL = ModelFolder(
    path="/models/sd15",
    kind="diffusers",
    family="sd1",
    pipeline="StableDiffusionPipeline",
    size=3 * GB,
    components=(part("unet"), part("vae"), part("text_encoder")),
    tokenizer=("tokenizer/merges.txt", "tokenizer/vocab.json"),
    prediction="epsilon",
)

SYSTEM = System(
    name="macOS",
    version="15.6",
    machine="arm64",
    target="macos-arm64",
    translated=False,
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
    libraries={"git": "present", "numpy": "present", "packaging": "present", "rich": "present"},
)

TOOLCHAIN = Toolchain(
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
)

ENVIRONMENT = Environment(
    path="/repo/.envs/tested",
    python="3.10.10",
    python_path="/repo/.envs/tested/bin/python",
    lock_digest="lock-1",
    seal="seal-1",
    drift=False,
    installed={**PINS, "tqdm": "4.70.1"},
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
)

CHECKOUT = Checkout(
    path="/src/ml-stable-diffusion",
    repository=True,
    commit=COMMIT,
    remote="git@github.com:apple/ml-stable-diffusion.git",
    shallow=False,
    changed=(),
)

XCODE = Xcode(
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
)

VOLUMES = {
    role: Volume(path=f"/data/{role}", device=1, total=500 * GB, free=200 * GB, writable=True)
    for role in ("output", "environments", "temporary", "hub")
}

HEALTHY = Facts(
    job=Job(model="/models/sd15", output="/data/output"),
    system=SYSTEM,
    memory=Memory(total=16 * GB, available=9 * GB, swap_total=2 * GB, swap_free=2 * GB),
    host=HOST,
    toolchain=TOOLCHAIN,
    lock=Lock(path="lock.txt", digest="lock-1", packages={**PINS, "tqdm": "4.70.1"}),
    interpreter=Interpreter(version="3.10.10", path="/opt/python3.10", source="pyenv"),
    environment=ENVIRONMENT,
    verification=Verification(depth="sizes and times", files=31000, faults=()),
    smoke=Smoke(imported=tuple(PINS), failures={}),
    git=Git(version="2.45.1", lfs="git-lfs/3.5.1"),
    checkout=CHECKOUT,
    xcode=XCODE,
    volumes=VOLUMES,
    hub=HUB,
    model=MODEL,
    bundle=Absent(absent="no finished folder given"),
)


def sick(**changes: Any) -> Facts:
    """The healthy machine with these facts replaced."""
    return replace(HEALTHY, **changes)


def environment(**changes: Any) -> Facts:
    return sick(environment=replace(ENVIRONMENT, **changes))


def model(*parts: Component, **changes: Any) -> Facts:
    """The healthy model with some parts replaced by name."""
    named = {one.name: one for one in (*MODEL.components, *parts)}
    return sick(model=replace(MODEL, components=tuple(named.values()), **changes))


def host(**changes: Any) -> Facts:
    return sick(host=replace(HOST, **changes))


def checkout(**changes: Any) -> Facts:
    return sick(checkout=replace(CHECKOUT, **changes))


def xcode(**changes: Any) -> Facts:
    return sick(xcode=replace(XCODE, **changes))


def volume(role: str, **changes: Any) -> Facts:
    return sick(volumes={**VOLUMES, role: replace(VOLUMES[role], **changes)})


def system(**changes: Any) -> Facts:
    return sick(system=replace(SYSTEM, **changes))


def unet(**changes: Any) -> Facts:
    """The healthy model with a UNet whose one weight file is changed."""
    return model(
        part("unet", weights=(weights("unet/diffusion_pytorch_model.safetensors", **changes),))
    )


NOT_BUILT = Absent(absent="the environment is not built (make env)")

SHARDED = part(
    "unet",
    index="diffusion_pytorch_model.bin.index.json",
    weights=tuple(
        weights(f"unet/diffusion_pytorch_model-0000{n}-of-00002.bin", kind="pickle") for n in (1, 2)
    ),
)

SICK: Mapping[str, Facts] = {
    "SYS001": system(target="linux-aarch64"),
    "SYS002": system(translated=True, machine="x86_64", target="macos-x86_64"),
    "SYS003": system(version="12.7"),
    "SYS004": system(encoding="ascii"),
    "PY001": host(version="3.9.18"),
    "PY002": environment(python="3.11.4"),
    "PY003": sick(environment=NOT_BUILT, interpreter=Absent(absent="no suitable Python found")),
    "PY004": host(pythonpath=("/opt/homebrew/lib/python3.11/site-packages",)),
    "PY005": host(conda="base", user_site=("/home/me/.local/lib/python3.10/site-packages",)),
    "PY006": host(pip_settings=("PIP_INDEX_URL",)),
    "PY007": host(libraries={}),
    "ENV001": sick(environment=NOT_BUILT),
    "ENV002": environment(lock_digest="lock-0"),
    "ENV003": environment(hollow=("torch",)),
    "ENV004": sick(
        verification=Verification(depth="every byte", files=31000, faults=("torch/x.py: changed",))
    ),
    "ENV005": sick(
        smoke=Smoke(imported=(), failures={"diffusers": "ImportError: cached_download"})
    ),
    "ENV006": environment(strays=("sitecustomize.py",)),
    "PIN001": environment(installed={**ENVIRONMENT.installed, "numpy": "2.1.0"}),
    "PIN002": environment(installed={**ENVIRONMENT.installed, "tqdm": "4.0"}),
    "PIN003": environment(installed={**ENVIRONMENT.installed, "xformers": "0.0.2"}),
    "PIN004": environment(duplicates=("numpy",)),
    "LIB001": environment(native={"coremltools/libmilstoragepython.so": False}),
    "LIB002": environment(wheels={"coremltools": ("py3-none-any",)}),
    "LIB003": environment(origins={"coremltools": "https://github.com/apple/coremltools@abc"}),
    "GIT001": sick(git=Absent(absent="git: No such file or directory")),
    "GIT002": checkout(repository=False, commit=""),
    "GIT003": checkout(commit="e12202c1f6405b83918b58a5d097cd61e3e1f702"),
    "GIT004": checkout(changed=("python_coreml_stable_diffusion/unet.py",)),
    "GIT005": checkout(shallow=True),
    "GIT006": checkout(remote="https://github.com/someone/fork"),
    "XCO001": xcode(compiler="", complaint='unable to find utility "coremlcompiler"', others=()),
    "XCO002": xcode(developer="", compiler=""),
    "DSK001": volume("output", free=GB),
    "DSK002": replace(volume("environments", free=GB), environment=NOT_BUILT),
    "DSK003": volume("temporary", free=GB // 10),
    "DSK004": volume("output", writable=False),
    "MEM001": sick(memory=Memory(total=GB, available=GB, swap_total=0, swap_free=0)),
    "HUB001": sick(hub=replace(HUB, incomplete=("models--a--b/blobs/0123.incomplete",))),
    "MOD001": sick(
        model=replace(MODEL, kind="none", components=(), nearby=("/models/sd15/inner",))
    ),
    "MOD002": model(SHARDED),
    "MOD003": model(replace(SHARDED, missing=("diffusion_pytorch_model-00002-of-00002.bin",))),
    "MOD004": model(part("vae", weights=())),
    "MOD005": unet(kind="lfs-pointer", size=134),
    "MOD006": unet(kind="web-page", size=9000),
    "MOD007": unet(fault="truncated: 9 of 12 bytes; download the file again"),
    "MOD008": unet(kind="pickle", unsafe=("names os.system",)),
}

NEVER_SICK = frozenset({"MEM002", "HUB002"})
"""Checks that only state a fact for the family's line."""
