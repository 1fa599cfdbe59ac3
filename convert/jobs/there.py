"""Tells whether a folder is there already, just as a conversion would make it now."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.families import REFINER
from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.convert.cache.key import builder_version, key_of
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.caveats import notes_of
from sdcoreml.convert.jobs.intact import absent_packages, present, stranger_faults
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry, manifest_faults, read_manifest
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.reuse import (
    Inputs,
    keys_of,
    proof_terms,
    read_entry,
    recall_inputs,
    xcode,
)
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.digest import named_below
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_bytes


def model_key(ingredients: Ingredients, cache: Cache) -> str:
    """Return the key of the model that the ingredients are assembled to, before they are.

    Files that were not hashed before are read.

    Raises:
        BadInputError: one of them cannot be read.
    """
    options = ingredients.unpacking
    told = options.told
    config = told.config if told else None
    given = (ingredients.model, options.vae, options.tokenizer, config)
    return key_of(
        {
            "files": [_contents(path, cache) for path in given],
            "loras": [[_contents(one.path, cache), one.scale] for one in ingredients.loras],
            "embeddings": [
                [_contents(one.path, cache), one.word or one.path.stem]
                for one in ingredients.embeddings
            ],
            "weights": options.weights.value,
            "prediction": told.option if told else None,
            "builder": builder_version(),
        }
    )


def _contents(path: Path | None, cache: Cache) -> object:
    """Return the digest of a file, or of each file below a folder by its name."""
    if path is None:
        return None
    if path.is_file():
        return cache.describe({"": path})[""].sha256
    files = named_below(path)
    return {name: one.sha256 for name, one in cache.describe(files).items()}


def _folder_key(ingredients: Ingredients, job: Job, shop: Workshop, cache: Cache) -> str:
    """Return the key of the folder that a job makes of a model which must be assembled first."""
    refiner = job.model.components.get(REFINER)
    return key_of(
        {
            "model": model_key(ingredients, cache),
            "name": job.model.path.resolve().name,
            "refiner": _contents(refiner.folder if refiner else None, cache),
            "options": to_plain(job.options),
            "toolchain": to_plain(shop.toolchain),
            "proof": proof_terms(shop.policy),
            "xcode": xcode(),
        }
    )


def keep_finished(ingredients: Ingredients, job: Job, shop: Workshop) -> None:
    """Remember how the job's folder ended, if its model had to be assembled."""
    if shop.finds and not ingredients.is_plain:
        with suppress(BadInputError):  # an ingredient is gone
            key = _folder_key(ingredients, job, shop, shop.finds)
            shop.finds.keep_finished(key, read_manifest(job.output).digest)


def is_there(job: Job, ingredients: Ingredients, shop: Workshop) -> bool:
    """Whether the job's folder is there, and a conversion would write the same bytes again.

    Files that did not change since they were hashed are not read.
    """
    if shop.finds is None or job.redo is not None:
        return False
    try:
        manifest = read_manifest(job.output)  # without one, gigabytes need not be hashed
        if ingredients.is_plain:
            inputs = recall_inputs([job], shop.finds)
            is_same = _is_of(manifest, job, inputs, shop, shop.finds)
            is_same = is_same and _is_of_folder(manifest, job)
        else:
            key = _folder_key(ingredients, job, shop, shop.finds)
            is_same = shop.finds.find_finished(key) == manifest.digest
        return is_same and _is_intact(job.output, manifest, shop, shop.finds)
    except (BadInputError, OSError):
        return False


def _is_of(manifest: Manifest, job: Job, inputs: Inputs, shop: Workshop, cache: Cache) -> bool:
    """Whether a manifest is that of the job's own programs, made of the same."""
    used = {part.source for part in job.parts}
    if not used <= inputs.keys():
        return False
    files = {name: one for source in used for name, one in inputs[source].items()}
    is_same = (manifest.options, manifest.toolchain) == (job.options, shop.toolchain)
    return (
        is_same
        and manifest.inputs == files
        and manifest.programs == _expected(job, inputs, shop, cache)
    )


def _expected(
    job: Job, inputs: Inputs, shop: Workshop, cache: Cache
) -> Mapping[str, ProgramEntry | None]:
    """Return the entries that the job's programs were recorded with, by name."""
    keys, expected = keys_of(job, inputs, shop), {}
    for part in job.parts:
        record = cache.find(keys[part.program])
        read = read_entry(record) if record else None
        options = job.options.for_program(part)
        expected[part.stem] = replace(read[0], options=options) if read else None
    return expected


def _is_of_folder(manifest: Manifest, job: Job) -> bool:
    """Whether small files of the model's folder, which no program is made from, are the same."""
    said, model = manifest.model, job.model
    if (said.name, said.settings, said.fetched, said.notes) != (
        model.path.resolve().name,
        model.settings,
        model.fetched,
        notes_of(job),
    ):
        return False
    if not job.has_words:
        return True
    words = read_tokenizer(tokenizer_folder(job.model.path)).files()
    return all(
        read_bytes(job.output / name, Document.VOCABULARY) == content for name, content in words
    )


def _is_intact(folder: Path, manifest: Manifest, shop: Workshop, cache: Cache) -> bool:
    """Whether all files of a finished folder are what its manifest says."""
    if shop.keeps_packages and absent_packages(folder, manifest):
        return False
    if any(manifest_faults(folder)) or any(stranger_faults(folder, manifest)):
        return False
    files = present(folder, manifest)
    return cache.describe({name: folder / name for name in files}) == files
