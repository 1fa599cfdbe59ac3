"""The user's own configuration: one file for all projects, in the user's configuration folder.

    [index]
    url = "https://mirror.example/simple"

    [channel]
    url = "https://mirror.example/conda-forge"

    [hub]
    url = "https://mirror.example"

    [sources]
    comfy = ["/home/me/ComfyUI"]

    [toolchains]
    "/home/me/paper" = "/home/me/paper/toolchains/mine"

It is never looked for in the current folder: a downloaded model or clone must not be able to
redirect downloads, nor choose what is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import BadInputError, LockfileError
from sdcoreml.ground.files import Document, read_bytes, read_text
from sdcoreml.ground.refusals import translate_os_errors

NAME = "config.toml"
ADDRESSES = ("index", "channel", "hub", "civitai")
"""The tables with an address, under the key `url`."""
SOURCES = "sources"
TOOLCHAINS = "toolchains"
"""The table that maps folders to the toolchains that are used in and below them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The configuration read from `path`.

    Addresses by table, folders of models by program, and toolchains (names or paths) by folder.
    """

    path: Path
    addresses: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    toolchains: Mapping[str, str] = field(default_factory=dict)


def configuration_file() -> Path | None:
    """Return the file's path, even if it does not exist; None if platformdirs is not installed."""
    try:
        from platformdirs import user_config_path
    except ImportError:
        return None
    return user_config_path("sdcoreml") / NAME


def read_configuration(path: Path | None = None) -> Configuration:
    """Read the user's file; empty if there is none.

    Raises:
        LockfileError: it is not TOML, or a value has the wrong type.
    """
    path = path or configuration_file()
    if path is None or not path.is_file():
        return Configuration(path=path or Path(NAME))
    from sdcoreml.lockfiles.table import read_table

    table = read_table(path)
    known = {*ADDRESSES, SOURCES, TOOLCHAINS}
    table.faults.extend(
        f"[{name}] is not known; there are {', '.join(sorted(known))}"
        for name in table.values
        if name not in known
    )
    addresses = {}
    for name in ADDRESSES:
        if name in table.values:
            addresses[name] = table.table(name).get("url", str)
    folders = table.table(SOURCES)
    sources = {kind: folders.strings(kind) for kind in folders.values}
    toolchains = table.table(TOOLCHAINS).mapping()
    table.finish()
    return Configuration(path=path, addresses=addresses, sources=sources, toolchains=toolchains)


def find_toolchain(folder: Path, path: Path | None = None) -> tuple[str, str]:
    """Return the toolchain that the user recorded for a folder, or for the nearest one above it.

    The second value is the folder that it was recorded for; both are "" if there is none.

    Raises:
        LockfileError: the user's file is damaged.
    """
    path = path or configuration_file()
    # This runs with every command: without such a table, no TOML reader is imported.
    if path is None or not path.is_file():
        return "", ""
    if TOOLCHAINS.encode() not in read_bytes(path, Document.SETTINGS):
        return "", ""
    recorded = read_configuration(path).toolchains
    here = folder.resolve()
    found = next((one for one in (here, *here.parents) if str(one) in recorded), None)
    return (recorded[str(found)], str(found)) if found else ("", "")


def record_toolchain(folder: Path, name: str, path: Path | None = None) -> Path:
    """Record the toolchain of a folder in the user's file; return the file's path.

    Raises:
        LockfileError: the file is not TOML.
        SdcoremlError: the file cannot be written.
    """
    before = read_configuration(path).toolchains
    return _write_table(TOOLCHAINS, {**before, str(folder.resolve()): name}, path)


def write_sources(sources: Mapping[str, tuple[str, ...]], path: Path | None = None) -> Path:
    """Replace the `[sources]` of the user's file; keep everything else, comments included.

    Raises:
        LockfileError: the file is not TOML.
        SdcoremlError: the file cannot be written.
    """
    folders = {kind: list(folders) for kind, folders in sources.items() if folders}
    return _write_table(SOURCES, folders, path)


def _write_table(
    name: str, values: Mapping[str, str | list[str]], path: Path | None = None
) -> Path:
    """Replace one table of the user's file, or remove it if there are no values.

    Raises:
        LockfileError: the file is not TOML.
        SdcoremlError: the file cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = path or configuration_file()
    if path is None:
        raise LockfileError(
            "the user's configuration folder is unknown", where=NAME, remedy="run `make bootstrap`"
        )
    try:
        text = read_text(path, Document.SETTINGS) if path.is_file() else ""
        document = tomlkit.parse(text)
    except BadInputError as error:
        raise LockfileError(error.what, where=path, remedy="correct it") from error
    except (TOMLKitError, RecursionError) as error:
        raise LockfileError(f"is not TOML: {error}", where=path, remedy="correct it") from error
    table = tomlkit.table()
    for key, value in values.items():
        table[key] = value
    if table:
        document[name] = table
    else:
        document.pop(name, None)
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, tomlkit.dumps(document))
    return path
