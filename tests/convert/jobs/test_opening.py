from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.opening import open_again, open_model, with_refiner
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tests.convert.stand_ins import UNET, write_controlnet, write_model, write_xl


class TestOpenModel:
    def test_a_sound_folder(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        assert set(model.components) == {"text_encoder", "unet", "vae"}

    def test_what_the_apps_cannot_run_is_refused_before_its_weights_are_judged(
        self, tmp_path: Path
    ) -> None:
        model = write_model(tmp_path / "cat", {**UNET, "in_channels": 9})
        (model / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(UnsupportedError, match="its UNet takes 9 channels, and the apps"):
            open_model(model)

    def test_a_single_file_is_sent_to_be_unpacked(self, tmp_path: Path) -> None:
        (tmp_path / "cat.ckpt").touch()
        with pytest.raises(BadInputError, match=r"but a model folder is needed; .*cat\.ckpt"):
            open_model(tmp_path / "cat.ckpt")

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(
            BadInputError, match="cat: no such file or folder; give the folder of a"
        ):
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


class TestControlnet:
    def test_its_folder_is_told_by_its_config(self, tmp_path: Path) -> None:
        net = open_model(write_controlnet(tmp_path / "canny"))
        assert (net.pipeline, set(net.components)) == ("ControlNetModel", {"controlnet"})
        assert open_again(tmp_path / "canny") == net

    def test_no_app_drives_one_of_sdxl(self, tmp_path: Path) -> None:
        folder = write_controlnet(tmp_path / "canny", {"addition_embed_type": "text_time"})
        with pytest.raises(UnsupportedError, match="no app drives a ControlNet of Stable Diff"):
            open_model(folder)

    def test_its_weights_are_missing(self, tmp_path: Path) -> None:
        folder = write_controlnet(tmp_path / "canny")
        (folder / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(BadInputError, match="no weights in this folder"):
            open_model(folder)


class TestWithRefiner:
    def test_its_unet_is_one_more_component(self, tmp_path: Path) -> None:
        refiner = write_xl(tmp_path / "refiner", refiner=True)
        base = write_xl(tmp_path / "base")
        model = with_refiner(open_model(base), refiner)
        assert model.components["refiner"].folder == refiner / "unet"
        assert open_again(base, refiner) == model

    def test_what_is_no_refiner(self, tmp_path: Path) -> None:
        base = write_xl(tmp_path / "base")
        with pytest.raises(
            UnsupportedError, match="this is Stable Diffusion XL base, not a refiner; give the"
        ):
            with_refiner(open_model(base), base)

    def test_what_no_refiner_goes_with(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        with pytest.raises(UnsupportedError, match="a refiner needs Stable Diffusion XL base"):
            with_refiner(model, write_xl(tmp_path / "refiner", refiner=True))
