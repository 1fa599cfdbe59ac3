from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.programs.options import Attention, Precision
from sdcoreml.ground.digest import describe, named_below
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event
from tests.convert.stand_ins import MADE_IN, StandIn, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
ALL = ["text_encoder", "unet", "vae_decoder", "vae_encoder"]


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled at once, however new they are."""
    monkeypatch.setattr("sdcoreml.convert.cache.digests._SETTLED", -(10**10))


class Bench:
    """Converts a model in `folder`, and tells what was built, checked and said."""

    def __init__(self, folder: Path, **shop: Any) -> None:
        self.folder, self.shop = folder, {"cache": Cache(folder=folder / "cache"), **shop}
        self.model = folder / "model"
        self.told: list[Event] = []

    def convert(self, output: str, size: Dimensions = SIZE, **choices: Any) -> list[str]:
        """Convert the model; return the programs that were built."""
        runner = StandIn(size=size)
        self.told.clear()
        self.shop["cache"].emit = self.told.append
        model = open_model(self.model)
        job = job_of(model, self.folder / output)
        options = replace(job.options, **choices)
        job = replace(job, options=options)
        shop = Workshop(**{"runner": runner, "toolchain": MADE_IN, **self.shop})
        convert_models([job], shop, self.told.append)
        built = [
            one for task, request in runner.requests if task == "build" for one in programs(request)
        ]
        checked = [
            one["component"]
            for task, request in runner.requests
            if task == "check"
            for one in request["packages"]
        ]
        assert sorted(built) == sorted(checked)
        return sorted(built)

    def files(self, output: str) -> Mapping[str, object]:
        return describe(named_below(self.folder / output))

    def warnings(self) -> list[str]:
        return [event.text for event in self.told if event.kind == "warning"]


def programs(request: Mapping[str, Any]) -> list[str]:
    return [one["component"] for made in request["components"] for one in made["programs"]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    write_model(tmp_path / "model")
    return Bench(tmp_path)


def test_the_same_again_is_taken_and_has_the_same_bytes(bench: Bench) -> None:
    assert bench.convert("one") == ALL
    assert bench.convert("two") == []
    assert bench.files("one") == bench.files("two")
    assert f"Unet: as it was made before, from {bench.folder / 'one'}" in [
        event.text for event in bench.told
    ]


def test_a_folder_with_found_programs_is_that_of_an_undisturbed_run(bench: Bench) -> None:
    bench.convert("one")
    bench.convert("two", Dimensions(batch=2, height=8, width=16, features=8, tokens=77), height=8)
    alone = Bench(bench.folder, cache=Cache(folder=bench.folder / "other"))
    alone.convert("three", Dimensions(batch=2, height=8, width=16, features=8, tokens=77), height=8)
    assert bench.files("two") == alone.files("three")


def test_a_second_size_costs_its_own_programs_only(bench: Bench) -> None:
    bench.convert("one")
    size = Dimensions(batch=2, height=8, width=16, features=8, tokens=77)
    assert bench.convert("two", size, height=8) == ["unet", "vae_decoder", "vae_encoder"]


@pytest.mark.parametrize(
    ("attention", "built"),
    [("ORIGINAL", ["unet"]), ("SPLIT_EINSUM_V2", ["unet", "vae_decoder", "vae_encoder"])],
)
def test_another_layout_of_attention_costs_its_own_programs_only(
    bench: Bench, attention: str, built: list[str]
) -> None:
    bench.convert("one")
    assert bench.convert("two", attention=Attention(attention)) == built
    alone = Bench(bench.folder, cache=Cache(folder=bench.folder / "other"))
    alone.convert("three", attention=Attention(attention))
    assert bench.files("two") == alone.files("three")


def test_another_clip_skip_costs_the_text_encoder_only(bench: Bench) -> None:
    bench.convert("one")
    assert bench.convert("two", clip_skip=2) == ["text_encoder"]


def test_another_vae_costs_its_programs_only(bench: Bench) -> None:
    bench.convert("one")
    weights = bench.model / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({"weight": np.ones(8, np.float32)}, weights)
    assert bench.convert("two") == ["vae_decoder", "vae_encoder"]


def test_bits_cost_the_compressed_programs_only(bench: Bench) -> None:
    bench.convert("one")
    recipe = {"method": "kmeans", "bits": 4}
    assert bench.convert("two", recipe=recipe) == ["text_encoder", "unet"]


def test_a_model_of_the_same_content_elsewhere_counts_as_the_same(bench: Bench) -> None:
    bench.convert("one")
    shutil.copytree(bench.model, bench.folder / "another name")
    bench.model = bench.folder / "another name"
    assert bench.convert("two") == []


@pytest.mark.parametrize(
    "shop",
    [
        {"toolchain": replace(MADE_IN, lock="0" * 64)},
        {"toolchain": replace(MADE_IN, python="3.10.11")},
        {"policy": ProofPolicy(run=frozenset({"unet"}))},
    ],
)
def test_what_was_made_or_proved_otherwise_is_not_the_same(
    bench: Bench, shop: dict[str, Any]
) -> None:
    bench.convert("one")
    assert Bench(bench.folder, **shop).convert("two") == ALL


def test_another_builder_makes_everything_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.convert("one")
    monkeypatch.setattr("sdcoreml.convert.jobs.reuse.builder_version", lambda: "another")
    assert bench.convert("two") == ALL


def both(bench: Bench, runner: StandIn) -> None:
    """Convert the model for two sizes at once."""
    model = open_model(bench.model)
    first = job_of(model, bench.folder / "one")
    wide = job_of(model, bench.folder / "two")
    wide = replace(wide, options=replace(wide.options, height=8))
    shop = Workshop(runner=runner, toolchain=MADE_IN, cache=bench.shop["cache"])
    convert_models([first, wide], shop)


WIDE = Dimensions(batch=2, height=8, width=16, features=8, tokens=77)


class Sizes(StandIn):
    """A runner that writes the packages of the folder `two` for a wide image."""

    def _write(self, program: Mapping[str, Any]) -> None:
        size = WIDE if "two" in program["title"] else SIZE
        StandIn(size=size)._write(program)


def test_what_two_folders_of_a_conversion_have_in_common_is_made_once(bench: Bench) -> None:
    runner = Sizes(size=SIZE)
    both(bench, runner)
    ((_, request), *_) = runner.requests
    assert programs(request).count("text_encoder") == 1
    assert programs(request).count("unet") == 2
    alone = Bench(bench.folder, cache=Cache(folder=bench.folder / "other"))
    alone.convert("three", WIDE, height=8)
    assert bench.files("two") == alone.files("three")


def test_a_second_size_is_offered_the_weight_files_of_the_first(bench: Bench) -> None:
    bench.convert("one")
    runner = StandIn(size=WIDE)
    job = job_of(open_model(bench.model), bench.folder / "two")
    job = replace(job, options=replace(job.options, height=8))
    convert_models([job], Workshop(runner=runner, toolchain=MADE_IN, cache=bench.shop["cache"]))
    made = {
        name: path
        for one in runner.requests[0][1]["components"]
        for name, path in one["made"].items()
    }
    assert made == {
        "unet": f"{bench.folder}/one/Unet.mlmodelc/weights/weight.bin",
        "vae_decoder": f"{bench.folder}/one/VAEDecoder.mlmodelc/weights/weight.bin",
        "vae_encoder": f"{bench.folder}/one/VAEEncoder.mlmodelc/weights/weight.bin",
    }


def test_a_second_size_does_not_read_the_weights_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.convert("one")
    monkeypatch.setattr("sdcoreml.convert.jobs.reading.scan_file", None)  # to call it would fail
    assert bench.convert("two", WIDE, height=8) == ["unet", "vae_decoder", "vae_encoder"]


def test_weights_are_read_for_each_precision(bench: Bench) -> None:
    save_file(
        {"weight": np.full(8, 1e6, np.float32)},
        bench.model / "unet" / "diffusion_pytorch_model.safetensors",
    )
    assert bench.convert("one", precision={"all": Precision.FP32}) == ALL
    with pytest.raises(BadInputError, match="holds a number beyond 65504"):
        bench.convert("two")


def test_a_damaged_program_is_said_and_made_again(bench: Bench) -> None:
    bench.convert("one")
    model = next((bench.folder / "one" / "Unet.mlpackage").rglob("model.mlmodel"))
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    shutil.rmtree(bench.folder / "cache" / "files")
    assert bench.convert("two") == ["unet"]
    (said,) = bench.warnings()
    assert said == (
        f"{bench.folder / 'one'}: changed since it was written; its programs are not taken from it"
    )
    assert bench.convert("three") == []
    assert bench.files("two") == bench.files("three")


def test_a_damaged_program_is_taken_from_the_cache(bench: Bench) -> None:
    bench.convert("one")
    sound = bench.files("one")
    model = next((bench.folder / "one" / "Unet.mlpackage").rglob("model.mlmodel"))
    model.write_bytes(b"damaged")
    assert bench.convert("two") == []
    assert bench.files("two") == sound
    assert "Unet: as it was made before, from the cache" in [event.text for event in bench.told]


def test_what_a_folder_had_is_found_after_it_is_gone(bench: Bench) -> None:
    bench.convert("one")
    sound = bench.files("one")
    shutil.rmtree(bench.folder / "one")
    assert bench.convert("two") == []
    assert bench.files("two") == sound
    assert bench.warnings() == []


def test_a_damaged_file_of_the_cache_is_said_and_made_again(bench: Bench) -> None:
    bench.convert("one")
    sound = bench.files("one")
    shutil.rmtree(bench.folder / "one")
    kept = next(
        path
        for path in sorted((bench.folder / "cache" / "files").glob("*/content"))
        if b"noise_pred" in path.read_bytes()
    )
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    assert bench.convert("two") == ["unet"]
    (said,) = bench.warnings()
    assert said == f"{kept}: damaged since it was kept; what needs it is made again"
    assert bench.files("two") == sound


def test_without_room_in_the_cache_a_folder_that_is_gone_is_made_again(bench: Bench) -> None:
    bench = Bench(bench.folder, cache=Cache(folder=bench.folder / "cache", limit=0))
    bench.convert("one")
    assert not (bench.folder / "cache" / "files").exists()
    shutil.rmtree(bench.folder / "one")
    assert bench.convert("two") == ALL
    assert bench.warnings() == []


def test_weights_stay_one_file_of_package_and_compiled_model(bench: Bench) -> None:
    bench.convert("one")
    bench.convert("two")
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    package = bench.folder / "two" / "Unet.mlpackage" / weights
    assert package.samefile(bench.folder / "two" / "Unet.mlmodelc" / "weights" / "weight.bin")


def test_weights_that_did_not_change_are_not_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.convert("one")
    monkeypatch.setattr("sdcoreml.convert.jobs.reading.scan_file", None)  # to call it would fail
    assert bench.convert("two") == []


def test_nothing_is_looked_up_without_a_cache(bench: Bench) -> None:
    bench.convert("one")
    job = job_of(open_model(bench.model), bench.folder / "two")
    runner = StandIn(size=SIZE)
    convert_models([job], Workshop(runner=runner, toolchain=MADE_IN))
    assert [task for task, _ in runner.requests] == ["build", "check"]


def test_dropped_packages_are_taken_from_the_cache(bench: Bench) -> None:
    Bench(bench.folder, keeps_packages=False).convert("one")
    assert (bench.folder / "one" / MARKER).is_file()
    assert bench.convert("two") == []
    alone = Bench(bench.folder, cache=Cache(folder=bench.folder / "other"))
    alone.convert("three")
    assert bench.files("two") == alone.files("three")


def test_what_is_kept_stays_known(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcoreml.convert.cache.stock.SMALL", 0)  # all is linked, as weights are
    Bench(bench.folder, keeps_packages=False).convert("one")
    stock = bench.shop["cache"].stock
    assert {stock.digests.recall(one.path) == one.content for one in stock.entries()} == {True}


def test_without_room_in_the_cache_dropped_packages_are_no_source(bench: Bench) -> None:
    bench = Bench(bench.folder, cache=Cache(folder=bench.folder / "cache", limit=0))
    dropping = Bench(bench.folder, cache=bench.shop["cache"], keeps_packages=False)
    dropping.convert("one")
    assert bench.convert("two") == ALL


def test_a_cache_that_cannot_be_written_stops_nothing(bench: Bench) -> None:
    (bench.folder / "cache").write_text("in the way")
    assert bench.convert("one") == ALL
    assert len(bench.warnings()) == 1
    assert bench.convert("two") == ALL
