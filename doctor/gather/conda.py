"""Reads a conda environment with the toolchain's name from disk, without running conda.

conda, mamba, micromamba and pixi all write the same records to `conda-meta`; packages that pip
installed are found by their `.dist-info` folders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.doctor.core.facts import Absent, CondaEnvironment, Unknown
from sdcoreml.doctor.gather.environment import site_packages
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.envs.pythons.venv import list_projects
from sdcoreml.lockfiles.toolchain import load_toolchain

META = "conda-meta"


def conda(toolchain: str, probe: Probe) -> CondaEnvironment | Absent | Unknown:
    """Find and read the first environment with the toolchain's name in conda's usual folders."""
    name = load_toolchain(toolchain).conda.name
    found = next((one for one in _places(name, probe) if (one / META).is_dir()), None)
    if found is None:
        return Absent(reason=f"no conda environment named {name}")
    builds = dict(_builds(found))
    site = site_packages(found)
    return CondaEnvironment(
        path=str(found),
        name=name,
        python=builds.get("python", "").partition(" ")[0],
        builds=builds,
        installed={} if isinstance(site, Unknown) else list_projects(site),
    )


def _places(name: str, probe: Probe) -> Iterator[Path]:
    """Yield the possible paths of an environment with that name."""
    from sdcoreml.envs.pythons.interpreter import conda_roots

    for variable in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
        for entry in filter(None, probe.environ.get(variable, "").split(":")):
            yield Path(entry) / name
    for root in conda_roots(probe.environ, probe.home):
        yield root / "envs" / name
        if root.name == name:
            yield root
        if root.parent.name == "envs":  # another environment is active
            yield root.parent / name


def _builds(prefix: Path) -> Iterator[tuple[str, str]]:
    """Yield each conda package's name with its version and build, read from file names."""
    for record in sorted((prefix / META).glob("*-*-*.json")):
        name, version, build = record.name.removesuffix(".json").rsplit("-", 2)
        yield name, f"{version} {build}"
