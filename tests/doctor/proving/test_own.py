from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.manifest import CompiledRecord, Manifest, ProgramEntry, SourceRecord
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.proof.record import FigureRecord
from sdcoreml.doctor.commands.env_evidence import FAMILY_NAMES
from sdcoreml.doctor.proving.own import NAMES, held_certificates, in_order, try_families
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Event, silent
from tests.convert.stand_ins import MADE_IN, proof

FIGURES = (
    FigureRecord(output="x", mode="fp32", psnr=131.5),
    FigureRecord(output="x", mode="fp16", psnr=70.25),
)


def manifest(*components: str) -> Manifest:
    programs = {
        component: ProgramEntry(
            component=component,
            source=component,
            options=ProgramOptions(),
            halves=False,
            checked=proof(component, outputs=FIGURES),
            compiled=CompiledRecord(),
            files={},
        )
        for component in components
    }
    return Manifest(
        model=SourceRecord(name="a", family="b"),
        inputs={},
        options=Options(attention=Attention.SPLIT_EINSUM, height=16, width=16),
        toolchain=MADE_IN,
        programs=programs,
    )


class Converter:
    """Gives the manifest of each model, or fails with its reason."""

    def __init__(self, outcomes: Mapping[str, Manifest | str]) -> None:
        self.outcomes = outcomes
        self.words: list[tuple[str, ...]] = []

    def __call__(self, *words: str) -> Manifest:
        assert (Path(words[0]) / "config.json").is_file() or (
            Path(words[0]) / "model_index.json"
        ).is_file(), "the miniature is there"
        self.words.append(words)
        outcome = self.outcomes[Path(words[0]).name]
        if isinstance(outcome, str):
            raise EnvError(outcome)
        return outcome


def test_what_works_and_what_fails_is_recorded(tmp_path: Path) -> None:
    outcomes = {"sd1": manifest("unet", "vae_decoder"), "controlnet": manifest("controlnet")}
    convert = Converter({**outcomes, "sd2": "no such class"})
    said: list[Event] = []
    found = try_families(["sd2", "controlnet"], tmp_path, convert, said.append)
    assert found.families == {
        "sd1": "2 programs, at least 131.5 dB in fp32, 70.2 dB in fp16",
        "sd2": "fails: no such class",
        "controlnet": "1 program, at least 131.5 dB in fp32, 70.2 dB in fp16",
    }
    assert (found.ran, found.result) == ("sdcoreml env prove", "2 of 3 families")
    assert found.psnr == {"fp32": 131.5, "fp16": 70.25}
    held, tried = map(int, found.certificates.split(" of "))
    assert 0 < held < tried, "that of the text encoder of Stable Diffusion 1.x is one"
    assert [event.text for event in said if event.kind == "warning"] == ["sd2 fails: no such class"]
    models = tmp_path / "models"
    assert convert.words == [
        (str(models / "sd1"), "--size", "128x128", "--full", "--controlled"),
        (str(models / "sd2"), "--size", "128x128", "--full"),
        (str(models / "controlnet"), "--for", str(tmp_path / "sd1"), "--full"),
    ]


def test_where_nothing_works_nothing_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(EnvError) as caught:
        try_families(["sd1"], tmp_path, Converter({"sd1": "torch is gone"}), silent)
    assert str(caught.value) == ("sd1: no family works: fails: torch is gone; nothing was recorded")


def certificate(component: str, title: str) -> Certificate:
    return Certificate(
        key="k",
        component=component,
        title=f"{title}, ORIGINAL, 512x512",
        outputs=(),
        runs=1,
        toolchain="tested",
        lock="l",
        date="d",
    )


def test_a_certificate_holds_where_its_familys_program_was_run() -> None:
    certificates = (
        certificate("unet", "Stable Diffusion 1.x"),
        certificate("vae_decoder", "Stable Diffusion 1.x"),
        certificate("unet", "Stable Diffusion 2.x v-prediction"),
        certificate("unet", "Stable Diffusion XL base"),
        certificate("unet", "a stranger"),
    )
    only_audited = manifest("unet")
    entry = only_audited.programs["unet"]
    only_audited = replace(
        only_audited, programs={"unet": replace(entry, checked=replace(entry.checked, outputs=()))}
    )
    assert held_certificates({"sd1": manifest("unet"), "sd2": only_audited}, certificates) == (1, 3)


def test_a_controlnet_comes_with_what_it_is_for() -> None:
    assert in_order(["controlnet"]) == ("sd1", "controlnet")
    assert in_order(["sdxl", "sd2"]) == ("sd2", "sdxl")


def test_the_command_line_knows_all_of_them() -> None:
    assert FAMILY_NAMES == NAMES
