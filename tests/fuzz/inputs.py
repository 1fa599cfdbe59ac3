"""Writes the valid inputs that are then mutated, each in the folders of a `Grounds`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sdcoreml.ground.places import ROOT
from tests import upstreams
from tests.convert.compile import texts
from tests.convert.weights import torch_files
from tests.fuzz.network import write_answers
from tests.fuzz.observe import prepare
from tests.odd import addons, base, files
from tests.odd.survey import run

Build: TypeAlias = Callable[[Path], object]
"""A function that writes an input into the folders that `prepare` has made."""

_LOG = """\
INFO:root:Loading model from /home/me/models/mine
Traceback (most recent call last):
  File "/usr/lib/python3.10/runpy.py", line 196, in _run_module_as_main
    return _run_code(code, main_globals, None)
  File "/home/me/torch2coreml.py", line 1120, in main
    pipe = StableDiffusionPipeline.from_pretrained(args.model_version)
  File "/home/me/env/lib/python3.10/site-packages/diffusers/models/modeling_utils.py", line 532
    raise EnvironmentError(
OSError: Error no file named diffusion_pytorch_model.bin found in directory /home/me/mine/unet.

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/me/torch2coreml.py", line 1201, in <module>
    main(args)
RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory
"""
_CONFIGURATION = """\
[index]
url = "https://mirror.example/simple"

[hub]
url = "https://mirror.example"

[sources]
folder = ["~/../work/models"]
comfy = ["~/../work/comfy", "/gone"]
"""
_SETTINGS = """\
[ignore]
PY002 = "3.10.13 is what our runners have"
MOD = "known"
"""
_RECIPE = {
    "method": "kmeans",
    "bits": 6,
    "layers": {"conv_in_weight": 8, "mid_block_resnets_0_conv1_weight": 4},
}


def folder(root: Path, family: str = "sd1") -> None:
    """Write a model in diffusers' layout."""
    base.write_folder(root / "work" / "model", family)


def single_file(root: Path, family: str = "sd1") -> None:
    """Write a single-file model."""
    base.write_file(root / "work", family)


def pickled(root: Path, *, legacy: bool = False) -> None:
    """Write a single-file model as a pickle."""
    files.pickled(root / "work", legacy=legacy)


def sharded(root: Path) -> None:
    """Write a model whose UNet is sharded, and whose VAE is a pickle."""
    folder(root)
    model = root / "work" / "model"
    unet, vae = model / "unet", model / "vae"
    tensors = list(base.tensors_of(base.SD1_UNET).items())
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    parts: dict[str, str] = {}
    for number in (1, 2):
        name = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        part = dict(tensors[number - 1 :: 2])
        base.write(unet / name, base.safetensors(part))
        parts |= dict.fromkeys(part, name)
    size = sum(tensor.nbytes for _, tensor in tensors)
    index = {"metadata": {"total_size": size}, "weight_map": parts}
    base.write(unet / "diffusion_pytorch_model.safetensors.index.json", index)
    (vae / "diffusion_pytorch_model.safetensors").unlink()
    torch_files.write_zip(vae / "diffusion_pytorch_model.bin", base.tensors_of(base.VAE))


def with_addons(root: Path) -> None:
    """Write a model, a LoRA, an embedding in two forms, a VAE, a ControlNet and a recipe."""
    work = root / "work"
    addons.with_lora(work)
    addons.file(work, {"emb_params": (2, 64)}, "cat.safetensors")
    addons.file(work, {"*": (2, 64)}, "dog.pt")
    addons.vae_file(work, original=True)
    addons.vae_file(work, original=True, name="vae.vae.pt")
    config, tensors = base.controlnet(base.SD1_UNET)
    base.write(work / "control" / "config.json", config)
    base.write(work / "control" / "diffusion_pytorch_model.safetensors", base.safetensors(tensors))
    base.write(work / "recipe.json", _RECIPE)


def finished(root: Path, source: Path) -> None:
    """Write a finished folder, beside the model and add-ons of `with_addons`."""
    with_addons(root)
    shutil.copytree(source, root / "work" / "folder")


def package(root: Path, source: Path) -> None:
    """Write only the packages of a finished folder."""
    for name in ("TextEncoder", "VAEDecoder"):
        shutil.copytree(source / f"{name}.mlpackage", root / "work" / f"{name}.mlpackage")


def small_package(root: Path) -> None:
    """Write two small handmade packages."""
    texts.package(root / "work" / "Small.mlpackage", texts.OPERATIONS)
    texts.package(root / "work" / "Packed.mlpackage", texts.COMPRESSED)


def with_refiner(root: Path) -> None:
    """Write an SDXL model and the refiner for it."""
    folder(root, "sdxl")
    base.write_folder(root / "work" / "refiner", "refiner")


def upstream(root: Path) -> None:
    """Write a clone of the upstream converter, and a toolchain that names its commit."""
    work = root / "work"
    upstreams.make_toolchain(work / "toolchain", upstreams.make_repository(work / "clone"))


def log(root: Path) -> None:
    """Write the log of a failed conversion."""
    base.write(root / "work" / "log.txt", _LOG)


def configuration(root: Path) -> None:
    """Write a user's configuration, and the folders that it names."""
    base.write(root / "home" / ".config" / "sdcoreml" / "config.toml", _CONFIGURATION)
    base.write_file(root / "work" / "models")
    (root / "work" / "comfy" / "models" / "checkpoints").mkdir(parents=True)


def settings(root: Path) -> None:
    """Write a project's settings, and a model."""
    folder(root)
    base.write(root / "work" / "sdcoreml.toml", _SETTINGS)
    shared = "[project]\nname = 'x'\n\n" + _SETTINGS.replace("[", "[tool.sdcoreml.")
    base.write(root / "work" / "project" / "pyproject.toml", shared)


def facts(root: Path) -> None:
    """Write a file of facts, as the doctor saves them."""
    folder(root)
    work = root / "work"
    run(["doctor", str(work / "model"), "--save-facts", str(work / "facts.json")])
    shutil.copy(work / "facts.json", work / "earlier.json")


def measurement(root: Path) -> None:
    """Write what a Mac measured; its lock is unknown, so that nothing is ever added to ours."""
    placement = {"cpu": 2, "gpu": 0, "ne": 40, "on_cpu": {"gather": 2}}
    program = {"component": "unet", "graph": "5f" * 32, "attention": "ORIGINAL", "bits": 6}
    program |= {"height": 64, "width": 64, "units": "gpu", "result": "right", "answers": "recorded"}
    program |= {"psnr": 71.9, "cold": 9.5, "warm": 0.5, "run": 0.4, "peak_memory": 5_000_000}
    content = {"schema": 1, "sdcoreml": "0.1.0", "chip": "M2", "macos": "15.2", "memory": 16 << 30}
    content |= {"toolchain": "tested", "lock": "0" * 64, "coremltools": "7.2"}
    content |= {"programs": [{**program, "placement": placement}]}
    base.write(root / "work" / "mac.json", json.dumps(content))


def toolchain(root: Path) -> None:
    """Write a toolchain's folder: pins, locks and evidence."""
    shutil.copytree(ROOT / "lockfiles" / "tested", root / "work" / "toolchain")


def checkout(root: Path) -> None:
    """Write a checkout like the upstream converter's."""
    place = root / "work" / "checkout"
    base.write(place / "python_coreml_stable_diffusion" / "torch2coreml.py", "import torch\n")
    base.write(place / "setup.py", "from setuptools import setup\n\nsetup()\n")
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(root / "home"),
        **{f"GIT_{who}_NAME": "A" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "a@b.example" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")},
    }
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-q", "-m", "x"),
        ("pack-refs", "--all"),
    ):
        subprocess.run(("git", *words), cwd=place, env=environ, check=True)


def environment(root: Path) -> None:
    """Write a tiny sealed environment of the toolchain in `work/toolchain`, and its archive."""
    from sdcoreml.envs.building.build import BuildOptions, build
    from sdcoreml.envs.care.archive import export_environment
    from sdcoreml.envs.processes.installer import PackageSource
    from sdcoreml.lockfiles.toolchain import load_toolchain
    from tests.envs.wheels import PYTHON, standard_wheels
    from tests.envs.wheels import toolchain as write_toolchain

    wheels = root.parent / "wheels"
    name = write_toolchain(root / "work" / "toolchain", standard_wheels(wheels))
    source = PackageSource(wheels=wheels)
    chosen = load_toolchain(name)
    made = build(chosen, options=BuildOptions(python=PYTHON, source=source, root=root / "envs"))
    export_environment(made, chosen, root / "work" / "tiny.tar", source=source)


def ready() -> Mapping[str, Build]:
    """Return the inputs that can be made from this checkout alone, by name."""
    return {
        "sd1": folder,
        "sdxl": partial(folder, family="sdxl"),
        "file": single_file,
        "file-sdxl": partial(single_file, family="sdxl"),
        "ckpt": pickled,
        "legacy": partial(pickled, legacy=True),
        "sharded": sharded,
        "addons": with_addons,
        "refiner": with_refiner,
        "small-package": small_package,
        "hub": write_answers,
        "upstream": upstream,
        "log": log,
        "configuration": configuration,
        "settings": settings,
        "facts": facts,
        "measurement": measurement,
        "toolchain": toolchain,
        "checkout": checkout,
        "environment": environment,
    }


def with_finished(source: Path) -> Mapping[str, Build]:
    """Return the inputs that are made from a finished folder, by name."""
    return {
        "finished": partial(finished, source=source),
        "package": partial(package, source=source),
    }


def write_input(build: Build, root: Path) -> Path:
    """Write one input into the new folder `root`."""
    prepare(root)
    build(root)
    return root
