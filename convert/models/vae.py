"""A VAE from elsewhere: a diffusers folder, or a file in diffusers' names or the original ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from convert.errors import BadInputError
from convert.models import configs
from convert.models.family import Family
from convert.models.layout import CONFIG_NAME, modernise, read_component
from convert.models.merge import part_of
from convert.models.recipe import Part
from convert.models.single_file import VAE_PREFIX, Ledger, take_vae
from convert.weights.fault import Fault, raise_first
from convert.weights.source import open_checkpoint

KIND = "AutoencoderKL"
NONE = f"holds no VAE; give a file or folder with an {KIND}"


def read_vae(path: Path, family: Family, image_size: int) -> Part:
    """The VAE at `path`; `family` and `image_size` (pixels) fill in what its tensors do not tell.

    Raises:
        BadInputError: not a VAE, or an incomplete one.
    """
    if path.is_dir():
        folder = path if (path / CONFIG_NAME).is_file() else path / "vae"
        if not (folder / CONFIG_NAME).is_file():
            raise BadInputError(f"{path}: {NONE}")
        faults: list[Fault] = []
        component = read_component("vae", folder, faults, kind=KIND)
        config = component.config
        claimed = config.get("_class_name") or next(iter(config.get("architectures", ())), KIND)
        if claimed != KIND:
            raise BadInputError(f"{folder}: is a {claimed}; give one with an {KIND}")
        raise_first(faults)
        return part_of(component)
    checkpoint = open_checkpoint(path)
    names = [tensor.name for tensor in checkpoint.tensors]
    prefix = VAE_PREFIX if any(name.startswith(VAE_PREFIX) for name in names) else ""
    ledger = Ledger(checkpoint)
    if any(name.startswith("encoder.down_blocks.") for name in names):
        tensors = list(modernise(replace(checkpoint)).tensors)
    else:
        tensors = take_vae(ledger, prefix)
    if not tensors:
        raise BadInputError(f"{path}: {NONE}")
    derive = partial(configs.vae_config, family=family, image_size=image_size)
    ledger.enter("vae", KIND, tensors, derive)
    raise_first(ledger.faults)
    return ledger.parts["vae"]
