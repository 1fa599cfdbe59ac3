"""`sdcoreml env evidence` with words: what Macs measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.ground.places import ROOT


def test_the_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "evidence", "page"]) == 0
    assert capsys.readouterr().out == (ROOT / "convert" / "MACS.md").read_text()


def test_what_is_no_measurement_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mac.json"
    file.write_text("{}")
    assert main(["env", "evidence", "add", str(file)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}: field 'schema' is missing; give a file that ")


def test_other_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "evidence", "add"]) == 2
    assert "`add FILE` and `page` are known" in capsys.readouterr().err
