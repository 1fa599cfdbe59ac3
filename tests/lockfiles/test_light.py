from __future__ import annotations

import pytest

from sdcoreml.lockfiles.artefact import load_artefacts, pin_wheels
from sdcoreml.lockfiles.evidence import load_evidence
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain, load_variants

FORMS = load_variants(load_toolchain("light"))


@pytest.mark.parametrize("target", load_toolchain("light").targets)
def test_light_is_a_part_of_tested_file_for_file(target: str) -> None:
    tested = set(load_lock("tested", target).packages)
    light = set(load_lock("light", target).packages)
    assert light < tested
    assert not {"torch", "diffusers", "transformers"} & {package.name for package in light}
    wheels = load_artefacts(load_toolchain("light"), load_lock("light", target))
    assert set(wheels) < set(load_artefacts(load_toolchain("tested"), load_lock("tested", target)))
    assert sum(wheel.size for wheel in wheels) < 40_000_000


@pytest.mark.parametrize("form", FORMS[1:], ids=lambda form: form.title)
def test_the_golden_programs_were_built_with_each_lock(form: Toolchain) -> None:
    digest = load_lock(f"{form.folder}/", "linux-x86_64").digest
    proofs = [proof for proof in load_evidence(form) if proof.lock == digest]
    assert proofs, "run `sdcoreml env prove light` in this form"
    assert {proof.python for proof in proofs} == {form.python.version}
    assert proofs[-1].result == "50 programs, 156 files identical to golden.json"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.title)
def test_the_sizes_of_each_form_are_known_for_every_target(form: Toolchain) -> None:
    assert form.installed.keys() == form.unpacked.keys() == set(form.targets)
    assert form.factors.environment >= max(form.installed.values())
    assert all(form.unpacked[target] < form.installed[target] for target in form.targets)


def test_light_is_locked_for_each_newer_python() -> None:
    assert [form.python.version.rpartition(".")[0] for form in FORMS] == [
        *("3.10", "3.11", "3.12", "3.13")
    ]
    assert {form.name for form in FORMS} == {"light"}
    assert len({form.targets for form in FORMS}) == 1


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.title)
@pytest.mark.parametrize("target", FORMS[0].targets)
def test_each_form_has_a_wheel_for_each_package(form: Toolchain, target: str) -> None:
    lock = load_lock(f"{form.folder}/", target)
    wheels = load_artefacts(form, lock)
    assert pin_wheels(lock, wheels)
    locked = {package.name: package.version for package in lock.packages}
    assert {name: locked[name] for name in form.pins} == form.pins
    minor = form.python.version.rpartition(".")[0].replace(".", "")
    assert any(f"cp{minor}-" in wheel.file for wheel in wheels if wheel.project == "numpy")
    assert sum(wheel.size for wheel in wheels) < form.wheels_on(target)
