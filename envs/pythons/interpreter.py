"""Finds a Python to make an environment with.

Candidates are files named `pythonX.Y` in the folders of pyenv, conda, uv, the python.org installer,
Homebrew and PATH. Each is run once, isolated, to report its version and platform.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.processes.process import isolate, run
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError, NoInterpreterError
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.places import environments_folder, home_folder
from sdcoreml.lockfiles.target import host_target, target_name
from sdcoreml.lockfiles.toolchain import PythonPin
from sdcoreml.lockfiles.versions import key, satisfies

MINORS = tuple(f"3.{minor}" for minor in range(8, 20))
UV_LACKS = frozenset({"3.10.10"})
"""Versions that uv's interpreter list skips on every platform (it has 3.10.9 and 3.10.11)."""
OBTAINED = "python-"
"""The start of the name of a folder with a Python that we installed; its version follows."""
_CONDA_ROOTS = (
    *("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda"),
    *("opt/miniconda3", "opt/anaconda3", ".local/share/mamba", "/opt/conda", "/opt/miniconda3"),
    *("/opt/homebrew/Caskroom/miniforge/base", "/opt/homebrew/Caskroom/miniconda/base"),
)
"""The default folders of conda, mamba and micromamba; relative ones are in the home folder."""
_ASK = """\
import json, platform, sys
print(json.dumps([sys._base_executable or sys.executable, platform.python_version(),
    platform.python_implementation(), sys.platform, platform.machine(), sys.maxsize > 2**32]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python installation; for a venv, the Python that the venv was made with.

    `target` is the kind of machine it was built for, which on Apple silicon may differ from the
    machine it runs on; `source` says where it was found, such as "pyenv".
    """

    path: Path
    version: str
    implementation: str
    target: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The interpreter to use; `drift` is true if its version is not exactly the tested one."""

    interpreter: Interpreter
    drift: bool


def find_interpreters(
    pin: PythonPin | None = None, environ: Mapping[str, str] = os.environ
) -> Iterator[Interpreter]:
    """Yield the Pythons of this machine, each once; with `pin`, only of the minors it accepts."""
    seen: set[Path] = set()
    for source, file in _candidates(_minors(pin) if pin else MINORS, environ):
        found = probe(file, source)
        if found is not None and (real := found.path.resolve()) not in seen:
            seen.add(real)
            yield found


def probe(python: Path, source: str = "--python") -> Interpreter | None:
    """Run a Python to learn its version and target; None if it does not run or answer."""
    try:
        answer = run([*isolate(python), "-S", "-c", _ASK])
        said = from_plain(tuple[object, ...], parse_json(answer.out, python))
        *words, wide = said
        path, version, implementation, system, machine = from_plain(tuple[str, ...], words, "words")
    except (OSError, ValueError, BadInputError):
        return None
    target = target_name(system, machine) if wide else f"{system}-32-bit"
    return Interpreter(
        path=Path(path),
        version=version,
        implementation=implementation,
        target=target,
        source=source,
    )


def why_unsuitable(interpreter: Interpreter, pin: PythonPin, target: str) -> str | None:
    """Return why this interpreter cannot be used for the environment, or None if it can."""
    if interpreter.implementation != "CPython":
        return f"it is {interpreter.implementation}, not CPython"
    if interpreter.target != target:
        if target == "macos-arm64":
            return "it is an x86-64 Python under Rosetta; use a native arm64 one"
        return f"it was built for {interpreter.target}, this machine is {target}"
    if not satisfies(interpreter.version, pin.accepted):
        return f"it is {interpreter.version}; the toolchain accepts {pin.accepted}"
    return None


def choose(
    interpreters: Iterable[Interpreter], pin: PythonPin, target: str | None = None
) -> Choice | None:
    """Choose the exact version if there is one, else the nearest accepted one, else None."""
    wanted = target or host_target()
    fit: list[Interpreter] = []
    for interpreter in interpreters:
        if why_unsuitable(interpreter, pin, wanted) is None:
            if interpreter.version == pin.version:
                return Choice(interpreter=interpreter, drift=False)
            fit.append(interpreter)
    if not fit:
        return None
    nearest = min(fit, key=lambda found: _distance(found.version, pin.version))
    return Choice(interpreter=nearest, drift=True)


def require(pin: PythonPin, python: Path | None = None) -> Choice:
    """Return the interpreter to use: `python` if it is given, else the best one found.

    Raises:
        NoInterpreterError: there is no suitable Python; the remedy says how to get one.
    """
    if python is None:
        choice = choose(find_interpreters(pin), pin)
        if choice is None:
            raise NoInterpreterError(
                f"no Python {pin.version} found on this machine", remedy=install_hints(pin)
            )
        return choice
    named = probe(python)
    if named is None:
        raise NoInterpreterError(
            "cannot be run as a Python", where=python, remedy=install_hints(pin)
        )
    reason = why_unsuitable(named, pin, host_target())
    if reason is not None:
        raise NoInterpreterError(f"{reason}", where=python, remedy=install_hints(pin))
    return Choice(interpreter=named, drift=named.version != pin.version)


def install_hints(pin: PythonPin) -> str:
    """Return how to install the exact Python, for use as a remedy."""
    version = pin.version
    uv = "uv has none" if version in UV_LACKS else f"`uv python install {version}` has it too"
    return (
        "`sdcoreml env --provision` obtains it, or get it with"
        f" `pyenv install {version}`, with `conda create -n python-{version}"
        f" python={version}` (or micromamba), or with the python.org installer ({uv}),"
        " then run this again; one in an unusual place is named with --python PATH"
    )


def _minors(pin: PythonPin) -> tuple[str, ...]:
    return tuple(m for m in MINORS if any(satisfies(f"{m}.{p}", pin.accepted) for p in range(30)))


def _distance(version: str, wanted: str) -> tuple[int, int]:
    """Return a sort key: the version nearest to `wanted` first; of two as near, the newer one."""
    have, want = ((*key(one)[0], 0, 0)[1:3] for one in (version, wanted))
    return abs(have[0] - want[0]) * 1000 + abs(have[1] - want[1]), -have[1]


def _candidates(minors: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield files that may be a Python of one of the minors, with the name of their source."""
    for source, folder in _folders(environ):
        for minor in minors:
            file = folder / f"python{minor}"
            if os.access(file, os.X_OK):
                yield source, file


def _folders(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    home = Path(environ.get("HOME") or home_folder())
    for entry in environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield "PATH", Path(entry)
    yield from (
        ("conda", path) for path in sorted(environments_folder().glob(f"{OBTAINED}[0-9]*/bin"))
    )
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    yield from (("pyenv", path) for path in sorted(pyenv.glob("versions/*/bin")))
    for root in conda_roots(environ, home):
        yield "conda", root / "bin"
        yield from (("conda", path) for path in sorted(root.glob("envs/*/bin")))
    managed = environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"
    yield from (("uv", path) for path in sorted(Path(managed).glob("cpython-*/bin")))
    framework = "Library/Frameworks/Python.framework/Versions/*/bin"
    yield from (("python.org", path) for path in sorted(Path("/").glob(framework)))
    for brew in ("/opt/homebrew", "/usr/local"):
        yield from (("Homebrew", path) for path in sorted(Path(brew).glob("opt/python@3.*/bin")))


def conda_roots(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield the folders of environments of conda, mamba and micromamba; some may not exist."""
    for name in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX"):
        if environ.get(name):
            yield Path(environ[name])
    if environ.get("CONDA_EXE"):
        yield Path(environ["CONDA_EXE"]).parent.parent
    yield from (home / name for name in _CONDA_ROOTS)
    try:  # where conda itself writes down each environment it ever made
        lines = read_text(home / ".conda/environments.txt", Document.SETTINGS).splitlines()
    except BadInputError:
        return
    yield from (Path(line.strip()) for line in lines if line.strip())
