"""Maps each component to its reference module, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.references import inputs, safety, text, vision
from sdcoreml.convert.references.inputs import Feeds, Shapes
from sdcoreml.ground.errors import ParityError, UnsupportedError

Config: TypeAlias = "Mapping[str, object]"
Outputs: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The reference that a component's program is compared with.

    `build` makes the module from its config, and `feeds` makes inputs from the config and the
    program's input shapes. `call` runs the module and returns all outputs that any form of the
    program has, with the options of the conversion. `outputs` lists the output names of each form;
    `None` accepts the names that `call` returns.
    """

    build: Callable[[Config], torch.nn.Module]
    feeds: Callable[[Config, Shapes], tuple[Feeds, ...]]
    call: Callable[[torch.nn.Module, Feeds, ProgramOptions], Outputs]
    outputs: tuple[frozenset[str], ...] | None = None

    def compute_expected(
        self, module: torch.nn.Module, feeds: Feeds, options: ProgramOptions, names: Collection[str]
    ) -> Outputs:
        """Compute the expected outputs for a program whose outputs have these names.

        Raises:
            ParityError: no form of the component has these names.
        """
        results = self.call(module, feeds, options)
        forms = self.outputs or (frozenset(results),)
        if frozenset(names) not in forms:
            wanted = " or ".join(str(sorted(form)) for form in forms)
            raise ParityError(f"the program has outputs {sorted(names)}, not {wanted}")
        return {name: results[name] for name in names}


def reference(component: str) -> Reference:
    """Return the reference of a component.

    Raises:
        UnsupportedError: the component has no reference.
    """
    if component not in REFERENCES:
        known = ", ".join(REFERENCES)
        raise UnsupportedError(
            "no reference module is known", where=component, remedy=f"use one of {known}"
        )
    return REFERENCES[component]


_STATES = frozenset({"last_hidden_state", "pooled_outputs"})
_EMBEDS = frozenset({"hidden_embeds", "pooled_outputs"})
_NOISE = (frozenset({"noise_pred"}),)

_UNET = Reference(
    build=vision.unet, feeds=inputs.denoising, call=vision.predict_noise, outputs=_NOISE
)

REFERENCES: Mapping[str, Reference] = {
    "text_encoder": Reference(
        build=text.encoder, feeds=inputs.tokens, call=text.encode, outputs=(_STATES, _EMBEDS)
    ),
    "text_encoder_2": Reference(
        build=text.projecting_encoder,
        feeds=inputs.tokens_of_second,
        call=text.encode,
        outputs=(_EMBEDS,),
    ),
    "unet": _UNET,
    "controlled_unet": _UNET,
    "unet_refiner": _UNET,
    "controlnet": Reference(build=vision.controlnet, feeds=inputs.denoising, call=vision.control),
    "vae_decoder": Reference(build=vision.vae, feeds=inputs.latents, call=vision.decode),
    "safety_checker": Reference(build=safety.checker, feeds=inputs.pictures, call=safety.check),
    "vae_encoder": Reference(build=vision.vae, feeds=inputs.images, call=vision.encode),
}
