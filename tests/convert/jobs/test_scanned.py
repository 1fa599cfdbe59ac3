from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.scanned import find_scanned, keep_scanned
from sdcoreml.convert.programs.options import Precision
from sdcoreml.ground.digest import FileRecord
from tests.convert.stand_ins import MADE_IN, job_of, write_model

INPUTS = {"vae": {"vae/a.safetensors": FileRecord(size=9, sha256="a" * 64)}}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_of(open_model(write_model(tmp_path / "model")), tmp_path / "out")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache")


def only(job: Job, program: str) -> Job:
    """Return the job without its other programs."""
    others = {part.program for part in job.parts} - {program}
    return replace(job, found=frozenset(others))


def test_a_component_counts_as_read_for_the_same_programs_only(job: Job, cache: Cache) -> None:
    decoder, encoder = only(job, "vae_decoder"), only(job, "vae_encoder")
    assert not find_scanned([decoder], INPUTS, MADE_IN, cache)
    keep_scanned([decoder], INPUTS, MADE_IN, cache)
    assert find_scanned([decoder], INPUTS, MADE_IN, cache) == {"vae"}
    assert not find_scanned([encoder], INPUTS, MADE_IN, cache)
    assert not find_scanned([job], INPUTS, MADE_IN, cache)
    keep_scanned([encoder], INPUTS, MADE_IN, cache)
    assert find_scanned([job], INPUTS, MADE_IN, cache) == {"vae"}


def test_a_component_counts_as_read_for_the_same_precision_only(job: Job, cache: Cache) -> None:
    whole = replace(job, options=replace(job.options, precision={"all": Precision.FP32}))
    keep_scanned([whole], INPUTS, MADE_IN, cache)
    assert find_scanned([whole], INPUTS, MADE_IN, cache) == {"vae"}
    assert not find_scanned([job], INPUTS, MADE_IN, cache)


def test_other_weights_were_not_read(job: Job, cache: Cache) -> None:
    keep_scanned([job], INPUTS, MADE_IN, cache)
    other = {"vae": {"vae/a.safetensors": FileRecord(size=9, sha256="b" * 64)}}
    assert not find_scanned([job], other, MADE_IN, cache)
