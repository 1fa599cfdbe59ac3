"""Reads a VAE for another model: a diffusers folder, or a file in diffusers' or original names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from sdcoreml.convert.models import configs
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.folder_plan import ComponentFiles
from sdcoreml.convert.models.layout import modernise, read_component
from sdcoreml.convert.models.merge import component_files
from sdcoreml.convert.models.model_index import kind_of
from sdcoreml.convert.models.single_file import VAE_PREFIX, Ledger, take_vae
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.ground.errors import BadInputError, raise_first

KIND = "AutoencoderKL"
NONE = f"has no VAE; give a file or folder with an {KIND}"


def read_vae(path: Path, family: Family, image_size: int) -> ComponentFiles:
    """Read the VAE at `path`; `family` and `image_size` (pixels) supply what tensors do not show.

    Raises:
        BadInputError: the path is not a VAE, or an incomplete one.
    """
    if path.is_dir():
        folder = path if (path / CONFIG_NAME).is_file() else path / "vae"
        if not (folder / CONFIG_NAME).is_file():
            raise BadInputError(f"{NONE}", where=path)
        component = read_component("vae", folder, kind=KIND)
        config = component.config
        claimed = kind_of(config) or KIND
        if claimed != KIND:
            raise BadInputError(f"is a {claimed}", where=folder, remedy=f"give one with an {KIND}")
        raise_first(component.all_faults)
        return component_files(component)
    checkpoint = open_checkpoint(path)
    names = [tensor.name for tensor in checkpoint.tensors]
    prefix = VAE_PREFIX if any(name.startswith(VAE_PREFIX) for name in names) else ""
    ledger = Ledger(checkpoint)
    if any(name.startswith("encoder.down_blocks.") for name in names):
        tensors = list(modernise(replace(checkpoint)).tensors)
    else:
        tensors = take_vae(ledger, prefix)
    if not tensors:
        raise BadInputError(f"{NONE}", where=path)
    derive = partial(configs.vae_config, family=family, image_size=image_size)
    ledger.enter("vae", KIND, tensors, derive)
    raise_first(ledger.faults)
    return ledger.parts["vae"]
