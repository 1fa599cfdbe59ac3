from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from doctor.commands import diagnose
from tests.doctor.test_diagnosis import LOG

PAGE = """\
cause    huggingface_hub 0.26 removed cached_download, which diffusers before
         0.29 imports.
         line 4: ImportError: cannot import name 'cached_download' from 'hugging
do       Go back to huggingface_hub 0.25.2 or older (tested: 0.17.3), or: make
         env.
         hub-cached-download-removed; seen in time by PIN005, PIN001

follows  diffusers and transformers import lazily and wrap whatever failed in
         this message.
         line 8: RuntimeError: Failed to import diffusers.pipelines.x because of
do       The innermost message in the log is the cause.
         diffusers-sub-import-clip-failed; seen in time by ENV005

harmless line 1: sklearn-untested-with-coremltools: Only the conversion of
         scikit-learn models is switched off; k-means for palettization still
         works.
"""


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    diagnose.configure(parser)
    return diagnose.run(parser.parse_args(["--anywhere", *words]))


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.txt"
    path.write_text(LOG)
    assert run(str(path)) == 1
    assert capsys.readouterr().out == PAGE


def test_standard_input_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LOG.encode() + b"\xff")))
    assert run("--json") == 1
    content = json.loads(capsys.readouterr().out)
    assert content["schema"] == 1
    first = content["matches"][0]
    assert (first["id"], first["line"], first["role"]) == (
        "hub-cached-download-removed",
        4,
        "cause",
    )


@pytest.mark.parametrize(
    ("log", "code"), [("all went well\n", 3), ("global_step key not found in model\n", 0)]
)
def test_exit_codes(tmp_path: Path, log: str, code: int) -> None:
    path = tmp_path / "log.txt"
    path.write_text(log)
    assert run(str(path)) == code


def test_an_absent_log_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(diagnose.UnreadableLogError, match="No such file or directory; give"):
        run(str(tmp_path / "nothing"))
