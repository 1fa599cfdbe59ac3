from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.commands.pack import configure, run
from sdcoreml.ground.errors import BadInputError, UsageError
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def pack(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    configure(parser)
    return run(parser.parse_args([str(word) for word in words]))


def made(folder: Path, name: str = "cat") -> Path:
    job = job_of(open_model(write_model(folder / name)), folder / f"{name}-out")
    return finish(job, StandIn(size=SIZE))


def test_what_was_packed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "packed"
    assert pack(made(tmp_path), "-o", out, "--name", "coreml-cat") == 0
    first, digest, card = capsys.readouterr().out.splitlines()
    assert first == f"{out}/coreml-cat_split_einsum_compiled.zip: 24 files, 46 kB"
    assert digest.startswith("  sha256 ")
    assert card == f"{out}/README.md: the card"


def test_json_has_the_digests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack(made(tmp_path), "-o", tmp_path / "packed", "--json") == 0
    said = read_as("pack", capsys.readouterr().out)
    (archive,) = said["archives"]
    assert (said["schema"], Path(archive["path"]).stat().st_size) == (1, archive["bytes"])
    assert archive["sha256"] in Path(said["card"]).read_text()


def test_two_models_share_no_card(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is of another model"):
        pack(made(tmp_path), made(tmp_path, "dog"), "-o", tmp_path / "packed")


def test_another_model_is_not_packed_beside(tmp_path: Path) -> None:
    out = tmp_path / "packed"
    pack(made(tmp_path), "-o", out)
    card = (out / "README.md").read_bytes()
    with pytest.raises(BadInputError, match="would not any more"):
        pack(made(tmp_path, "dog"), "-o", out)
    assert (out / "README.md").read_bytes() == card
    assert len([*out.iterdir()]) == 2


@pytest.mark.parametrize("name", ["", "a/b", "../a", "-a", "a b"])
def test_a_name_that_no_repository_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit):
        pack(tmp_path, f"--name={name}")
