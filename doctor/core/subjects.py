"""Facts about files that the user wants examined: a model to convert, or a finished folder.

They are part of `doctor.core.facts`: paths are strings, sizes bytes, every value can be JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdcoreml.convert.bundle.contract import CONTROL_INPUT, UNETS

if TYPE_CHECKING:
    from sdcoreml.convert.bundle.comfyui import ForComfyUI


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One weight file, judged by its first bytes and its size.

    `kind` is one of: safetensors, pickle, lfs-pointer, web-page, empty, unreadable, other. `fault`
    is "", or says how the file is damaged, and `remedy` what to do. `unsafe` are names in a pickle
    that no checkpoint needs; `notes` say what was skipped in it.
    """

    path: str
    kind: str
    size: int
    fault: str = ""
    remedy: str = ""
    unsafe: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentState:
    """One component of a model: `unet`, `vae`, `text_encoder`...

    `index` is the index file of sharded weights, or ""; `missing` are absent shards that it names;
    `variants` the weight variants present ("" for the plain one, "fp16"...); `nameless` the files
    without a dot in their name, at which old diffusers fails. `refusal` is why the converter cannot
    build it from this config, `remedy` what to do about that; `mismatch` where the weights' shapes
    contradict the config. `parameters` are counted from the weights' headers; `sample` is the
    config's sample_size; a UNet's image size must be a multiple of `step` pixels, 0 if unknown.
    """

    name: str
    folder: str
    index: str = ""
    weights: tuple[WeightFile, ...] = ()
    missing: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    nameless: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    refusal: str = ""
    remedy: str = ""
    mismatch: tuple[str, ...] = ()
    upcast: bool = False
    parameters: int = 0
    sample: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """The model to convert, as read from its files.

    `kind` is "diffusers" for a folder with model_index.json, "controlnet" for a ControlNet's,
    "single-file" for a checkpoint file, "missing" for a path that does not exist, else "none".
    `family` describes the model in words; `needed` are the components that its programs are made
    of; `refusal` is why it cannot be converted, `remedy` what to do about that. `can`, `code`,
    `reason` and `cure` are the judgement that every command prints. A single file is listed as a
    component with the weights, followed by the components in it, which have only parameters.
    `holds` names the contents of a single file: unet, vae, text_encoder, ema, lora, controlnet...
    `notes` are assumptions about the model, and settings for the app. `active` are settings of its
    repository that could make git run a program; they are read if there are LFS pointers.
    """

    path: str
    kind: str
    family: str = "unknown"
    needed: tuple[str, ...] = ()
    refusal: str = ""
    remedy: str = ""
    size: int = 0
    components: tuple[ComponentState, ...] = ()
    tokenizer_faults: tuple[str, ...] = ()
    prediction: str = ""
    holds: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    nearby: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    can: str = ""
    code: str = ""
    reason: str = ""
    cure: str = ""
    active: tuple[str, ...] = ()

    @property
    def ruling(self) -> dict[str, str | None] | None:
        """The judgement as plain values for JSON; None if there is none."""
        if not self.can:
            return None
        return {"can": self.can, "code": self.code or None, "remedy": self.cure or None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """An input or output of a Core ML program; `dtype` in lower case, such as float16."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """One `.mlmodelc` or `.mlpackage` of a finished folder.

    `attention` is "split" if the program has einsum operations, "original" if it has none, "" if
    unknown. `weights` is the size of its weight file in bytes, `weights_digest` a digest to compare
    it by. `compressed` is whether it unpacks weights as it runs, `hidden` why the next Mochi
    Diffusion will not list it, or "". `missing` and `pointers` name absent files and Git LFS
    pointers; `fault` is why its description cannot be read.
    """

    name: str
    container: str
    inputs: tuple[PortState, ...] = ()
    outputs: tuple[PortState, ...] = ()
    attention: str = ""
    specification: int = 0
    precision: str = ""
    weights: int = 0
    weights_digest: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    compressed: bool = False
    hidden: str = ""
    pointers: tuple[str, ...] = ()
    fault: str = ""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of the input `name`; of the only input for ""."""
        if not name and len(self.inputs) == 1:
            return self.inputs[0].shape
        return next((one.shape for one in self.inputs if one.name == name), ())

    @property
    def comfyui(self) -> ForComfyUI | None:
        """What the program is for ComfyUI; `None` if it has another interface."""
        # Loaded only here: without a folder to examine, it is not needed.
        from sdcoreml.convert.bundle.comfyui import describe

        inputs = {port.name: port.shape for port in self.inputs}
        return describe(inputs, [port.name for port in self.outputs], self.container)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A finished folder of Core ML programs.

    `vocabulary` lists faults of its tokenizer files, `damage` faults that the compiler's readers
    find in the programs and their weights.
    """

    path: str
    programs: tuple[ProgramState, ...]
    vocabulary: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    manifest: bool = False
    controlnet_folder: bool = False

    def program(self, name: str) -> ProgramState | None:
        """Return the program of that name, if there is one."""
        return next((one for one in self.programs if one.name == name), None)

    @property
    def unet(self) -> ProgramState | None:
        """The UNet, whole or the first half: the program that Mochi opens first."""
        return next((found for name in UNETS if (found := self.program(name))), None)

    @property
    def is_net(self) -> bool:
        """True if all it holds are ControlNets, which lie in a folder of their own."""
        return bool(self.programs) and all(one.shape(CONTROL_INPUT) for one in self.programs)

    @property
    def is_for_comfyui(self) -> bool:
        """True if all it holds are programs for ComfyUI, which need nothing beside them."""
        return bool(self.programs) and all(one.comfyui for one in self.programs)

    @property
    def is_xl(self) -> bool:
        """True if the UNet has SDXL's extra inputs."""
        return bool(self.unet and self.unet.shape("time_ids"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The content of the output folder: existing programs, and whether sdcoreml made them."""

    path: str
    programs: tuple[str, ...]
    manifest: bool
