"""A manifest as a value, and as JSON in a file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.manifest import (
    digest_of,
    manifest_faults,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from sdcoreml.convert.programs.options import Attention, Precision, Target
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.errors import BadInputError

SHA = "5f" * 32
FIGURE = {"output": "image", "mode": "fp32", "psnr": 131.26, "max_error": None, "floor": 115.0}
CHECKED: dict[str, Any] = {
    "component": "vae_decoder",
    "passed": True,
    "runs": 2,
    "graph": SHA,
    "outputs": [FIGURE],
    "audit": {
        "matched": 138,
        "elements": 49490199,
        "extras": {"scale": "latent scale"},
        "compressed": {
            "6-bit palette": {"weights": 9, "psnr": 41.26, "typical": 43.1, "worst": "a.weight"}
        },
        "anonymous": 0,
        "misplaced": [],
        "unexplained": [],
        "missing": [],
    },
}
PROGRAM: dict[str, Any] = {
    "component": "vae_decoder",
    "source": "vae",
    "options": {
        "height": 64,
        "width": 96,
        "batch": 2,
        "tokens": 77,
        "attention": "ORIGINAL",
        "precision": "fp32",
        "target": "macOS14",
        "clip_skip": 1,
        "runtime_scale": 0.18215,
    },
    "recipe": None,
    "halves": False,
    "checked": CHECKED,
    "compiled": {"verdict": "compiled without Xcode", "differences": []},
    "files": {"VAEDecoder.mlpackage/Manifest.json": {"size": 617, "sha256": SHA}},
}
CONTENT: dict[str, Any] = {
    "schema": 2,
    "digest": SHA,
    "tokenizer": {"vocab.json": {"size": 90, "sha256": SHA}},
    "model": {"name": "cat", "family": "Stable Diffusion 1.x"},
    "inputs": {"vae/config.json": {"size": 553, "sha256": SHA}},
    "options": {
        "attention": "ORIGINAL",
        "height": 64,
        "width": 96,
        "batch": 2,
        "tokens": 77,
        "clip_skip": 1,
        "target": "macOS14",
        "states_own_size": False,
        "controlled": False,
        "safety_checker": False,
        "refiner": False,
        "chunk": False,
        "recipe": {"bits": 6, "programs": {"unet": {"layers": {"conv_in.weight": 8}}}},
        "precision": {"vae": "fp32"},
        "prediction": None,
        "pad_id": None,
        "latent_scale": None,
    },
    "toolchain": {
        "name": "tested",
        "seal": SHA,
        "lock": SHA,
        "target": "linux-x86_64",
        "python": "3.10.13",
        "tested_python": "3.10.10",
        "drift": True,
    },
    "programs": {"VAEDecoder": PROGRAM},
}


def of_program(**changes: Any) -> dict[str, Any]:
    return {**CONTENT, "programs": {"VAEDecoder": {**PROGRAM, **changes}}}


@pytest.mark.parametrize(
    "content",
    [
        CONTENT,
        {**CONTENT, "report": {"report.html": {"size": 90, "sha256": SHA}}},
        {**CONTENT, "model": {**CONTENT["model"], "made_from": {"files": {"a": {"size": 1}}}}},
        {
            **CONTENT,
            "model": {
                **CONTENT["model"],
                "fetched": {
                    "name": "hf:acme/cat",
                    "revision": "0123",
                    "licence": "openrail",
                    "address": "https://huggingface.co/acme/cat",
                },
            },
        },
        of_program(
            recipe={"method": "kmeans", "bits": 6},
            halves=True,
            files={"VAEDecoderChunk1.mlpackage/Manifest.json": {"size": 617, "sha256": SHA}},
        ),
        of_program(checked={**CHECKED, "fidelity": [FIGURE], "own": 112.04, "sample": "128x192"}),
        of_program(
            checked={
                **CHECKED,
                "certificate": {
                    "toolchain": "tested",
                    "lock": "5f",
                    "date": "2026-11-25",
                    "runs": 4,
                    "outputs": [FIGURE],
                },
            }
        ),
        of_program(checked={**CHECKED, "graph": None, "outputs": [], "unchecked": "no torch"}),
    ],
    ids=[
        "plain",
        "with-a-page",
        "unpacked",
        "fetched",
        "compressed",
        "measured",
        "certified",
        "unchecked",
    ],
)
def test_what_is_read_is_written_again_to_the_byte(content: dict[str, Any], tmp_path: Path) -> None:
    write_manifest(parse_manifest(content), tmp_path)
    sealed = {**content, "digest": digest_of(content)}
    text = json.dumps(sealed, indent=2, sort_keys=True) + "\n"
    assert (tmp_path / "manifest.json").read_text() == text
    assert read_manifest(tmp_path) == parse_manifest(content)
    assert [*manifest_faults(tmp_path)] == []


OLDER = {name: value for name, value in CONTENT.items() if name not in ("digest", "tokenizer")}


def test_an_older_one_is_read_and_cannot_tell_whether_it_was_changed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({**OLDER, "schema": 1}))
    manifest = read_manifest(tmp_path)
    assert manifest.is_older
    assert manifest.tokenizer == {}
    assert [*manifest_faults(tmp_path)] == []
    write_manifest(manifest, tmp_path)
    assert not read_manifest(tmp_path).is_older


@pytest.mark.parametrize(
    ("old", "new"),
    [("131.26", "141.26"), (SHA, "5e" + SHA[2:]), ('"cat"', '"dog"'), ("  ", " \t"), ("}\n", "}")],
)
def test_any_other_byte_is_a_change(tmp_path: Path, old: str, new: str) -> None:
    write_manifest(parse_manifest(CONTENT), tmp_path)
    path = tmp_path / "manifest.json"
    text = path.read_text()
    path.write_text(text[::-1].replace(old[::-1], new[::-1], 1)[::-1])
    (fault,) = manifest_faults(tmp_path)
    assert (fault.where, fault.what) == (str(path), "changed since it was written")


def test_a_file_name_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_manifest(
        parse_manifest({**CONTENT, "model": {**CONTENT["model"], "name": name}}), tmp_path
    )
    assert read_manifest(tmp_path).model.name == name


def test_it_is_read_by_field() -> None:
    manifest = parse_manifest(CONTENT)
    assert manifest.options.target is Target.MACOS14
    assert manifest.options.precision == {"vae": Precision.FP32}
    program = manifest.programs["VAEDecoder"]
    assert (program.options.attention, program.options.width) == (Attention.ORIGINAL, 96)
    assert program.checked.audit.compressed["6-bit palette"].weights == 9
    assert program.files["VAEDecoder.mlpackage/Manifest.json"].size == 617


def test_halves_are_two_packages() -> None:
    whole, halves = (
        parse_manifest(of_program(halves=halves, files={})).programs["VAEDecoder"]
        for halves in (False, True)
    )
    assert whole.find_packages(Path("out"), "Unet") == Path("out/Unet.mlpackage")
    assert halves.find_packages(Path("out"), "Unet") == (
        Path("out/UnetChunk1.mlpackage"),
        Path("out/UnetChunk2.mlpackage"),
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({**CONTENT, "schema": 3}, "schema 3; this version reads 2 and 1"),
        ({**CONTENT, "schema": 1}, "unknown field 'digest'"),
        ({**OLDER, "schema": 2}, "field 'digest' is missing"),
        ({**CONTENT, "model": {"name": "cat", "family": "Stable"}}, "there is no 'Stable'"),
        (of_program(files={"../a": {"size": 1, "sha256": SHA}}), "'../a' is not in the program"),
        (of_program(files={"Unet.mlmodelc/a": {"size": 1, "sha256": SHA}}), "is not in the prog"),
        ({**CONTENT, "more": 1}, "unknown field 'more'"),
        ({**CONTENT, "report": {"../a.html": {"size": 1, "sha256": SHA}}}, "the only file is repo"),
        ({**CONTENT, "programs": {"../VAEDecoder": PROGRAM}}, "is not the name of a package"),
        (of_program(options={"attention": "SPLIT"}), "attention: one of ORIGINAL, SPLIT_EINSUM"),
        (of_program(halves="no"), "halves: bool is expected, not str"),
    ],
)
def test_what_is_none_says_where(content: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match=what):
        parse_manifest(content)
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BadInputError, match=f"not a manifest of this version .*{what}"):
        read_manifest(tmp_path)


def test_recorded_answers_have_a_file_of_their_own() -> None:
    entry = parse_manifest(CONTENT).programs["VAEDecoder"]
    recorded = Answers(seed=7, runs=1, inputs="5f", outputs={"image": "AAA="})
    checked = replace(entry.checked, answers=recorded)
    assert "answers" in checked.as_json()
    assert replace(entry, checked=checked).as_json()["checked"] == entry.checked.as_json()
