from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.numpy

from sdcoreml.convert import cli
from sdcoreml.convert.cli import build_parser, main
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from tests.convert.models.folders import INDEX, UNET, write_json, write_model
from tests.convert.models.test_single_file import VAE, original, save
from tests.convert.weights.torch_files import write_members


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def convert(source: Path, target: Path, *more: str) -> int:
    paths = ["--checkpoint_path", str(source), "--dump_path", str(target)]
    return main(["--to_safetensors", *paths, *more])


def test_a_sharded_folder_is_merged(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder, tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "write text_encoder",
        "write unet",
        "write vae",
        f"wrote {tmp_path / 'out'}",
    ]


def test_overflows_of_half_precision_are_told(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder, tmp_path / "out", "--half") == 0
    assert "warning: conv_in.bias: 1 values are too large" in capsys.readouterr().err


def test_bad_input_is_one_line_and_exit_3(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = folder / "unet" / "diffusion_pytorch_model-00001-of-00002.bin"
    shard.unlink()
    assert convert(folder, tmp_path / "out") == 3
    index = folder / "unet" / "diffusion_pytorch_model.bin.index.json"
    assert capsys.readouterr().err == (
        f"error: {index}: 1 of 2 shards missing: {shard.name}; "
        "download the missing files into the same folder\n"
    )
    assert not (tmp_path / "out").exists()


def test_an_unsafe_pickle_is_exit_4(tmp_path: Path, folder: Path) -> None:
    evil = b"cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
    write_members(folder / "text_encoder" / "pytorch_model.bin", {"a/data.pkl": evil})
    assert convert(folder, tmp_path / "out") == 4


def test_wrong_usage_is_exit_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--no-such-flag"])
    assert caught.value.code == 2


def test_a_limit_of_file_sizes_is_exit_5_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    run = subprocess.run(
        # -B, or modules imported for the first time are kept as bytecode, cut at the limit.
        [sys.executable, "-B", "-m", "convert", "--checkpoint_path", folder, "--dump_path", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=_tiny_files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr.splitlines()[-1]) == (
        5,
        (
            "error: out: a limit on the size of files was reached while writing; raise it (ulimit"
            " -f) or choose another disk (the partial output was removed)"
        ),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def _tiny_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))


WAITING = """
import signal, sys
from sdcoreml.convert import cli
# A test run in the background hands down that it ignores the keyboard.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
def wait(*_):
    print("ready", flush=True)
    import time
    time.sleep(60)
cli.write_folder = wait
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_end_it_with_their_code(
    tmp_path: Path, folder: Path, number: signal.Signals, code: int
) -> None:
    arguments = ["--checkpoint_path", str(folder), "--dump_path", str(tmp_path / "out")]
    run = subprocess.Popen(
        [sys.executable, "-c", WAITING, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    run.stdout.readline()
    run.send_signal(number)
    _, err = run.communicate(timeout=30)
    assert run.returncode == code
    assert "Traceback" not in err


class TestSingleFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "vocab.json").write_text("{}")
        (tmp_path / "merges.txt").write_text("")
        return save(tmp_path / "m.safetensors", original("sd2"))

    def test_it_becomes_a_folder(self, tmp_path: Path, path: Path) -> None:
        flags = ["--prediction_type", "v-prediction", "--from_safetensors", "--device", "cpu"]
        assert convert(path, tmp_path / "out", *flags) == 0
        assert (tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors").is_file()

    def test_flags_that_change_nothing_are_explained(
        self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        convert(path, tmp_path / "out", "--prediction_type", "epsilon", "--device", "cpu")
        said = capsys.readouterr().err.splitlines()[0]
        assert said == "note: --device is not needed: no tensor is loaded, so no device is used"

    def test_flags_for_other_models_are_refused(
        self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert convert(path, tmp_path / "out", "--stable_unclip", "img2img") == 3
        assert "--stable_unclip is for models that cannot" in capsys.readouterr().err

    def test_what_it_does_not_tell_is_asked_for(self, tmp_path: Path, path: Path) -> None:
        assert convert(path, tmp_path / "out") == 3
        assert not (tmp_path / "out").exists()


def test_flags_of_single_files_are_refused_for_folders(tmp_path: Path, folder: Path) -> None:
    assert convert(folder, tmp_path / "out", "--extract_ema") == 3


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (["--extract_ema"], "averaged weights (EMA)"),
        (["--original_config_file", "x.yaml"], "a training config"),
        (["--prediction_type", "epsilon"], "a prediction type"),
        (["--image_size", "512"], "an image size"),
        (["--scheduler_type", "ddim"], "a scheduler"),
        (["--upcast_attention", "false"], "attention in float32"),
    ],
)
def test_what_a_folder_s_own_configs_say_is_not_told_again(
    tmp_path: Path, folder: Path, flags: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder, tmp_path / "out", *flags) == 3
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().err == (
        f"error: {folder}: {what} can be chosen only for single-file checkpoints; a folder's own"
        " files determine it; leave it out\n"
    )


@pytest.mark.parametrize(
    ("unet", "size"),
    [
        ({"sample_size": 96}, 768),
        ({}, 512),
        ({"sample_size": [64, 96]}, 512),
        ({"sample_size": None}, 512),
    ],
)
def test_another_vae_takes_the_place_of_a_folder_s_own(
    tmp_path: Path, folder: Path, unet: dict[str, object], size: int
) -> None:
    write_json(folder / "unet" / "config.json", UNET | unet)
    vae = save(tmp_path / "vae.safetensors", VAE)
    assert convert(folder, tmp_path / "out", "--vae_path", str(vae)) == 0
    made = tmp_path / "out" / "vae"
    assert json.loads((made / "config.json").read_text())["sample_size"] == size
    found = safetensors.numpy.load_file(made / "diffusion_pytorch_model.safetensors")
    assert found.keys() == VAE.keys()


def test_a_folder_without_a_unet_gets_its_vae_all_the_same(tmp_path: Path) -> None:
    index = {name: entry for name, entry in INDEX.items() if name != "unet"}
    folder = write_model(tmp_path / "part", index=index)
    vae = save(tmp_path / "vae.safetensors", VAE)
    assert convert(folder, tmp_path / "out", "--vae_path", str(vae)) == 0


@pytest.mark.parametrize("scale", ["nan", "inf", "much"])
def test_a_scale_that_is_no_number_is_wrong_usage(
    tmp_path: Path, folder: Path, scale: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        convert(folder, tmp_path / "out", "--lora", f"x.safetensors:{scale}")
    assert caught.value.code == 2
    assert "argument --lora: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "name"), [("--lora", "x.safetensors"), ("--embedding", "x.safetensors:cat")]
)
def test_what_is_to_be_merged_and_is_not_there_is_one_line(
    tmp_path: Path, folder: Path, flag: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder, tmp_path / "out", flag, str(tmp_path / name)) == 3
    err = capsys.readouterr().err
    assert err.startswith(f"error: {tmp_path}/x.safetensors: no such file")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_link_into_a_cache_that_lost_the_file_is_not_left_out_silently(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = folder / "tokenizer" / "vocab.json"
    vocabulary.unlink()
    vocabulary.symlink_to("../../blobs/gone")
    assert convert(folder, tmp_path / "out") == 3
    assert capsys.readouterr().err == (
        f"error: {vocabulary}: this is a link to a missing file; download the model again, with"
        " all its files\n"
    )
    assert not (tmp_path / "out").exists()


def test_notes_about_a_folder_are_passed_on(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = folder / "vae" / "diffusion_pytorch_model.safetensors"
    whole.rename(whole.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert convert(folder, tmp_path / "out") == 0
    assert "note: " in capsys.readouterr().err


def test_every_flag_of_the_known_script_is_accepted() -> None:
    known = [
        "checkpoint_path",
        "original_config_file",
        "config_files",
        "num_in_channels",
        "scheduler_type",
        "pipeline_type",
        "image_size",
        "prediction_type",
        "extract_ema",
        "upcast_attention",
        "from_safetensors",
        "to_safetensors",
        "dump_path",
        "device",
        "stable_unclip",
        "stable_unclip_prior",
        "clip_stats_path",
        "controlnet",
        "half",
        "vae_path",
        "pipeline_class_name",
    ]
    options = {word for action in build_parser()._actions for word in action.option_strings}
    assert {f"--{flag}" for flag in known} <= options


def test_every_option_reaches_what_the_model_is_made_of() -> None:
    words = ["--checkpoint_path", "m.ckpt", "--dump_path", "out", "--prediction_type", "epsilon"]
    words += ["--original_config_file", "c.yaml", "--image_size", "768", "--extract_ema"]
    words += [
        "--scheduler_type",
        "ddim",
        "--upcast_attention",
        "--vae_path",
        "v",
        "--tokenizer",
        "t",
    ]
    made = cli._ingredients(build_parser().parse_args(words))
    assert made == Ingredients(
        model=Path("m.ckpt"),
        unpacking=UnpackOptions(
            told=PredictionSource(option="epsilon", config=Path("c.yaml")),
            image_size=768,
            weights=Weights.AVERAGED,
            scheduler="ddim",
            upcast_attention=True,
            vae=Path("v"),
            tokenizer=Path("t"),
        ),
    )
    plain = cli._ingredients(build_parser().parse_args(words[:4]))
    assert plain == Ingredients(
        model=Path("m.ckpt"), unpacking=UnpackOptions(told=PredictionSource())
    )
