"""The child that speaks to py-rattler: one request on stdin, lines of JSON on stdout.

It runs by its path, isolated, on the Python of the engine's own folder, and imports nothing of this
project. It is a process of its own because py-rattler's threads may outlive the last call, and then
abort the interpreter that shuts down: so this one ends without shutting down.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

RETRIES = 2
AT_ONCE = 4
"""Downloads at a time: a channel's servers give each a share of the line."""


def main() -> int:
    """Answer the request: lines `{"done": bytes}` meanwhile, `{"result": ...}` or `{"error": ...}`.

    The exit code is 0 either way; any other means that the engine itself broke down.
    """
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        answer = {"result": asyncio.run(REQUESTS[request.pop("do")](request))}
    except Exception as error:  # noqa: BLE001  py-rattler's errors have no base of their own
        answer = {"error": str(error)}
    say(answer)
    sys.stdout.flush()
    return 0


def say(line: Mapping[str, Any]) -> None:
    """Write one line."""
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
) -> list[dict[str, Any]]:
    """Ask a channel for the best builds for a machine that need not be this one."""
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
    """Bring each address into its file; logins, proxies and certificates as py-rattler has them."""
    from rattler.package_streaming import download_to_writer

    turn = asyncio.Semaphore(AT_ONCE)

    async def bring(url: str, file: str) -> None:
        async with turn:
            with open(file, "wb") as stream:  # noqa: ASYNC230, PTH123  a local file
                await download_to_writer(_client(), url, stream)
                say({"done": stream.tell()})

    await asyncio.gather(*(bring(url, file) for url, file in files))


async def link(
    *, packages: list[dict[str, Any]], folder: str, final: str, subdir: str, cache: str
) -> None:
    """Unpack into `cache` and copy into `folder`, where files name `final` as their place."""
    import rattler

    await rattler.install(
        records=[_record(**package) for package in packages],
        target_prefix=folder,
        cache_dir=Path(cache),
        platform=rattler.Subdir(subdir),
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix=final,
        config=rattler.Config.from_toml("allow-hard-links = false\n"),
        client=_client(),
    )


def _record(*, file: str, depends: list[str], **fields: Any) -> Any:  # noqa: ANN401  untyped there
    import rattler

    path = Path(file)
    record = rattler.PackageRecord(
        name=fields["name"],
        version=fields["version"],
        build=rattler.BuildString(fields["build"]),
        build_number=fields["build_number"],
        subdir=fields["path"].partition("/")[0],
        noarch=fields["noarch"] or None,
        depends=depends,
        sha256=bytes.fromhex(fields["sha256"]),
        size=fields["size"],
    )
    return rattler.RepoDataRecord(record, path.name, path.as_uri(), path.parent.as_uri())


def _client() -> Any:  # noqa: ANN401  as _record
    import rattler

    return rattler.Client.default_client(max_retries=RETRIES)


REQUESTS: Mapping[str, Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]] = {
    "solve": lambda fields: solve(**fields),
    "download": lambda fields: download(**fields),
    "link": lambda fields: link(**fields),
}

if __name__ == "__main__":
    code = main()
    os._exit(code)
