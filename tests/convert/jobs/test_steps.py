from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model, with_refiner
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import ParityError, SdcoremlError, WorkerError
from sdcoreml.ground.events import Emit, Event, silent
from tests.convert.stand_ins import (
    MADE_IN,
    StandIn,
    add_component,
    finish,
    finish_all,
    job_of,
    proof,
    write_controlnet,
    write_model,
    write_xl,
)

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
FILES = {
    *("TextEncoder.mlpackage", "Unet.mlpackage", "VAEDecoder.mlpackage", "VAEEncoder.mlpackage"),
    *("TextEncoder.mlmodelc", "Unet.mlmodelc", "VAEDecoder.mlmodelc", "VAEEncoder.mlmodelc"),
    *("vocab.json", "merges.txt", "manifest.json", "report.html"),
}


def convert(model: Path, output: Path, runner: StandIn, attention: str = "SPLIT_EINSUM") -> Path:
    return finish(job_of(open_model(model), output, attention), runner)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class TestConvertModel:
    def test_the_folder_holds_what_the_runtimes_ask_for(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        output = convert(model, tmp_path / "out", StandIn(size=SIZE, requests=[]))
        assert {path.name for path in output.iterdir()} == FILES
        assert (output / "merges.txt").read_bytes() == b"#version: 0.2\na b</w>\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cat", "out"]

    def test_each_program_is_built_from_its_component_and_then_checked(
        self, tmp_path: Path
    ) -> None:
        model = write_model(tmp_path / "cat")
        runner = StandIn(size=SIZE)
        convert(model, tmp_path / "out", runner, "ORIGINAL")
        builds = [
            {**component, **program}
            for task, request in runner.requests
            if task == "build"
            for component in request["components"]
            for program in component["programs"]
        ]
        assert [(r["component"], Path(r["weights"]).parent.name) for r in builds] == [
            ("text_encoder", "text_encoder"),
            ("unet", "unet"),
            ("vae_decoder", "vae"),
            ("vae_encoder", "vae"),
        ]
        assert {r["options"]["attention"] for r in builds} == {"ORIGINAL"}
        assert [task for task, _ in runner.requests][-1] == "check"
        checked = runner.requests[-1][1]["packages"]
        assert [item["component"] for item in checked] == [r["component"] for r in builds]

    def test_the_manifest_says_where_everything_came_from(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        output = convert(model, tmp_path / "out", StandIn(size=SIZE))
        content = json.loads((output / "manifest.json").read_text())
        assert content["schema"] == 2
        said = content["model"]
        assert (said["name"], said["family"]) == ("cat", "Stable Diffusion 1.x")
        (assumed,) = said["notes"]
        assert assumed.startswith("the model does not say what it predicts: epsilon is assumed")
        assert content["toolchain"] == to_plain(MADE_IN)
        assert content["options"]["attention"] == "SPLIT_EINSUM"
        assert "unet/diffusion_pytorch_model.safetensors" in content["inputs"]
        assert content["programs"]["Unet"]["checked"] == proof("unet").as_json()
        files = content["programs"]["Unet"]["files"]
        assert "Unet.mlmodelc/metadata.json" in files
        assert "Unet.mlpackage/Data/com.apple.CoreML/model.mlmodel" in files

    def test_twice_the_same_bytes(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        first = tree(convert(model, tmp_path / "one", StandIn(size=SIZE)))
        second = tree(convert(model, tmp_path / "two", StandIn(size=SIZE)))
        assert first == second

    @pytest.mark.parametrize("task", ["build", "check"])
    def test_a_failed_task_leaves_nothing_under_the_name(self, tmp_path: Path, task: str) -> None:
        model = write_model(tmp_path / "cat")
        runner = StandIn(
            size=SIZE, fails=task, failure=ParityError("Unet: 12.0 dB", remedy="report it")
        )
        with pytest.raises(ParityError, match=r"Unet: 12\.0 dB"):
            convert(model, tmp_path / "out", runner)
        assert [path.name for path in tmp_path.iterdir()] == ["cat"]

    def test_the_last_words_of_a_dead_child_reach_whoever_knows_them(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        died = WorkerError("build: died", log="OSError: Error no file named x found in directory")
        with pytest.raises(WorkerError, match="build: died") as caught:
            convert(model, tmp_path / "out", StandIn(size=SIZE, fails="build", failure=died))
        assert caught.value.log.startswith("OSError: Error no file named")

    def test_a_failed_run_leaves_the_older_result(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        before = tree(convert(model, tmp_path / "out", StandIn(size=SIZE)))
        with pytest.raises(ParityError):
            convert(
                model,
                tmp_path / "out",
                StandIn(size=SIZE, fails="check", failure=ParityError("no")),
            )
        assert tree(tmp_path / "out") == before

    def test_programs_that_do_not_fit_together_are_refused(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        odd = {"text_encoder": replace(SIZE, features=12)}
        with pytest.raises(SdcoremlError, match=r"TextEncoder: output last_hidden_state"):
            convert(model, tmp_path / "out", StandIn(size=SIZE, odd=odd))
        assert [path.name for path in tmp_path.iterdir()] == ["cat"]

    def test_what_the_child_tells_is_passed_on(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "cat")
        events: list[Event] = []
        job = job_of(open_model(model), tmp_path / "out", "SPLIT_EINSUM")
        finish(job, StandIn(size=SIZE), events.append)
        steps = [event.text for event in events if event.kind == "step"]
        assert [step for step in steps if step.startswith("build ")] == [
            "build TextEncoder",
            "build Unet",
            "build VAEDecoder",
            "build VAEEncoder",
        ]
        audit = steps.index("audit the weights of 4 programs")
        assert steps.index("build VAEEncoder") < audit < steps.index("compile Unet.mlpackage")
        assert steps[-1] == "write the folder"
        assert Event(kind="note", text="check done") in events


class TestHalves:
    def test_unets_are_written_in_two_halves_and_no_whole_one_is_left(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        options: dict[str, Any] = {"chunk": True, "controlled": True}
        job = job_of(model, tmp_path / "out", "ORIGINAL", **options)
        runner = StandIn(size=SIZE)
        output = finish(job, runner)
        assert {path.name for path in output.iterdir() if "Unet" in path.name} == {
            f"{name}Chunk{number}.{suffix}"
            for name in ("Unet", "ControlledUnet")
            for number in (1, 2)
            for suffix in ("mlpackage", "mlmodelc")
        }
        content = json.loads((output / "manifest.json").read_text())
        assert content["programs"]["Unet"]["halves"] is True
        assert content["programs"]["VAEDecoder"]["halves"] is False
        assert "UnetChunk2.mlmodelc/model.mil" in content["programs"]["Unet"]["files"]
        (checks,) = (request for task, request in runner.requests if task == "check")
        asked = {item["component"]: item.get("chunk") for item in checks["packages"]}
        assert (asked["unet"], asked["controlled_unet"], asked["vae_decoder"]) == (True, True, None)


class TestConvertModels:
    def jobs(self, tmp_path: Path) -> list[Job]:
        model = open_model(write_model(tmp_path / "cat"))
        return [
            job_of(model, tmp_path / attention, attention)
            for attention in ("ORIGINAL", "SPLIT_EINSUM")
        ]

    def test_programs_of_one_component_are_built_together(self, tmp_path: Path) -> None:
        runner = StandIn(size=SIZE)
        outputs = finish_all(self.jobs(tmp_path), runner)
        assert outputs == (tmp_path / "ORIGINAL", tmp_path / "SPLIT_EINSUM")
        (asked,) = (request for task, request in runner.requests if task == "build")
        builds = asked["components"]
        titles = [[program["title"] for program in build["programs"]] for build in builds]
        assert titles == [
            ["TextEncoder of ORIGINAL", "TextEncoder of SPLIT_EINSUM"],
            ["Unet of ORIGINAL", "Unet of SPLIT_EINSUM"],
            [
                "VAEDecoder of ORIGINAL",
                "VAEEncoder of ORIGINAL",
                "VAEDecoder of SPLIT_EINSUM",
                "VAEEncoder of SPLIT_EINSUM",
            ],
        ]
        for output in outputs:
            assert {path.name for path in output.iterdir()} == FILES

    def test_a_folder_that_is_finished_stays_when_a_later_one_fails(self, tmp_path: Path) -> None:
        @dataclass
        class Second(StandIn):
            checks: int = 0

            def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
                self.checks += task == "check"
                if self.checks > 1:
                    raise ParityError("Unet: 12.0 dB")
                return super().run(task, request, emit)

        with pytest.raises(ParityError):
            finish_all(self.jobs(tmp_path), Second(size=SIZE))
        assert {path.name for path in tmp_path.iterdir()} == {"cat", "ORIGINAL"}
        assert {path.name for path in (tmp_path / "ORIGINAL").iterdir()} == FILES


class TestOptionalPrograms:
    def test_the_safety_checker(self, tmp_path: Path) -> None:
        folder = write_model(tmp_path / "cat")
        add_component(folder, "safety_checker", {}, "StableDiffusionSafetyChecker")
        job = job_of(open_model(folder), tmp_path / "out", "ORIGINAL", safety_checker=True)
        output = finish(job, StandIn(size=SIZE))
        assert (output / "SafetyChecker.mlmodelc").is_dir()
        inputs = json.loads((output / "manifest.json").read_text())["inputs"]
        assert "safety_checker/diffusion_pytorch_model.safetensors" in inputs

    def test_sdxls_refiner_comes_from_another_folder(self, tmp_path: Path) -> None:
        size = replace(SIZE, features=16, pooled=8, time_ids=6)
        refiner = write_xl(tmp_path / "refiner", refiner=True)
        model = with_refiner(open_model(write_xl(tmp_path / "cat")), refiner)
        job = job_of(model, tmp_path / "out", "ORIGINAL", refiner=True)
        runner = StandIn(size=size)
        output = finish(job, runner)
        assert (output / "UnetRefiner.mlmodelc").is_dir()
        builds = {
            program["component"]: component["weights"]
            for task, request in runner.requests
            if task == "build"
            for component in request["components"]
            for program in component["programs"]
        }
        assert Path(builds["unet_refiner"]).parent == refiner / "unet"
        assert Path(builds["unet"]).parent == tmp_path / "cat" / "unet"
        inputs = json.loads((output / "manifest.json").read_text())["inputs"]
        assert "refiner/config.json" in inputs


class TestControlnet:
    def job(self, tmp_path: Path) -> Job:
        net = open_model(write_controlnet(tmp_path / "sd-controlnet_canny"))
        size: dict[str, Any] = {"height": 16, "width": 16}
        return job_of(net, tmp_path / "out", "SPLIT_EINSUM", **size)

    def test_its_folder_holds_one_program_and_no_tokenizer(self, tmp_path: Path) -> None:
        output = finish(self.job(tmp_path), StandIn(size=SIZE))
        name = "SdControlnetCanny-split-einsum_128x128"
        assert {path.name for path in output.iterdir()} == {
            f"{name}.mlpackage",
            f"{name}.mlmodelc",
            *("manifest.json", "report.html"),
        }
        assert verify(output, StandIn(size=SIZE)).passed

    def test_it_is_compared_with_the_unet_that_it_is_for(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        beside = job_of(model, tmp_path / "for", "SPLIT_EINSUM", controlled=True)
        finish(beside, StandIn(size=SIZE))
        job = replace(self.job(tmp_path), beside=tmp_path / "for")
        assert finish(job, StandIn(size=SIZE)).is_dir()
        other = StandIn(size=replace(SIZE, height=24))
        with pytest.raises(SdcoremlError, match=r"the UNet takes sample \[2, 4, 16, 16\], found"):
            finish(replace(job, output=tmp_path / "other"), other)
        assert not (tmp_path / "other").exists()


class TestRecipe:
    RECIPE = {"method": "kmeans", "bits": 6}  # noqa: RUF012  read only

    def test_text_encoders_and_unets_are_compressed_and_vaes_are_not(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        job = job_of(model, tmp_path / "out", "ORIGINAL", recipe=self.RECIPE)
        runner = StandIn(size=SIZE)
        finish(job, runner)
        asked = {
            program["component"]: program.get("recipe")
            for task, request in runner.requests
            if task == "build"
            for component in request["components"]
            for program in component["programs"]
        }
        assert asked == {
            "text_encoder": self.RECIPE,
            "unet": self.RECIPE,
            "vae_decoder": None,
            "vae_encoder": None,
        }
        content = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert content["options"]["recipe"] == self.RECIPE

    def test_the_name_says_how_many_bits(self, tmp_path: Path) -> None:
        model = open_model(write_model(tmp_path / "cat"))
        job = job_of(model, None, "ORIGINAL", recipe=self.RECIPE)
        assert job.output == Path("models/cat-original-6-bit_128x128")
