"""Checks of disk space, by volume: for the result, the environment, packages, temporary files.

Space counts as free only as far as the user's quota allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, ok, warning
from sdcoreml.doctor.core.estimate import estimate_disk
from sdcoreml.doctor.core.facts import (
    EnvironmentFacts,
    Goal,
    LockFacts,
    ToolchainFacts,
    VolumeFacts,
)
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.ground.quantity import amount

GB = 10**9
FREE_TEMPORARY = GB
"""Free bytes that Core ML needs in the temporary folder to compile even a small model."""

FREE_CACHE = 5 * GB
"""Free bytes for the download of a Stable Diffusion 1.x model in half precision."""


def describe_room(volume: VolumeFacts) -> str:
    """Return the free space in words, mentioning the quota if that is the limit."""
    return amount(volume.room) + (" of the quota left" if volume.room < volume.free else " free")


def offer_light(toolchain: ToolchainFacts) -> str:
    """Return the last part of a remedy where there is no room for torch, "" if there is none."""
    if "torch" not in toolchain.pins:
        return ""
    return "; or set TOOLCHAIN=light, which takes 0.2 GB: it converts without torch"


@check("DSK001", CheckFamily.DISK)
def room_for_result(
    volumes: Mapping[str, VolumeFacts],
    toolchain: ToolchainFacts,
    model: ModelFolder,
    environment: EnvironmentFacts | None = None,
) -> Findings:
    """The output's volume has room for the result.

    A conversion with the tested toolchain needs twice the model's size, since merged weights and
    new packages lie side by side until the result is checked. An environment that has yet to be
    built on the same volume counts as well.
    """
    output = volumes["output"]
    needed = estimate_disk(model, toolchain)
    parts, light = f"{toolchain.disk:g} times the model", ""
    if environment is None and output.device == volumes["environments"].device:
        needed += toolchain.installed_bytes
        parts += " and the environment"
        light = offer_light(toolchain)
    if output.room < needed:
        short = amount(needed - output.room)
        yield error(
            f"{describe_room(output)} for the result in {output.path},"
            f" about {amount(needed)} needed ({parts})",
            why="The conversion would stop with a full disk after doing most of its work.",
            fix=Fix(f"free {short} there, or choose another with --output{light}"),
            where=output.path,
            evidence={"room": str(output.room), "needed": str(needed)},
        )
    elif model.size:
        yield ok(f"{describe_room(output)} for the result, {amount(needed)} needed")


@check("DSK002", CheckFamily.DISK)
def room_for_environment(
    volumes: Mapping[str, VolumeFacts],
    toolchain: ToolchainFacts,
    environment: EnvironmentFacts | None = None,
) -> Findings:
    """The environments' volume has room to build one.

    A new environment is built beside the old one and then swapped in, so it needs its full size.
    """
    place, needed = volumes["environments"], toolchain.installed_bytes
    if environment is None and place.room < needed:
        yield error(
            f"{describe_room(place)} for the environment in {place.path}, {amount(needed)} needed",
            why="torch and its libraries are large; the installation would stop with a full disk.",
            fix=Fix(
                "free space there, or point SDCOREML_ENVS at another volume"
                f"{offer_light(toolchain)}"
            ),
            evidence={"room": str(place.room), "needed": str(needed)},
            where=place.path,
        )
    else:
        yield ok(f"{describe_room(place)} for environments")


@check("DSK006", CheckFamily.DISK)
def room_for_packages(
    volumes: Mapping[str, VolumeFacts],
    toolchain: ToolchainFacts,
    lock: LockFacts,
    environment: EnvironmentFacts | None = None,
) -> Findings:
    """The volume of uv's cache has room for the environment's packages.

    uv downloads wheels, unpacks them into its cache, and copies them from there: with an empty
    cache the environment takes twice its size. `sdcoreml env` first asks uv what it has.
    """
    if environment is not None:
        return
    cache, needed = volumes["packages"], toolchain.installed_bytes
    parts = "unpacked packages"
    if cache.device == volumes["environments"].device:
        needed, parts = 2 * needed, "unpacked packages and the environment"
    if cache.room < needed:
        yield warning(
            f"{describe_room(cache)} for {parts} in {cache.path},"
            f" {amount(needed)} needed unless they are cached",
            why=f"{amount(lock.download)} are downloaded at most, and lie unpacked in uv's cache.",
            fix=Fix("free space there, or set UV_CACHE_DIR to a folder on another volume"),
            where=cache.path,
        )


@check("DSK007", CheckFamily.DISK)
def room_for_files(
    volumes: Mapping[str, VolumeFacts],
    toolchain: ToolchainFacts,
    environment: EnvironmentFacts | None = None,
) -> Findings:
    """The environments' volume can hold all files of an environment.

    Home folders on shared machines often limit the number of files. Once it is reached, the system
    says "No space left on device" with gigabytes free.
    """
    place, needed = volumes["environments"], toolchain.installed_files
    if environment is None and place.files_free is not None and place.files_free < needed:
        yield error(
            f"the environment has up to {needed:,} files and folders,"
            f" {place.files_free:,} may still be made in {place.path}",
            why='The installation would stop with "No space left on device", gigabytes free.',
            fix=Fix("remove files there, or point SDCOREML_ENVS at another volume"),
            where=place.path,
        )


@check("DSK003", CheckFamily.DISK)
def room_for_temporary_files(volumes: Mapping[str, VolumeFacts]) -> Findings:
    """The temporary folder's volume is not nearly full.

    Core ML compiles models there before it loads them. When it is full, the error says "could not
    open weights/weight.bin".
    """
    temporary = volumes["temporary"]
    if temporary.room < FREE_TEMPORARY:
        yield warning(
            f"{describe_room(temporary)} for temporary files in {temporary.path}",
            why="Compiling a model needs its size there; the error then names weight.bin.",
            fix=Fix("free space there, or set TMPDIR to a folder on another volume"),
            where=temporary.path,
        )


@check("DSK005", CheckFamily.DISK)
def room_for_downloads(volumes: Mapping[str, VolumeFacts]) -> Findings:
    """The volume of the Hugging Face cache is not nearly full.

    A download that does not fit leaves a partial snapshot, in some versions without an error.
    """
    hub = volumes["hub"]
    if hub.room < FREE_CACHE:
        yield warning(
            f"{describe_room(hub)} for the hub's cache in {hub.path}",
            why="A model that does not fit is left half downloaded, sometimes without an error.",
            fix=Fix("free space there, or set HF_HOME to a folder on another volume"),
            where=hub.path,
        )


@check("DSK004", CheckFamily.DISK)
def places_writable(
    volumes: Mapping[str, VolumeFacts],
    goal: Goal,
    environment: EnvironmentFacts | None = None,
) -> Findings:
    """The folders that sdcoreml is about to write to are writable.

    These are the output folder, for a conversion, and the folder of environments, if no environment
    is built yet. One that is already built need not be writable: other users may share it.
    """
    wanted = {"output": goal.kind == "convert", "environments": environment is None}
    roles = (name for name, is_used in wanted.items() if is_used and not volumes[name].writable)
    for path, names in groupby(roles, key=lambda name: volumes[name].path):
        whose = [_PLACES[name] for name in names]
        yield error(
            f"{path} is not writable (the folder of {' and '.join(what for what, _ in whose)})",
            why="The first write would fail.",
            fix=Fix(f"choose another with {' or '.join(way for _, way in whose)}"),
            where=path,
        )


_PLACES = {
    "output": ("results", "--output"),
    "environments": ("environments", "SDCOREML_ENVS=/a/folder"),
}
"""For each kind of folder: its content in words, and the option that selects another."""
