"""Checks a manifest's statements about its model, options and toolchain.

A manifest's digest reveals accidental changes, but whoever changes a manifest on purpose can also
rewrite the digest. So if the model is given, everything that follows from it is worked out again
and compared with the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import HALVED
from sdcoreml.convert.bundle.families import OPTIONAL, ProgramSpec, programs_of
from sdcoreml.convert.compile.package import OURS, UNTRIED
from sdcoreml.convert.jobs.caveats import notes_of
from sdcoreml.convert.jobs.for_comfyui import variant_name
from sdcoreml.convert.jobs.manifest import (
    AGAIN,
    MARKER,
    NOT_COMPILED,
    MadeIn,
    Manifest,
    ProgramEntry,
    inputs_of,
)
from sdcoreml.convert.jobs.plan import Job, net_name, require_runnable
from sdcoreml.convert.jobs.unproven import known_forms
from sdcoreml.convert.jobs.upstream import options_of
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.schedule import describe_difference
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import Fault, LockfileError, SdcoremlError
from sdcoreml.lockfiles.evidence import load_evidence
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.toolchain import Toolchain

_MAC = "macos"
_DIGEST = 64
_VERDICTS = (
    f"{UNTRIED}; not compared",
    f"{OURS}, equal to",
    f"{OURS}, differs",
    "compiled with ",
)
"""The first words of verdicts on compiled models that can be reached only on a Mac."""

_LONGEST = 120


def false_claims(manifest: Manifest, model: Model, given: Path, bundle: Path) -> Iterator[Fault]:
    """Yield faults where the manifest contradicts the model.

    `given` is the path that the user named, and `model` what was opened from it.
    """
    job = Job(model=model, output=bundle, options=manifest.options)
    said = (
        *_of_model(manifest, job, is_whole=given.is_file() or not manifest.model.made_from),
        *_of_programs(manifest, job),
        *_of_options(manifest, job),
        *_of_toolchain(manifest.toolchain),
        *_of_compiling(manifest),
    )
    for what in said:
        yield Fault(where=bundle / MARKER, what=what, remedy=AGAIN)


def _of_model(manifest: Manifest, job: Job, *, is_whole: bool) -> Iterator[str]:
    """Yield faults where the manifest's record of the model is not true of the job's model.

    `is_whole` tells whether that model is all that the folder was made from.
    """
    model, record = job.model, manifest.model
    facts: dict[str, tuple[object, object]] = {
        "the model's name": (record.name, model.path.resolve().name),
        "its family": (record.family, model.family.value),
    }
    if is_whole:
        facts["the files that it was assembled from"] = (record.made_from, model.origin or {})
        facts["its notes"] = (record.notes, notes_of(job))
        facts["an app's settings"] = (to_plain(record.settings), to_plain(model.settings))
    yield from _unequal(facts)
    sources = dict.fromkeys(entry.source for entry in manifest.programs.values())
    parts = [model.components[source] for source in sources if source in model.components]
    names = {name for part in parts for name, _ in inputs_of(part)}
    if other := sorted(names ^ manifest.inputs.keys()):
        yield f"its list of source files is not the model's: {other[0]}"


def _of_programs(manifest: Manifest, job: Job) -> Iterator[str]:
    try:
        found = _found(manifest, job)
        # A ControlNet has no name of its own: see `_spec_of`.
        specs = {CONTROLNET if s.program == CONTROLNET else s.stem: s for s in found}
    except SdcoremlError as error:
        yield f"its programs are not this model's: {error.what}"
        return
    is_whole = not manifest.part and CONTROLNET not in job.model.components
    if is_whole and (missing := specs.keys() - manifest.programs.keys()):
        yield f"a program is missing: {', '.join(sorted(missing))}"
    for name, entry in manifest.programs.items():
        spec = _spec_of(name, specs, job)
        if spec is None or (spec.program, spec.source) != (entry.component, entry.source):
            yield f"{name} is no program of {entry.component} of {entry.source}"
        elif not entry.kept:
            wrong = _unequal(_find_asked(entry, spec, job))
            yield from (f"{name}: {what}" for what in wrong)


def _found(manifest: Manifest, job: Job) -> tuple[ProgramSpec, ...]:
    """Return the programs that follow from the model. Its name for ComfyUI may be any."""
    if not manifest.options.is_for_comfyui:
        return programs_of(job.model, _present(manifest))
    named = tuple(manifest.programs) if len(manifest.programs) == 1 else ("",)
    ending = variant_name(job.options)
    return tuple(
        replace(part, name=named[0] if named[0].endswith(ending) else part.name)
        for part in job.parts
    )


def _present(manifest: Manifest) -> tuple[str, ...]:
    found = {entry.component for entry in manifest.programs.values()}
    return tuple(name for name in OPTIONAL if name in found)


def _spec_of(name: str, specs: Mapping[str, ProgramSpec], job: Job) -> ProgramSpec | None:
    """Return the program with this name, or `None`.

    A ControlNet's name can begin with anything; it must end with the attention, bits and size that
    follow from the job's options (see `net_name`).
    """
    if CONTROLNET in job.model.components:
        form = net_name("", job.options)
        return next(iter(specs.values())) if name.endswith(form) else None
    return specs.get(name)


def _find_asked(
    entry: ProgramEntry, spec: ProgramSpec, job: Job
) -> Mapping[str, tuple[object, object]]:
    """Pair the options that a program's entry records with those that follow from the job's."""
    options = options_of(spec, job) if entry.made_by else job.options.for_program(spec)
    return {
        "its options": (entry.options, options),
        "its compression": (entry.recipe, job.options.recipe_for(spec)),
        "its halves": (entry.halves, job.halves(spec)),
    }


def _of_options(manifest: Manifest, job: Job) -> Iterator[str]:
    options = manifest.options
    if options.accept_schedule and not describe_difference(job.model.scheduler):
        yield "it accepts another noise schedule, and the model's is the apps'"
    made = _present(manifest)
    if extra := sorted({*made} - {*options.wanted}):
        yield f"its options do not ask for {extra[0]}"
    if not manifest.part and (missing := sorted({*options.wanted} - {*made})):
        yield f"its options ask for {missing[0]}, which is missing"
    if all(entry.kept for entry in manifest.programs.values()):
        yield "every program is of an earlier result, and none of its options"
    if options.chunk and not any(e.component in HALVED for e in manifest.programs.values()):
        yield "it asks for halves of a UNet, and there is none"
    try:
        require_runnable(job)
    except SdcoremlError as error:
        yield f"its options cannot be used: {error.what}"


def _of_toolchain(made: MadeIn) -> Iterator[str]:
    """Yield faults where the recorded toolchain differs from those that this version knows."""
    forms = known_forms(made)
    if not forms:  # a toolchain of the user's own: `unproven_claims` says so
        return
    fits = [form for form in forms if form.python.version == made.tested_python]
    if not fits:
        yield f"the toolchain {made.name} was not tested with Python {made.tested_python}"
        return
    proofs = [one for form in forms for one in load_evidence(form)]
    locks = {digest for form in fits for digest in _locks(form, made.target)}
    locks |= {one.lock for one in proofs if one.target == made.target}
    if made.lock not in locks:
        yield f"its lock is none of {made.name} on {made.target or 'no target'} that is known here"
    if made.drift != (made.python != made.tested_python):
        yield f"drift: it was made with Python {made.python}, tested with {made.tested_python}"
    if made.python.rpartition(".")[0] != made.tested_python.rpartition(".")[0]:
        yield f"no lock of {made.name} is for Python {made.python}"
    if len(made.seal) != _DIGEST or not made.seal.isalnum():
        yield "its seal is no digest"


def _locks(form: Toolchain, target: str) -> tuple[str, ...]:
    try:
        return (load_lock(str(form.folder), target).digest,)
    except LockfileError:
        return ()


def _of_compiling(manifest: Manifest) -> Iterator[str]:
    """Yield faults for verdicts on compiled models that the recorded system cannot have given."""
    on_mac = manifest.toolchain.target.startswith(_MAC)
    for name, entry in manifest.programs.items():
        verdict, differences = entry.compiled.verdict, entry.compiled.differences
        if (verdict, differences) == (_usual(manifest), ()):
            continue
        if not on_mac or manifest.options.is_for_comfyui or not verdict.startswith(_VERDICTS):
            yield f"{name}: no compiler here says {verdict!r}"
        elif ("equal to" in verdict) == bool(differences) and "differs" not in verdict:
            yield f"{name}: its verdict and the differences between compilers do not agree"


def _usual(manifest: Manifest) -> str:
    """Return what is said of compiled models wherever no compiler of Apple's is."""
    return NOT_COMPILED if manifest.options.is_for_comfyui else UNTRIED


def _unequal(facts: Mapping[str, tuple[object, object]]) -> Iterator[str]:
    for name, (said, found) in facts.items():
        if said != found:
            yield f"{name} should be {_short(found)}, and it says {_short(said)}"


def _short(value: object) -> str:
    text = str(to_plain(value)) if not isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
