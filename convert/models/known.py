"""Opens a component's weights, ignoring tensors that its class does not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.models.model_index import kind_of
from sdcoreml.convert.models.skeleton import find_strangers
from sdcoreml.convert.weights.safetensors import TensorFile


def open_known(weights: Path, config: Mapping[str, object]) -> TensorFile:
    """Open the safetensors file of a component with this config.json.

    The pinned libraries ignore unknown tensors on loading, so code that builds from the file or
    compares with it must do the same. Raises `BadInputError` for an invalid file.
    """
    file = TensorFile.open(weights)
    file.leave_aside(find_strangers(kind_of(config), config, file.names()))
    return file
