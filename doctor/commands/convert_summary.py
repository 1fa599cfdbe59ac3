"""Summarises a conversion as text: checks, figures and next steps."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.compile.package import COMPARED, UNTRIED
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.convert.jobs.options import what_apps_leave_out
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.programs.options import Attention
from sdcoreml.convert.proof.decibels import IDENTICAL, format_db
from sdcoreml.convert.proof.record import AuditRecord, FigureRecord, ProgramProof, Rounded
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.ground.advice import command


def summary(folder: Path, manifest: Manifest) -> str:
    """Return the summary: the result, and how it was checked in this run."""
    programs, made_in = manifest.programs, manifest.toolchain
    how = ways([program.checked for program in programs.values()])
    width = max(len(name) for name in ("toolchain   ", *programs))
    lines = [f"{folder}: {len(programs)} program{'s' * (len(programs) != 1)}{how}"]
    lines += [f"  {name:<{width}} {_line(program)}" for name, program in programs.items()]
    drift = f" (drift: tested with {made_in.tested_python})" if made_in.drift else ""
    toolchain = f"{made_in.name}, Python {made_in.python}{drift}"
    return "\n".join(
        (
            *lines,
            *(f"  {'converter':<{width}} {maker}" for maker in makers(programs.values())),
            f"  {'toolchain':<{width}} {toolchain}",
            *advice(manifest),
            *how_to_run(folder, manifest),
            *next_steps(folder, manifest),
        )
    )


def how_to_run(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return a note of how to run the programs that were neither run nor certified."""
    count = sum(bool(program.checked.unchecked) for program in manifest.programs.values())
    if not count:
        return ()
    again = command("verify", folder, "--against", "MODEL", "--toolchain", DEFAULT_TOOLCHAIN)
    what = (
        f"{count} program{'s were' if count > 1 else ' was'} not run against {manifest.model.name}"
    )
    return (f"  note: {what}: {again} does it",)


def makers(programs: Iterable[ProgramEntry]) -> tuple[str, ...]:
    """Return the lines that name other converters that wrote programs, with their commits."""
    found = dict.fromkeys(program.made_by for program in programs if program.made_by)
    return tuple(
        f"{made.repository.removesuffix('.git').partition('://')[2]} at {made.commit[:12]}"
        for made in found
    )


_MOCHI, _APPLES = "  next: for Mochi Diffusion:", "        for Apple's package:"
NEURAL, GRAPHICS = ("CPU & Neural Engine", "cpuAndNeuralEngine"), ("CPU & GPU", "cpuAndGPU")


def next_steps(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return where to put the folder for the apps, and which settings to choose there."""
    components = {program.component for program in manifest.programs.values()}
    if CONTROLNET in components:
        (name,) = manifest.programs
        mochi = f"{folder}/{name}.mlmodelc into ~/MochiDiffusion/controlnet, not a model's folder"
        apples = f"put it into controlnet/ in the model's folder, then --controlnet {name}"
        return (f"{_MOCHI} put {mochi}", f"{_APPLES} {apples}")
    in_mochi, in_apples = GRAPHICS if manifest.options.attention is Attention.ORIGINAL else NEURAL
    large = " --xl" if "text_encoder_2" in components else ""
    mochi = f"~/MochiDiffusion/models and choose it there; compute unit Auto or {in_mochi}"
    apples = f"--resource-path {shlex.quote(str(folder))} --compute-units {in_apples}{large}"
    return (f"{_MOCHI} put the folder into {mochi}", f"{_APPLES} {apples}")


def ways(proofs: Sequence[ProgramProof]) -> str:
    """Return how programs were checked in this run; if in several ways, how many in each."""
    counts = Counter(map(_way, proofs))
    if len(counts) == 1:
        return f", each {next(iter(counts))}"
    return "".join(f", {count} {way}" for way, count in counts.items())


def _way(proof: ProgramProof) -> str:
    if proof.certificate:
        return "of a certified graph, with every weight accounted for"
    if proof.sibling and not proof.unchecked:
        return "of a certified graph in other shapes, run against its module for a small image"
    if proof.sibling:
        return "of a certified graph in other shapes, with every weight accounted for, not run"
    return (
        "with every weight accounted for, not run" if proof.unchecked else "run against its module"
    )


def _line(program: ProgramEntry) -> str:
    return evidence(program.checked) + (", two halves" if program.halves else "")


def evidence(proof: ProgramProof) -> str:
    """Return the evidence about one program: its weights, this run, its certificate."""
    return "; ".join((_weights(proof.audit), *_figures(proof)))


def _weights(audit: AuditRecord) -> str:
    rounded = audit.compressed
    total = audit.matched + len(audit.unexplained) + sum(one.weights for one in rounded.values())
    parts = [f"{audit.matched} of {total} weights equal"]
    parts += [f"{one.weights} in {method}, {_error(one)}" for method, one in rounded.items()]
    return ", ".join(parts)


def _error(one: Rounded) -> str:
    """Format the error of compressed weights, relative to the range of a layer's weights."""
    worst = f"{_share(one.psnr)} at worst" + (f" ({one.worst})" if one.worst else "")
    typical = f"{_share(one.typical)} typically, " if one.typical else ""
    return f"off by {typical}{worst} of their layer's range"


def _share(psnr: float) -> str:
    return f"{0 if psnr >= IDENTICAL else 100 * 10 ** (-psnr / 20):.2g} %"


def _figures(proof: ProgramProof) -> Iterator[str]:
    if sibling := proof.sibling:
        when = f"certified in {sibling.origin.toolchain} on {sibling.origin.date}"
        yield f"differs only in shapes from {sibling.title}, {when}"
    if issued := proof.certificate:
        figures = worst_of(issued.outputs or proof.outputs)
        then = f" (with random weights then: {figures})" if figures else ""
        yield f"graph certified in {issued.toolchain} on {issued.date}{then}"
    elif proof.unchecked:
        yield f"not run: {proof.unchecked}"
    else:
        figures = worst_of(read_by_apps(proof)) or "no figures"
        yield f"run here{_sample(proof)}: {figures}"
    if proof.fidelity:
        lowest = min(item.psnr for item in proof.fidelity)
        yield f"compressed, its output keeps {format_db(lowest)} of the model's"
    if proof.own is not None:
        yield f"its module is {proof.own:.1f} dB from exact itself"


def _sample(proof: ProgramProof) -> str:
    """Return for which size a program was run, if that is not its own."""
    if not proof.sample:
        return ""
    return (
        f" for {proof.sample}"
        if proof.sibling
        else f" once, the same graph drawn for {proof.sample}"
    )


def read_by_apps(proof: ProgramProof) -> tuple[FigureRecord, ...]:
    """Return the figures of the outputs that an app reads."""
    unread = UNREAD.get(proof.component, ())
    return tuple(figure for figure in proof.outputs if figure.output not in unread)


def worst_of(outputs: Sequence[FigureRecord]) -> str:
    """Return the worst figure of each precision: `139.4 dB in fp32, 71.8 dB in fp16`."""
    worst: dict[str, float] = {}
    for output in outputs:
        worst[output.mode] = min(output.psnr, worst.get(output.mode, output.psnr))
    return ", ".join(f"{format_db(psnr)} in {mode}" for mode, psnr in worst.items())


def advice(manifest: Manifest) -> tuple[str, ...]:
    """Return notes and settings to know before opening the folder in an app."""
    notes = [*manifest.model.notes]
    if settings := manifest.model.settings:
        notes.append(settings.advice)
    notes += what_apps_leave_out(manifest.options)
    proofs = [program.checked for program in manifest.programs.values()]
    if any(proof.audit.compressed and not proof.fidelity for proof in proofs):
        notes.append(
            "what compression costs the output was not measured; --full measures it, and"
            " `sdcoreml recipe MODEL` for each layer"
        )
    if manifest.options.batch == 1:
        notes.append(
            "a UNet of batch 1 makes one image at a time, without ControlNets, in apps built with"
            " Apple's package of 2025 or newer"
        )
    if manifest.options.states_own_size:
        notes.append("the UNet is told its own size, whatever size or crop the app states")
    return tuple(f"  note: {line}" for line in notes)


def verdicts(
    manifests: Mapping[Path, Manifest], loaded: Mapping[Path, str] = {}
) -> tuple[str, ...]:
    """Return how compiled models were checked, each sentence once, and where compilers differ.

    `loaded` says of each folder that Core ML loaded now what came of that.
    """
    compiled = [
        (name, program.compiled)
        for manifest in manifests.values()
        for name, program in manifest.programs.items()
    ]
    sentences = dict.fromkeys(
        _verdict(program.compiled.verdict, loaded.get(folder, ""))
        for folder, manifest in manifests.items()
        for program in manifest.programs.values()
    )
    found = (f"{name}: {what}" for name, record in compiled for what in record.differences)
    return (*sentences, *dict.fromkeys(found))


def _verdict(compiled: str, loaded: str) -> str:
    if not loaded:
        return compiled
    return f"{COMPARED if compiled == UNTRIED else compiled}, {loaded}"
