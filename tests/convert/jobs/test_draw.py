"""Drawing with a finished folder: what is asked of the child, and what is refused before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.drawing.choices import Method, Rng, Spacing
from sdcoreml.convert.drawing.wish import Album, Drawn, Reading
from sdcoreml.convert.jobs.draw import Request, choose_settings, draw, size_of
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.models.few_steps import AppSettings
from sdcoreml.convert.watch import BOUNDS
from sdcoreml.convert.worker import Outcome
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.events import Emit, silent
from tests.convert.stand_ins import StandIn, finish, job_of, write_controlnet, write_model, write_xl

SIZE = Dimensions(batch=2, height=16, width=24, features=8, tokens=77)
DRAWN = Drawn(
    width=192,
    height=128,
    prompt=Reading(ids=(49406, 320, 49407)),
    negative=Reading(ids=(49406, 49407, 49407)),
    timesteps=(999, 500),
)


@dataclass
class Drawer:
    """A `Runner` that answers like the task `draw`, and keeps what it was asked for."""

    drawn: Drawn = DRAWN
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)

    def run(self, task: str, request: Mapping[str, Any], _: Emit = silent) -> Outcome:
        self.tasks.append(task)
        self.requests.append(request)
        return Outcome(value=to_plain(Album(pictures=(self.drawn,))), peak_memory=1)


def make(tmp_path: Path, **options: Any) -> Path:
    job = job_of(
        open_model(write_model(tmp_path / "cat")),
        tmp_path / "out",
        "SPLIT_EINSUM",
        height=16,
        width=24,
        **options,
    )
    return finish(job, StandIn(size=SIZE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


def ask(request: Request, drawer: Drawer | None = None) -> Mapping[str, Any]:
    drawer = drawer or Drawer()
    draw(request, Path("a.png"), drawer, silent)
    return drawer.requests[-1]


def test_what_is_not_asked_for_is_as_in_mochi(folder: Path) -> None:
    wish = ask(Request(folder=folder, prompt="a cat"))
    assert wish["settings"] == {
        "steps": 12,
        "guidance": 11.0,
        "method": "dpmpp",
        "spacing": "linspace",
        "rng": "numpy",
        "seed": 0,
        "latent_scale": 0.18215,
        "strength": 1.0,
    }
    assert wish["programs"] == dict.fromkeys(
        ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"), False
    )
    assert wish["targets"] == [{"prompt": "a cat", "output": "a.png", "original": ""}]
    assert wish["precision"] == "fp16"


def test_what_runs_through_core_ml_has_bounds(folder: Path) -> None:
    drawer = Drawer()
    ask(Request(folder=folder, prompt="a cat"), drawer)
    loaded = ask(
        Request(folder=folder, prompt="a cat", units=lambda _, part: f"for {part}"), drawer
    )
    assert loaded["units"]["Unet"] == "for unet"
    assert [task in BOUNDS for task in drawer.tasks] == [False, True]


def test_what_is_asked_for_is_passed_on(folder: Path, tmp_path: Path) -> None:
    wish = ask(
        Request(
            folder=folder,
            prompt="a cat",
            negative="a dog",
            steps=5,
            guidance=3,
            method=Method.PNDM,
            rng=Rng.NVIDIA,
            seed=7,
            start=tmp_path / "cat.png",
            strength=0.5,
            size=(192, 128),
            precision="fp32",
        )
    )
    assert wish["settings"]["method"] == "pndm"
    chosen = {name: wish["settings"][name] for name in ("steps", "guidance", "seed", "strength")}
    assert chosen == {"steps": 5, "guidance": 3, "seed": 7, "strength": 0.5}
    assert (wish["start"], wish["precision"]) == (str(tmp_path / "cat.png"), "fp32")
    assert wish["negative"] == "a dog"


def test_a_folder_draws_its_own_size_only(folder: Path) -> None:
    assert size_of(read_manifest(folder)) == (192, 128)
    with pytest.raises(UsageError, match=r"draws 192x128 only.*--size 512x512"):
        ask(Request(folder=folder, prompt="", size=(512, 512)))


def test_a_folder_that_was_changed_is_refused(folder: Path) -> None:
    (folder / "vocab.json").write_text("{}")
    drawer = Drawer()
    with pytest.raises(BadInputError, match=r"fails its verification \(vocab\.json: .*verify"):
        draw(Request(folder=folder, prompt=""), Path("a.png"), drawer, silent)
    assert drawer.requests == []


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="give a folder that sdcoreml convert made"):
        draw(Request(folder=tmp_path, prompt=""), Path("a.png"), Drawer(), silent)


def test_a_part_of_a_model_is_refused(tmp_path: Path) -> None:
    job = job_of(open_model(write_model(tmp_path / "cat")), tmp_path / "out", "SPLIT_EINSUM")
    folder = finish(replace(job, redo=frozenset({"unet"})), StandIn(size=replace(SIZE, width=16)))
    with pytest.raises(BadInputError, match="lacks TextEncoder, VAEDecoder, which this picture"):
        ask(Request(folder=folder, prompt=""))


def test_sdxl_is_drawn_with_its_own_scale_and_spacing(tmp_path: Path) -> None:
    model = open_model(write_xl(tmp_path / "big"))
    size = replace(SIZE, width=16, features=16, pooled=8, time_ids=6)
    folder = finish(job_of(model, tmp_path / "out", "SPLIT_EINSUM"), StandIn(size=size))
    chosen, _ = choose_settings(Request(folder=folder, prompt=""), read_manifest(folder))
    assert (chosen.spacing, chosen.latent_scale) == (Spacing.KARRAS, 0.13025)


def test_a_model_of_few_steps_is_drawn_as_it_advises(folder: Path) -> None:
    found = read_manifest(folder)
    advised = AppSettings(
        kind="turbo", by="its name says", steps="1 to 4 (merges: 8)", guidance="1"
    )
    manifest = replace(found, model=replace(found.model, settings=advised))
    chosen, notes = choose_settings(Request(folder=folder, prompt=""), manifest)
    assert (chosen.steps, chosen.guidance) == (4, 1.0)
    assert notes == (advised.advice,)
    asked = Request(folder=folder, prompt="", steps=20, guidance=5)
    chosen, notes = choose_settings(asked, manifest)
    assert (chosen.steps, chosen.guidance, notes) == (20, 5, ())


def test_a_scale_that_the_app_was_said_to_have_is_used(tmp_path: Path) -> None:
    manifest = read_manifest(make(tmp_path, latent_scale=0.5))
    chosen, _ = choose_settings(Request(folder=tmp_path, prompt=""), manifest)
    assert chosen.latent_scale == 0.5


class TestControlNets:
    @pytest.fixture
    def net(self, tmp_path: Path) -> Path:
        model = open_model(write_controlnet(tmp_path / "canny"))
        job = job_of(model, tmp_path / "net", "SPLIT_EINSUM", height=16, width=24)
        return finish(job, StandIn(size=SIZE))

    def test_a_net_needs_a_unet_that_takes_it(self, folder: Path, net: Path) -> None:
        with pytest.raises(BadInputError, match=r"lacks ControlledUnet.* with --controlled"):
            ask(Request(folder=folder, prompt="", nets={net: Path("edges.png")}))

    def test_a_net_is_passed_with_its_picture(self, tmp_path: Path, net: Path) -> None:
        folder = make(tmp_path, controlled=True)
        wish = ask(Request(folder=folder, prompt="", nets={net: tmp_path / "edges.png"}))
        (place,) = wish["nets"]
        assert Path(place).parent == net.resolve()
        assert Path(place).is_dir()
        assert wish["nets"][place] == str(tmp_path / "edges.png")

    def test_a_net_alone_draws_nothing(self, net: Path) -> None:
        with pytest.raises(UsageError, match=r"is a ControlNet.* with --controlnet"):
            ask(Request(folder=net, prompt=""))

    def test_a_model_is_no_net(self, tmp_path: Path, folder: Path) -> None:
        both = make(tmp_path / "more", controlled=True)
        with pytest.raises(
            UsageError,
            match=r"names no ControlNet; give a folder that .* --for FOLDER` made",
        ):
            ask(Request(folder=both, prompt="", nets={folder: Path("edges.png")}))


def test_pictures_that_were_fitted_are_named(folder: Path) -> None:
    drawer = Drawer(drawn=replace(DRAWN, fitted=("/p/cat.png",)))
    found = draw(Request(folder=folder, prompt=""), Path("a.png"), drawer, silent)
    assert found.notes == ("/p/cat.png was scaled and cropped to 192x128, as Mochi does",)


class TestAgainst:
    def test_each_program_s_original_is_passed(self, tmp_path: Path, folder: Path) -> None:
        seen: list[Mapping[str, Any]] = []

        class Looking(Drawer):
            def run(self, task: str, request: Mapping[str, Any], _: Emit = silent) -> Outcome:
                seen.extend(request["originals"].values())
                assert all(Path(one["weights"]).is_file() for one in seen)
                return super().run(task, request, _)

        output = tmp_path / "a.png"
        request = Request(folder=folder, prompt="", against=tmp_path / "cat")
        draw(request, output, Looking(), silent)
        assert {one["component"] for one in seen} == {
            "text_encoder",
            "unet",
            "vae_decoder",
            "vae_encoder",
        }
        assert all(Path(one["config"]).name == "config.json" for one in seen)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cat", "out"]

    def test_another_model_is_refused(self, tmp_path: Path, folder: Path) -> None:
        other = write_model(tmp_path / "dog")
        (other / "unet" / "config.json").write_text("{}")
        with pytest.raises(BadInputError, match="not the file that the folder was made from"):
            ask(Request(folder=folder, prompt="", against=other))

    def test_without_a_model_there_are_no_originals(self, folder: Path) -> None:
        assert ask(Request(folder=folder, prompt=""))["originals"] == {}
