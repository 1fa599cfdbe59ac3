"""Runs tests/inside with the Python of the built environment.

pytest and hypothesis are not part of the tested toolchain. They are installed from their own
hash-locked list into another folder, which comes last on sys.path: there, they cannot shadow a
pinned package.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.doctor.core.backend import choose_backend
from sdcoreml.envs.building.base import name_of
from sdcoreml.envs.building.build import BuildOptions, ready
from sdcoreml.envs.building.variants import fit
from sdcoreml.envs.kept.users import use
from sdcoreml.ground.errors import ExitCode
from sdcoreml.ground.exits import run_to_exit_code
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.again import Suite

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "lockfiles" / "host" / "inside.txt"
LAUNCH = """\
import sys
sys.path.extend(sys.argv[1:3])
import pytest
sys.exit(pytest.main(sys.argv[3:]))
"""
# pytest-xdist starts a worker as PYTHON -u -c CODE. It must be as isolated as its parent, and know
# the same folders before it imports pytest.
WORKER = """\
#!/bin/sh
for code; do :; done
exec {python} -I -B -u -c 'import sys; sys.path.extend(sys.argv[2:4]); exec(sys.argv[1])' \\
    "$code" {root} {tools}
"""
MEMORY = 4_000_000_000  # bytes one process of tests may need: torch, and a tiny model's programs
PINNED = "accelerate|coremltools|diffusers|huggingface_hub|tokenizers|torch|transformers"
LEFT_BEHIND = "ignore:Implicitly cleaning up:ResourceWarning"
OPTIONS = (
    "--override-ini=addopts=",
    "--import-mode=importlib",
    "--strict-markers",
    "-ra",
    # A warning of ours is an error; what the tested versions say of each other is not ours to mend.
    # coremltools leaves the removal of its temporary folders to the garbage collector.
    f"--override-ini=filterwarnings=error\nignore:::({PINNED})\n{LEFT_BEHIND}",
)


def test_tools(python: Path) -> Path:
    """Return the folder that has pytest for this interpreter; it is made once for each lock."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = environments_folder() / f"inside-{digest}"
    if folder.is_dir():
        return folder
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    command = ["uv", "pip", "install", "--quiet", "--no-config", "--no-deps", "--require-hashes"]
    where = ["--target", str(aside), "--python", str(python), "--requirement", str(LOCK)]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    try:
        subprocess.run([*command, *where], check=True, env={**os.environ, "PATH": path})
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def built(name: str) -> Path:
    """Return the Python of a toolchain's environment, and build the environment if necessary."""
    # Do not reseal an environment of the former format: others may be using it.
    if not is_former(name):
        command = [sys.executable, "-m", "sdcoreml", "env", "--toolchain", name]
        if code := subprocess.run(command, check=False).returncode:
            sys.exit(code)  # it has said why
    kept = name_of(load_toolchain(name), choose_backend())
    return environments_folder() / kept / "bin" / "python"


def is_former(name: str) -> bool:
    """Return True if the environment is of today's lock, but with an older format of the seal."""
    options = BuildOptions(backend=choose_backend())
    found = ready(fit(load_toolchain(name), options), options)
    return found is not None and found.is_former


def spread(python: Path, tools: Path, folder: Path) -> list[str]:
    """Return the pytest options for as many processes as cores and memory allow."""
    script = folder / "python"
    words = {"python": python, "root": ROOT, "tools": tools}
    script.write_text(
        WORKER.format_map({key: shlex.quote(str(path)) for key, path in words.items()})
    )
    script.chmod(0o700)
    count = min(os.cpu_count() or 1, psutil.virtual_memory().total // MEMORY)
    return ["--dist", "worksteal", "--tx", f"{max(1, count)}*popen//python={script}"]


def launch_command(python: Path, root: Path) -> list[str]:
    """Return the command that runs the tests of a checkout in `root` with an environment's Python.

    pytest's options and the tests are to be appended.
    """
    vocabulary_folder()  # there is no pip in the built environment, which would bring it
    tools = test_tools(python)
    return [str(python), "-I", "-B", "-c", LAUNCH, str(root), str(tools), *OPTIONS]


def build_ahead(name: str) -> int:
    """Build what the tests will need, and speak only of a failure: other tests run meanwhile."""
    # Whoever ends this process ends the build, too: leaving `run` by an exception kills it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    command = [sys.executable, "-m", "sdcoreml", "env", "--toolchain"]
    for each in (name, "light") if name == "tested" else (name,):
        if not is_former(each):
            done = subprocess.run([*command, each], check=False, capture_output=True, text=True)
            if done.returncode:
                print(done.stdout, done.stderr, sep="", file=sys.stderr)
                return done.returncode
    return 0


def main(arguments: list[str]) -> int:
    """Build the environment if necessary, then run the tests in it; with --build, only build."""
    name = os.environ.get("TOOLCHAIN") or "tested"
    if arguments == ["--build"]:
        return build_ahead(name)
    python = built(name)
    command = launch_command(python, ROOT)
    where = [] if any(word.startswith("tests/") for word in arguments) else ["tests/inside"]
    # The models are tiny: a second thread would cost more than it gains.
    light = {"SDCOREML_LIGHT_PYTHON": str(built("light"))} if name == "tested" else {}
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    environ = {**os.environ, **light, **threads, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    with (
        use(python.parent.parent) as held,
        TemporaryDirectory(prefix="sdcoreml-inside-") as folder,
    ):
        workers = [] if where == [] else spread(python, test_tools(python), Path(folder))
        more = {"cwd": ROOT, "env": environ, "pass_fds": held}
        command += [*arguments, *where]
        return Suite(command=command, spread=workers, more=more).run()


if __name__ == "__main__":
    sys.exit(run_to_exit_code(lambda: main(sys.argv[1:])))
