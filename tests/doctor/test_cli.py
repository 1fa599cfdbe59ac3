from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import sdcoreml as sdcoreml_package
from sdcoreml.doctor import cli
from tests.schemas import read_as


def sdcoreml(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdcoreml", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )


def test_every_command_has_a_module_that_configures_and_runs() -> None:
    for verb in cli.VERBS:
        module = verb.load()
        assert callable(module.configure)
        assert callable(module.run)


def test_a_bug_is_exit_70_and_names_a_log(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(  # Python imports it before anything of ours
        "from sdcoreml.doctor.commands import explain\n"
        "def run(args):\n"
        "    raise LookupError('nobody thought of\\nthis')\n"
        "explain.run = run\n"
    )
    ended = sdcoreml("explain", "MOD002", PYTHONPATH=str(tmp_path), TMPDIR=str(tmp_path))
    (log,) = tmp_path.glob("*.log")
    assert (ended.returncode, ended.stdout) == (70, "")
    assert len(ended.stderr.splitlines()) == 1
    assert "this is a bug of sdcoreml: LookupError: nobody thought of" in ended.stderr
    assert ended.stderr.endswith(f"{log}\n")
    assert " explain MOD002\n" in log.read_text()
    assert "Traceback" in log.read_text()


HELP = """\
sdcoreml turns Stable Diffusion checkpoints into Core ML folders that Mochi
Diffusion and Apple's Swift package open, and checks every program it writes
against the original model.

usage: sdcoreml VERB ...

  doctor    find what is wrong with this machine, a model or a folder
  env       build the tested environment, which conversion runs in
  convert   turn a model or a ControlNet into a checked Core ML folder
  jobs      convert many models, as a file says, and nothing twice
  verify    check a finished folder again, alone or against its model
  draw      draw a picture with a finished folder, on any system
  inspect   show what a checkpoint or folder is, and what can run it
  weights   rewrite any checkpoint as clean, verified safetensors
  library   list the models of an app, and what will not run or be shown
  diagnose  find the cause in the log of a failed conversion
  explain   describe a check or a known failure, and what to do
  studio    open one page in the browser for all of this: choose, convert, look

`sdcoreml VERB --help` shows the options of a verb; `sdcoreml help --all` lists
every verb; `sdcoreml --version` says which sdcoreml this is.

examples:
  sdcoreml doctor                  Can this machine convert? What is missing?
  sdcoreml doctor path/to/model    What is wrong with this model?
  sdcoreml env                     Build the tested environment.
  sdcoreml convert path/to/model   Convert a model into a checked Core ML folder.

exit codes:
  0    success
  1    problems were found
  2    wrong usage
  3    bad input; for doctor, something could not be examined
  4    a pickle is unsafe (none of it was executed)
  5    not enough disk space
  6    a program computes wrong numbers
  7    a child process died
  70   a bug of sdcoreml; the error names a log to report it with
  130  interrupted (129 when the terminal was closed, 143 when terminated)
"""


def test_help_shows_the_everyday_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert capsys.readouterr().out == HELP
    assert sum(verb.is_everyday for verb in cli.VERBS) <= 12


@pytest.mark.parametrize("words", [["help"], ["help", "--all"]])
def test_help_all_shows_the_other_verbs_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    others = """\
  report    write a page about a folder, with the times of its run and pictures
  pack      pack finished folders for others, as apps look for them, with a card
  recipe    measure the bits each layer needs, for convert --recipe
  sources   say where other programs keep models, to find them by name
  queue     convert models one after another, and go on whatever happens
  worker    make folders for the jobs of another machine, or begin a cluster
  compile   compile packages without Xcode
  cache     say what is remembered of conversions, tidy it, or check it
  clean     remove what interrupted runs left, and caches
  complete  print what a shell needs to complete
"""
    last = "choose, convert, look\n"
    assert cli.main(words) == 0
    assert capsys.readouterr().out == HELP.replace(last, last + others)


def test_help_of_a_verb_is_the_verbs_own(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for words in (["help", "explain"], ["explain", "--help"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(words)
        assert caught.value.code == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert told[0].startswith("usage: sdcoreml explain ")


def test_a_mistyped_word_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dcotor"]) == 2
    assert capsys.readouterr().err == "error: there is no verb dcotor; did you mean doctor?\n"
    assert cli.main(["xyz"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no verb xyz; `sdcoreml --help` lists the verbs\n"
    )
    with pytest.raises(SystemExit) as caught:
        cli.main(["doctor", "--slect", "PINS"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "error: unrecognized arguments: --slect; did you mean --select?;"
        " `sdcoreml doctor --help` shows what it takes\n"
    )
    with pytest.raises(SystemExit):
        cli.main(["env", "verify", "--fulll=1"])
    assert "; did you mean --full?; " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nonsense"], ["doctor", "--nonsense"], ["convert"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    run = sdcoreml(*arguments)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert len(run.stderr.splitlines()) == 1
    assert "Traceback" not in run.stderr


def test_no_verb_at_all_is_wrong_usage_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert capsys.readouterr().err == HELP


def test_an_error_is_one_line_and_its_own_exit_code() -> None:
    run = sdcoreml("convert", "/nonexistent/model")
    assert run.returncode == 3
    assert run.stderr.splitlines()[-1].startswith("error: /nonexistent/model: ")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("words", [["doctor"], ["draw", "folder", "prompt"]], ids=" ".join)
def test_only_the_chosen_command_is_imported(words: list[str]) -> None:
    code = f"import sys, sdcoreml.doctor.cli as c; c.parse({words}); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = run.stdout.split()
    assert f"sdcoreml.doctor.commands.{words[0]}" in modules
    assert "sdcoreml.doctor.commands.convert" not in modules
    for heavy in ("torch", "numpy", "rich", "git"):
        assert heavy not in modules


def test_options_and_paths_alone_mean_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert cli.with_default_verb([]) == ("doctor",)
    assert cli.with_default_verb(["--json", "x"]) == ("doctor", "--json", "x")
    assert cli.with_default_verb(["model"]) == ("doctor", "model")
    for given in (["--help"], ["help"], ["env", "list"], ["misspelt"]):
        assert cli.with_default_verb(given) == given


@pytest.mark.parametrize(
    ("encoding", "name", "told"),
    [
        ("utf-8:strict", b"no\xfftext", "no\\udcfftext"),
        ("ascii:strict", "caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "caf\\xe9"),
        ("utf-8:strict", "caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "caf\xe9"),
    ],
)
def test_any_file_name_can_be_said(tmp_path: Path, encoding: str, name: bytes, told: str) -> None:
    model = tmp_path / os.fsdecode(name)
    model.mkdir()
    (model / "model_index.json").write_text("{")
    run = sdcoreml("inspect", str(model), PYTHONIOENCODING=encoding)
    assert run.returncode == 3
    assert f"/{told}: " in run.stdout
    assert "Traceback" not in run.stderr
    run = sdcoreml("convert", str(model / "nothing"), PYTHONIOENCODING=encoding)
    assert f"/{told}/nothing: " in run.stderr
    assert "Traceback" not in run.stderr


def test_a_reader_that_has_enough_is_no_fault() -> None:
    command = f"{sys.executable} -m doctor explain --markdown | head -n 1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout == "# Checks\n0\n"
    assert run.stderr == ""


@pytest.mark.parametrize("words", [("doctor", "--select", "SYS,NONSENSE"), ("verify", "/nowhere")])
def test_a_reader_that_went_changes_no_exit_code(words: tuple[str, ...]) -> None:
    own = sdcoreml(*words).returncode
    assert own
    command = shlex.join([sys.executable, "-m", "sdcoreml", *words])
    for pipe in ("2>&1 | true", "2>&1 >&- | true"):
        told = f"{command} {pipe}; echo ${{PIPESTATUS[0]}}"
        run = subprocess.run(["bash", "-c", told], capture_output=True, text=True, check=True)
        assert (run.stdout, run.stderr) == (f"{own}\n", "")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("SIGTERM", 143, "terminated"), ("SIGHUP", 129, "the terminal was closed")],
)
def test_ended_from_outside_is_said_and_has_its_code(name: str, code: int, said: str) -> None:
    program = (
        "import os, signal, sys, sdcoreml.doctor.cli as c\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"
        "class A:\n"
        "    sweeps = False\n"
        "    def run(self, args):\n"
        "        try:\n"
        f"            os.kill(os.getpid(), signal.{name})\n"
        "        finally:\n"
        "            print('cleaned up', file=sys.stderr)\n"
        "c.parse = lambda argv: A()\n"
        "sys.exit(c.main(['env']))\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == code
    assert run.stderr == f"{said}; nothing half-made was left\ncleaned up\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("words", [["explain"], ["doctor", "--select", "MEM", "--json"]])
def test_an_output_that_is_full_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "sdcoreml", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr == "error: the output did not fit: no space left where it goes\n"


def test_an_output_that_is_closed_is_no_fault() -> None:
    command = f"exec {sys.executable} -m doctor doctor --select MEM >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


HOSTILE = "a\x1b[31mred\nerror: all is well\x1b]0;title\x07"
SHOWN = "a\\x1b[31mred\\nerror: all is well\\x1b]0;title\\x07"


def test_a_name_that_would_steer_the_terminal_is_shown_on_one_line() -> None:
    run = sdcoreml("convert", HOSTILE)
    assert (
        run.stderr
        == f"error: {SHOWN}: no such file or folder; give the folder of a diffusers model\n"
    )


@pytest.mark.parametrize("words", [["inspect"], ["doctor", "--select", "MOD"], ["verify"]])
def test_no_command_lets_a_name_steer_the_terminal(words: list[str]) -> None:
    run = sdcoreml(*words, HOSTILE)
    assert "red" in run.stdout + run.stderr
    assert "\x1b" not in run.stdout + run.stderr


def test_without_a_place_for_errors_they_do_not_go_into_the_data() -> None:
    command = f"exec {sys.executable} -m doctor inspect --json /nonexistent/model 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert read_as("inspect", done.stdout)["kind"] == "unknown"


CALLS = (
    *(f"runpy.run_module({name!r}, run_name='__main__')" for name in ("doctor", "convert")),
    "from sdcoreml.__main__ import main; sys.exit(main())",  # as the console script does
)


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_while_the_tool_is_still_loading_is_no_traceback(call: str) -> None:
    # Ctrl-C arrives when the first module of the command line is imported.
    code = f"""\
import runpy, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "sdcoreml.ground.exits":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = []
{call}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_while_a_verb_is_loading_is_one_line() -> None:
    code = """\
import sys
from sdcoreml.doctor import cli
def load(self):
    raise KeyboardInterrupt
cli.Verb.load = load
sys.exit(cli.main(["convert"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted; nothing half-made was left\n")


def test_the_version_is_told_without_the_command_line_s_imports() -> None:
    asked = (sys.executable, "-X", "importtime", "-m", "sdcoreml", "--version")
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert done.stdout == f"sdcoreml {sdcoreml_package.__version__}\n"
    assert "argparse" not in done.stderr


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_that_of_the_package(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    assert capsys.readouterr().out == f"sdcoreml {sdcoreml_package.__version__}\n"


def test_in_a_folder_that_is_gone_one_line_says_so(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone}; rmdir {gone}; exec {sys.executable} -m sdcoreml doctor"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        3,
        "error: the current folder does not exist any more; change to another folder (cd)\n",
    )


def test_what_was_typed_is_shown_in_one_line_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["explain", "--\033[31mred\nline"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: unrecognized arguments: --\\x1b[31mred\\nline; ")
    assert said.count("\n") == 1


SLOW = (
    "email.message",
    "http.client",
    "logging",
    "ssl",
    "sdcoreml.convert.models.layout",
    "sdcoreml.convert.spec.model",
    "sdcoreml.envs.building.build",
)
"""Modules that take milliseconds to import, and that only models, downloads and builds need."""


def test_without_a_model_the_doctor_imports_nothing_that_only_models_need(tmp_path: Path) -> None:
    code = (
        "import sys, sdcoreml.doctor.cli as c\n"
        "c.run(['doctor', '--json'])\n"
        f"sys.stderr.write(' '.join(sorted(set(sys.modules) & {{*{SLOW!r}}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "SDCOREML_ENVS": str(tmp_path)},
        check=True,
    )
    assert done.stderr == ""


@pytest.mark.slow
def test_a_command_ends_with_its_starter_if_that_asks_for_it() -> None:
    code = "import time; from sdcoreml.doctor import cli; cli.run = time.sleep; cli.main(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SDCOREML_ENDS_WITH_STDIN": "1"},
    ) as process:
        assert process.communicate(timeout=30)[1].startswith(b"terminated; nothing")
    assert process.returncode == 143
