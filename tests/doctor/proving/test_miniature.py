from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.proving.miniature import CONFIGS, weights_of, write_miniature
from sdcoreml.ground.digest import files_below

DIGEST = "001206cac7ed8ca124de1eea7a00f68c44ca5dea825b80f48147434825ae1dba"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("miniature") / "miniature"
    write_miniature(folder)
    return folder


def test_it_is_byte_for_byte_the_same_on_every_machine(folder: Path) -> None:
    digest = hashlib.sha256()
    for path in sorted(files_below(folder)):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    assert digest.hexdigest() == DIGEST


def test_it_is_a_whole_model_in_the_form_that_diffusers_cannot_load(folder: Path) -> None:
    model = open_model(folder)
    assert model.family.value == "Stable Diffusion 1.x"
    files = {name: len(part.weights) for name, part in model.components.items()}
    assert files == {"text_encoder": 1, "unet": 5, "vae": 2}
    assert sorted(path.name for path in (folder / "unet").iterdir()) == [
        "config.json",
        *(f"diffusion_pytorch_model-{n:05d}-of-00005.bin" for n in range(1, 6)),
        "diffusion_pytorch_model.bin.index.json",
    ]


@pytest.mark.parametrize(
    ("component", "tensors", "weights"),
    [("text_encoder", 52, 189_056), ("unet", 684, 3_277_988), ("vae", 180, 1_250_759)],
)
def test_components_have_the_tensors_of_the_pinned_modules(
    component: str, tensors: int, weights: int
) -> None:
    found = dict(weights_of(component))
    assert len(found) == tensors
    assert sum(len(tensor.data) for tensor in found.values()) == 4 * weights
    assert set(CONFIGS) == {"text_encoder", "unet", "vae"}
