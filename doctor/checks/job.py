"""Checks of a conversion job: that the converter and the apps support the model and options."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.doctor.checks.model import find_lacking
from sdcoreml.doctor.checks.pins import list_some
from sdcoreml.doctor.checks.ruling import adopt_judgement
from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info, warning
from sdcoreml.doctor.core.facts import Goal, System
from sdcoreml.doctor.core.subjects import ModelFolder, Output

STEP = 64
"""The step of image sizes in pixels: a UNet of four levels halves the latent three times, and a
latent pixel is eight image pixels. SDXL's has three levels, and a step of 32."""

NATIVE_SIZE = 512
AWKWARD = frozenset(" \t'\"$&;()<>|*?")


@adopt_judgement
@check("MOD009", CheckFamily.MODEL)
def family_supported(model: ModelFolder) -> Findings:
    """The model is of a kind that can be converted and then run.

    Apple's package and Mochi run text-to-image UNets, but no inpainting model (nine input channels)
    and no InstructPix2Pix (eight). SD3 and FLUX have a transformer in place of the UNet. Nor do the
    apps' schedulers fit a UNet trained with another noise schedule, or to predict anything but
    noise or velocity. The converter refuses exactly the same models.
    """
    if model.refusal and model.kind in {"diffusers", "single-file"} and not find_lacking(model):
        yield error(
            model.refusal,
            why="The conversion refuses it: no app could run the result.",
            fix=Fix(model.remedy or "convert another model"),
        )


@adopt_judgement
@check("MOD010", CheckFamily.MODEL)
def configs_supported(model: ModelFolder) -> Findings:
    """The converter implements every option in the configurations.

    It refuses unknown block types, class embeddings, dual attention and the like:
    a program without them would run but draw something else. It also refuses a VAE that does not
    shrink an image by a factor of eight, which the apps count on.
    """
    for part in model.components:
        if part.refusal and not model.refusal:
            yield error(
                f"{part.name}: {part.refusal}",
                why="Nothing here implements it; ignoring it would change the pictures.",
                fix=Fix(part.remedy or "convert a model of a usual architecture"),
                where=part.folder,
            )


@check("MOD011", CheckFamily.MODEL)
def names_with_a_dot(model: ModelFolder) -> Findings:
    """No component folder holds a name without a dot.

    diffusers before 0.31 looks at the second part of every name when it wants the fp16 variant, as
    the upstream converter always does, and stops at a LICENSE file with "list index out of range".
    The converter here does not mind.
    """
    names = [f"{part.name}/{name}" for part in model.components for name in part.nameless]
    if names:
        yield info(
            f"names without a dot: {list_some(names)}",
            why="The upstream converter stops at them with 'list index out of range'.",
            fix=Fix("move them out of the component folders before using it"),
        )


@check("MOD012", CheckFamily.MODEL)
def one_variant(model: ModelFolder) -> Findings:
    """All components have weights of the same variant.

    A folder in which some components have .fp16. files and others have not is loaded by diffusers
    half from one, half from the other, or not at all.
    """
    have = {part.name: part.variants for part in model.components if part.weights}
    some = sorted(name for name, variants in have.items() if "fp16" in variants)
    others = sorted(set(have) - set(some))
    if some and others:
        yield warning(
            f"fp16 weights in {', '.join(some)}, none in {', '.join(others)}",
            why="Asked for fp16, diffusers stops; the download is probably incomplete.",
            fix=Fix("download the missing files of one variant, or remove the other"),
        )


@check("MOD013", CheckFamily.MODEL)
def half_precision(model: ModelFolder) -> Findings:
    """The UNet is not one whose attention overflows in half precision.

    SD 2.1 at 768 (v-prediction, upcast_attention) gives black images on the GPU: its attention
    scores exceed what 16-bit floats hold.
    """
    upcast = any(part.upcast for part in model.components)
    if upcast or model.prediction == "v_prediction":
        what = "upcast_attention is set" if upcast else "the scheduler says v_prediction"
        yield info(
            f"this model's attention overflows in 16-bit floats as it stands ({what})",
            why="Programs made here scale first; upstream's draw black images.",
        )


@check("MOD023", CheckFamily.MODEL)
def told_by_itself(model: ModelFolder) -> Findings:
    """The model says of itself how it is to be used.

    Many files do not say what they predict, noise or velocity, so it is assumed. Models for few
    steps give burnt pictures at the apps' usual 20 steps and guidance 7.5. What is assumed and what
    to set is said here, in the summary of a conversion and in its manifest.
    """
    for note in model.notes:
        yield info(
            f"{Path(model.path).name}: {note}",
            why="A wrong assumption or setting ruins every picture, and no check can see it.",
        )


@check("MOD014", CheckFamily.MODEL)
def size_fits(goal: Goal, model: ModelFolder) -> Findings:
    """The image size is a multiple of 64 each way, of 32 for SDXL.

    Otherwise the UNet's halves do not fit together on the way up ("sizes of tensors must match").
    """
    step = next((part.step for part in model.components if part.step), STEP)
    odd = [f"{name} {size}" for name, size in _sizes(goal) if size % step]
    if odd:
        near = ", ".join(str(NATIVE_SIZE + more * step) for more in range(5))
        yield error(
            f"not a multiple of {step}: {', '.join(odd)}",
            why="The UNet halves its input at each level; the halves would not fit together again.",
            fix=Fix(f"choose sizes such as {near} ({step} pixels apart)"),
        )


def _sizes(goal: Goal) -> tuple[tuple[str, int], ...]:
    return (("width", goal.width), ("height", goal.height))


@check("MOD015", CheckFamily.MODEL)
def attention_fits(goal: Goal, model: ModelFolder) -> Findings:
    """The attention layout suits the model and its size.

    SPLIT_EINSUM is for the Neural Engine, which has panicked on sizes other than 512x512; SDXL with
    SPLIT_EINSUM_V2 compiles without end. ORIGINAL is for the GPU and minds neither.
    """
    if not goal.attention.startswith("SPLIT"):
        return
    other = [str(size) for _, size in _sizes(goal) if size not in (0, NATIVE_SIZE)]
    if model.family == "Stable Diffusion XL base" and goal.attention == "SPLIT_EINSUM_V2":
        yield error(
            "SDXL with SPLIT_EINSUM_V2",
            why="Core ML compiles it for hours and then runs out of memory.",
            fix=Fix("use ORIGINAL (CPU & GPU), or SPLIT_EINSUM"),
        )
    elif other:
        yield warning(
            f"{goal.attention} at {goal.width or NATIVE_SIZE}x{goal.height or NATIVE_SIZE}",
            why="The Neural Engine has made Macs panic on split attention at other sizes than 512.",
            fix=Fix("use ORIGINAL with CPU & GPU for other sizes"),
        )


@check("MOD016", CheckFamily.MODEL)
def plain_paths(goal: Goal, model: ModelFolder) -> Findings:
    """No path has a space or a shell's special character in it.

    The upstream converter builds a shell line without quotes. Nothing here does.
    """
    awkward = [path for path in (model.path, goal.output) if AWKWARD & set(path)]
    if awkward:
        yield info(
            f"a space or special character in {awkward[0]!r}",
            why="Fine here, but the upstream converter splits such a path and compiles nothing.",
        )


@check("MOD020", CheckFamily.MODEL)
def output_fresh(output: Output) -> Findings:
    """The output folder holds no programs of unknown origin.

    A converter that reuses whatever has the right name mixes sizes and settings. sdcoreml replaces
    a finished folder as a whole, and never overwrites one that it did not make.
    """
    if output.programs and not output.manifest:
        yield error(
            f"{output.path} holds programs this tool did not make: {list_some(output.programs)}",
            why="They will not be overwritten, and must not be mixed with new ones.",
            fix=Fix("choose another --output, or move that one away"),
        )


@check("SYS005", CheckFamily.SYSTEM)
def runs_here(system: System, model: ModelFolder) -> Findings:
    """The result can be run on this system.

    Core ML runs only on Apple's systems. sdcoreml converts, checks and compiles anywhere; the
    upstream converter needs a Mac for its last step.
    """
    if system.name != "macOS" and model.kind in {"diffusers", "single-file"}:
        yield info(
            f"what is made of {Path(model.path).name} on {system.name} is tried on a Mac",
            why="Programs are made, checked and compiled here; only Apple systems run Core ML.",
        )
