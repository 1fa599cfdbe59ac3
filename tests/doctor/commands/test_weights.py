from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.doctor.commands.weights import configure, run
from sdcoreml.ground.errors import BadInputError
from tests.convert.models.folders import WEIGHTS, save_safetensors, shard
from tests.convert.weights.torch_files import write_zip


def weights(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    configure(parser)
    return run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def reference(tmp_path: Path) -> bytes:
    return save_safetensors(tmp_path / "reference.safetensors").read_bytes()


def test_a_pickle_becomes_one_file(
    tmp_path: Path, reference: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = write_zip(tmp_path / "m.bin", WEIGHTS), tmp_path / "out.safetensors"
    assert weights(source, out) == 0
    assert out.read_bytes() == reference
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "- write out.safetensors\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit")
def test_a_hundred_megabytes_of_addresses_are_enough(tmp_path: Path, reference: bytes) -> None:
    source, out = write_zip(tmp_path / "m.bin", WEIGHTS), tmp_path / "out.safetensors"
    narrow = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (100_000_000,) * 2);"
        "from sdcoreml.doctor.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", narrow, "weights", str(source), str(out), "--sha256"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "- write out.safetensors\n")
    assert out.read_bytes() == reference


def test_what_carries_checksums_is_checked_and_what_does_not_is_said(
    tmp_path: Path, reference: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reference
    for source in (write_zip(tmp_path / "m.bin", WEIGHTS), tmp_path / "reference.safetensors"):
        assert weights(source, tmp_path / f"{source.stem}.out.safetensors", "--verify") == 0
    assert capsys.readouterr().err.splitlines() == [
        "- check the input",
        "- write m.out.safetensors",
        "- read the output back",
        "- check the input",
        "  this container carries no checksums",
        "- write reference.out.safetensors",
        "- read the output back",
    ]


def test_a_folder_with_shards_becomes_one_file(tmp_path: Path, reference: bytes) -> None:
    folder = tmp_path / "unet"
    folder.mkdir()
    shard(folder, "diffusion_pytorch_model")
    assert weights(folder, tmp_path / "out.safetensors") == 0
    assert (tmp_path / "out.safetensors").read_bytes() == reference


def test_the_digest_is_data_on_stdout(
    tmp_path: Path, reference: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    assert weights(write_zip(tmp_path / "m.bin", WEIGHTS), out, "--sha256", "--verify") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{hashlib.sha256(reference).hexdigest()}  {out}\n"
    assert captured.err.splitlines() == [
        "- check the input",
        "- write out.safetensors",
        "- read the output back",
    ]


def test_a_cast_tells_what_overflowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.safetensors"
    assert weights(write_zip(tmp_path / "m.bin", WEIGHTS), out, "--dtype", "float16") == 0
    assert "warning: conv_in.bias: 1 values are too large for float16" in capsys.readouterr().err
    found = safetensors.numpy.load_file(out)
    assert found["conv_in.weight"].dtype == np.float16


def test_a_file_that_is_right_is_not_written_again(
    tmp_path: Path, reference: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    save_safetensors(out)
    assert weights(tmp_path / "reference.safetensors", out) == 0
    assert out.read_bytes() == reference
    assert "- link out.safetensors: the input is already right" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.safetensors",
        "reference.safetensors",
    ]


def test_a_file_in_another_order_is_written_anew(tmp_path: Path, reference: bytes) -> None:
    source, out = tmp_path / "bare.safetensors", tmp_path / "out.safetensors"
    safetensors.numpy.save_file(WEIGHTS, source)
    assert weights(source, out) == 0
    assert out.read_bytes() == reference


def test_shards_are_written_on_request(tmp_path: Path) -> None:
    source, out = write_zip(tmp_path / "m.bin", WEIGHTS), tmp_path / "out"
    assert weights(source, out, "--max-shard-size", "100") == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    assert weights(out, tmp_path / "one.safetensors") == 0


@pytest.mark.usefixtures("reference")
def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    with pytest.raises(BadInputError, match=r"\bis the input itself"):
        weights(path, path)
    with pytest.raises(BadInputError, match=r"\bholds the input"):
        weights(path, tmp_path, "--max-shard-size", "1GB")


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"\bno weights in it"):
        weights(tmp_path, tmp_path / "out")


def test_a_wrong_size_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        weights(tmp_path, tmp_path / "out", "--max-shard-size", "huge")
    assert caught.value.code == 2


def test_a_cast_says_what_it_leaves_and_casts_8_bit_floats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = {"a": np.ones((2, 2), "i1"), "ids": np.arange(3)}
    source = save_safetensors(tmp_path / "m.safetensors", arrays)
    assert weights(source, tmp_path / "out.safetensors", "--dtype", "float16") == 0
    said = "tensors of I8, which are not floats, are left as they are (1)"
    assert said in capsys.readouterr().err
    header = b'{"w":{"dtype":"F8_E4M3","shape":[1,2],"data_offsets":[0,2]}}'
    small = tmp_path / "small.safetensors"
    small.write_bytes(len(header).to_bytes(8, "little") + header + bytes([0x38, 0xC0]))
    assert weights(small, tmp_path / "wide.safetensors", "--dtype", "float16") == 0
    assert "already right" not in capsys.readouterr().err
    wide = safetensors.numpy.load_file(tmp_path / "wide.safetensors")["w"]
    assert wide.dtype == np.float16
    assert wide.tolist() == [[1.0, -2.0]]


def test_a_file_of_something_else_is_replaced_only_by_force(
    tmp_path: Path, reference: bytes
) -> None:
    for source in (write_zip(tmp_path / "m.bin", WEIGHTS), tmp_path / "reference.safetensors"):
        out = tmp_path / f"{source.stem}.out"
        out.write_text("a thesis")
        with pytest.raises(BadInputError, match="is not a safetensors file"):
            weights(source, out)
        assert out.read_text() == "a thesis"
        assert weights(source, out, "--force") == 0
        assert out.read_bytes() == reference


@pytest.mark.usefixtures("reference")
def test_a_pipe_is_no_place_for_a_link_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(BadInputError, match="out: is a named pipe"):
        weights(tmp_path / "reference.safetensors", tmp_path / "out")
    assert (tmp_path / "out").is_fifo()


def test_shards_keep_what_is_no_weights_and_refuse_what_is(tmp_path: Path) -> None:
    source, out = write_zip(tmp_path / "m.bin", WEIGHTS), tmp_path / "out"
    assert weights(source, out, "--max-shard-size", "100") == 0
    (out / "config.json").write_text("{}")
    assert weights(source, out, "--max-shard-size", "1GB") == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "model-00001-of-00001.safetensors",
        "model.safetensors.index.json",
    ]
    (out / "mine.ckpt").touch()
    with pytest.raises(BadInputError, match=r"out/mine\.ckpt: was not written by an earlier run"):
        weights(source, out, "--max-shard-size", "100")
    assert (out / "config.json").read_text() == "{}"
