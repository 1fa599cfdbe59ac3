"""envs/bootstrap.sh, with a stand-in for Python: its commands, files and messages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.envs.wheels import wheel

SCRIPT = Path(__file__).parents[2] / "envs/bootstrap.sh"
STAND_IN = """\
#!/bin/sh
echo "$0 $*" >>"$CALLS"
case "$*" in
    *"(3, 10)"*) exit "${UNUSABLE:-0}" ;;
    *"ensurepip; "*) exit "${NO_VENV:-0}" ;;
    *"pip; "*) exit "${NO_PIP:-0}" ;;
    *platform*) echo "python3 here is 3.9.2" ;;
    --version) echo "Python 3.12.1" ;;
    "-m venv --clear"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo made >.venv/mark
        if [ -n "${OWN_UV:-}" ]; then cp "$OWN_UV" .venv/bin/uv; fi ;;
    "-m venv"*)
        [ -z "${NO_VENV:-}" ] && mkdir -p "$3/bin" && cp "$UV" "$3/bin/uv" &&
        cp "$0" "$3/bin/python" ;;
    *"--target"*)
        while [ -n "${2:-}" ]; do shift; done
        mkdir -p "$1/bin" && cp "$UV" "$1/bin/uv" ;;
    *"--no-index -e ."*) echo "${HEAD:-#!$0}" >.venv/bin/sdcoreml; chmod 755 .venv/bin/sdcoreml ;;
    *"pip install --require-hashes"*)
        env >"$CALLS.env"
        if [ -n "${SLOW:-}" ]; then
            touch "$CALLS.slow"
            while [ ! -e "$CALLS.go" ] && [ -d "${CALLS%/*}" ]; do sleep 0.02; done
        fi
        if [ -n "${BROKEN:-}" ]; then echo "  ERROR: $BROKEN"; echo "and more"; exit 1; fi ;;
esac
"""
UV_STAND_IN = """\
#!/bin/sh
echo "uv $*" >>"$CALLS"
env >"$CALLS.uv"
if [ -n "${UV_BROKEN:-}" ]; then echo "error: $UV_BROKEN" >&2; exit 2; fi
if [ "$2" = find ]; then echo "$BROUGHT"; fi
"""


class Clone:
    """A clone of the project with the files that the script reads, and a PATH of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a clone"
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.settings: dict[str, str] = {}
        for name in ("sh", "cat", "cmp", "dirname", "mkdir", "mv", "rm", "cp", "grep", "tail"):
            self.link(name)
        for name in ("mktemp", "sed", "sleep", "touch", "env", "awk", "chmod"):
            self.link(name)
        (self.folder / "envs").mkdir(parents=True)
        (self.folder / "lockfiles/host").mkdir(parents=True)
        shutil.copy(SCRIPT, self.folder / "envs/bootstrap.sh")
        (self.folder / "lockfiles/host/requirements.txt").write_text("one==1\n")
        (self.folder / "pyproject.toml").write_text("[project]\n")

    def link(self, name: str) -> None:
        found = shutil.which(name)
        assert found
        (self.bin / name).symlink_to(found)

    def python(self, name: str = "python3") -> Path:
        """Add a stand-in for Python to PATH; return its path."""
        path = self.bin / name
        path.write_text(STAND_IN)
        path.chmod(0o755)
        return path

    def start(self, **environ: str) -> subprocess.Popen[str]:
        """Start the script; the current folder is not the clone."""
        return subprocess.Popen(
            [self.folder / "envs/bootstrap.sh"],
            cwd="/",
            env={
                "PATH": str(self.bin),
                "CALLS": str(self.calls),
                "TMPDIR": str(self.bin.parent),
                **self.settings,
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **environ: str) -> tuple[int, str]:
        """Run the script; return its exit code and what it wrote to stderr."""
        process = self.start(**environ)
        out, err = process.communicate(timeout=120)
        assert out == "", "stdout is for those who call it"
        return process.returncode, err

    def called(self) -> list[str]:
        """Return the recorded calls of Python since this method was last called."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return lines

    def names(self) -> set[str]:
        """Return the names of files and folders that the script added to the clone."""
        return {path.name for path in self.folder.iterdir()} - {
            *("envs", "lockfiles", "pyproject.toml")
        }


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_the_first_call_makes_it_and_the_next_does_nothing(clone: Clone) -> None:
    clone.python()
    code, err = clone.run()
    assert code == 0
    assert err == (
        "making the host environment .venv with Python 3.12.1 (once, under a minute) ...\n"
    )
    assert clone.names() == {".venv"}
    assert len(clone.called()) == 6
    assert clone.run() == (0, "")
    assert clone.called() == []


def test_packages_are_locked_by_hash_and_nothing_is_built(clone: Clone) -> None:
    clone.python()
    clone.run()
    *_, locked, own = clone.called()
    assert locked.endswith(
        ".venv/bin/python -m pip install --require-hashes --only-binary :all:"
        " -r lockfiles/host/requirements.txt"
    )
    assert own.endswith("-m pip install --no-deps --no-build-isolation --no-index -e .")


@pytest.mark.parametrize("broken", ["", "no such proxy"])
def test_uv_of_the_lock_fills_it_and_pip_where_uv_cannot(clone: Clone, broken: str) -> None:
    clone.python()
    uv = clone.bin.parent / "uv"
    uv.write_text(UV_STAND_IN)
    uv.chmod(0o755)
    told = {"OWN_UV": str(uv), "UV_BROKEN": broken, "PIP_INDEX_URL": "https://pip.invalid"}
    assert clone.run(**told)[0] == 0
    *_, one, whole, second, _ = [*clone.called(), ""] if not broken else clone.called()
    assert one.endswith("pip install --require-hashes --only-binary :all: -r .venv/installer.txt")
    assert whole == (
        "uv pip install --require-hashes --only-binary :all: -r lockfiles/host/requirements.txt"
        " --no-config --python .venv/bin/python"
    )
    assert ("lockfiles/host/requirements.txt" in second) == bool(broken)
    seen = Path(f"{clone.calls}.uv").read_text().splitlines()
    assert "UV_DEFAULT_INDEX=https://pip.invalid" in seen


def test_settings_of_the_user_do_not_leak(clone: Clone) -> None:
    clone.python()
    clone.run(PYTHONPATH="/mine", PYTHONHOME="/mine", PIP_TARGET="/mine", PIP_USER="1")
    seen = dict(
        line.partition("=")[::2]
        for line in clone.calls.with_name("calls.env").read_text().splitlines()
    )
    assert not {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX"} & seen.keys()
    assert (seen["PIP_USER"], seen["PIP_NO_INPUT"]) == ("0", "1")


@pytest.mark.parametrize(
    ("head", "isolated"),
    [
        ("#!/clone/.venv/bin/python", "#!/clone/.venv/bin/python -I"),
        ("#!/clone/.venv/bin/python3.11", "#!/clone/.venv/bin/python3.11 -I"),
        (
            "#!/bin/sh\n'''exec' \"/a clone/.venv/bin/python\" \"$0\" \"$@\"\n' '''",
            "#!/bin/sh\n'''exec' \"/a clone/.venv/bin/python\" -I \"$0\" \"$@\"\n' '''",
        ),
    ],
)
def test_python_s_variables_do_not_decide_what_the_tool_runs(
    clone: Clone, head: str, isolated: str
) -> None:
    clone.python()
    assert clone.run(HEAD=head)[0] == 0
    script = clone.folder / ".venv/bin/sdcoreml"
    assert script.read_text() == f"{isolated}\n"
    assert os.access(script, os.X_OK)
    assert not script.with_name("sdcoreml.new").exists()


CONFIGURED = """\
[channel]
url = "https://channel.invalid"
[index]
# ours
url = "https://configured.invalid/simple"  # with a remark
[hub]
url = "https://hub.invalid"
"""


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, "https://configured.invalid/simple"),
        ({"PIP_INDEX_URL": "https://pip.invalid"}, "https://pip.invalid"),
        (
            {"PIP_INDEX_URL": "https://pip.invalid", "UV_INDEX_URL": "https://uv.invalid"},
            "https://uv.invalid",
        ),
        (
            {"UV_INDEX_URL": "https://uv.invalid", "UV_DEFAULT_INDEX": "a=https://now.invalid"},
            "https://now.invalid",
        ),
    ],
)
def test_the_mirror_of_the_package_index_is_asked(
    clone: Clone, environ: Mapping[str, str], asked: str
) -> None:
    clone.python()
    own = clone.folder.parent / "settings" / "sdcoreml" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(CONFIGURED)
    clone.run(XDG_CONFIG_HOME=str(own.parents[1]), **environ)
    seen = clone.calls.with_name("calls.env").read_text().splitlines()
    assert f"PIP_INDEX_URL={asked}" in seen


@pytest.mark.parametrize("changed", ["lockfiles/host/requirements.txt", "pyproject.toml"])
def test_what_it_depends_on_makes_it_anew(clone: Clone, changed: str) -> None:
    clone.python()
    clone.run()
    (clone.folder / ".venv/mark").write_text("older")
    (clone.folder / changed).write_text("another\n")
    assert clone.run()[0] == 0
    assert (clone.folder / ".venv/mark").read_text() == "made\n"
    assert clone.names() == {".venv"}


def test_a_clone_that_moved_makes_it_anew(clone: Clone) -> None:
    clone.python()
    clone.run()
    clone.called()
    clone.folder = clone.folder.rename(clone.folder.with_name("moved"))
    assert clone.run()[0] == 0
    assert len(clone.called()) == 6


@pytest.mark.parametrize("lost", [".venv/bin/python", ".venv/stamp"])
def test_an_environment_that_lost_a_part_is_made_anew(clone: Clone, lost: str) -> None:
    clone.python()
    clone.run()
    (clone.folder / lost).unlink()
    assert clone.run()[0] == 0
    assert (clone.folder / lost).exists()
    assert clone.names() == {".venv"}


def test_the_python_that_was_named_comes_first(clone: Clone) -> None:
    clone.python()
    mine = clone.python("mine")
    assert clone.run(PYTHON=str(mine))[0] == 0
    assert clone.called()[0].startswith(f"{mine} ")


@pytest.mark.parametrize("name", ["python3.14", "python3.10", "python"])
def test_any_of_the_usual_names_is_found(clone: Clone, name: str) -> None:
    clone.python(name)
    assert clone.run()[0] == 0


@pytest.fixture
def brought(clone: Clone) -> Clone:
    """Return a clone whose Python is too old, with a uv that can install a current one."""
    current = clone.python("current")
    uv = clone.bin.parent / "uv"
    uv.write_text(UV_STAND_IN)
    uv.chmod(0o755)
    older = clone.python()
    older.write_text(STAND_IN.replace("${UNUSABLE:-0}", "1"))
    clone.settings = {"UV": str(uv), "BROUGHT": str(current)}
    lock = clone.folder / "lockfiles/host/requirements.txt"
    lock.write_text("one==1 \\\n    --hash=1\nuv==2 \\\n    --hash=2\nuvx==3 \\\n    --hash=3\n")
    return clone


BRINGS = "no Python 3.10 or newer with venv here: uv brings 3.13 (about 30 MB, once) ...\n"
MAKES = "making the host environment .venv with Python 3.12.1 (once, under a minute) ...\n"


def test_beside_an_older_python_alone_uv_of_the_lock_brings_another(brought: Clone) -> None:
    assert brought.run() == (0, BRINGS + MAKES)
    calls = brought.called()
    assert [line for line in calls if line.startswith("uv ")] == [
        "uv python install 3.13",
        "uv python find 3.13",
    ]
    (asked,) = (line for line in calls if "/uv.txt" in line)
    assert "/venv/bin/python -m pip install --require-hashes --only-binary :all: -r" in asked
    assert any(line.startswith(f"{brought.bin}/current -m venv --clear") for line in calls)
    assert brought.names() == {".venv"}
    assert not list(brought.bin.parent.glob("tmp.*")), "uv goes when it has done its work"


OLDER = {
    version: next(iter(sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*"))), None)
    for version in ("3.8", "3.9")
}


@pytest.mark.parametrize("version", OLDER)
def test_a_real_older_python_brings_uv_by_its_hash_alone(
    brought: Clone, tmp_path: Path, version: str
) -> None:
    folder = OLDER[version]
    if folder is None:
        pytest.skip(f"there is no Python {version} here")
    (brought.bin / "python3").unlink()
    (brought.bin / "python3").symlink_to(folder / "bin/python3")
    script = (
        "import os, sys\ndef main():\n    'find' in sys.argv and print(os.environ['BROUGHT'])\n"
    )
    digest = wheel(tmp_path, "uv", "2", {"uv.py": script}, script="uv")
    lock = brought.folder / "lockfiles/host/requirements.txt"
    local = {"PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1"}
    lock.write_text(f"one==1\nuv==2 \\\n    --hash=sha256:{'0' * 64}\n")
    code, err = brought.run(**local)
    assert code == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in err
    lock.write_text(f"one==1\nuv==2 \\\n    --hash=sha256:{digest}\n")
    assert brought.run(**local) == (0, BRINGS + MAKES)


def test_where_venv_is_lacking_pip_alone_is_enough(brought: Clone) -> None:
    assert brought.run(NO_VENV="1") == (0, BRINGS + MAKES)
    assert any("/uv.txt --target " in line for line in brought.called())


def test_a_uv_on_path_is_taken_as_it_is(brought: Clone) -> None:
    (brought.bin / "uv").symlink_to(brought.settings["UV"])
    assert brought.run() == (0, BRINGS + MAKES)
    assert not any("/uv.txt" in line for line in brought.called())
    seen = brought.calls.with_name("calls.uv").read_text()
    assert "UV_PYTHON_PREFERENCE=only-managed\n" in seen
    assert "UV_PYTHON_INSTALL_BIN=0\n" in seen, "nothing on PATH changes"


def test_what_uv_could_not_bring_is_told_and_nothing_is_left(brought: Clone) -> None:
    said = "Failed to install cpython\n  cause: Request failed\n  cause: dns error"
    code, err = brought.run(UV_BROKEN=said)
    assert code == 1
    assert err.startswith(
        BRINGS + "error: no Python could be brought: error: Failed to install cpython: dns error;"
    )
    assert brought.names() == set()


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("brew", "brew install python"),
        ("xcode-select", "xcode-select --install"),
        ("apt-get", "sudo apt-get install -y python3-venv"),
        ("dnf", "sudo dnf install -y python3"),
        ("nothing", "pyenv install 3.13"),
    ],
)
@pytest.mark.parametrize(
    ("has_python", "found"), [(True, "python3 here is 3.9.2"), (False, "there is no python3 here")]
)
def test_with_nothing_to_begin_with_one_line_has_one_command(
    clone: Clone,
    has_python: bool,  # noqa: FBT001  a table
    found: str,
    tool: str,
    command: str,
) -> None:
    if has_python:
        clone.python()
    (clone.bin / tool).write_text("")
    (clone.bin / tool).chmod(0o755)
    code, err = clone.run(UNUSABLE="1", NO_VENV="1", NO_PIP="1")
    assert code == 1
    assert err == (
        f"error: no Python with venv or pip, and no uv ({found});"
        f" install one, then run make again: {command}\n"
    )
    assert clone.names() == set()


def test_what_pip_said_is_told_and_the_log_kept(clone: Clone) -> None:
    clone.python()
    code, err = clone.run(BROKEN="No matching distribution found for one==1")
    log = clone.bin.parent / "sdcoreml-bootstrap.log"
    assert code == 1
    assert err.splitlines()[-1] == (
        "error: the host environment could not be made: ERROR: No matching distribution found"
        f" for one==1; the whole log is in {log}; check the network and free disk, then run make"
        " again"
    )
    assert log.read_text().endswith("and more\n")
    assert clone.names() == set(), "nothing half-made is left"


def with_an_older_one(clone: Clone) -> None:
    """Make a working environment, then change the lock, so that the environment is outdated."""
    clone.python()
    clone.run()
    (clone.folder / ".venv/mark").write_text("older")
    (clone.folder / "lockfiles/host/requirements.txt").write_text("two==2\n")


def test_a_failure_gives_the_older_one_back(clone: Clone) -> None:
    with_an_older_one(clone)
    assert clone.run(BROKEN="no network")[0] == 1
    assert (clone.folder / ".venv/mark").read_text() == "older"
    assert clone.names() == {".venv"}
    assert clone.run()[0] == 0
    assert (clone.folder / ".venv/mark").read_text() == "made\n"


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.02)
    pytest.fail(f"{path} never came")


def test_ended_from_outside_it_gives_the_older_one_back(clone: Clone) -> None:
    with_an_older_one(clone)
    process = clone.start(SLOW="1")
    wait_for(clone.calls.with_name("calls.slow"))
    process.send_signal(signal.SIGTERM)
    clone.calls.with_name("calls.go").touch()
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert (clone.folder / ".venv/mark").read_text() == "older"
    assert clone.names() == {".venv"}


def test_what_a_killed_one_left_is_no_hindrance(clone: Clone) -> None:
    with_an_older_one(clone)
    process = clone.start(SLOW="1")
    wait_for(clone.calls.with_name("calls.slow"))
    process.kill()
    clone.calls.with_name("calls.go").touch()
    process.communicate(timeout=120)
    assert ".venv.lock" in clone.names()
    assert clone.run()[0] == 0
    assert clone.names() == {".venv"}
    assert (clone.folder / ".venv/mark").read_text() == "made\n"


def test_of_two_at_once_the_second_waits_and_finds_it_made(clone: Clone) -> None:
    clone.python()
    first = clone.start(SLOW="1")
    wait_for(clone.calls.with_name("calls.slow"))
    second = clone.start()
    time.sleep(0.3)  # it may begin to wait; if it has not, it finds the lock or what was made
    clone.calls.with_name("calls.go").touch()
    assert second.communicate(timeout=120) == ("", "")
    assert second.returncode == 0
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert sum(" -m venv " in line for line in clone.called()) == 1
    assert clone.names() == {".venv"}


def test_a_lock_whose_maker_is_gone_is_void(clone: Clone) -> None:
    clone.python()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (clone.folder / ".venv.lock").mkdir()
    (clone.folder / ".venv.lock/pid").write_text(f"{gone.pid}\n")
    assert clone.run()[0] == 0
    assert clone.names() == {".venv"}


def test_a_lock_whose_maker_died_before_it_wrote_its_number_is_void(clone: Clone) -> None:
    clone.python()
    (clone.folder / ".venv.lock").mkdir()
    assert clone.run()[0] == 0
    assert clone.names() == {".venv"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_told(clone: Clone) -> None:
    clone.python()
    clone.folder.chmod(0o555)
    code, err = clone.run()
    clone.folder.chmod(0o755)
    assert code == 1
    assert (
        "this folder is not writable; let its owner run `make bootstrap`, or clone it where you"
        " may write" in err
    )


def test_the_script_is_one_that_any_shell_reads() -> None:
    environ: Mapping[str, str] = {"PATH": os.environ["PATH"]}
    for shell in filter(shutil.which, ("dash", "bash", "busybox")):
        words = [shell, "sh", "-n"] if shell == "busybox" else [shell, "-n"]
        done = subprocess.run([*words, SCRIPT], check=False, env=environ, capture_output=True)
        assert done.returncode == 0, done.stderr
