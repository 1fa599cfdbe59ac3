"""Opens a component's weights without the tensors that its class does not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.layout import kind_of
from sdcoreml.convert.models.skeleton import find_strangers
from sdcoreml.convert.weights.safetensors import TensorFile


def open_known(weights: Path, config: Mapping[str, object]) -> TensorFile:
    """The safetensors file of a component with this config.json.

    The pinned libraries leave other tensors aside on loading, and so must whoever builds from the
    file, or compares with it. Raises `BadInputError` for an invalid file.
    """
    file = TensorFile.open(weights)
    file.leave_aside(find_strangers(kind_of(config), config, file.names()))
    return file
