"""Odd inputs, third part: pickles, and the zip files that contain them."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from tests.convert.weights import torch_files as torch
from tests.odd import base
from tests.odd.case import Can, Case, Why, no, yes


def wrapped(at: Path, key: str) -> Path:
    """Write a pickle with its tensors under `key` instead of `state_dict`, and optimizer states."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    parts = {
        name: torch.tensor(torch.storage(str(number), array.dtype.name, array.size), array.shape)
        for number, (name, array) in enumerate(tensors.items())
    }
    moment = torch.tensor(torch.storage(str(len(tensors)), "float32", 4), (4,))
    state = torch.mapping({"exp_avg": moment})
    root = {key: torch.mapping(parts), "optimizer_states": torch.mapping({"0": state})}
    pickled = torch.finished(torch.mapping(root))
    return torch.write_zip(at / "model.ckpt", tensors | {"m": np.zeros(4, "f4")}, pickled=pickled)


def one_storage(at: Path) -> Path:
    """Write a pickle whose tensors are transposed views of a single storage."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    whole = np.concatenate([array.T.ravel() for array in tensors.values()])
    shared, parts, start = torch.storage("0", "float16", whole.size), {}, 0
    for name, array in tensors.items():
        steps = torch.row_major(array.shape[::-1])[::-1]
        parts[name] = torch.tensor(shared, array.shape, steps, start)
        start += array.size
    pickled = torch.finished(torch.mapping({"state_dict": torch.mapping(parts)}))
    return torch.write_zip(at / "model.ckpt", {"0": whole}, pickled=pickled)


def zipped(at: Path, name: str, root: str = "archive", packed: int = zipfile.ZIP_STORED) -> Path:
    """Write a pickle in a zip file with another root folder, file suffix or compression."""
    base.write_tokenizer(at / "tokenizer")
    tensors = base.original("sd1")
    members = {f"{root}/data.pkl": torch.state_dict(tensors)}
    for number, array in enumerate(tensors.values()):
        members[f"{root}/data/{number}"] = array.tobytes()
    members[f"{root}/version"] = b"3\n"
    return torch.write_members(at / name, members, compression=packed)


def script(at: Path) -> Path:
    """Write a traced module (TorchScript), which has code and constants."""
    root = torch.finished(torch.call(torch.name("__torch__.ldm", "UNet")))
    members = {
        "unet/data.pkl": root,
        "unet/constants.pkl": torch.finished(b")"),
        "unet/version": b"3\n",
    }
    members["unet/code/__torch__/ldm.py"] = b"class UNet(Module):\n  pass\n"
    return torch.write_members(at / "unet_traced.pt", members)


def module(at: Path) -> Path:
    """Write the pickle of a whole module, which names the module's class."""
    root = torch.call(torch.name("ldm.models.diffusion.ddpm", "LatentDiffusion"))
    return torch.write_zip(at / "model.ckpt", {}, pickled=torch.finished(root))


def begun(at: Path, start: str, *, pickled: bool = False) -> Path:
    """Write a single file with the prefix `start` before every tensor's name."""
    tensors = {start + name: tensor for name, tensor in base.original("sd1").items()}
    if pickled:
        base.write_tokenizer(at / "tokenizer")
        return torch.write_zip(at / "model.ckpt", tensors)
    return base.write_file(at, content=base.safetensors(tensors))


CASES: tuple[Case, ...] = (
    no("torch-script", script, Why.NOT_A_MODEL, "a traced module", says="TorchScript|traced|code"),
    no("ckpt-of-module", module, Why.NOT_A_MODEL, "a module pickled whole", says="state dict"),
    yes("suffix-ckpt-zip", partial(zipped, name="model.ckpt.zip"), "a pickle named .zip"),
    yes("ckpt-root", partial(zipped, name="m.ckpt", root="dreamshaper_8"), "another root folder"),
    no(
        "ckpt-packed-anew",
        partial(zipped, name="m.ckpt", packed=zipfile.ZIP_DEFLATED),
        Why.FORMAT,
        "a pickle that somebody unpacked and packed with compression; PyTorch refuses it",
        also=Can.YES,
    ),
    yes("ckpt-under-model", partial(wrapped, key="model"), "another key", also=Can.NO),
    yes("ckpt-with-optimizer", partial(wrapped, key="state_dict"), "optimizer's states"),
    yes("ckpt-one-storage", one_storage, "views of one storage, transposed"),
    no(
        "ckpt-module-start",
        partial(begun, start="module.", pickled=True),
        Why.NOT_A_MODEL,
        "names of a parallel training",
        also=Can.YES,
    ),
    no(
        "file-compiled-start",
        partial(begun, start="_orig_mod."),
        Why.NOT_A_MODEL,
        "names of a compiled module",
        also=Can.YES,
    ),
)
