"""What a user wants examined, by its files: a model to convert, or a finished folder.

Parts of `doctor.core.facts`, and as plain: paths are strings, sizes bytes, every value JSON-able.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcoreml.convert.bundle.contract import UNETS


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of weights, judged by its first bytes and its size.

    `kind` is one of: safetensors, pickle, lfs-pointer, web-page, empty, unreadable, other. `fault`
    is empty, or says in what way the file is damaged, and `remedy` what to do. `unsafe` are names
    in a pickle that have no place in a checkpoint; `notes` what was left aside in it.
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

    `index` is the index file of a sharded set or empty; `missing` the shards it names that are not
    there; `variants` the weight variants present ("" is the plain one, "fp16"...); `nameless` the
    entries without a dot, over which diffusers stumbles. `refusal` is why the converter cannot
    build it from this config, `remedy` what to do about that; `mismatch` where the weights' shapes
    contradict the config.
    `parameters` are counted from the weights' headers, `sample` is the config's sample_size; `step`
    the pixels that a UNet's size must be a multiple of, 0 where that is not known.
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
    """The model to convert, as its files say.

    `kind` is "diffusers" for a folder with model_index.json, "controlnet" for a ControlNet's,
    "single-file" for one checkpoint file, "missing" for a path that is not there, "none" otherwise.
    `family` is what it is in words, `needed` the components that its programs are made of,
    `refusal` why it cannot be converted, `remedy` what to do about that. `can`, `code`, `reason`
    and `cure` are the one judgement of it, as every command prints it. A single file is a
    component that has the weights; those in it come after it, and have parameters alone. `holds`
    names what it has in it: unet, vae, text_encoder, ema, lora, controlnet... `notes` are what is
    assumed of it, and what an app should be set to for it. `active` are the settings of its
    repository that could make git run a program; they are looked for where there are LFS pointers.
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
        """The judgement as JSON-able values; nothing where none was made."""
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

    `attention` is "split" when the program has einsum operations, "original" when it has none,
    "" when that cannot be told. `weights` is the size of its weight file, `weights_digest` tells it
    from others. `missing` and `pointers` name files that are not there or Git LFS pointers; `fault`
    is why its description cannot be read.
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
    pointers: tuple[str, ...] = ()
    fault: str = ""

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of the input of that name; of the only one for "" (its name is free)."""
        if not name and len(self.inputs) == 1:
            return self.inputs[0].shape
        return next((one.shape for one in self.inputs if one.name == name), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder of Core ML programs.

    `vocabulary` are the faults of its tokenizer files, `damage` those that the compiler's own
    readers find in the programs, weights included.
    """

    path: str
    programs: tuple[ProgramState, ...]
    vocabulary: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    manifest: bool = False
    controlnet_folder: bool = False

    def program(self, name: str) -> ProgramState | None:
        """The program of that name."""
        return next((one for one in self.programs if one.name == name), None)

    @property
    def unet(self) -> ProgramState | None:
        """The program that Mochi looks at first."""
        return next((found for name in UNETS if (found := self.program(name))), None)

    @property
    def is_xl(self) -> bool:
        """Whether the UNet takes SDXL's extra inputs."""
        return bool(self.unet and self.unet.shape("time_ids"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The content of the output folder: earlier programs, and whether this tool made them."""

    path: str
    programs: tuple[str, ...]
    manifest: bool
