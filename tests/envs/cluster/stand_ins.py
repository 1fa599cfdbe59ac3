"""Dask's own names, as far as members use them: what is called is kept in `CALLS`."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from typing_extensions import Self

CALLS: list[tuple[str, Any]] = []


class Security:
    """What encrypts connections."""

    failure: ClassVar[Exception | None] = None
    tls_ca_file = "CERTIFICATE"
    tls_client_key = "KEY"

    def __init__(self, **options: object) -> None:
        self.options = options

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Security) and other.options == self.options

    def __hash__(self) -> int:
        return 0

    @classmethod
    def temporary(cls) -> Security:
        if cls.failure is not None:
            raise cls.failure
        return cls()


class Future:
    """What a worker makes; it is done if it has a status."""

    def __init__(self, status: str = "", result: object = None) -> None:
        self.status, self._result = status, result

    def done(self) -> bool:
        return bool(self.status)

    def result(self) -> object:
        return self._result

    def exception(self) -> object:
        return self._result

    def release(self) -> None:
        CALLS.append(("release", self))


class Client:
    """One who gives work: its answers are attributes of the class."""

    workers: ClassVar[dict[str, dict[str, object]]] = {}
    admitted: ClassVar[Mapping[str, object]] = {}
    events: ClassVar[list[tuple[int, Mapping[str, str]]]] = []
    made: ClassVar[list[Future]] = []

    def __init__(self, *words: object, **options: object) -> None:
        CALLS.append(("Client", (words, options)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        CALLS.append(("left", None))

    def scheduler_info(self) -> Mapping[str, object]:
        return {"workers": self.workers}

    def run(self, function: object, argument: object, **options: object) -> Mapping[str, object]:
        CALLS.append(("run", (getattr(function, "__name__", ""), argument, options)))
        return self.admitted

    def get_events(self, topic: str) -> Sequence[object]:
        CALLS.append(("events", topic))
        return self.events

    def submit(self, function: object, request: object, **options: object) -> Future:
        CALLS.append(("submit", (getattr(function, "__name__", ""), request, options)))
        return self.made.pop(0)

    def cancel(self, futures: object, **options: object) -> None:
        CALLS.append(("cancel", (futures, options)))

    def log_event(self, topic: str, said: object) -> None:
        CALLS.append(("log", (topic, said)))


class SchedulerPlugin:
    """The base of what a scheduler tells."""


class Scheduler:
    """A scheduler to which a worker comes, that declines and leaves."""

    address = "tls://192.0.2.1:8786"

    def __init__(self, **options: object) -> None:
        CALLS.append(("Scheduler", options))
        self.workers = {"tls://1": types.SimpleNamespace(name="mac")}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def add_plugin(self, plugin: Any) -> None:
        plugin.add_worker(self, "tls://1")
        plugin.log_event("other", {"worker": "x"})
        plugin.log_event("sdcoreml", {"worker": "mac", "because": "no"})
        plugin.remove_worker(self, "tls://1", stimulus_id="a")
        plugin.remove_worker(self, "tls://2")


class Worker:
    """A worker that ends when its scheduler does."""

    def __init__(self, *words: object, **options: object) -> None:
        CALLS.append(("Worker", (words, options)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def finished(self) -> None:
        return None


def wait(futures: object, **options: object) -> None:
    CALLS.append(("wait", (futures, options)))
    raise TimeoutError


def modules() -> dict[str, types.ModuleType]:
    """Return modules of Dask's names."""
    del CALLS[:]
    Security.failure = None
    Client.workers, Client.admitted, Client.events, Client.made = {}, {}, [], []
    dask, distributed = types.ModuleType("dask"), types.ModuleType("distributed")
    config = types.ModuleType("dask.config")
    plugin = types.ModuleType("distributed.diagnostics.plugin")
    comm, utils = types.ModuleType("distributed.comm"), types.ModuleType("distributed.utils")
    names_of: dict[types.ModuleType, dict[str, object]] = {
        dask: {"config": config},
        config: {"set": lambda values: CALLS.append(("config", values))},
        distributed: {
            one.__name__: one for one in (Security, Client, Scheduler, Worker, wait, Future)
        },
        plugin: {"SchedulerPlugin": SchedulerPlugin},
        comm: {"get_address_host": lambda address: f"host of {address}"},
        utils: {"get_ip": lambda host: f"ip to {host}"},
    }
    for module, names in names_of.items():
        vars(module).update(names)
    diagnostics = types.ModuleType("distributed.diagnostics")
    found = (dask, config, distributed, diagnostics, plugin, comm, utils)
    return {module.__name__: module for module in found}


def put() -> None:
    """Let this process import them."""
    sys.modules.update(modules())
