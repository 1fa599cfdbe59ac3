"""A folder's programs in both their forms: what each says, and whether both say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.forms import program_faults
from sdcoreml.convert.jobs.manifest import CompiledRecord, MadeBy, Manifest, read_manifest
from sdcoreml.convert.jobs.opening import open_model
from tests.convert.stand_ins import StandIn, finish, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
WEIGHTS = "Unet.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
AGAIN = "convert the model again"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("forms")
    model = open_model(write_model(place / "cat"))
    return finish(job_of(model, place / "out"), StandIn(size=SIZE))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(copytree(made, tmp_path / "out"))


def changed(bundle: Path, **fields: Any) -> Manifest:
    """Return the manifest with these fields of the UNet's entry."""
    manifest = read_manifest(bundle)
    unet = replace(manifest.programs["Unet"], **fields)
    return replace(manifest, programs={**manifest.programs, "Unet": unet})


def told(bundle: Path, manifest: Manifest | None = None) -> list[tuple[str, str, str]]:
    return [
        (Path(one.where).relative_to(bundle).as_posix(), one.what, one.remedy)
        for one in program_faults(bundle, manifest or read_manifest(bundle))
    ]


@pytest.mark.parametrize("gone", [".mlpackage", ".mlmodelc"])
def test_either_form_alone_is_sound(bundle: Path, gone: str) -> None:
    assert told(bundle) == []
    for path in bundle.glob(f"*{gone}"):
        rmtree(path)
    assert told(bundle) == []


def test_a_program_that_is_there_in_no_form_is_missing(bundle: Path) -> None:
    for path in bundle.glob("Unet.*"):
        rmtree(path)
    (fault,) = told(bundle)
    assert "unet" in fault[1].lower()


def test_what_cannot_be_read_is_a_fault_beside_those_of_others(bundle: Path) -> None:
    for name in ("TextEncoder", "VAEDecoder"):
        (bundle / f"{name}.mlpackage" / "Manifest.json").write_text("{")
    found = [where for where, *_ in told(bundle)]
    assert found[:2] == [
        f"{name}.mlpackage/Manifest.json" for name in ("TextEncoder", "VAEDecoder")
    ]


def test_weights_of_both_forms_are_compared_by_what_is_recorded(bundle: Path) -> None:
    files = read_manifest(bundle).programs["Unet"].files
    other = replace(files[WEIGHTS], sha256="5e" * 32)
    differ = changed(bundle, files={**files, WEIGHTS: other})
    said = "does not agree with Unet.mlmodelc"
    assert told(bundle, differ) == [("Unet.mlpackage", f"{said}: weights differ", AGAIN)]
    less = changed(bundle, files={name: one for name, one in files.items() if name != WEIGHTS})
    assert told(bundle, less) == [
        ("Unet.mlpackage", f"{said}: only one of the two has weights", AGAIN)
    ]
    compiled = CompiledRecord(verdict="compiled by Apple's", differences=("one",))
    assert told(bundle, changed(bundle, compiled=compiled, files={**files, WEIGHTS: other})) == []


def rewrite(bundle: Path, change: Callable[[str], str]) -> None:
    path = bundle / "Unet.mlmodelc" / "model.mil"
    text = path.read_text()
    assert change(text) != text
    path.unlink()
    path.write_text(change(text))


def test_a_compiled_model_of_ours_is_byte_for_byte_what_its_package_compiles_to(
    bundle: Path,
) -> None:
    rewrite(bundle, lambda text: text.replace("x = sample", "x = timestep", 1))
    assert [(where, what) for where, what, _ in told(bundle)] == [
        (
            "Unet.mlpackage",
            "does not agree with Unet.mlmodelc: function 'main': operation 1 (identity) differs",
        )
    ]


def test_another_compiler_may_write_the_same_otherwise(bundle: Path) -> None:
    rewrite(bundle, lambda text: text.replace("\n", "\n ", 3))
    ours = told(bundle)
    assert {where.partition("/")[0] for where, *_ in ours} == {"Unet.mlmodelc"}
    assert {remedy for *_, remedy in ours} == {AGAIN}
    apples = CompiledRecord(verdict="compiled by Apple's compiler")
    assert told(bundle, changed(bundle, compiled=apples)) == []


def test_another_converter_s_package_need_not_be_as_ours(bundle: Path) -> None:
    path = bundle / "Unet.mlpackage" / "Manifest.json"
    path.write_text(path.read_text().replace("\n", "\n ", 2))
    assert [where for where, *_ in told(bundle)] == ["Unet.mlpackage/Manifest.json"]
    foreign = MadeBy(repository="https://example.org/x", commit="c0ffee")
    assert told(bundle, changed(bundle, made_by=foreign)) == []


def test_a_part_of_a_model_may_lack_programs(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    unet = replace(manifest, programs={"Unet": manifest.programs["Unet"]})
    assert told(bundle, unet) != []
    assert told(bundle, replace(unet, part=True)) == []
    assert told(bundle, replace(unet, schema=1)) == []
