"""Names the claims of a manifest that nothing can prove, for a note in every verification."""

from __future__ import annotations

from collections.abc import Iterator

from sdcoreml.convert.jobs.manifest import MadeIn, Manifest
from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.evidence import load_evidence
from sdcoreml.lockfiles.toolchain import Toolchain, load_shipped, load_variants


def unproven_claims(manifest: Manifest) -> Iterator[str]:
    """Yield a note on each claim that neither the model nor this machine can confirm."""
    yield from _of_toolchain(manifest.toolchain)
    if (fetched := manifest.model.fetched) is not None:
        said = f"{fetched.name} at {fetched.revision or 'no revision'}"
        yield (
            f"where its model was fetched from, {said}, and the licence,"
            f" {fetched.licence or 'none'}, are only said: nothing proves them"
        )
    if kept := [name for name, entry in manifest.programs.items() if entry.kept]:
        yield (
            f"{', '.join(kept)}: said to be kept from an earlier result, so the folder's options"
            " were not compared with its own"
        )
    if foreign := [name for name, entry in manifest.programs.items() if entry.made_by]:
        yield (
            f"{', '.join(foreign)}: said to be written by another converter, so the form of its"
            " files was not compared with ours"
        )


def _of_toolchain(made: MadeIn) -> Iterator[str]:
    forms = known_forms(made)
    if not forms:
        yield f"its toolchain {made.name} is not one of sdcoreml's: its lock was not compared"
    seals = {
        one.seal
        for form in forms
        for one in load_evidence(form)
        if (one.target, one.lock, one.python) == (made.target, made.lock, made.python)
    }
    if seals and made.seal not in seals:
        yield (
            "its environment's seal is not one that was proven with this lock and Python:"
            " `sdcoreml explain ENV007` says why that may be"
        )


def known_forms(made: MadeIn) -> tuple[Toolchain, ...]:
    """Return the forms of the recorded toolchain, one per Python; empty if it is not sdcoreml's."""
    try:
        return tuple(load_variants(load_shipped(made.name)))
    except LockfileError:
        return ()
