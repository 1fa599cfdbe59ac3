from __future__ import annotations

import pytest

from sdcoreml.lockfiles.artefact import load_artefacts
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.toolchain import load_toolchain


@pytest.mark.parametrize("target", load_toolchain("light").targets)
def test_light_is_a_part_of_tested_file_for_file(target: str) -> None:
    tested = set(load_lock("tested", target).packages)
    light = set(load_lock("light", target).packages)
    assert light < tested
    assert not {"torch", "diffusers", "transformers"} & {package.name for package in light}
    wheels = load_artefacts(load_toolchain("light"), load_lock("light", target))
    assert set(wheels) < set(load_artefacts(load_toolchain("tested"), load_lock("tested", target)))
    assert sum(wheel.size for wheel in wheels) < 40_000_000
