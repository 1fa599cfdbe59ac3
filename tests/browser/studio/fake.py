"""A small fake of the studio's server: its routes and its gate, with literal data and no work.

What takes time in the true one happens here when a test says so, so that a picture of a queue at
42% can be taken without waiting.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.browser.studio import answers

Body = dict[str, Any]


class Refused(Exception):  # noqa: N818 (what is raised is an answer)
    """An answer that is no 200."""

    def __init__(self, status: int, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.content = {"error": {"what": what, "where": "", "remedy": remedy, "code": status}}


class Studio:
    """What the fake remembers; tests change it, and every page that listens is told."""

    def __init__(self) -> None:
        self.entries: list[Body] = []
        self.is_paused = False
        self.received: dict[str, int] = {}
        self.dropped: Body = {}
        self.sizes: dict[int, int] = {}
        self.parts: dict[int, int] = {}
        self.asked: list[tuple[str, Body]] = []
        self.planned: list[Any] = []
        self.fixed: set[str] = set()
        self.dies_at: int | None = None
        self.may_receive = threading.Event()
        self.may_receive.set()
        self.may_prove = threading.Event()
        self.may_prove.set()
        self.changed = threading.Condition()
        self.news: list[tuple[str, Any]] = []
        self.numbers = iter(range(1, 10_000))

    def queue(self) -> Body:
        is_running = any(entry["state"] == "running" for entry in self.entries)
        return {"is_paused": self.is_paused, "is_running": is_running, "entries": self.lined_up()}

    def lined_up(self) -> list[Body]:
        return [{**entry, "place": place} for place, entry in enumerate(self.entries)]

    def tell(self, event: str, content: Any) -> None:
        with self.changed:
            self.news.append((event, json.dumps(content)))
            self.changed.notify_all()

    def change(self, number: str, **values: Any) -> None:
        """Change an entry, as its work would."""
        for entry in self.entries:
            if entry["id"] == number:
                entry.update(values)
        self.tell("queue", self.queue())

    def advance(self, number: str, done: int, total: int, left: float, step: str) -> None:
        """Say how far an entry is, without a change of the queue."""
        self.tell(
            "progress", {"id": number, "done": done, "total": total, "left": left, "step": step}
        )

    def add(self, kind: str, title: str, **values: Any) -> str:
        number = f"e{next(self.numbers)}"
        entry = {"id": number, "kind": kind, "title": title, "state": "waiting", "step": "",
                 "done": 0, "total": 0, "left": None, "because": "", "remedy": "", "folders": [],
                 "makes": [f"{title}_512x512"],
                 "command": f"sdcoreml convert {title}"}  # fmt: skip
        self.entries.append(entry | values)
        self.tell("queue", self.queue())
        return number

    # One function for each route.

    def state(self, _query: Body, _body: Any) -> Any:
        return {**answers.STATE, "queue": self.queue()}

    def folders(self, query: Body, _body: Any) -> Any:
        return answers.FOLDERS[query.get("handle", "")]

    def examine(self, _query: Body, body: Any) -> Any:
        key = body.get("handle") or body.get("name") or body.get("drop")
        if key not in answers.MODELS:
            raise Refused(404, f"the hub has no model {key}", "look at its name on the hub's page")
        return answers.MODELS[key]

    def plan(self, _query: Body, body: Any) -> Any:
        self.planned.append(body["choices"])
        return answers.plan(body["choices"], body["model"].get("handle", ""))

    def enqueue(self, _query: Body, body: Any) -> Any:
        self.asked.append(("queue", body))
        key = body["model"].get("handle") or body["model"].get("name")
        return {"id": self.add("convert", answers.MODELS.get(key, self.dropped)["title"])}

    def act(self, number: str, verb: str, body: Any) -> Any:
        self.asked.append((verb, {"id": number, **body}))
        entry = next((one for one in self.entries if one["id"] == number), None)
        if entry is None:
            raise Refused(404, f"the queue has no entry {number}")
        if verb == "remove":
            self.entries.remove(entry)
        elif verb == "move":
            self.entries.remove(entry)
            ids = [one["id"] for one in self.entries]
            before = body["before"]
            self.entries.insert(ids.index(before) if before in ids else len(ids), entry)
        else:
            entry["state"] = {"cancel": "cancelled", "retry": "waiting"}[verb]
        self.tell("queue", self.queue())
        return self.queue()

    def switch(self, is_paused: bool) -> Any:  # noqa: FBT001 (a switch is one)
        self.is_paused = is_paused
        for entry in self.entries:
            if is_paused and entry["state"] == "running":
                entry["state"] = "waiting"
        self.tell("queue", self.queue())
        return self.queue()

    def drop(self, query: Body, body: bytes) -> Any:
        length = int.from_bytes(body[:4], "little")
        self.asked.append(("drop", {**query, "head": length, "tail": len(body) - 4 - length}))
        self.dropped = {**answers.MODELS["m-good"], "title": query["name"], "drop": "d1"}
        self.dropped["size"] = int(query["size"])
        answers.MODELS["m-dropped"] = self.dropped
        self.received["d1"] = 0
        return self.dropped

    def drop_folder(self, query: Body, body: Any) -> Any:
        """Take the list of a folder's files; what is no picture is wanted."""
        self.asked.append(("folder", {**query, **body}))
        self.sizes = {place: one["size"] for place, one in enumerate(body["files"])}
        wants = [place for place in self.sizes if "png" not in body["files"][place]["path"]]
        self.parts = dict.fromkeys(wants, 0)
        answers.MODELS["d2"] = {**answers.MODELS["m-good"], "title": query["name"], "drop": "d2"}
        return {"drop": "d2", "wants": wants}

    def take_ends(self, query: Body, body: bytes) -> Any:
        place, length = int(query["file"]), int.from_bytes(body[:4], "little")
        self.parts[place] = length if length == self.sizes[place] else 0
        return {}

    def tell_folder(self, place: int) -> Any:
        files = [{"file": one, "received": got} for one, got in self.parts.items()]
        done: Body = {"received": self.parts.get(place), "all": sum(self.parts.values())}
        if all(got == self.sizes[one] for one, got in self.parts.items()):
            done["handle"] = "d2"
        return done if place >= 0 else {"received": done["all"], "files": files}

    def receive_part(self, query: Body, body: bytes) -> Any:
        place = int(query["file"])
        if int(query["offset"]) != self.parts[place]:
            raise Refused(409, "this part does not follow the last")
        self.parts[place] += len(body)
        return self.tell_folder(place)

    def receive(self, number: str, query: Body, body: bytes) -> Any:
        if number == "d2":
            return self.receive_part(query, body)
        self.may_receive.wait(timeout=20)
        if number not in self.received:
            raise Refused(404, "this file was removed", "drop it again")
        if int(query["offset"]) != self.received[number]:
            raise Refused(409, "this part does not follow the last")
        self.received[number] += len(body)
        done: Body = {"received": self.received[number]}
        return {**done, "handle": "m-dropped"} if done["received"] == self.dropped["size"] else done

    def tell_drop(self, number: str, *, is_over: bool) -> Any:
        if number == "d2":
            return self.tell_folder(-1)
        if is_over:
            return {"size": self.received.pop(number)}
        return {"received": self.received[number], "size": self.dropped["size"]}

    def note(self, what: str, body: Body) -> Any:
        self.asked.append((what, body))
        return {}

    def fix(self, _query: Body, body: Any) -> Any:
        self.fixed.add(body["key"])
        return {"id": self.add("fix", "build the tested environment")}

    def doctor(self, query: Body, _body: Any) -> Any:
        found = [
            one
            for one in answers.findings(self.fixed)
            if query.get("select", one["id"]) == one["id"]
        ]
        return {"verdicts": answers.VERDICTS, "findings": found}

    def pictures(self, _query: Body, body: Any) -> Any:
        self.asked.append(("pictures", body))
        return {"id": self.add("draw", f"Pictures: {body['prompt']}", of=body.get("id"))}


def routes(studio: Studio) -> Mapping[tuple[str, str], Callable[[Body, Any], Any]]:
    return {
        ("GET", "/api/state"): studio.state,
        ("GET", "/api/folders"): studio.folders,
        ("POST", "/api/examine"): studio.examine,
        ("POST", "/api/plan"): studio.plan,
        ("POST", "/api/queue"): studio.enqueue,
        ("POST", "/api/queue/pause"): lambda _query, _body: studio.switch(is_paused=True),
        ("POST", "/api/queue/resume"): lambda _query, _body: studio.switch(is_paused=False),
        ("POST", "/api/drop"): studio.drop,
        ("POST", "/api/drop/folder"): studio.drop_folder,
        ("GET", "/api/library"): lambda _query, _body: answers.LIBRARY,
        ("GET", "/api/doctor"): studio.doctor,
        ("POST", "/api/fix"): studio.fix,
        ("POST", "/api/pictures"): studio.pictures,
        ("POST", "/api/reveal"): lambda _query, body: studio.note("reveal", body),
        ("POST", "/api/install"): lambda _query, body: studio.note("install", body),
    }
