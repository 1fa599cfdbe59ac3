"""Writes checkpoints of random numbers for benchmarks; runs in the built environment.

How much error compression causes depends mostly on the distribution of the weights. In a newly
initialised module it is uniform, and a palette of evenly spaced entries is best; in a trained
model it is closer to normal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.certify.specimen import write_specimen


def initialised(component: str, config: Mapping[str, Any], path: Path) -> None:
    """Write weights as the pinned libraries initialise them; norms get random scale and shift."""
    import torch
    from safetensors.torch import save_file

    from sdcoreml.convert.references.components import reference

    torch.manual_seed(0)
    module = reference(component).build(config)
    for layer in module.modules():
        if isinstance(layer, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, std=0.1)
    for parameter in module.parameters():
        if parameter.min() == parameter.max():  # zeros that start a ControlNet hide what it does
            torch.nn.init.normal_(parameter, std=0.1)
    names = {name for name, _ in module.named_parameters()}
    state = module.state_dict().items()
    save_file({name: tensor.half() for name, tensor in state if name in names}, path)


def normal(component: str, config: Mapping[str, Any], path: Path) -> None:
    """Write normally distributed weights, with the scale of initialisation, as for certificates."""
    import accelerate

    from sdcoreml.convert.references.components import reference

    with accelerate.init_empty_weights():
        module = reference(component).build(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.named_parameters()}
    write_specimen(path, shapes)


SPREADS: Mapping[str, Callable[[str, Mapping[str, Any], Path], None]] = {
    "initialised": initialised,
    "normal": normal,
}
