"""A Dask cluster's certificate and scheduler."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from sdcoreml.envs.cluster.speaking import ENDED, TOPIC, Request, say, security


def certify(_: Request) -> None:
    """Say a new certificate and its key, as PEM texts; the certificate is valid for a year."""
    from distributed import Security

    made = Security.temporary()
    say(certificate=made.tls_ca_file, key=made.tls_client_key)


def schedule(request: Request) -> None:
    """Be the scheduler of a cluster."""
    asyncio.run(_schedule(request))


async def _schedule(request: Request) -> None:
    from distributed import Scheduler
    from distributed.diagnostics.plugin import SchedulerPlugin

    class Watch(SchedulerPlugin):  # type: ignore[misc]  # no types
        """Says who comes and goes."""

        names: Mapping[str, str] = {}

        def add_worker(self, scheduler: Scheduler, worker: str) -> None:
            """Say who joined."""
            name = str(scheduler.workers[worker].name)
            self.names = {**self.names, worker: name}
            say(joined=name)

        def remove_worker(self, scheduler: Scheduler, worker: str, **_: object) -> None:
            """Say who left."""
            del scheduler
            say(left=self.names.get(worker, worker))

        def log_event(self, topic: str, msg: object) -> None:
            """Say who cannot take part."""
            if topic == TOPIC:
                say(declined=msg)

    # Dask would show its state to anybody on another port: nobody else reaches this one.
    async with Scheduler(
        host=request["host"] or None,
        port=request["port"],
        protocol="tls",
        security=security(request),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    ) as scheduler:
        scheduler.add_plugin(Watch())
        say(address=scheduler.address, process=os.getpid())
        await asyncio.to_thread(ENDED.wait)
