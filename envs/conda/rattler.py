"""The child process that calls py-rattler: one request on stdin, JSON lines on stdout.

It is run as a script, isolated, with the Python of the engine's folder, and imports nothing from
this project. It is a separate process because py-rattler's threads may outlive the last call and
then crash the interpreter at shutdown; so this process exits without a shutdown.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict

RETRIES = 2
AT_ONCE = 4
"""The number of simultaneous downloads."""


class Archive(TypedDict):
    """A locked package, and the file to which it was downloaded."""

    name: str
    version: str
    build: str
    build_number: int
    noarch: str
    path: str
    sha256: str
    size: int
    depends: list[str]
    file: str


def main() -> int:
    """Read one request from stdin, and print `{"result": ...}` or `{"error": ...}`.

    A download also prints its progress as `{"done": bytes}`. The exit code is 0 even after an
    error; any other means that the engine crashed.
    """
    request = json.load(sys.stdin)
    try:
        answer = {"result": asyncio.run(REQUESTS[request.pop("do")](**request))}
    except Exception as error:  # noqa: BLE001  py-rattler's errors have no base of their own
        answer = {"error": str(error)}
    say(answer)
    return 0


def say(line: Mapping[str, object]) -> None:
    """Write one line of JSON to stdout."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def solve(
    *,
    channel: str,
    specs: list[str],
    subdir: str,
    virtual: list[tuple[str, str]],
    newest: str,
    cache: str,
) -> list[dict[str, object]]:
    """Ask a channel for the best builds for a platform, which need not be this machine's."""
    import rattler

    zero = rattler.BuildString("0")
    records = await rattler.solve(
        sources=[rattler.Channel(channel)],
        specs=specs,
        platforms=[subdir, "noarch"],
        gateway=rattler.Gateway(cache_dir=Path(cache), client=_client()),
        virtual_packages=[
            rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), zero)
            for name, version in virtual
        ],
        exclude_newer=datetime.fromisoformat(newest.replace("Z", "+00:00")) if newest else None,
        channel_relations="disabled",
    )
    return [
        {
            "name": record.name.normalized,
            "version": str(record.version),
            "build": str(record.build),
            "build_number": record.build_number,
            "noarch": "python" if record.noarch.python else "generic" * record.noarch.generic,
            "path": f"{record.subdir}/{record.file_name}",
            "sha256": record.sha256.hex() if record.sha256 else "",
            "size": record.size or 0,
            "depends": record.depends,
        }
        for record in records
    ]


async def download(*, files: list[tuple[str, str]]) -> None:
    """Download each URL to its file, with py-rattler's logins, proxies and certificates."""
    from rattler.package_streaming import download_to_writer

    turn = asyncio.Semaphore(AT_ONCE)

    async def bring(url: str, file: str) -> None:
        async with turn:
            with open(file, "wb") as stream:  # noqa: ASYNC230, PTH123  a local file
                await download_to_writer(_client(), url, stream)
                say({"done": stream.tell()})

    await asyncio.gather(*(bring(url, file) for url, file in files))


async def link(
    *, packages: list[Archive], folder: str, final: str, subdir: str, cache: str
) -> None:
    """Unpack into `cache` and install into `folder`, with `final` as the prefix inside files."""
    import rattler

    await rattler.install(
        records=[_record(package) for package in packages],
        target_prefix=folder,
        cache_dir=Path(cache),
        platform=rattler.Subdir(subdir),
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix=final,
        config=rattler.Config.from_toml("allow-hard-links = false\n"),
        client=_client(),
    )


def _record(package: Archive) -> object:
    import rattler

    path = Path(package["file"])
    record = rattler.PackageRecord(
        name=package["name"],
        version=package["version"],
        build=rattler.BuildString(package["build"]),
        build_number=package["build_number"],
        subdir=package["path"].partition("/")[0],
        noarch=package["noarch"] or None,
        depends=package["depends"],
        sha256=bytes.fromhex(package["sha256"]),
        size=package["size"],
    )
    return rattler.RepoDataRecord(record, path.name, path.as_uri(), path.parent.as_uri())


def _client() -> object:
    import rattler

    return rattler.Client.default_client(max_retries=RETRIES)


REQUESTS: Mapping[str, Callable[..., Coroutine[None, None, object]]] = {
    "solve": solve,
    "download": download,
    "link": link,
}

if __name__ == "__main__":
    code = main()
    os._exit(code)
