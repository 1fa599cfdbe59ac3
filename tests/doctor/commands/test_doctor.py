from __future__ import annotations

import argparse
import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import doctor, doctor_changes
from sdcoreml.doctor.commands.doctor import (
    fetch_named_headers,
    kind_of,
    request_of,
    selection_of,
    size_of,
)
from sdcoreml.doctor.core import history
from sdcoreml.doctor.core.check import CheckFamily, Fix, Status, error
from sdcoreml.doctor.core.engine import Report, Result, Selection, examine
from sdcoreml.doctor.core.facts import Facts, Goal
from sdcoreml.doctor.gather import DEADLINE, DEEP_DEADLINE, Request
from sdcoreml.ground.errors import BadInputError, UnknownToolchainError, UsageError
from tests.doctor.gather.test_model import folder
from tests.doctor.healthy import HEALTHY, HOST
from tests.doctor.specimens import SICK
from tests.pages import text_of
from tests.schemas import read_as

ROOT = Path(__file__).parents[3]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.configure(parser)
    return parser.parse_args(words)


def test_each_path_is_recognised_by_what_lies_in_it(tmp_path: Path) -> None:
    for name in ("m", "b/Unet.mlmodelc", "u/python_coreml_stable_diffusion"):
        (tmp_path / name).mkdir(parents=True)
    assert [kind_of(tmp_path / name) for name in "mbu"] == ["model", "bundle", "checkout"]
    request = request_of(parsed(*(str(tmp_path / name) for name in "ubm"), "--size", "512x768"))
    assert request.goal.model == str(tmp_path / "m")
    assert request.bundle == str(tmp_path / "b")
    assert request.checkout == str(tmp_path / "u")
    assert (request.goal.width, request.goal.height) == (512, 768)


def test_the_attention_is_named_as_convert_names_it() -> None:
    assert request_of(parsed("--attention", "split-einsum-v2")).goal.attention == "SPLIT_EINSUM_V2"
    assert request_of(parsed()).goal.attention == "SPLIT_EINSUM"


def test_two_models_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="two paths of the same kind"):
        request_of(parsed("/a", "/b"))


@pytest.mark.parametrize("text", ["512", "512x", "axb", "512 x 512"])
def test_sizes_are_checked(text: str) -> None:
    with pytest.raises(UsageError, match="give width and height in pixels"):
        size_of(text)


def test_a_misspelt_check_is_refused() -> None:
    with pytest.raises(UsageError, match="no check or family is called PIN999, ghost"):
        selection_of(parsed("--select", "PIN999", "--ignore", "ghost=because"))


def test_several_checks_are_selected_with_commas_or_one_by_one() -> None:
    args = parsed("--select", "PIN001, disk", "--select", "MOD")
    assert args.select == ["PIN001", "disk", "MOD"]
    assert selection_of(args).select == ("PIN001", "disk", "MOD")


def test_a_toolchain_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownToolchainError, match=r"no toolchain named .testde.; there are: curr"
    ):
        request_of(parsed("--toolchain", "testde"))
    with pytest.raises(UsageError, match=r"no toolchain\.toml in that folder"):
        request_of(parsed("--toolchain", f"{tmp_path}/"))
    (tmp_path / "toolchain.toml").write_text("damaged")
    assert request_of(parsed("--toolchain", f"{tmp_path}/")).toolchain == f"{tmp_path}/"


def test_ignoring_needs_a_reason() -> None:
    with pytest.raises(UsageError, match="say why"):
        selection_of(parsed("--ignore", "PIN001"))
    (ignore,) = selection_of(parsed("--ignore", "PIN001=on purpose, 3 May")).ignore
    assert (ignore.what, ignore.reason) == ("PIN001", "on purpose, 3 May")


def test_a_deep_look_gets_more_time() -> None:
    assert request_of(parsed()).seconds < request_of(parsed("--deep")).seconds


def saved(path: Path, facts: Facts) -> Path:
    history.write(facts, path)
    return path


def replayed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = doctor.run(parsed(*words))
    return code, capsys.readouterr().out


def test_the_facts_of_another_machine_are_judged_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    well, ill = saved(tmp_path / "a", HEALTHY), saved(tmp_path / "b", SICK["GIT003"])
    code, out = replayed(capsys, "--facts", str(well))
    assert (code, out.splitlines()[-1]) == (
        0,
        "yes      this folder can be opened by MochiDiffusion and Apple's Swift package",
    )
    code, out = replayed(capsys, "--facts", str(ill), "--json")
    assert code == 1
    assert {one["id"]: one["status"] for one in read_as("doctor", out)["results"]}[
        "GIT003"
    ] == "error"


def test_saved_facts_hold_nothing_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "grace")
    secret = replace(HEALTHY, host=replace(HOST, executable="/home/grace/.venv/bin/python"))
    source, target = saved(tmp_path / "a", secret), tmp_path / "b"
    replayed(capsys, "--facts", str(source), "--save-facts", str(target))
    assert "grace" not in target.read_text()
    assert history.read(target).toolchain == HEALTHY.toolchain


def test_a_page_is_written_beside_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ill = saved(tmp_path / "ill.json", SICK["PIN001"])
    page = tmp_path / "page.html"
    code, out = replayed(capsys, "--facts", str(ill), "--html", str(page))
    assert (code, "PIN001" in out) == (1, True)
    assert "PIN001 Pins error" in text_of(page.read_bytes())
    page.write_text("mine")
    with pytest.raises(BadInputError, match="exists and is no page of sdcoreml"):
        doctor.run(parsed("--facts", str(ill), "--html", str(page)))
    assert page.read_text() == "mine"
    with pytest.raises(UsageError, match=r"(^|: )--fix changes what the page would say"):
        doctor.run(parsed("--fix", "--html", str(page)))


def test_facts_are_not_gathered_for_a_file_of_somebody(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    with pytest.raises(BadInputError, match="thesis: exists and is no file of saved facts"):
        doctor.run(parsed("--save-facts", str(tmp_path / "thesis")))


def test_two_machines_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = saved(tmp_path / "a", HEALTHY), saved(tmp_path / "b", SICK["PIN001"])
    _, out = replayed(capsys, "--facts", str(other), "--compare", str(one))
    assert f"changed  this since {one}" in out.replace("\n         ", " ")
    assert "environment.installed.numpy: 1.23.5 -> 2.1.0" in out


def test_the_plan_of_fixes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = saved(tmp_path / "a", SICK["GIT003"])
    code, out = replayed(capsys, "--facts", str(facts), "--fix", "--dry-run")
    assert code == 1
    assert out.startswith("by hand  check out the tested commit (GIT003)\n")
    with pytest.raises(UsageError, match="cannot change the machine of saved facts"):
        doctor.run(parsed("--facts", str(facts), "--fix"))
    facts = saved(tmp_path / "b", HEALTHY)
    assert replayed(capsys, "--facts", str(facts), "--fix", "--dry-run") == (
        0,
        "nothing found that a command could mend\n",
    )


def test_only_safe_fixes_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def step(name: str, *, safe: bool) -> Result:
        code = f"import pathlib; pathlib.Path({str(tmp_path)!r}, {name!r}).touch()"
        fix = Fix(title=f"fix {name}", commands=((sys.executable, "-c", code),), safe=safe)
        findings = (error(f"{name} is wrong", why="a test", fix=fix),)
        return Result(
            id=name, family=CheckFamily.PINS, title=name, status=Status.ERROR, findings=findings
        )

    results = (step("PIN001", safe=True), step("GIT003", safe=False))
    args = parsed("--fix", "--facts", str(saved(tmp_path / "facts", HEALTHY)))
    report = Report(toolchain="tested", target="linux-x86_64", results=results)
    assert doctor.mend(args, report, Selection()) == 1
    assert (tmp_path / "PIN001").exists()
    assert not (tmp_path / "GIT003").exists()
    assert capsys.readouterr().out.endswith("cured     PIN001 ok\n")


def test_what_a_project_judged_is_demoted_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sdcoreml.toml").write_text('[ignore]\nGIT003 = "we compare two commits"\n')
    monkeypatch.chdir(tmp_path)
    facts = saved(tmp_path / "a", SICK["GIT003"])
    code, out = replayed(capsys, "--facts", str(facts))
    assert code == 0
    assert "ignored  we compare two commits" in out


def test_a_good_run_is_remembered_and_a_bad_one_compared_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    doctor_changes.remember(HEALTHY)
    facts = SICK["PIN001"]
    report = examine(facts, CHECKS)
    told = doctor_changes.add_changes(parsed(), report, facts)
    assert re.fullmatch(r"the last good run, \d\d \w+ \d{4} \d\d:\d\d", told.compared)
    assert told.changes == ("environment.installed.numpy: 1.23.5 -> 2.1.0",)
    assert doctor_changes.add_changes(parsed("--select", "PINS"), report, facts) is report


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sdcoreml", "doctor", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_whole_command_on_a_broken_model(tmp_path: Path) -> None:
    model = folder(tmp_path)
    (model / "vae/diffusion_pytorch_model.safetensors").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\n"
    )
    done = run(str(model), "--select", "model", "--json")
    content = read_as("doctor", done.stdout)
    assert done.returncode == 1
    found = {result["id"]: result["status"] for result in content["results"]}
    assert found["MOD005"] == "error"
    assert found["MOD007"] == "ok"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "diffusers", "transformers", "coremltools", "rich", "numpy"}


def test_fixes_are_run_in_this_checkout_without_input() -> None:
    code = (
        "import pathlib, sys; sys.exit(7 if pathlib.Path('doctor').is_dir() else sys.stdin.read())"
    )
    assert doctor.run_visibly((sys.executable, "-c", code)) == 7


def test_a_path_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(parsed("/nowhere/model", "--select", "MOD001")) == 1
    assert "MOD001  /nowhere/model: no such folder\n" in capsys.readouterr().out


def test_a_bare_python_finds_the_same_and_names_what_it_lacks() -> None:
    def found(*flags: str) -> dict[str, str]:
        command = (sys.executable, *flags, "-m", "sdcoreml", "doctor", "--goal", "env", "--json")
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        return {one["id"]: one["status"] for one in read_as("doctor", done.stdout)["results"]}

    # -S: no site-packages, so that neither rich nor anything else of .venv can be imported.
    full, bare = found(), found("-S")
    assert {name for name in full if full[name] != bare[name]} == {"PY007"}
    assert bare["PY007"] == "info"


@pytest.mark.parametrize(
    ("paths", "told"), [((), "none was given"), (("/nowhere/folder",), "/nowhere/folder is none")]
)
def test_a_bundle_that_is_not_there_is_not_called_well(paths: tuple[str, ...], told: str) -> None:
    message = f"^--goal bundle judges a finished folder, and {told}; give a finished folder"
    with pytest.raises(UsageError, match=message):
        doctor.run(parsed("--goal", "bundle", *paths))


def test_a_list_that_names_no_check_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--select", " , "])
    assert caught.value.code == 2
    assert "argument --select: ' , ' names no check; `" in capsys.readouterr().err


def test_all_that_is_to_be_gathered_follows_from_the_arguments() -> None:
    (check,) = [one for one in CHECKS if one.id == "MEM001"]
    groups = tuple(sorted({*check.needs} - {"goal"}))
    assert groups
    assert request_of(parsed(), [check]) == Request(
        goal=Goal(), toolchain="tested", groups=groups, seconds=DEADLINE
    )
    words = (
        *("/a/model", "--output", "/out", "--size", "512x768", "--attention", "original"),
        *("--goal", "env", "--deep", "--toolchain", "light"),
    )
    assert request_of(parsed(*words), [check]) == Request(
        goal=Goal(
            kind="env",
            model="/a/model",
            output="/out",
            attention="ORIGINAL",
            height=768,
            width=512,
        ),
        toolchain="light",
        deep=True,
        groups=groups,
        seconds=DEEP_DEADLINE,
    )


def test_a_finished_folder_is_what_is_converted_if_that_is_the_goal(tmp_path: Path) -> None:
    (tmp_path / "b/Unet.mlpackage").mkdir(parents=True)
    folder = str(tmp_path / "b")
    (check,) = [one for one in CHECKS if one.id == "MEM001"]
    told = [
        (request.goal.model, request.bundle)
        for goal in ("convert", "bundle", "env")
        for request in [request_of(parsed(folder, "--goal", goal), [check])]
    ]
    assert told == [(folder, ""), ("", folder), ("", folder)]


@pytest.mark.slow
def test_what_names_no_folder_of_headers_is_said_and_stays_as_it_was_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    args = parsed("owner/name")
    if isinstance(args.paths[0], Path):
        pytest.skip("a word with a slash is a path here")
    with ExitStack() as looking:
        told = fetch_named_headers(args, looking)
    assert args.paths == [Path("hf:owner/name")]
    assert told("text") == "text"
    assert capsys.readouterr().err.startswith("warning: ")
