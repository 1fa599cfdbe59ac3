"""Says in words how programs were checked, and what to know before opening a folder in an app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.convert.jobs.options import what_apps_leave_out
from sdcoreml.convert.programs.options import Attention
from sdcoreml.convert.proof.decibels import IDENTICAL, format_db
from sdcoreml.convert.proof.record import AuditRecord, FigureRecord, ProgramProof, Rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeUnits:
    """The compute units for a folder, as Mochi Diffusion and as Apple's package name them."""

    in_mochi: str
    in_swift: str


NEURAL = ComputeUnits(in_mochi="CPU & Neural Engine", in_swift="cpuAndNeuralEngine")
GRAPHICS = ComputeUnits(in_mochi="CPU & GPU", in_swift="cpuAndGPU")


def compute_units(manifest: Manifest) -> ComputeUnits:
    """Return the units that the folder's layout of attention is for."""
    return GRAPHICS if manifest.options.attention is Attention.ORIGINAL else NEURAL


def makers(programs: Iterable[ProgramEntry]) -> tuple[str, ...]:
    """Return the lines that name other converters that wrote programs, with their commits."""
    found = dict.fromkeys(program.made_by for program in programs if program.made_by)
    return tuple(
        f"{made.repository.removesuffix('.git').partition('://')[2]} at {made.commit[:12]}"
        for made in found
    )


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
    worst = f"{share_of_range(one.psnr)} at worst" + (f" ({one.worst})" if one.worst else "")
    typical = f"{share_of_range(one.typical)} typically, " if one.typical else ""
    return f"off by {typical}{worst} of their layer's range"


def share_of_range(psnr: float) -> str:
    """Return an error of this PSNR in percent of the range that it is relative to."""
    return f"{0 if psnr >= IDENTICAL else 100 * 10 ** (-psnr / 20):.2g} %"


def _figures(proof: ProgramProof) -> Iterator[str]:
    if sibling := proof.sibling:
        when = f"certified on {sibling.origin.date} with the toolchain {sibling.origin.toolchain}"
        yield f"differs only in shapes from {sibling.title}, {when}"
    if issued := proof.certificate:
        figures = worst_of(issued.outputs or proof.outputs)
        then = f" (with random weights then: {figures})" if figures else ""
        yield f"graph certified on {issued.date} with the toolchain {issued.toolchain}{then}"
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
    if manifest.options.batch == 1 and not manifest.options.is_for_comfyui:
        notes.append(
            "a UNet of batch 1 makes one image at a time, without ControlNets, in apps built with"
            " Apple's package of 2025 or newer"
        )
    if manifest.options.states_own_size:
        notes.append("the UNet is told its own size, whatever size or crop the app states")
    return tuple(notes)
