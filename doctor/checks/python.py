"""Checks of Python: the host's, the environment's, and settings that interfere with them."""

from __future__ import annotations

from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info, ok, warning
from sdcoreml.doctor.core.facts import (
    EnvironmentFacts,
    HostPython,
    InterpreterFacts,
    ToolchainFacts,
)
from sdcoreml.envs.pythons.interpreter import UV_LACKS
from sdcoreml.lockfiles.versions import satisfies

OLDEST = "3.10"


def exactly(version: str) -> Fix:
    """Return the fix that installs exactly this Python and builds with it."""
    uv = "uv has none" if version in UV_LACKS else f"uv python install {version}"
    return Fix(
        f"let sdcoreml obtain it; or get it by hand (pyenv install {version}, micromamba create"
        f" -p ./python python={version}, python.org's installer; {uv}) and run `sdcoreml env`",
        commands=(("sdcoreml", "env", "--provision"),),
        safe=True,
    )


@check("PY001", CheckFamily.PYTHON)
def host_python(host: HostPython) -> Findings:
    """The doctor's own Python is 3.10 or newer.

    The doctor runs on the host's Python, not on the toolchain's. Any release from 3.10 on will do.
    """
    if satisfies(host.version, f">={OLDEST}"):
        yield ok(f"{host.version} here")
    else:
        yield error(
            f"this is Python {host.version}; {OLDEST} or newer is needed",
            why="The tools of this repository do not run on it.",
            fix=Fix(f"install Python {OLDEST} or newer, then: make PYTHON=/path/to/python3"),
        )


@check("PY002", CheckFamily.PYTHON)
def environment_python(environment: EnvironmentFacts, toolchain: ToolchainFacts) -> Findings:
    """The environment runs exactly the tested Python, patch release included.

    The pins were tested on one patch release. Another one in the accepted range is called drift: it
    very likely works, but it is the first suspect when two machines differ. Outside that range the
    pinned packages have no wheels.
    """
    wanted = toolchain.python
    if environment.python == wanted:
        yield ok(f"{wanted} in the environment")
    elif satisfies(environment.python, toolchain.accepted):
        yield info(
            f"the environment runs Python {environment.python}; {wanted} is the tested one (drift)",
            why="Another patch release works in all likelihood, but it is not what was tested.",
            fix=exactly(wanted),
        )
    else:
        yield error(
            f"the environment runs Python {environment.python}; {wanted} is the tested one",
            why=f"The pinned wheels exist for {toolchain.accepted} alone.",
            fix=exactly(wanted),
        )


@check("PY003", CheckFamily.PYTHON)
def interpreter_to_build_with(
    toolchain: ToolchainFacts,
    environment: EnvironmentFacts | None = None,
    interpreter: InterpreterFacts | None = None,
) -> Findings:
    """There is a Python to build the environment with.

    It is searched for on PATH and where pyenv, conda, uv and python.org's installer put theirs. The
    exact release is preferred, or obtained; failing that, any accepted patch release is used.
    """
    wanted = toolchain.python
    if environment is not None:
        return
    if interpreter is None:
        yield warning(
            f"no Python {toolchain.accepted} found here: `sdcoreml env` obtains {wanted}",
            why="The pinned wheels need it; where it cannot be brought, light takes the place of"
            " the toolchain for what is certified.",
            fix=exactly(wanted),
        )
    elif interpreter.version == wanted:
        yield ok(f"{wanted} to build with")
    else:
        yield info(
            f"Python {interpreter.version} is here (drift);"
            f" `sdcoreml env` tries to obtain {wanted}",
            why="Another patch release works in all likelihood, but it is not what was tested.",
            fix=exactly(wanted),
        )


@check("PY004", CheckFamily.PYTHON)
def pythonpath_clean(host: HostPython) -> Findings:
    """PYTHONPATH does not put other packages first.

    Its folders come before the environment's own. sdcoreml ignores PYTHONPATH; a Python that you
    start yourself does not, and may then load another release, or modules compiled for another
    Python.
    """
    foreign = [place for place in host.pythonpath if "site-packages" in place]
    if foreign:
        yield warning(
            f"PYTHONPATH holds packages: {foreign[0]}",
            why="They come before the environment's in every Python started by hand.",
            fix=Fix("remove the line from your shell's profile; for now: unset PYTHONPATH"),
        )


@check("PY005", CheckFamily.PYTHON)
def user_site_clean(host: HostPython) -> Findings:
    """No user-site packages come before a conda environment's.

    A virtual environment ignores the user site; conda does not. What `pip install --user` put there
    long ago then hides what is installed now.
    """
    if host.user_site and host.conda:
        yield warning(
            f"conda environment {host.conda!r} is active and {host.user_site[0]} has packages",
            why="The user site comes first there, so that another numpy or torch is imported.",
            fix=Fix("export PYTHONNOUSERSITE=1, or leave conda: conda deactivate"),
        )


@check("PY006", CheckFamily.PYTHON)
def pip_settings_neutral(host: HostPython) -> Findings:
    """No pip or uv setting changes what gets installed.

    The locks carry hashes, so another index can never slip in another file. It can make an
    installation fail, though, with a message about a missing version rather than the setting.
    """
    if host.pip_settings:
        yield info(
            f"settings that change what pip or uv choose: {', '.join(host.pip_settings)}",
            why="`sdcoreml env` ignores them; a command typed by hand does not.",
        )


@check("PY007", CheckFamily.PYTHON)
def own_libraries(host: HostPython) -> Findings:
    """The host environment .venv is in use.

    In a fresh clone the doctor runs on the standard library alone: the same checks, in plain text.
    """
    if not {"numpy", "rich"} <= set(host.libraries):
        yield info(
            "this is a bare Python, without the libraries of the tool's own .venv",
            why="Every check runs all the same; building and converting need .venv.",
            fix=Fix("let make build it, under a minute", commands=(("sdcoreml", "doctor"),)),
        )
    if host.externally_managed and not host.isolated:
        yield info(
            "this is the system's Python, which forbids installing into it (PEP 668)",
            why="pip stops with externally-managed-environment; nothing here installs into it.",
            fix=Fix("always work in a virtual environment; make does"),
        )


@check("PY008", CheckFamily.PYTHON)
def conda_inactive(host: HostPython) -> Findings:
    """No conda environment is active.

    Its Python and libraries come first on PATH. sdcoreml names its interpreter in full; a command
    that you type yourself gets conda's, and conda's OpenMP beside pip's torch stops with "OMP:
    Error #15".
    """
    if host.conda:
        yield info(
            f"the conda environment {host.conda!r} is active",
            why="Its Python comes first on PATH, and its libraries do not mix with pip's torch.",
            fix=Fix("conda deactivate, before anything is typed by hand"),
        )
