"""The user's own configuration: one file for all projects, in the user's configuration folder.

    [index]
    url = "https://mirror.example/simple"

    [channel]
    url = "https://mirror.example/conda-forge"

    [hub]
    url = "https://mirror.example"

    [sources]
    comfy = ["/home/me/ComfyUI"]

It is never looked for in the current folder: a downloaded model or clone must not be able to
redirect downloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import BadInputError, LockfileError
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.refusals import translate_os_errors

NAME = "config.toml"
ADDRESSES = ("index", "channel", "hub", "civitai")
"""The tables with an address, under the key `url`."""
SOURCES = "sources"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The configuration read from `path`: addresses by table, and folders of models by program."""

    path: Path
    addresses: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def configuration_file() -> Path | None:
    """Return the file's path, even if it does not exist; None if platformdirs is not installed."""
    try:
        from platformdirs import user_config_path
    except ImportError:
        return None
    return user_config_path("sdcoreml", appauthor=False) / NAME


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
    known = {*ADDRESSES, SOURCES}
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
    table.finish()
    return Configuration(path=path, addresses=addresses, sources=sources)


def write_sources(sources: Mapping[str, tuple[str, ...]], path: Path | None = None) -> Path:
    """Replace the `[sources]` of the user's file; keep everything else, comments included.

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
    for kind, folders in sources.items():
        if folders:
            table[kind] = list(folders)
    if table:
        document[SOURCES] = table
    else:
        document.pop(SOURCES, None)
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, tomlkit.dumps(document))
    return path
