"""The coordinator of a job on a Dask cluster: it gives each worker one task at a time.

Dask would place tasks by the times that it expects. These take minutes or hours, and machines
differ; so a task goes to a worker that has nothing to do, and a slow one holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sdcoreml.envs.cluster.speaking import ENDED, TOPIC, Request, connect, say
from sdcoreml.envs.cluster.working import admit, make, stop

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK = 0.5
"""Seconds between two looks at who is there."""

_TRIES = 3
"""How many workers may be lost while they make one folder."""


def coordinate(request: Request) -> None:
    """Have workers make what the tasks say; each of them takes one task at a time.

    A task is `{"id", "after", "task"}`: it begins when those that it is after have ended.
    """
    with connect(request) as client:
        run = Coordinator(request, client)
        try:
            run.work_through()
        finally:
            run.end()


class Coordinator:
    """One coordinator's run: who takes part, and who makes what."""

    def __init__(self, request: Request, client: Client) -> None:
        self.request, self.client, self.id = request, client, request["run"]
        self.queue: list[Request] = list(request["tasks"])
        self.known: dict[str, tuple[str, str]] = {}
        """The name of each worker by its address, and why it takes no work, "" if it does."""
        self.given: dict[str, tuple[Request, Future]] = {}
        """What each worker makes, by its address."""
        self.ended: set[int] = set()
        self.lost: dict[int, int] = {}
        self.declined = 0
        self.is_waiting = False

    def work_through(self) -> None:
        """Give out tasks until all are done, or stdin is closed."""
        while (self.queue or self.given) and not ENDED.is_set():
            self.look()
            for address in idle(self.known, self.given):
                if task := next_task(self.queue, self.ended):
                    self.queue.remove(task)
                    self.give(address, task)
            self.take()

    def look(self) -> None:
        """See who came and who went; whoever came is asked whether it can take part."""
        there = {
            address: str(one["name"])
            for address, one in self.client.scheduler_info()["workers"].items()
        }
        for address in self.known.keys() - there.keys():
            self.lose(address)
        if new := sorted(there.keys() - self.known.keys()):
            asked = {name: self.request[name] for name in ("job", "signs")}
            answers = self.client.run(admit, asked, workers=new, on_error="return")
            for address in new:
                answer = answers.get(address)
                because = answer if isinstance(answer, str) else "it does not answer"
                self.known[address] = there[address], because
                say(worker=there[address], because=because)
        events = self.client.get_events(TOPIC)
        for _, said in events[self.declined :]:
            if said["worker"] not in there.values():
                say(worker=said["worker"], because=said["because"])
        self.declined = len(events)
        is_waiting = all(because for _, because in self.known.values())
        if is_waiting and not self.is_waiting:
            say(waiting=True)
        self.is_waiting = is_waiting

    def lose(self, address: str) -> None:
        """Put what a lost worker was making back to the beginning of the queue."""
        name, because = self.known.pop(address)
        task, future = self.given.pop(address, (None, None))
        if task is None or future is None:
            say(lost=name, because=because)
            return
        future.release()
        tries = self.lost[task["id"]] = self.lost.get(task["id"], 0) + 1
        say(lost=name, because=because, id=task["id"])
        if tries < _TRIES:
            self.queue.insert(0, task)
            return
        what = f"{tries} workers were lost while they made it, the last of them {name}"
        self.finish(task, {"error": what}, name)

    def give(self, address: str, task: Request) -> None:
        """Give a task to a worker."""
        request = {**task["task"], "run": self.id}
        key = f"{self.id}-{task['id']}-{self.lost.get(task['id'], 0)}"
        future = self.client.submit(make, request, key=key, workers=[address], pure=False)
        self.given[address] = task, future
        say(began=task["id"], worker=self.known[address][0])

    def take(self) -> None:
        """Wait a little for workers to finish, and take what they made."""
        from distributed import wait

        futures = [future for _, future in self.given.values()]
        if not futures:
            ENDED.wait(_LOOK)
            return
        with suppress(TimeoutError, asyncio.TimeoutError):
            wait(futures, timeout=_LOOK, return_when="FIRST_COMPLETED")
        for address, (task, future) in list(self.given.items()):
            if not future.done():
                continue
            if future.status == "finished":
                answer = future.result()
            elif address in self.client.scheduler_info()["workers"]:
                answer = {"error": str(future.exception()).partition("\n")[0]}
            else:
                continue  # it is lost: `look` sees to it
            del self.given[address]
            self.finish(task, answer, self.known[address][0])

    def finish(self, task: Request, answer: Request, name: str) -> None:
        """Say what became of a task."""
        self.ended.add(task["id"])
        say(ended=task["id"], worker=name, answer=answer)

    def end(self) -> None:
        """Have workers end what they are doing for this run; they stay alive."""
        if not self.given:
            return
        there = self.client.scheduler_info()["workers"]
        if left := [address for address in self.given if address in there]:
            self.client.run(stop, self.id, workers=left, on_error="ignore")
        self.client.cancel([future for _, future in self.given.values()], force=True)


def idle(
    known: Mapping[str, tuple[str, str]], given: Mapping[str, tuple[Request, object]]
) -> list[str]:
    """Return the addresses of workers that take work, and have none."""
    return [one for one, (_, because) in known.items() if not because and one not in given]


def next_task(queue: Sequence[Request], ended: Iterable[int]) -> Request | None:
    """Return the first task that waits for no other."""
    done = set(ended)
    return next((task for task in queue if done.issuperset(task["after"])), None)
