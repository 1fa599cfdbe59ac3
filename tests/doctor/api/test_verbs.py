"""The verbs as functions; the page about them has examples that run."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sdcoreml.api
from sdcoreml import api
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.deliver.install import Installed
from sdcoreml.convert.hub.access import library
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.api.verbs import as_ours
from sdcoreml.doctor.commands.convert import sample
from sdcoreml.doctor.commands.convert_summary import Converted
from sdcoreml.ground.errors import BadInputError, NoSpaceError, UsageError
from sdcoreml.ground.events import Event, silent
from tests.convert.stand_ins import StandIn, finish, job_of, write_model
from tests.doctor.api.examples import examples

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def test_the_stable_names() -> None:
    assert sdcoreml.api.__all__ == [
        *("Conversion", "Event", "ExitCode", "Fault", "Following", "Inspection", "SdcoremlError"),
        *("convert", "doctor", "follow", "inspect", "plan", "show_progress", "verify"),
    ]
    assert all(hasattr(api, name) for name in api.__all__)


def test_importing_it_brings_nothing_that_is_slow() -> None:
    code = "import sys, sdcoreml.api; print(*(sys.modules.keys() & {*sys.argv[1:]}))"
    slow = ("torch", "numpy", "rich", "httpx2", "argparse", "sdcoreml.doctor.commands")
    done = subprocess.run(
        [sys.executable, "-c", code, *slow], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_model_is_inspected(tmp_path: Path) -> None:
    found = api.inspect(write_model(tmp_path / "cat"))
    assert found.judgement.identity.path == tmp_path / "cat"
    assert found.programs == ()


def test_a_conversion_says_where_its_folders_were_installed_and_why_others_were_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = BadInputError("exists")
    made = Converted(
        manifests={},
        loaded={},
        installed={Path("a"): Installed(path=Path("app/a"), way=None)},
        withheld={Path("b"): refused},
    )
    monkeypatch.setattr("sdcoreml.doctor.commands.convert.make", lambda *_: made)
    found = api.convert("model", install=True)
    assert (found.installed, found.withheld) == ({Path("a"): Path("app/a")}, {Path("b"): refused})


def test_a_finished_folder_is_inspected_and_verified(tmp_path: Path) -> None:
    job = job_of(open_model(write_model(tmp_path / "cat")), tmp_path / "out", height=16, width=16)
    folder = finish(job, StandIn(size=SIZE))
    names = [program.path.stem for program in api.inspect(folder).programs]
    assert names == ["TextEncoder", "Unet", "VAEDecoder", "VAEEncoder"]
    events: list[api.Event] = []
    assert api.verify(folder, on_event=events.append).passed
    assert events[0].text == "compare the files of out with its manifest"
    (folder / "vocab.json").write_text("{}")
    (fault, *_) = api.verify(folder).faults
    assert Path(fault.where).name == "vocab.json"


@pytest.mark.parametrize("odd", ["", "a\0b", "~nobody-of-this-name/x"])
def test_an_odd_path_is_one_of_our_errors(odd: str) -> None:
    with pytest.raises(api.SdcoremlError):
        api.inspect(odd)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, NoSpaceError), (errno.EACCES, BadInputError)]
)
def test_what_the_system_refuses_is_one_of_our_errors(
    number: int, kind: type[api.SdcoremlError]
) -> None:
    with pytest.raises(kind) as caught, as_ours():
        raise OSError(number, "no", "/a/file")
    assert (caught.value.what, caught.value.where) == ("no", "/a/file")
    with pytest.raises(kind) as caught, as_ours():
        raise OSError(number, "no")
    assert (caught.value.what, caught.value.where) == ("no", "")


def test_the_callers_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS", raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    before = dict(os.environ)
    library()
    assert dict(os.environ) == before


def test_progress_is_shown_as_the_command_line_shows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with api.show_progress() as on_event:
        on_event(Event(kind="step", text="look"))
    assert capsys.readouterr() == ("", "- look\n")


def test_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"manifest\.json: no such file"):
        api.verify(tmp_path)
    with pytest.raises(UsageError, match="--fast and --full need a model"):
        api.verify(tmp_path, fast=True)


def test_the_doctor_judges_a_model(tmp_path: Path) -> None:
    report = api.doctor(write_model(tmp_path / "cat"), select=["MOD"])
    assert {result.id[:3] for result in report.results} == {"MOD"}


@pytest.mark.slow
def test_the_examples_that_need_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sample(silent).rename("model")
    chosen = [text for text in examples() if not re.search(r"import .*\bconvert\b", text)]
    assert len(chosen) == 3
    shown = []
    for text in chosen:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(sdcoreml.api.__file__).parents[1])},
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        shown.append(done.stdout)
    assert shown[0].startswith("diffusers folder headers\n")
    assert "['TextEncoder', 'Unet', 'VAEDecoder', 'VAEEncoder']" in shown[0]
    assert re.match(r"convert (yes|no|unknown) ", shown[1])
    assert shown[2].startswith("{0: 'success', 1: 'problems were found', ")
