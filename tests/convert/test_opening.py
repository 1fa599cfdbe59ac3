from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from convert.errors import BadInputError, UnsupportedError
from convert.opening import open_model
from tests.convert.stand_ins import UNET, write_model


class TestOpenModel:
    def test_a_sound_folder(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        assert set(model.components) == {"text_encoder", "unet", "vae"}

    def test_what_the_apps_cannot_run_is_refused_before_its_weights_are_judged(
        self, tmp_path: Path
    ) -> None:
        model = write_model(tmp_path / "cat", {**UNET, "in_channels": 9})
        (model / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(UnsupportedError, match="its UNet takes 9 channels, and the apps feed"):
            open_model(model)

    def test_a_single_file_is_sent_to_be_unpacked(self, tmp_path: Path) -> None:
        (tmp_path / "cat.ckpt").touch()
        with pytest.raises(BadInputError, match=r"a single file; unpack it first: .*cat\.ckpt"):
            open_model(tmp_path / "cat.ckpt")

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="cat: no such folder; give the folder of a"):
            open_model(tmp_path / "cat")

    def test_a_missing_part(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        shutil.rmtree(model / "vae")
        with pytest.raises(BadInputError, match="vae"):
            open_model(model)

    def test_a_git_lfs_pointer(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        weights = model / "unet" / "diffusion_pytorch_model.safetensors"
        weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n")
        with pytest.raises(BadInputError, match=r"git-lfs pointer.*run 'git lfs pull'"):
            open_model(model)
