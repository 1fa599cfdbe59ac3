from __future__ import annotations

import argparse
import base64
import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.manifest import parse_manifest, read_manifest, write_manifest
from sdcoreml.doctor.commands import report
from sdcoreml.doctor.commands.pages import require_page
from sdcoreml.doctor.core import runs
from sdcoreml.doctor.core.runs import RunLog, TimedStep
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UsageError
from tests.convert.jobs.test_manifest import CONTENT
from tests.pages import HOSTILE, read_page, text_of

PNG = b"\x89PNG\r\n\x1a\nthe rest"
LOG = RunLog(
    digest="5f" * 32,
    folder="/home/me/models/cat",
    version="0.1",
    began=datetime(2026, 11, 29, 12, 30, tzinfo=timezone.utc),
    seconds=187.0,
    cpu_seconds=300.5,
    memory=2_400_000_000,
    cores=2,
    system="linux",
    steps=(TimedStep(text="read", seconds=4.25), TimedStep(text="write", seconds=180.0)),
    warnings=("something is odd",),
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "envs").mkdir()
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folder_in(place: Path) -> Path:
    folder = place / "cat"
    folder.mkdir()
    write_manifest(parse_manifest(CONTENT), folder)
    return folder


def write(*words: object) -> bytes:
    parser = argparse.ArgumentParser()
    report.configure(parser)
    args = parser.parse_args([*map(str, words), "-o", "page.html"])
    assert report.run(args) == 0
    return Path("page.html").read_bytes()


def test_the_run_of_another_folder_is_refused(here: Path) -> None:
    folder = folder_in(here)
    runs.keep([replace(LOG, digest="a" * 64)])
    (log,) = (here / "envs" / "runs").glob("*.json")
    with pytest.raises(UsageError, match=r"\bthis run made another folder"):
        write(folder, log)


def test_a_folders_page_has_the_run_that_made_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_in(here)
    assert "The run" not in text_of(write(folder))
    assert "1 program, no times: no log of its run is here" in capsys.readouterr().out
    runs.keep([replace(LOG, digest=read_manifest(folder).digest)])
    said = text_of(write(folder.rename(here / "moved")))
    for part in (
        "Began 2026-11-29 12:30 UTC",
        "Took 3 min 07 s",
        "Processor time 5 min 00 s on 2 cores",
        "Memory 2.4 GB",
        "read 4.2 s",
        "something is odd",
        "VAEDecoder",
    ):
        assert part in said, part
    assert "the times of its run" in capsys.readouterr().out


def test_a_log_alone_has_a_page(here: Path) -> None:
    (here / "log.json").write_text(json.dumps(to_plain(LOG)))
    said = text_of(write("log.json"))
    assert "cat Conversion, by sdcoreml" in said or "Conversion, by sdcoreml cat" in said
    assert "Took 3 min 07 s" in said


def test_pictures_are_in_the_page_itself(here: Path) -> None:
    (here / "one.png").write_bytes(PNG)
    drawn = {
        "picture": str(here / "one.png"),
        "settings": {"method": "dpmpp", "steps": 20, "seed": 7, "latent_scale": 1},
        "notes": ["a note"],
        "likeness": {"steps": [70.5, 61.25], "psnr": 41.5, "ssim": 0.99},
    }
    (here / "drawn.json").write_text(json.dumps(drawn))
    page = write("one.png", "drawn.json")
    seen = read_page(page)
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert seen.addresses.count(data) == 2
    said = text_of(page)
    assert "method dpmpp, steps 20, seed 7" in said
    assert "a note" in said
    assert "41.5 dB, SSIM 0.99" in said
    assert "1 70.5 dB 2 61.2 dB" in said


def test_what_a_log_and_a_drawing_say_is_text(here: Path) -> None:
    step = TimedStep(text=HOSTILE, seconds=1)
    log = replace(LOG, folder=HOSTILE, version=HOSTILE, steps=(step,), warnings=(HOSTILE,))
    (here / "log.json").write_text(json.dumps(to_plain(log)))
    (here / "one.png").write_bytes(PNG)
    drawn = {"picture": str(here / "one.png"), "settings": {"method": HOSTILE}, "notes": [HOSTILE]}
    (here / "drawn.json").write_text(json.dumps(drawn))
    assert text_of(write("log.json", "drawn.json")).count("alert(1)") >= 6


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{}", "not the log of a run"),
        (b"nothing", "not valid JSON"),
        (b'{"picture": "nowhere.png"}', "no such file"),
        (b'{"picture": "odd.json"}', "not a PNG file"),
        (b'{"picture": ""}', "a path is empty"),
    ],
)
def test_what_belongs_on_no_page_is_refused(here: Path, content: bytes, what: str) -> None:
    (here / "odd.json").write_bytes(content)
    with pytest.raises(SdcoremlError, match=what):
        write("odd.json")
    assert not (here / "page.html").exists()


def test_there_is_one_folder_and_one_run(here: Path) -> None:
    folder = folder_in(here)
    (here / "log.json").write_text(json.dumps(to_plain(LOG)))
    with pytest.raises(UsageError, match="one folder at a time"):
        write(folder, folder)
    with pytest.raises(UsageError, match=r"\bone run at a time"):
        write("log.json", "log.json")


def test_no_other_file_is_replaced_and_no_folder_changed(here: Path) -> None:
    folder = folder_in(here)
    Path("page.html").write_text("<html>mine</html>")
    with pytest.raises(BadInputError, match=r"page\.html: exists and is no page of sdcoreml"):
        write(folder)
    assert Path("page.html").read_text() == "<html>mine</html>"
    with pytest.raises(UsageError, match="is in a finished folder"):
        require_page(folder / "more" / "page.html")


def test_a_page_replaces_a_page(here: Path) -> None:
    folder = folder_in(here)
    assert write(folder) == write(folder)
