"""The options of a single program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.codec import DecodeError, from_plain
from sdcoreml.ground.errors import UnsupportedError


class Attention(str, Enum):
    """The layout of attention, by which apps choose the compute units.

    `ORIGINAL`, for GPUs, keeps the heads in one dimension. The other two, for the Neural Engine,
    have two `einsum` operations per head; `SPLIT_EINSUM_V2` also splits the queries into pieces of
    512.
    """

    ORIGINAL = "ORIGINAL"
    SPLIT_EINSUM = "SPLIT_EINSUM"
    SPLIT_EINSUM_V2 = "SPLIT_EINSUM_V2"


class Precision(str, Enum):
    """The type of weights and intermediate results."""

    FP16 = "fp16"
    FP32 = "fp32"

    @property
    def dtype(self) -> DataType:
        """The element type in the specification."""
        return DataType.FLOAT16 if self is Precision.FP16 else DataType.FLOAT32


class Prediction(str, Enum):
    """What the UNet's weights predict. Apps only understand noise (`EPSILON`)."""

    EPSILON = "epsilon"
    VELOCITY = "v_prediction"


class Runtime(str, Enum):
    """What calls the program, and so the form of its inputs.

    `SWIFT` is Apple's package, in Mochi Diffusion and others. `COMFYUI` are the nodes
    ComfyUI-CoreMLSuite: they send text states as (B, S, D), float16 only, and to a consistency
    model its guidance embedding (`convert.bundle.comfyui`). Only UNets are made for them.
    """

    SWIFT = "swift"
    COMFYUI = "comfyui"


class TextStates(str, Enum):
    """The hidden states of a text encoder on which the UNet was trained.

    `LAST` are those after the final norm (SD 1.x and 2.x), `PENULTIMATE` those before the last
    block, not normalised (SDXL).
    """

    LAST = "last"
    PENULTIMATE = "penultimate"


class Target(str, Enum):
    """The oldest system that runs the program: its operator set and specification version.

    The equivalent iOS has another version number; see `ios`.
    """

    MACOS13 = "macOS13"
    MACOS14 = "macOS14"
    MACOS15 = "macOS15"
    MACOS26 = "macOS26"

    @classmethod
    def named(cls, name: str) -> Target:
        """Return the target with this name, of macOS or iOS, in upper or lower case.

        Raises:
            ValueError: there is no such target.
        """
        for member in cls:
            if name.lower() in (member.value.lower(), member.ios.lower()):
                return member
        raise ValueError(name)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all targets."""
        return (*(member.value for member in cls), *(member.ios for member in cls))

    @property
    def ios(self) -> str:
        """The name of the equivalent iOS, which is also the member of `coremltools.target`."""
        return {
            Target.MACOS13: "iOS16",
            Target.MACOS14: "iOS17",
            Target.MACOS15: "iOS18",
            Target.MACOS26: "iOS26",
        }[self]

    @property
    def specification(self) -> int:
        """The `Model.specificationVersion` of a program for this target."""
        return 7 + tuple(Target).index(self)

    @property
    def opset(self) -> str:
        """The operator set, as MIL names it."""
        return f"CoreML{self.specification - 1}"


DEFAULT_TOKENS = 77
"""The length of a prompt that a UNet is built for, unless its options say another."""

GUIDANCE, EMBEDDED = "timestep_cond", 256
"""The input for a consistency model's embedded guidance scale, and its width; see `COMFYUI`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOptions:
    """The options of one program; a builder ignores those that do not concern its component.

    Attributes:
        height: latent height, an eighth of the image's; `None` takes the config's sample size.
        width: latent width, an eighth of the image's; `None` takes the config's sample size.
        batch: rows of the UNet's inputs; 2 holds the unconditional and the conditional half.
        tokens: length of a prompt; `None` takes the text encoder's maximum, 77 for a UNet.
        attention: layout of the UNet's attention.
        precision: type of weights and intermediate results.
        target: oldest system to run on.
        prediction: what the UNet predicts; the program converts velocity to noise.
        text_states: the hidden states that the text encoder returns.
        clip_skip: 2 leaves out the text encoder's last block, 3 the last two; the final norm stays.
        pad_id: the token that replaces the apps' padding after the end token; SD 2.x was trained
            with 0.
        runtime_scale: the latent scale that the app applies, if it is not the VAE's own.
        states_own_size: whether SDXL's `time_ids` are set to the program's own image size; apps
            always send 1024.
        runtime: what calls a UNet.
    """

    height: int | None = None
    width: int | None = None
    batch: int = 2
    tokens: int | None = None
    attention: Attention = Attention.SPLIT_EINSUM
    precision: Precision = Precision.FP16
    target: Target = Target.MACOS13
    prediction: Prediction = Prediction.EPSILON
    text_states: TextStates = TextStates.LAST
    clip_skip: int = 1
    pad_id: int | None = None
    runtime_scale: float | None = None
    states_own_size: bool = False
    runtime: Runtime = Runtime.SWIFT

    def as_json(self) -> dict[str, object]:
        """Return the options for `parse_options`: those in `STATED`, and others if not default."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: value.value if isinstance(value, Enum) else value
            for name, value in values.items()
            if value is not None and (name in STATED or value != _DEFAULTS[name])
        }


_DEFAULTS = {item.name: item.default for item in fields(ProgramOptions)}

STATED = frozenset({"attention", "batch", "clip_skip", "height", "target", "tokens", "width"})
"""Options that every manifest states, even at their defaults."""


def parse_options(content: Mapping[str, object]) -> ProgramOptions:
    """Parse a JSON object; options that it lacks have their defaults.

    Raises:
        UnsupportedError: there is no such option or value.
    """
    try:
        return from_plain(ProgramOptions, content, "options")
    except DecodeError as error:
        raise UnsupportedError(f"{error}", remedy="see `sdcoreml convert --help`") from None
