"""What is worked out again from the model, what is said of the rest, and what is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.against import Comparison, compare, input_faults
from sdcoreml.convert.jobs.manifest import (
    MadeBy,
    Manifest,
    read_manifest,
)
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.jobs.recompress import Recompressed
from sdcoreml.convert.jobs.verify import Against
from sdcoreml.convert.proof.record import Sibling
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.events import Event
from tests.convert.stand_ins import (
    CERTIFICATE,
    StandIn,
    finish,
    job_of,
    write_model,
)

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
SIX: Mapping[str, object] = {"method": "kmeans", "bits": 6}
RECORD = FileRecord(size=1, sha256="5e" * 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "cat")


@pytest.fixture(scope="module")
def bundle(model: Path) -> Path:
    return finish(job_of(open_model(model), model.with_name("out")), StandIn(size=SIZE))


@pytest.fixture(autouse=True)
def _true_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what a changed manifest claims for true: claims have tests of their own."""
    monkeypatch.setattr("sdcoreml.convert.jobs.against.false_claims", lambda *_: ())


def run(
    bundle: Path, manifest: Manifest, against: Against
) -> tuple[Comparison, list[str], Mapping[str, Any]]:
    """Return what was found, the steps that were told, and the request to check."""
    events: list[Event] = []
    runner = StandIn(size=SIZE)
    found = compare(bundle, manifest, against, runner, events.append)
    told = [event.text for event in events if event.kind == "step"]
    (asked,) = [request for task, request in runner.requests if task == "check"]
    return found, told, asked


def changed(manifest: Manifest, name: str, **fields: Any) -> Manifest:
    entry = replace(manifest.programs[name], **fields)
    return replace(manifest, programs={**manifest.programs, name: entry})


def notes_on(bundle: Path, manifest: Manifest, against: Against) -> tuple[str, ...]:
    return run(bundle, manifest, against)[0].notes


def test_a_plain_folder_is_audited_and_nothing_else_is_said(bundle: Path, model: Path) -> None:
    found, told, asked = run(bundle, read_manifest(bundle), Against(model=model, certificates={}))
    assert (found.faults, found.notes) == ((), ())
    assert told == ["audit the weights of 4 compiled programs"]
    assert found.checked.keys() == {"TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"}
    assert asked["fast"] is False


def test_what_a_folder_of_a_model_cannot_show_is_noted(bundle: Path, model: Path) -> None:
    manifest = read_manifest(bundle)
    source = replace(manifest.model, made_from={"averaged": False})
    against = Against(model=model, certificates={}, fast=True)
    (note,) = notes_on(bundle, replace(manifest, model=source), against)
    assert note.startswith("the files that its model was assembled from, its notes and an app's")


def test_with_fast_it_is_said_what_is_not_worked_out_again(bundle: Path, model: Path) -> None:
    manifest = changed(read_manifest(bundle), "Unet", recipe=SIX)
    manifest = replace(manifest, answers={"answers.json": RECORD})
    notes = notes_on(bundle, manifest, Against(model=model, certificates={}, fast=True))
    assert notes == (
        "with --fast, palettes and scales are not worked out again from the recipe",
        "with --fast, the recorded answers are not compared with the programs'",
    )


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """Let the UNet's weights differ from its recipe's; return what was compressed again."""
    asked: list[tuple[str, object]] = []

    def compress(made: StagedProgram, fields: object) -> Recompressed:
        asked.append((made.part.stem, fields))
        return Recompressed(wrong=("a.weight", "b.weight"), as_exact=("c.weight", "d", "e"))

    monkeypatch.setattr("sdcoreml.convert.jobs.against.compress_again", compress)
    return asked


def test_other_numbers_than_the_recipe_gives_are_a_fault(
    bundle: Path, model: Path, again: list[tuple[str, object]]
) -> None:
    manifest = changed(read_manifest(bundle), "Unet", recipe=SIX)
    found, told, _ = run(bundle, manifest, Against(model=model, certificates={}))
    (fault,) = [one for one in found.faults if "its recipe gives" in one.what]
    assert (Path(fault.where), fault.what, fault.remedy) == (
        bundle / "Unet.mlmodelc",
        "Unet: its recipe gives other numbers than 2 of its weights have, such as a.weight",
        "convert the model again",
    )
    said = "bit for bit those that its recipe gives on this machine, but as exact"
    assert found.notes == (f"3 palettes of Unet are not {said}",)
    assert told[-1] == "compress its weights again, to compare palettes and scales"
    assert again == [("Unet", SIX)]


def test_another_converter_s_weights_and_those_with_fast_are_not_compressed_again(
    bundle: Path, model: Path, again: list[tuple[str, object]]
) -> None:
    manifest = changed(read_manifest(bundle), "Unet", recipe=SIX)
    run(bundle, manifest, Against(model=model, certificates={}, fast=True))
    foreign = changed(manifest, "Unet", made_by=MadeBy(repository="a", commit="b"))
    _, told, _ = run(bundle, foreign, Against(model=model, certificates={}))
    assert (again, len(told)) == ([], 1)


SIBLING = Sibling(graph=CERTIFICATE.key, title=CERTIFICATE.title, origin=CERTIFICATE.origin)


def offered(bundle: Path, model: Path, manifest: Manifest, *, fast: bool = False) -> bool:
    """Return whether a certified graph may stand for the UNet's, which is not run at its size."""
    against = Against(model=model, certificates={CERTIFICATE.key: CERTIFICATE}, fast=fast)
    return "certificates" in run(bundle, manifest, against)[2]


def test_a_program_that_was_run_is_run_again_at_its_size_unless_a_sample_is_enough(
    bundle: Path, model: Path
) -> None:
    manifest = read_manifest(bundle)
    checked = manifest.programs["Unet"].checked
    assert not offered(bundle, model, manifest)
    assert offered(bundle, model, manifest, fast=True)
    for proof in (
        replace(checked, sibling=SIBLING),
        replace(checked, certificate=CERTIFICATE.origin),
        replace(checked, unchecked="no torch"),
    ):
        assert offered(bundle, model, changed(manifest, "Unet", checked=proof))


def test_files_of_the_components_asked_about_are_compared(bundle: Path, model: Path) -> None:
    manifest = read_manifest(bundle)
    opened = open_model(model)
    inputs = {
        **manifest.inputs,
        "unet/config.json": RECORD,
        "vae/config.json": RECORD,
        "vae/absent.json": RECORD,
        "scheduler/absent.json": RECORD,
    }
    manifest = replace(manifest, inputs=inputs)
    remedy = "give the model that the folder was made from, or convert this one"
    other = "not the file that the folder was made from"
    told = {
        sources: {(Path(one.where), one.what, one.remedy) for one in found}
        for sources in (("unet",), ("vae",), None)
        for found in [list(input_faults(opened, manifest, sources))]
    }
    of_unet = {(model / "unet/config.json", other, remedy)}
    of_vae = {
        (model / "vae/config.json", other, remedy),
        (model / "vae/absent.json", "missing", remedy),
    }
    beside = {(model / "scheduler/absent.json", "missing", remedy)}
    assert told == {("unet",): of_unet, ("vae",): of_vae, None: of_unet | of_vae | beside}


def test_a_model_without_a_component_is_told_of_that_alone(bundle: Path, model: Path) -> None:
    manifest = changed(read_manifest(bundle), "Unet", source="unet_2")
    found = compare(
        bundle, manifest, Against(model=model, certificates={}), StandIn(size=SIZE), print
    )
    assert [(Path(one.where), one.what, one.remedy) for one in found.faults] == [
        (model, "has no unet_2", "give the model that the folder was made from")
    ]
    assert found.checked == {}


def test_an_older_manifest_names_no_tokenizer(bundle: Path, model: Path) -> None:
    manifest = replace(read_manifest(bundle), tokenizer={})
    against = Against(model=model, certificates={}, fast=True)
    found = compare(bundle, manifest, against, StandIn(size=SIZE), print)
    said = {(Path(one.where), one.what, one.remedy) for one in found.faults}
    assert said == {
        (bundle / "manifest.json", f"does not name {name}", "convert the model again")
        for name in ("merges.txt", "vocab.json")
    }
    older = replace(manifest, schema=1)
    assert run(bundle, older, against)[0].faults == ()


@pytest.mark.parametrize("given", [False, True])
def test_another_tokenizer_is_told_with_what_to_do(
    bundle: Path, tmp_path: Path, *, given: bool
) -> None:
    """A folder has its own tokenizer, so that the option could not help."""
    other = write_model(tmp_path / "other")
    (other / "tokenizer" / "merges.txt").write_bytes(b"#version: 0.2\nb a</w>")
    against = Against(model=other, certificates={}, tokenizer=tmp_path if given else None)
    found = compare(bundle, read_manifest(bundle), against, StandIn(size=SIZE), print)
    assert [(Path(one.where), one.what, one.remedy) for one in found.faults] == [
        (bundle / "merges.txt", "not the model's tokenizer", "convert the model again")
    ]
