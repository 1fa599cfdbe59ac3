"""The project's first case: the pinned diffusers rejects shards, but loads the merged folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from sdcoreml.convert.models.folder_plan import write_folder
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.merge import plan_folder

WIDTHS = (32, 32)


def parts() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=WIDTHS,
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    vae = AutoencoderKL(
        block_out_channels=WIDTHS,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=99,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
        )
    )
    return {"unet": unet, "vae": vae, "text_encoder": text}


def shard(module: torch.nn.Module, folder: Path, stem: str) -> None:
    """Save a module as `stem-0000N-of-00002.bin` with an index, as newer libraries do."""
    weights = module.state_dict()
    names = list(weights)
    where: dict[str, str] = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        file = f"{stem}-{number:05d}-of-00002.bin"
        torch.save({name: weights[name] for name in part}, folder / file)
        where |= dict.fromkeys(part, file)
    (folder / f"{stem}.bin.index.json").write_text(json.dumps({"weight_map": where}))


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    folder = tmp_path / "sharded"
    index: dict[str, object] = {"_class_name": "StableDiffusionPipeline"}
    for name, module in parts().items():
        module.save_pretrained(folder / name)
        for written in (folder / name).glob("*model.*"):
            written.unlink()
        stem = "pytorch_model" if name == "text_encoder" else "diffusion_pytorch_model"
        shard(module, folder / name, stem)
        library = "transformers" if name == "text_encoder" else "diffusers"
        index[name] = [library, type(module).__name__]
    for absent in ("tokenizer", "scheduler", "safety_checker", "feature_extractor"):
        index[absent] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.filterwarnings("ignore")
def test_the_shards_are_refused_and_the_merged_folder_loads(tmp_path: Path, sharded: Path) -> None:
    with pytest.raises(OSError, match=r"no file named diffusion_pytorch_model\.bin"):
        UNet2DConditionModel.from_pretrained(sharded / "unet")
    merged = tmp_path / "merged"
    write_folder(plan_folder(read_model(sharded)), merged)
    loaded = {
        "unet": UNet2DConditionModel.from_pretrained(merged / "unet"),
        "vae": AutoencoderKL.from_pretrained(merged / "vae"),
        "text_encoder": CLIPTextModel.from_pretrained(merged / "text_encoder"),
    }
    for name, module in parts().items():
        expected, found = module.state_dict(), loaded[name].state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(tensor, found[key]) for key, tensor in expected.items())
