"""Facts with which each known failure would occur, for every failure that checks can predict.

The facts have the cause of a failure (a wrong version, a Git LFS pointer, a wrong folder); they
are not copied from the specimens of checks. For clashes of versions they are generated from the
version ranges in the failure's entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.core.facts import (
    Absent,
    Facts,
    Goal,
    LockFacts,
    Memory,
    Smoke,
)
from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder, Output, ProgramState
from sdcoreml.doctor.knowledge import Failure
from sdcoreml.doctor.knowledge.topics import CLASHES
from tests.doctor.healthy import (
    BUNDLE,
    ENVIRONMENT,
    GB,
    HEALTHY,
    HUB,
    INSTALLED,
    MODEL,
    SYSTEM,
    TEXT,
    features,
    part,
    program,
    weights,
)
from tests.doctor.specimens import (
    SHARDED,
    XL_UNET,
    bundle,
    checkout,
    environment,
    host,
    model,
    sick,
    system,
    unet,
    volume,
    xcode,
)

BY_ID = {check.id: check for check in CHECKS}
SPACED = replace(HEALTHY, goal=Goal(model="/models/sd15", output="/Volumes/2TB SSD/out"))
ROSETTA = system(translated=True, machine="x86_64", target="macos-x86_64")
LINUX = system(name="Linux", version="6.1", machine="x86_64", target="linux-x86_64")
TOOLS_ONLY = xcode(
    developer="/Library/Developer/CommandLineTools",
    compiler="",
    complaint='unable to find utility "coremlcompiler", not a developer tool or in PATH',
)
SMALL = sick(memory=Memory(total=GB, available=GB, swap_total=0, swap_free=0))
NO_ROOTS = sick(hub=replace(HUB, roots=False))
SDXL = "Stable Diffusion XL base"
NEVER = "this is not a family that can be converted"


def installed(**versions: str) -> Facts:
    """Return the healthy facts with these versions installed; "" removes a package."""
    named = {name.replace("_", "-"): version for name, version in versions.items()}
    merged = {**INSTALLED, **named}
    return environment(installed={name: version for name, version in merged.items() if version})


def locked(**versions: str) -> Facts:
    """Return the healthy facts with these packages added to the lock."""
    named = {name.replace("_", "-"): version for name, version in versions.items()}
    return sick(lock=LockFacts(path="lock.txt", digest="lock-1", packages={**INSTALLED, **named}))


def given(name: str) -> Facts:
    """Return facts of a run in which a hub name was given as the folder of a model."""
    return replace(sick(model=ModelFolder(path=name, kind="missing")), goal=Goal(model=name))


def single(*holds: str) -> Facts:
    """Return facts of a single-file model; `holds` names what is in the file."""
    file = weights("../model.safetensors", size=2 * GB)
    parts = (ComponentState(name="checkpoint", folder="/models", weights=(file,)),)
    return sick(
        model=ModelFolder(
            path="/models/model.safetensors", kind="single-file", holds=holds, components=parts
        )
    )


def without(*names: str) -> Facts:
    """Return facts of a model that lacks some components which its programs need."""
    parts = tuple(one for one in MODEL.components if one.name not in names)
    needed = tuple(dict.fromkeys((*MODEL.needed, *names)))
    return sick(model=replace(MODEL, components=parts, needed=needed))


def programs(*named: str) -> Facts:
    """Return facts of a finished folder that has only these programs."""
    return sick(bundle=replace(BUNDLE, programs=tuple(program(name) for name in named)))


def encoder(*shape: int) -> ProgramState:
    return program("VAEEncoder", inputs=features({"x": shape}))


TOKENS_154 = program("TextEncoder", outputs=features({"last_hidden_state": (1, 154, 768)}))
WIDE_UNET = program(
    "Unet",
    inputs=features({"sample": (2, 4, 96, 64), "timestep": (2,), "encoder_hidden_states": TEXT}),
)

FAULTS: Mapping[str, Facts] = {
    # Xcode and the system
    "xcode-coremlcompiler-missing": TOOLS_ONLY,
    "path-with-space-unquoted": SPACED,
    "xcrun-invalid-active-developer-path": xcode(developer="", compiler="", others=()),
    "xcode-license-not-accepted": xcode(
        compiler="", complaint="You have not agreed to the Xcode license agreements."
    ),
    "spec-version-too-new-for-xcode": system(version="12.6"),
    "wsl-linux-no-coremlcompiler": LINUX,
    "compile-result-move-missing": SPACED,
    "wrong-arch-dylib": environment(wheels={"numpy": ("cp312-cp312-macosx_10_9_x86_64",)}),
    "illegal-hardware-instruction": ROSETTA,
    "torch-x86-mac-capped": ROSETTA,
    "mlx-no-distribution": LINUX,
    # native code
    "coremltools-native-libs-missing": environment(
        native={"coremltools/libmilstoragepython.so": False}
    ),
    "coremltools-proxy-not-loaded": environment(native={"coremltools/libcoremlpython.so": False}),
    "coremltools-milstorage-import": environment(
        origins={"coremltools": "https://github.com/apple/coremltools@0123abc"}
    ),
    "wheel-not-supported-on-platform": environment(
        wheels={"coremltools": ("cp311-none-macosx_11_0_arm64",)}
    ),
    "libomp-duplicate": host(conda="base"),
    "torch-not-for-this-python": environment(python="3.11.0"),
    "coremltools-sdist-instead-of-wheel": environment(wheels={"coremltools": ("py3-none-any",)}),
    # Python and what is installed
    "omegaconf-missing": installed(omegaconf=""),
    "python-coreml-sd-not-installed": installed(python_coreml_stable_diffusion=""),
    "diffusionkit-missing": installed(diffusionkit=""),
    "pep668-externally-managed": host(isolated=False, externally_managed=True),
    "torch-missing-in-venv": installed(torch=""),
    "resolver-no-solution": installed(transformers="4.29.2"),
    "uv-lock-old-format": installed(huggingface_hub="0.36.2"),
    "user-site-shadows-env": host(
        conda="base", user_site=("/Users/me/Library/Python/3.10/lib/python/site-packages",)
    ),
    "pythonpath-leak": host(pythonpath=("/opt/homebrew/lib/python3.12/site-packages",)),
    "ckpt-converter-import-renamed": installed(diffusers="0.14.0"),
    "ckpt-converter-module-missing": installed(diffusers="0.11.1"),
    "ckpt-converter-config-files": installed(diffusers="0.26.0"),
    "ckpt-converter-kwarg-renamed": installed(diffusers="0.20.2"),
    "numpy-dtype-size-changed": installed(numpy="2.2.6"),
    "torch-distributed-reduceop": installed(torch="1.12.1"),
    "torch-untested-with-coremltools": installed(torch="2.14.0"),
    "diffusers-sub-import-clip-failed": sick(
        smoke=Smoke(imported=(), failures={"diffusers": "ImportError: cached_download"})
    ),
    "quantize-needs-sklearn": locked(scikit_learn="1.1.2"),
    "op-not-implemented-generic": installed(torch="2.9.0"),
    "node-input-count-mismatch": installed(torch="2.5.1"),
    # git and the upstream checkout
    "git-missing-for-vcs-install": sick(git=Absent(reason="git: No such file or directory")),
    "mlsd-wrong-commit": checkout(commit="e12202c1f6405b83918b58a5d097cd61e3e1f702"),
    # weight files
    "safetensors-header-too-large": unet(kind="lfs-pointer", size=134),
    "gitlfs-pointer-in-diffusers-folder": unet(kind="lfs-pointer", size=134),
    "torch-weights-only": unet(kind="pickle", unsafe=("names os.system",)),
    "ckpt-needs-pytorch-lightning": unet(
        kind="pickle", notes=("pytorch_lightning callbacks were left aside",)
    ),
    "ckpt-missing-vae": single("unet", "text_encoder"),
    "lora-or-partial-file": single("lora"),
    "safetensors-truncated": unet(fault="9 of 12 bytes are there"),
    "low-cpu-missing-keys": model(
        part("unet", mismatch=("text features are 1024 wide in the weights, 768 in config.json",))
    ),
    "weights-unreadable-wrapped": unet(kind="pickle", fault="not a zip file"),
    "sharded-unet-not-loadable": model(SHARDED),
    "no-unet-weights-file": model(part("unet", weights=())),
    "fp16-variant-missing-local": model(part("unet", variants=("", "fp16"))),
    "fp16-variant-indexerror-local": model(part("vae", nameless=("LICENSE",))),
    # the folder or file that is given
    "single-file-given-as-model-version": single("unet", "vae", "text_encoder"),
    "model-index-missing": sick(model=ModelFolder(path="/models", kind="none")),
    "bundle-tokenizer-html": bundle(vocabulary=("vocab.json: not JSON",)),
    "stale-output-skipped": sick(
        output=Output(path="/data/output", programs=("Unet.mlpackage",), manifest=False)
    ),
    "sdxl-text-encoder-2-kwarg": single("unet", "vae", "text_encoder", "sdxl"),
    "sd15-with-sdxl-class": single("unet", "vae", "text_encoder"),
    "ckpt-merge-missing-keys-sd2-v1": single("unet", "vae", "text_encoder"),
    "ema-weights-notice": single("unet", "vae", "text_encoder", "ema"),
    "sd3-params-mismatch": model(family="Stable Diffusion 3", refusal=NEVER),
    "sd35-unsupported": model(family="Stable Diffusion 3", refusal=NEVER),
    "sd3-vae-mlpackage-not-found": model(family="Stable Diffusion 3", refusal=NEVER),
    "inpainting-9-channels": model(refusal="this is an inpainting model"),
    "text-encoder-2-attribute": without("text_encoder_2"),
    "convert-order-unet-deleted": without("unet"),
    "unet-arch-not-implemented": model(
        part("unet", refusal="class_embed_type='timestep' is not implemented")
    ),
    "unet-block-type-unknown": model(
        part("unet", refusal="down_block_types: 'KDownBlock2D' is not implemented")
    ),
    "latent-size-not-multiple": sick(goal=Goal(width=1368, height=768)),
    # the hub, disks and memory
    "fp16-variant-missing-hub": given("hf:someone/model"),
    "hf-token-required": given("hf:CompVis/stable-diffusion-v1-4"),
    "gated-repo": given("hf:stabilityai/stable-diffusion-3-medium"),
    "repo-not-found-runwayml": given("hf:runwayml/stable-diffusion-v1-5"),
    "ssl-certificate-verify": NO_ROOTS,
    "curl-trace-alert": NO_ROOTS,
    "certificate-out-of-date": NO_ROOTS,
    "certificate-not-trusted": NO_ROOTS,
    "local-files-only-clip": NO_ROOTS,
    "offline-original-config": NO_ROOTS,
    "oom-killed": SMALL,
    "mps-out-of-memory": SMALL,
    "leaked-semaphore-after-kill": SMALL,
    "conversion-seems-stuck": SMALL,
    "disk-full": volume("output", free=GB),
    "disk-not-enough-for-download": volume("hub", free=GB),
    "incomplete-hub-download": sick(
        hub=replace(HUB, incomplete=("models--a--b/blobs/0123.incomplete",))
    ),
    # the conversion, and what comes out of it
    "psnr-too-low": model(part("unet", upcast=True)),
    "sd21-black-images": model(prediction="v_prediction"),
    "split-einsum-v2-sdxl-hangs": replace(
        model(family=SDXL), goal=Goal(attention="SPLIT_EINSUM_V2")
    ),
    "kernel-panic-split-einsum-nonsquare": sick(goal=Goal(width=512, height=768)),
    # a finished folder
    "python-pipeline-model-not-found": programs("Stable_Diffusion_version_sd15_unet"),
    "mochi-model-folder-wrong-layout": bundle(without="Unet"),
    "mochi-macos27-sdpa-crash": bundle(
        program("TextEncoder", tools={"coremltools": "7.2", "torch": "2.2.0"})
    ),
    "mochi-attention-misdetected": bundle(program("Unet", fault="metadata.json is not JSON")),
    "mochi-sdxl-needs-macos14": replace(bundle(XL_UNET), system=replace(SYSTEM, version="13.6")),
    "ane-compiler-stuck": bundle(program("Unet", weights=5 * GB)),
    "ane-program-inference-error": bundle(program("Unet", weights=3 * GB)),
    "weight-bin-not-openable": bundle(program("Unet", missing=("weights/weight.bin",))),
    "mlmodelc-not-valid": bundle(program("Unet", pointers=("coremldata.bin",))),
    "mlmodelc-metadata-json-missing": bundle(program("Unet", missing=("metadata.json",))),
    "merges-txt-missing": bundle(vocabulary=("merges.txt is missing",)),
    "vaeencoder-wrong-shape": bundle(encoder(1, 3, 768, 768)),
    "img2img-size-mismatch": bundle(WIDE_UNET),
    "mlmodelc-compiled-for-newer-os": bundle(program("Unet", specification=10)),
    "unknown-opset": replace(
        bundle(program("Unet", specification=9)), system=replace(SYSTEM, version="14.5")
    ),
    "sdxl-img2img-black": bundle(XL_UNET, program("VAEEncoder", precision="Float16")),
    "token-length-mismatch-coreml": bundle(TOKENS_154),
    "controlnet-not-listed": bundle(without="VAEEncoder"),
    "img2img-needs-vae-encoder": bundle(without="VAEEncoder"),
}


def found_in_time(entry: Failure) -> tuple[str, ...]:
    """Return the ids of those checks of an entry that report its failure before it happens."""
    facts = clash(entry) if entry.topic == CLASHES else FAULTS[entry.id]
    results = examine(facts, [BY_ID[name] for name in entry.checks]).results
    return tuple(
        result.id
        for result in results
        if result.status.rank > Status.OK.rank and result.status is not Status.UNKNOWN
    )


def clash(entry: Failure) -> Facts:
    """Return the healthy facts with versions that meet all conditions of the entry."""
    versions = {name: inside(specifier) for name, specifier in entry.when.items()}
    python = versions.pop("python", ENVIRONMENT.python)
    macos = versions.pop("macos", SYSTEM.version)
    return replace(
        HEALTHY,
        environment=replace(ENVIRONMENT, python=python, installed=versions),
        system=replace(SYSTEM, version=macos),
    )


def inside(specifier: str) -> str:
    """Return a version that is in the range: its bound, or a neighbour if the bound is excluded."""
    first = specifier.partition(",")[0].strip()
    if first.startswith((">=", "<=", "==")):
        return first[2:]
    if first.startswith(">"):
        return f"{first[1:]}.1"
    *stem, last = (int(number) for number in first[1:].split("."))
    while not last:  # 2.0 is preceded by 1.999
        last = stem.pop()
    return ".".join(str(number) for number in (*stem, last - 1, 999))
