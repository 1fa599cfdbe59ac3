"""An environment is sealed with what it is made of, and with the Python beneath it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.manifest import BENEATH
from sdcoreml.envs.kept.sealing import record, seal
from tests.envs.kept.sealed import sealed


def test_the_seal_is_of_the_files_and_of_what_the_record_says(tmp_path: Path) -> None:
    made = sealed(tmp_path)
    entries = tuple(manifest.read(made.path))
    assert made.seal == manifest.seal_of(entries, made.facts())
    assert made.listing == manifest.digest(made.path)
    assert made.intact
    assert store.read(made.name, made.path) == made
    others = [one for one in entries if not one.path.endswith("one.py")]
    fewer = seal(made, iter(others), made.path.parent)
    assert fewer.seal != made.seal
    assert [*manifest.read(made.path)] == others
    assert seal(made, entries, made.path.parent).seal == made.seal


def test_conda_s_own_python_lies_in_the_environment(tmp_path: Path) -> None:
    made = sealed(tmp_path)
    entries = tuple(manifest.read(made.path))
    assert tuple(manifest.read(made.path, BENEATH))
    seal(replace(made, conda="one"), entries, made.path.parent)
    assert tuple(manifest.read(made.path, BENEATH)) == ()


def test_a_record_is_of_the_manifests_as_they_are_now(tmp_path: Path) -> None:
    made = sealed(tmp_path)
    manifest.write(tuple(manifest.read(made.path))[1:], made.path)
    done = record(replace(made, intact=False))
    assert done == replace(made, listing=manifest.digest(made.path), intact=True)
    assert done.listing != made.listing
    assert store.read(made.name, made.path) == done
