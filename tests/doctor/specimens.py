"""A specimen for each check: the smallest change to healthy facts in which it finds a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdcoreml.doctor.core.facts import (
    Absent,
    Facts,
    Goal,
    Memory,
    Smoke,
    VerificationFacts,
)
from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder, Output, ProgramState
from sdcoreml.doctor.core.tools import Git
from tests.doctor.healthy import (
    BUNDLE,
    CHECKOUT,
    CONDA,
    ENVIRONMENT,
    GB,
    HEALTHY,
    HOST,
    HUB,
    INSTALLED,
    MODEL,
    PINS,
    SYSTEM,
    TEXT,
    VOLUMES,
    XCODE,
    features,
    part,
    program,
    weights,
)


def sick(**changes: Any) -> Facts:
    """Return the healthy facts with some of them replaced."""
    return replace(HEALTHY, **changes)


def environment(**changes: Any) -> Facts:
    return sick(environment=replace(ENVIRONMENT, **changes))


def model(*parts: ComponentState, **changes: Any) -> Facts:
    """Return the healthy facts with components of the model added, or replaced by name."""
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
    """Return the healthy facts with changes to the UNet's weight file."""
    return model(
        part("unet", weights=(weights("unet/diffusion_pytorch_model.safetensors", **changes),))
    )


def bundle(*programs: ProgramState, without: str = "", **changes: Any) -> Facts:
    """Return the healthy facts with programs of the finished folder replaced, added or left out."""
    named = {one.name: one for one in (*BUNDLE.programs, *programs) if one.name != without}
    return sick(bundle=replace(BUNDLE, programs=tuple(named.values()), **changes))


XL = {"sample": (2, 4, 128, 128), "time_ids": (2, 6), "text_embeds": (2, 1280)}
XL_UNET = program("Unet", inputs=features({**XL, "timestep": (2,), "encoder_hidden_states": TEXT}))


NOT_BUILT = Absent(reason="the environment is not built (`sdcoreml env`)")

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
    "SYS005": system(name="Linux"),
    "PY001": host(version="3.9.18"),
    "PY002": environment(python="3.11.4"),
    "PY003": sick(environment=NOT_BUILT, interpreter=Absent(reason="no suitable Python found")),
    "PY004": host(pythonpath=("/opt/homebrew/lib/python3.11/site-packages",)),
    "PY005": host(conda="base", user_site=("/home/me/.local/lib/python3.10/site-packages",)),
    "PY006": host(pip_settings=("PIP_NO_BINARY",)),
    "PY007": host(libraries={}),
    "PY008": host(conda="base"),
    "ENV001": sick(environment=NOT_BUILT),
    "ENV002": environment(lock_digest="lock-0"),
    "ENV003": environment(hollow=("torch",)),
    "ENV004": sick(
        verification=VerificationFacts(
            depth="every byte", files=31000, faults=("torch/x.py: changed",)
        )
    ),
    "ENV005": sick(
        smoke=Smoke(imported=(), failures={"diffusers": "ImportError: cached_download"})
    ),
    "ENV006": environment(strays=("sitecustomize.py",)),
    "ENV007": environment(seal="seal-2"),
    "ENV008": sick(conda=replace(CONDA, python="3.10.11")),
    "PIN001": environment(installed={**INSTALLED, "numpy": "2.1.0"}),
    "PIN002": environment(installed={**INSTALLED, "transformers": "4.40.0"}),
    "PIN003": environment(installed={**INSTALLED, "xformers": "0.0.2"}),
    "PIN004": environment(duplicates=("numpy",)),
    "PIN005": environment(installed={**INSTALLED, "huggingface-hub": "0.26.0"}),
    "PIN006": environment(installed={**INSTALLED, "torch": "2.14.0"}),
    "LIB001": environment(native={"coremltools/libmilstoragepython.so": False}),
    "LIB002": environment(wheels={"coremltools": ("py3-none-any",)}),
    "LIB003": environment(origins={"coremltools": "https://github.com/apple/coremltools@abc"}),
    "GIT001": sick(git=Absent(reason="git: No such file or directory")),
    "GIT008": replace(unet(kind="lfs-pointer", size=134), git=Git(version="2.45.1", lfs="")),
    "GIT002": checkout(repository=False, commit=""),
    "GIT003": checkout(commit="e12202c1f6405b83918b58a5d097cd61e3e1f702"),
    "GIT004": checkout(changed=("python_coreml_stable_diffusion/unet.py",)),
    "GIT005": checkout(shallow=True),
    "GIT006": checkout(remote="https://github.com/someone/fork"),
    "GIT007": environment(installed=PINS),
    "XCO001": xcode(compiler="", complaint='unable to find utility "coremlcompiler"', others=()),
    "XCO002": xcode(developer="", compiler=""),
    "DSK001": volume("output", free=GB),
    "DSK002": replace(volume("environments", free=GB), environment=NOT_BUILT),
    "DSK003": volume("temporary", free=GB // 10),
    "DSK004": volume("output", writable=False),
    "DSK006": replace(volume("packages", free=7 * GB), environment=NOT_BUILT),
    "DSK007": replace(volume("environments", files_free=900), environment=NOT_BUILT),
    "DSK005": volume("hub", free=GB),
    "MEM001": sick(memory=Memory(total=GB, available=GB, swap_total=0, swap_free=0)),
    "HUB001": sick(hub=replace(HUB, incomplete=("models--a--b/blobs/0123.incomplete",))),
    "HUB003": sick(hub=replace(HUB, roots=False)),
    "HUB005": sick(hub=replace(HUB, mirror_fault="$HF_ENDPOINT: mirror is not an address")),
    "HUB004": replace(
        sick(model=ModelFolder(path="hf:runwayml/stable-diffusion-v1-5", kind="missing")),
        goal=Goal(model="hf:runwayml/stable-diffusion-v1-5"),
    ),
    "MOD001": sick(
        model=replace(MODEL, kind="none", components=(), nearby=("/models/sd15/inner",))
    ),
    "MOD002": model(SHARDED),
    "MOD003": model(replace(SHARDED, missing=("diffusion_pytorch_model-00002-of-00002.bin",))),
    "MOD004": model(part("vae", weights=())),
    "MOD005": unet(kind="lfs-pointer", size=134),
    "MOD006": unet(kind="web-page", size=9000),
    "MOD007": unet(fault="truncated: 9 of 12 bytes"),
    "MOD008": unet(kind="pickle", unsafe=("names os.system",)),
    "MOD009": model(refusal="this is an inpainting model: nine channels"),
    "MOD010": model(part("unet", refusal="unet: class_embed_type='timestep' is not implemented")),
    "MOD011": model(part("unet", nameless=("LICENSE",))),
    "MOD012": model(part("unet", variants=("", "fp16"))),
    "MOD013": model(prediction="v_prediction"),
    "MOD014": sick(goal=Goal(width=1368, height=768)),
    "MOD015": sick(goal=Goal(width=512, height=768)),
    "MOD016": model(path="/Volumes/2TB SSD/model"),
    "MOD017": model(
        part("unet", mismatch=("conv_in.weight is [320, 9], config.json says [320, 4]",))
    ),
    "MOD018": model(kind="single-file", holds=("unet",)),
    "MOD019": model(tokenizer_faults=("vocab.json: not JSON",)),
    "MOD020": sick(
        output=Output(path="/data/output", programs=("Unet.mlpackage",), manifest=False)
    ),
    "MOD021": unet(kind="pickle", notes=("pytorch_lightning callbacks were left aside",)),
    "MOD022": model(kind="single-file", holds=("unet", "vae", "text_encoder", "ema")),
    "MOD023": model(notes=("the model does not say what it predicts: epsilon is assumed",)),
    "BUN001": bundle(without="Unet"),
    "BUN002": bundle(program("Unet", missing=("weights/weight.bin",))),
    "BUN003": bundle(program("UnetChunk1")),
    "BUN004": bundle(program("VAEEncoder", inputs=features({"x": (1, 3, 768, 512)}))),
    "BUN005": bundle(without="VAEEncoder"),
    "BUN006": bundle(program("VAEDecoder", inputs=features({"z": (1, 4, 64, 64), "y": (1,)}))),
    "BUN007": bundle(program("Unet", fault="metadata.json is not an array of one object")),
    "BUN008": bundle(vocabulary=("merges.txt is missing",)),
    "BUN009": bundle(program("Unet", specification=10)),
    "BUN010": replace(bundle(XL_UNET), system=replace(SYSTEM, version="13.6")),
    "BUN011": bundle(program("Unet", weights=5 * GB)),
    "BUN012": bundle(program("TextEncoder", tools={"coremltools": "7.2", "torch": "2.2.0"})),
    "BUN013": bundle(XL_UNET, program("VAEDecoder", precision="Float16")),
    "BUN015": bundle(program("ControlledUNet")),
    "BUN016": bundle(
        program("Unet", inputs=features({**XL, "time_ids": (2, 7), "text_embeds": (2, 768)}))
    ),
    "BUN017": bundle(
        program("SafetyChecker", inputs=features({"images": (1, 768, 768, 3)}), outputs=())
    ),
    "BUN018": bundle(program("Canny", inputs=features({"controlnet_cond": (2, 3, 512, 512)}))),
    "BUN019": bundle(damage=("Unet.mlmodelc: weight at 64: no record there",)),
    "BUN021": bundle(
        program("Unet", inputs=features({"sample": (2, 9, 64, 64), "encoder_hidden_states": TEXT}))
    ),
    "BUN020": bundle(program("VAEEncoder", hidden="the shape '1 x 3' is not")),
    "BUN014": bundle(program("ControlledUnet", weights_digest="other")),
}

NEVER_SICK = frozenset({"MEM002", "HUB002"})
"""Checks without a specimen: they state a fact in the report, and never find a fault."""
