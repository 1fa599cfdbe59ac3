"""Checks of a finished folder's programs: inputs, outputs, shapes and versions for Swift apps."""

from __future__ import annotations

from collections.abc import Iterator

from sdcoreml.convert.bundle.contract import (
    BASE_TIME_IDS,
    CHECKED_IMAGES,
    CONTROL_INPUT,
    FIRST_MACOS,
    ONE_INPUT,
    ONE_OUTPUT,
    REFINER_TIME_IDS,
    SD3_TRANSFORMER,
    TEXT_STATES,
    TEXT_STATES_XL,
    UNET_INPUTS,
    XL_MACOS,
    XL_POOLED,
)
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.doctor.checks.bundle import AGAIN
from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info, warning
from sdcoreml.doctor.core.facts import System
from sdcoreml.doctor.core.subjects import Bundle, ProgramState
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.versions import is_version, satisfies

GB = 10**9


@check("BUN004", CheckFamily.BUNDLE)
def sizes_agree(bundle: Bundle) -> Findings:
    """All programs have the same image size and text width.

    Shapes are fixed at conversion, and apps go by the UNet's. A program of another size makes the
    app crash at the end of the first image.
    """
    unet = bundle.unet
    sample = unet.shape("sample") if unet else ()
    if len(sample) != 4:  # noqa: PLR2004  batch, channels, height, width
        return
    height, width = sample[2:]
    decoder, encoder = bundle.program("VAEDecoder"), bundle.program("VAEEncoder")
    found = {
        "VAEDecoder": decoder.shape("")[2:] if decoder else (),
        "VAEEncoder": _latent(encoder.shape("")[2:]) if encoder else (),
    }
    for name, size in found.items():
        if size and size != (height, width):
            yield error(
                f"{name} is for {_pixels(size)} images, the UNet for {_pixels((height, width))}",
                why="Parts of different runs were put together; the app stops at the mismatch.",
                fix=AGAIN,
            )
    yield from _text_fits(bundle)


def _latent(image: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(side // PIXELS_PER_LATENT for side in image)


def _pixels(size: tuple[int, ...]) -> str:
    """Format the image size of a latent (height, width) as `WIDTHxHEIGHT` in pixels."""
    return "x".join(str(PIXELS_PER_LATENT * side) for side in reversed(size))


def _text_fits(bundle: Bundle) -> Findings:
    """Compare the text encoder's hidden states with the text input of an SD 1 or 2 UNet."""
    unet, text = bundle.unet, bundle.program("TextEncoder")
    if unet is None or text is None or bundle.is_xl:
        return
    taken = unet.shape("encoder_hidden_states")  # (batch, features, 1, tokens)
    # The text encoder's output is (1, tokens, features).
    given = next((one.shape for one in text.outputs if one.name == TEXT_STATES), ())
    if len(taken) != 4 or len(given) != 3:  # noqa: PLR2004
        return
    for name, have, want in (("features", given[2], taken[1]), ("tokens", given[1], taken[3])):
        if have != want:
            yield error(
                f"the text encoder gives {have} {name}, the UNet takes {want}",
                why="They are of different models.",
                fix=AGAIN,
            )


@check("BUN006", CheckFamily.BUNDLE)
def features_named(bundle: Bundle) -> Findings:
    """Inputs and outputs are those that the Swift code asks for.

    It asks for the UNet's inputs by name. Of the decoder, encoder and text encoders it takes the
    first input of an unordered set, so there must be exactly one.
    """
    for program, what in _interface(bundle):
        yield error(
            f"{program.name}: {what}",
            why="The Swift code asks for features by these names, or takes the only one.",
            fix=AGAIN,
        )


def _interface(bundle: Bundle) -> Iterator[tuple[ProgramState, str]]:
    for program in bundle.programs:
        if program.fault or not program.inputs:
            continue
        if program.name in ONE_INPUT and len(program.inputs) != 1:
            yield program, f"{len(program.inputs)} inputs, exactly one is expected"
        if program.name in ONE_OUTPUT and len(program.outputs) != 1:
            yield program, f"{len(program.outputs)} outputs, exactly one is expected"
    if bundle.unet is not None and bundle.unet.inputs:
        have = {one.name for one in bundle.unet.inputs}
        lacking = [name for name in UNET_INPUTS if name not in have]
        if lacking:
            yield bundle.unet, f"no input named {', '.join(lacking)}"
    is_xl = bundle.is_xl or bundle.program(SD3_TRANSFORMER) is not None
    wanted = TEXT_STATES_XL if is_xl else TEXT_STATES
    for name in ("TextEncoder", "TextEncoder2"):
        text = bundle.program(name)
        if text and text.outputs and wanted not in {one.name for one in text.outputs}:
            yield text, f"no output named {wanted}"


@check("BUN007", CheckFamily.BUNDLE)
def metadata_readable(bundle: Bundle) -> Findings:
    """Mochi can read every program's metadata.json.

    It must be an array of one object that describes inputs in text values only and has a histogram
    of operations. From "Ios16.einsum" in it Mochi infers split attention, and from that the compute
    unit.
    """
    for program in bundle.programs:
        if program.fault:
            yield error(
                f"{program.name}{program.container}: {program.fault}",
                why="Mochi does not list such a model, or takes it for another kind.",
                fix=Fix("compile it again with xcrun coremlcompiler, or convert it again"),
            )
    kinds = {
        one.attention
        for one in bundle.programs
        if one.attention and one.name.startswith(("Unet", "ControlledUnet"))
    }
    if len(kinds) > 1:
        yield error(
            "UNets of both kinds of attention are in the folder",
            why="The compute unit is chosen by one of them and is wrong for the other.",
            fix=AGAIN,
        )


@check("BUN021", CheckFamily.BUNDLE)
def four_channels(bundle: Bundle) -> Findings:
    """The UNet takes the four channels of a latent, and no others.

    Inpainting and instruct-pix2pix models take more, which no app provides. Apple's converter
    converts them all the same.
    """
    channels = bundle.unet.shape("sample")[1:2] if bundle.unet else ()
    if channels and channels != (4,):
        yield error(
            f"the UNet takes {channels[0]} channels, and the apps provide 4",
            why="The app stops at the first step, or crashes.",
            fix=Fix("convert a text-to-image model"),
        )


@check("BUN020", CheckFamily.BUNDLE)
def listed_by_next_mochi(bundle: Bundle) -> Findings:
    """The next Mochi Diffusion lists the model, too.

    It takes the image size from the metadata.json of the VAE encoder, and of a ControlNet, only if
    that is four positive numbers in brackets. Otherwise it hides the model, which the released app
    lists, or on which that one crashes.
    """
    for program in bundle.programs:
        if program.hidden and not program.fault:
            yield warning(
                f"the next Mochi Diffusion will hide this: {program.name}: {program.hidden}",
                why="It reads the size from there, and lists nothing whose size it cannot read.",
                fix=Fix("compile it again with xcrun coremlcompiler, or convert it again"),
            )


@check("BUN009", CheckFamily.BUNDLE)
def loads_here(bundle: Bundle, system: System) -> Findings:
    """This macOS can load the specification version of every program."""
    newest = max((one.specification for one in bundle.programs), default=0)
    wanted = FIRST_MACOS.get(newest, "26" if newest > max(FIRST_MACOS) else "")
    if _is_known_macos(system) and wanted and not satisfies(system.version, f">={wanted}"):
        yield error(
            f"specification {newest} needs macOS {wanted}; this is {system.version}",
            why="Core ML refuses a program that is newer than itself.",
            fix=Fix("update macOS, or convert for macOS 13"),
        )


def _is_known_macos(system: System) -> bool:
    return system.name == "macOS" and bool(system.version)


@check("BUN010", CheckFamily.BUNDLE)
def xl_needs(bundle: Bundle, system: System) -> Findings:
    """SDXL runs on macOS 14 or newer."""
    if bundle.is_xl and _is_known_macos(system) and not satisfies(system.version, f">={XL_MACOS}"):
        yield error(
            f"this is an SDXL model, and macOS {system.version} is too old for it",
            why="It loads without end or crashes the app before macOS 14.",
            fix=Fix("update macOS, or use an SD 1.5 model"),
        )


@check("BUN011", CheckFamily.BUNDLE)
def engine_bearable(bundle: Bundle) -> Findings:
    """A split-attention UNet is small enough for the Neural Engine.

    With gigabytes of weights the engine's compiler takes very long or fails ("ANECCompile()
    FAILED").
    """
    for program in bundle.programs:
        if program.attention == "split" and program.weights > 2 * GB:
            yield info(
                f"{program.name} has {amount(program.weights)} of weights for a Neural Engine",
                why="Its first load takes minutes or fails; compressed weights or the GPU help.",
            )


@check("BUN012", CheckFamily.BUNDLE)
def text_encoder_new_enough(bundle: Bundle) -> Findings:
    """The text encoder does not crash the GPU of macOS 27.2.

    Text encoders traced with coremltools before 9.0 and torch before 2.4.1 have three-dimensional
    attention, which crashes it. Those that sdcoreml writes have four dimensions.
    """
    for name in ("TextEncoder", "TextEncoder2"):
        program = bundle.program(name)
        said = program.tools if program else {}
        tools = {tool: version for tool, version in said.items() if is_version(version)}
        old = satisfies(tools.get("coremltools", "99"), "<9.0")
        if old and satisfies(tools.get("torch", "99"), "<2.4.1"):
            yield warning(
                f"{name} was traced with torch {tools['torch']} by coremltools "
                f"{tools['coremltools']}",
                why="macOS 27.2 crashes on it with CPU & GPU (MochiDiffusion#521).",
                fix=Fix("set CPU & Neural Engine, or convert the text encoder again"),
            )


@check("BUN013", CheckFamily.BUNDLE)
def xl_decoder_precise(bundle: Bundle) -> Findings:
    """SDXL's VAE computes in 32 bits.

    In 16 bits it overflows and gives black images, unless it is the variant trained to avoid that.
    """
    for name in ("VAEDecoder", "VAEEncoder"):
        program = bundle.program(name)
        if bundle.is_xl and program and program.precision == "Float16":
            yield warning(
                f"{name} of an SDXL model computes in Float16",
                why="Its activations overflow: images come out black.",
                fix=Fix("convert it in float32, or from the fp16-fix VAE"),
            )


@check("BUN016", CheckFamily.BUNDLE)
def xl_inputs(bundle: Bundle) -> Findings:
    """SDXL's extra inputs have the shapes that the Swift code fills.

    The last dimension of time_ids is 6 for a base model and 5 for a refiner, which is how apps tell
    them apart. text_embeds is 1280 wide.
    """
    unet = bundle.unet
    if unet is None or not bundle.is_xl:
        return
    times, text = unet.shape("time_ids"), unet.shape("text_embeds")
    if len(times) == 2 and times[-1] not in (REFINER_TIME_IDS, BASE_TIME_IDS):  # noqa: PLR2004  (batch, numbers)
        yield error(
            f"time_ids has {times[-1]} numbers",
            why="5 makes it a refiner, 6 a base model; anything else cannot be filled.",
            fix=AGAIN,
        )
    if text and text[-1] != XL_POOLED:
        yield error(
            f"text_embeds is {text[-1]} wide, not {XL_POOLED}",
            why="The pooled output of the second text encoder does not fit it.",
            fix=AGAIN,
        )


@check("BUN017", CheckFamily.BUNDLE)
def checker_size(bundle: Bundle) -> Findings:
    """The safety checker takes images of 512x512, as the apps send them."""
    checker = bundle.program("SafetyChecker")
    images = checker.shape("images") if checker else ()
    if images and images != CHECKED_IMAGES:
        yield error(
            f"the safety checker takes images of {_by(images)}, not {_by(CHECKED_IMAGES)}",
            why="The Swift code sends a picture of 512x512 to it, and the prediction then fails.",
            fix=Fix("convert the safety checker at 512x512, or leave it out"),
        )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


@check("BUN018", CheckFamily.BUNDLE)
def controlnet_outputs(bundle: Bundle) -> Findings:
    """A ControlNet's outputs are 32-bit floats.

    The Swift code uses the first ControlNet's outputs unconverted, and adds those of others through
    raw pointers to 32-bit floats.
    """
    for program in bundle.programs:
        halves = [one.name for one in program.outputs if one.dtype == "float16"]
        if program.shape(CONTROL_INPUT) and halves:
            yield error(
                f"{program.name}: {len(halves)} outputs are Float16",
                why="The app reads them as 32-bit floats: what it adds to the UNet is noise.",
                fix=Fix("convert the ControlNet again with 32-bit outputs"),
            )
