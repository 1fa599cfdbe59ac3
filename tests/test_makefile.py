"""The Makefile, with a stand-in for the program that prints its arguments and environment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
STAND_IN = f"""\
#!{sys.executable}
import json, os, sys
print(json.dumps([sys.argv[1:], dict(os.environ)]))
"""
SAMPLE = (
    "converting the built-in sample, a tiny model that draws coloured shapes;"
    " for a model of yours: make convert MODEL=path/to/model"
)
ODD = """a $HOME $(touch x) "b" 'c'; touch y # `touch z` ~ \\"""


class Made(NamedTuple):
    """The result of a run of make: exit code, stderr, and the program's arguments and variables."""

    code: int
    err: str
    argv: list[str] | None
    environ: dict[str, str]


class Clone:
    """A clone with only the files that make needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(MAKEFILE, folder)
        self.script("envs/bootstrap.sh", "#!/bin/sh\necho made the host environment >&2\n")
        self.script(".venv/bin/sdcoreml", STAND_IN)
        self.script(".venv/bin/python", "#!/bin/sh\n")

    def script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def make(self, *words: str, **environ: str) -> Made:
        done = subprocess.run(
            ["make", *words],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": "/home/me", **environ},
            check=False,
            capture_output=True,
            text=True,
        )
        argv, seen = json.loads(done.stdout) if done.stdout.startswith("[") else (None, {})
        return Made(done.returncode, done.stderr, argv, seen)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_with_nothing_said_the_sample_is_converted_and_the_first_line_says_so(
    clone: Clone,
) -> None:
    made = clone.make("convert")
    assert made.argv == ["convert", "--sample"]
    assert made.err.splitlines() == [SAMPLE, "made the host environment"]
    assert SAMPLE not in clone.make("convert", "MODEL=mine").err


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (("env",), ["env"]),
        (("env", "ARGS=repair --all"), ["env", "repair", "--all"]),
        (("studio",), ["studio"]),
        (("studio", "ARGS=--port 0"), ["studio", "--port", "0"]),
        (("doctor",), ["doctor"]),
        (("doctor", "MODEL=m", "OUT=o"), ["doctor", "m", "--output", "o"]),
        (
            ("doctor", "ATTENTION=original", "SIZE=512x768"),
            ["doctor", "--attention", "original", "--size", "512x768"],
        ),
        (
            ("convert", "MODEL=m", "ATTENTION=original", "SIZE=512x768", "BITS=6"),
            ["convert", "m", "--attention", "original", "--size", "512x768", "--bits", "6"],
        ),
        (
            ("convert", "MODEL=m", "OUT=o"),
            ["convert", "m", "--output", "o"],
        ),
        (("convert", "BITS=6", "ARGS=--json"), ["convert", "--sample", "--bits", "6", "--json"]),
        (("verify", "OUT=o"), ["verify", "o"]),
        (("verify", "OUT=o", "MODEL=m"), ["verify", "o", "--against", "m"]),
        (("lock", "ARGS=--check"), ["env", "lock", "--check"]),
    ],
)
def test_what_the_tool_is_called_with(
    clone: Clone, words: tuple[str, ...], argv: list[str]
) -> None:
    assert clone.make(*words).argv == argv


@pytest.mark.parametrize(
    ("words", "argv"),
    [("", []), ("--check", ["--check"]), ("--upgrade", ["--upgrade"]), ("--conda", None)],
)
def test_the_host_s_locks_are_compiled_with_the_toolchains(
    clone: Clone, words: str, argv: list[str] | None
) -> None:
    clone.script(".venv/bin/sdcoreml", "#!/bin/sh\n")
    clone.script(".venv/bin/python", STAND_IN)
    wanted = None if argv is None else ["-m", "tools.host_locks", *argv]
    assert clone.make("lock", f"ARGS={words}").argv == wanted


@pytest.mark.parametrize("name", ["MODEL", "OUT"])
def test_a_path_arrives_as_it_was_typed(clone: Clone, name: str) -> None:
    made = clone.make("convert", f"{name}={ODD}")
    assert made.argv is not None
    assert ODD in made.argv
    assert made.environ[name] == ODD
    from_outside = clone.make("convert", **{name: ODD})
    assert from_outside.argv == made.argv
    assert {path.name for path in clone.folder.iterdir()} == {"Makefile", "envs", ".venv"}


def test_toolchain_backend_and_python_reach_the_tool_in_the_environment(clone: Clone) -> None:
    settings = {
        "TOOLCHAIN": "light",
        "BACKEND": "conda",
        "PYTHON": "/a b/$c",
        "SDCOREML_ENVS": "~/e",
    }
    made = clone.make("env", *(f"{name}={value}" for name, value in settings.items()))
    assert settings.items() <= made.environ.items()
    assert made.argv == ["env"]
    assert not settings.keys() & clone.make("env").environ.keys(), "unset is not empty"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("convert", "model=X"), "make convert takes no variable model, only MODEL OUT ATTENTION"),
        (("model=X",), "make help takes no variable model, only ARGS"),
        (("convert", "MODLE=X"), "make convert takes no variable MODLE, only MODEL"),
        (("convert", "/models/a=b"), "make convert takes no variable /models/a, only MODEL"),
        (("doctor", "BITS=6"), "make doctor takes no variable BITS, only MODEL OUT"),
        (("env", "MODEL=X"), "make env takes no variable MODEL, only ARGS"),
        (("convert", "X"), "no goal is called X; a model is named with MODEL: make convert MODEL="),
        (("Convert",), "no goal is called Convert; "),
        (("convert", "Makefile"), "no goal is called Makefile; "),
        (("convert", "MODEL="), "MODEL is empty; give it a value or leave it out"),
        (("convert", "MODEL=m", "OUT="), "OUT is empty; "),
        (("convert", "SIZE=", "BITS="), "SIZE BITS is empty; "),
        (("env", "TOOLCHAIN="), "TOOLCHAIN is empty; "),
        (("verify",), "no folder to verify; say which: make verify OUT=models/"),
    ],
)
def test_what_would_be_ignored_is_refused_by_name(
    clone: Clone, words: tuple[str, ...], said: str
) -> None:
    made = clone.make(*words)
    assert (made.code, made.argv) == (2, None)
    assert said in made.err
    assert made.err.count("\n") == 1, "nothing else was begun"


def test_an_empty_model_from_the_environment_is_refused_too(clone: Clone) -> None:
    assert "MODEL is empty" in clone.make("convert", MODEL="").err


def test_what_the_tool_runs_does_not_inherit_what_make_was_told(clone: Clone) -> None:
    clone.script(
        ".venv/bin/sdcoreml",
        f'#!/bin/sh\n[ "$*" != "doctor --fix" ] || exec make env\nexec {sys.executable} -c \''
        'import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))\' "$@"\n',
    )
    assert clone.make("doctor", "ARGS=--fix").argv == ["env"]
    assert clone.make("-k", "-j2", "doctor", ARGS="--fix").argv == ["env"]


def test_the_list_names_every_goal_that_has_a_purpose(clone: Clone) -> None:
    said = subprocess.run(
        ["make"], cwd=clone.folder, check=True, capture_output=True, text=True
    ).stdout
    goals = MAKEFILE.read_text().partition("GOALS := ")[2].splitlines()[0].split()
    assert [goal for goal in goals if f"  make {goal} " not in said] == ["bootstrap"]


@pytest.mark.parametrize(
    ("fails", "code", "runs"), [("", 0, 6), ("ruff", 2, 0), ("mypy", 2, 3), ("python", 2, 3)]
)
def test_each_part_of_the_tests_can_fail_them(
    clone: Clone, fails: str, code: int, runs: int
) -> None:
    for name in ("ruff", "mypy", "python"):
        clone.script(
            f".venv/bin/{name}",
            f'#!/bin/sh\necho "$*" >> {name}.log\nexit {int(name == fails)}\n',
        )
    assert clone.make("test").code == code
    log = clone.folder / "python.log"
    lines = log.read_text().splitlines() if log.exists() else []
    assert len(lines) == runs
    if not fails:
        quick, collected, built = sorted(lines[:3])  # side by side
        slow, inside, browser = lines[3:]
        assert collected == "-m pytest -qq --collect-only"
        assert built == "tests/inside/runner.py --build"
        assert "-m not slow and not network --cov" in quick
        assert slow.startswith("-m tests.again ")
        assert "-m slow or network" in slow
        assert inside == "tests/inside/runner.py -q"
        assert browser == "-m tests.browser --if-any"


def test_ctrl_c_ends_what_runs_beside_the_tests(clone: Clone) -> None:
    clone.script(".venv/bin/ruff", "#!/bin/sh\n")
    for name in ("mypy", "python"):
        clone.script(f".venv/bin/{name}", '#!/bin/sh\ntouch "begun$$"\nexec sleep 60\n')
    # What runs in the background of a script ignores Ctrl-C, and so would all that it starts.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        ["make", "test"], cwd=clone.folder, start_new_session=True, stderr=subprocess.DEVNULL
    ) as made:
        signal.signal(signal.SIGINT, former)
        while len(begun := list(clone.folder.glob("begun*"))) < 3:
            assert made.poll() is None
            time.sleep(0.01)
        os.killpg(made.pid, signal.SIGINT)
    numbers = [int(path.name.removeprefix("begun")) for path in begun]
    assert not [number for number in numbers if is_alive(number)]


def is_alive(number: int) -> bool:
    """Whether a process is still there after a while; one that nobody has waited for is not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(number)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(60)
        return process.status() != psutil.STATUS_ZOMBIE
    return False
