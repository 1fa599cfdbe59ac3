"""What is typed after `queue add` becomes the same job as `convert` would do."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomlkit

from sdcoreml.doctor.commands.jobs_file import Request, read_job_file
from sdcoreml.doctor.commands.queue_table import read_entry
from sdcoreml.doctor.queue.entry import Kind
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UsageError


def job_of(folder: Path, *words: str) -> dict[str, object]:
    new = read_entry(words, folder)
    assert new.job is not None
    models = new.job["models"]
    assert isinstance(models, list)
    return dict(models[0])


def request_of(folder: Path, *words: str) -> Request:
    """Return what `jobs` reads in the file that the queue writes."""
    file = folder / "elsewhere" / "1.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(tomlkit.dumps(dict(read_entry(words, folder).job or {})))
    read = read_job_file(file)
    assert read.into == folder
    (request,) = read.requests
    return request


def test_a_model_alone(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").touch()
    new = read_entry(["a.ckpt"], tmp_path)
    assert (new.kind, new.title, new.words) == (Kind.CONVERT, "a.ckpt", ())
    assert new.place == str(tmp_path)
    assert new.job == {"into": str(tmp_path), "models": [{"model": str(tmp_path / "a.ckpt")}]}


def test_every_sort_of_option_is_what_convert_reads(tmp_path: Path) -> None:
    for name in ("m", "v.safetensors", "x.safetensors", "y.safetensors"):
        (tmp_path / name).touch()
    words = [
        "--size=512x768",
        "--size",
        "64x64",
        "--bits",
        "6",
        "--install",
        "--vae",
        "v.safetensors",
        "--bits",
        "8",
        "-o",
        "out",
        "--lora",
        "x.safetensors:0.5",
        "--lora",
        "y.safetensors",
        "m",
        "--latent-scale",
        "0.5",
        "--toolchain",
        "light",
        "--workers",
        "2",
    ]
    args = request_of(tmp_path, *words).args
    assert (args.bits, args.size, args.install) == (8, [(512, 768), (64, 64)], True)
    assert (args.vae, args.output) == (tmp_path / "v.safetensors", tmp_path / "out")
    assert [(one.path.name, one.scale) for one in args.lora] == [
        ("x.safetensors", 0.5),
        ("y.safetensors", 1.0),
    ]
    assert args.lora[0].path.is_absolute()
    assert args.model == tmp_path / "m"
    assert read_entry(words, tmp_path).words == ("--toolchain=light", "--workers=2")


def test_a_name_stays_a_name(tmp_path: Path) -> None:
    assert job_of(tmp_path, "owner/name")["model"] == "owner/name"
    assert job_of(tmp_path, "civitai:123")["model"] == "civitai:123"


def test_a_job_file_is_named_and_read_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "f.toml").touch()
    new = read_entry(["f.toml", "--install", "--workers=1"], tmp_path)
    assert new.words == ("jobs", str(tmp_path / "f.toml"), "--workers=1", "--install")
    assert (new.job, new.title, new.place) == (None, "f.toml", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ((), UsageError, "give a model or a job file"),
        (("gone.ckpt",), BadInputError, "gone.ckpt: no such file or folder"),
        (("models/gone",), BadInputError, "models/gone: no such file or folder"),
        (("gone.toml",), BadInputError, "gone.toml: no such file"),
        (("here.toml", "--bits=6"), UsageError, "here.toml: --bits is said in the job file"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    words: tuple[str, ...],
    error: type[SdcoremlError],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()  # so that it is no name on the hub
    (tmp_path / "here.toml").touch()
    with pytest.raises(error, match=said):
        read_entry(words, tmp_path)
