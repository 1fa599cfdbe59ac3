"""What a person wishes to see drawn, and what was drawn, as values that cross to the child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcoreml.convert.drawing.choices import Settings
from sdcoreml.convert.programs.options import ProgramOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a program was made from: its component, config.json, safetensors file and options."""

    component: str
    config: str
    weights: str
    options: ProgramOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A prompt, and the PNG file to write.

    `original` is the PNG file of what the model's own modules draw; without one, both pictures are
    side by side in `output`.
    """

    prompt: str
    output: str
    original: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Pictures to draw from a finished folder.

    Attributes:
        folder: the finished folder.
        programs: its programs; True for one that is in two halves.
        targets: what to draw, and where.
        negative: what not to draw.
        settings: the choices.
        precision: `fp16` rounds as the programs declare, `fp32` computes without rounding.
        start: the picture to start from.
        nets: the compiled ControlNets, each with the picture that it follows.
        mask: the picture that is white where a ControlNet fills a hole.
        originals: what the programs were made from, to draw the same with the modules themselves.
        own_ids: whether these modules get the ids of the model's own tokenizer, not the app's.
        preview: whether to draw at the smallest size, with the programs rewritten for it.
        device: where torch computes: `cpu`, `cuda` or `mps`.
        units: maps each program to the `coremltools.ComputeUnit` that it may use, if Core ML is to
            run the programs.
    """

    folder: str
    programs: Mapping[str, bool]
    targets: tuple[Target, ...]
    settings: Settings
    negative: str = ""
    precision: str = "fp16"
    start: str = ""
    nets: Mapping[str, str] = field(default_factory=dict)
    mask: str = ""
    originals: Mapping[str, Original] = field(default_factory=dict)
    own_ids: bool = False
    preview: bool = False
    device: str = "cpu"
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A word of a prompt, and the part of it that the app loses."""

    word: str
    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the app reads a prompt.

    Attributes:
        ids: the token ids that it sends to the first text encoder.
        unknown: words of which it loses a part.
        beyond: words that are cut off because the prompt is too long.
        otherwise: words that it splits into other tokens than the model's own tokenizer.
    """

    ids: tuple[int, ...]
    unknown: tuple[Loss, ...] = ()
    beyond: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How near a picture is to another one that was drawn with the same ids and noise.

    `steps` are the PSNRs of the latents after each step and `psnr` that of the images, in dB;
    `ssim` is the structural similarity of the pictures.
    """

    steps: tuple[float, ...]
    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was drawn: width and height, how the prompts were read, the timesteps that were made.

    `unsafe` is the safety checker's verdict, `None` if the folder has none. `fitted` are pictures
    that were scaled and cropped to the folder's size. `likeness` is that to the picture of the
    model's own modules, and `half` that of these modules in half precision, measured if a program
    in half precision misses a floor.
    """

    width: int
    height: int
    prompt: Reading
    negative: Reading
    timesteps: tuple[int, ...]
    unsafe: bool | None = None
    fitted: tuple[str, ...] = ()
    likeness: Likeness | None = None
    half: Likeness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """What was drawn of a wish: an entry for each target."""

    pictures: tuple[Drawn, ...]
