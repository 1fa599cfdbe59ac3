from __future__ import annotations

from pathlib import Path

from convert.opening import open_model
from convert.options import Options
from convert.plan import folder_name, plan
from tests.convert.stand_ins import UNET, write_model

TOOLCHAIN = {"name": "tested", "seal": "5ea1"}


class TestPlan:
    def test_the_size_is_the_models_own(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat", {**UNET, "sample_size": [16, 24]}))
        job = plan(model, None, "ORIGINAL", TOOLCHAIN)
        assert (job.options.height, job.options.width) == (16, 24)
        assert job.output == Path("models/cat_original_192x128")

    def test_a_name_keeps_clear_of_mochis_separator(self) -> None:
        options = Options(attention="SPLIT_EINSUM_V2", height=64, width=96)
        name = folder_name(Path("/somewhere/my_best_cat"), options)
        assert name == "my-best-cat_split-einsum-v2_768x512"
