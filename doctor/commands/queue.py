"""`sdcoreml queue`: what is to be converted, one after another, and the runner that does it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdcoreml.doctor.commands.convert_values import positive_int
from sdcoreml.doctor.commands.queue_table import declare, read_entry
from sdcoreml.doctor.queue.entry import Entry, State
from sdcoreml.doctor.queue.order import Queue
from sdcoreml.doctor.queue.runner import Runner, unheard
from sdcoreml.doctor.queue.starting import LOG, start_runner, this_program
from sdcoreml.doctor.queue.store import Store, command_of, open_queue
from sdcoreml.ground.advice import spell, spell_words
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import ExitCode
from sdcoreml.ground.quantity import amount, duration

SCHEMA = 1
"""The version of the format that `--json` prints."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.set_defaults(action=show)
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    actions = parser.add_subparsers(metavar="ACTION", title="actions (default: list)")
    shown = actions.add_parser("list", help="show what is in the queue, and how far it is")
    shown.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print it as JSON"
    )
    shown.set_defaults(action=show)
    text = "put a model with convert's options, or a job file, at the end of the queue"
    one = actions.add_parser("add", help=text, description=text)
    declare(one)
    one.set_defaults(action=add)
    text = "do what waits, one entry after another, until nothing waits"
    one = actions.add_parser("run", help=text, description=text)
    one.add_argument(
        "--background", action="store_true", help="in a process that outlives this terminal"
    )
    one.set_defaults(action=work)
    for name, action, text in (
        ("pause", pause, "do nothing more; what is being done is ended and waits again"),
        ("resume", resume, "take back a pause"),
    ):
        one = actions.add_parser(name, help=text, description=text)
        one.set_defaults(action=action)
    for name, text in (
        ("cancel", "do not do these entries; what is half-made of them is removed"),
        ("retry", "do these entries again"),
        ("remove", "forget these entries; the folders that they made stay"),
    ):
        one = actions.add_parser(name, help=text, description=text)
        one.add_argument("ids", nargs="+", metavar="ID", help="the number of an entry")
        one.set_defaults(action=change, change=name)
    text = "do an entry earlier or later"
    one = actions.add_parser("move", help=text, description=text)
    one.add_argument("id", metavar="ID", help="the number of an entry")
    one.add_argument(
        "to", type=positive_int, metavar="PLACE", help="its new place in the queue, from 1 on"
    )
    one.set_defaults(action=move)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    code: int = args.action(args)
    return code


def show(args: argparse.Namespace) -> int:
    """Print the queue."""
    store = open_queue()
    queue = store.read()
    if args.json:
        print(json.dumps(as_data(store, queue)))
    else:
        print("\n".join(as_text(store, queue)))
    for fault in queue.faults:
        print(spell(f"warning: {fault}"), file=sys.stderr)
    return ExitCode.PROBLEMS if queue.faults else ExitCode.FINE


def add(args: argparse.Namespace) -> int:
    """Add a model or a job file."""
    store = open_queue()
    new = read_entry(args.typed[args.typed.index("add") + 1 :], Path.cwd())
    number = store.add(new)
    print(f"{number}: {new.title}")
    _advise(store)
    return ExitCode.FINE


def work(args: argparse.Namespace) -> int:
    """Be the runner, or start one; return 1 if an entry failed."""
    store = open_queue()
    if args.background:
        start_runner(store, this_program())
        print(f"a runner does what waits; it tells in {store.folder / LOG}")
        return ExitCode.FINE
    before = {one.id for one in store.read().entries if one.state.is_over}
    echo = _echo if sys.stderr.isatty() else unheard  # the log has it, too
    if not Runner(store=store, program=this_program(), say=_say, echo=echo).run():
        print("another runner is at work already, and does what waits")
        return ExitCode.FINE
    queue = store.read()
    failed = [one for one in queue.entries if one.state is State.FAILED and one.id not in before]
    if queue.is_paused:
        print(spell("the queue is paused; `sdcoreml queue resume` takes that back"))
    return ExitCode.PROBLEMS if failed else ExitCode.FINE


def pause(_: argparse.Namespace) -> int:
    """Pause the queue."""
    open_queue().pause()
    print("paused; programs that are finished will be found again")
    return ExitCode.FINE


def resume(_: argparse.Namespace) -> int:
    """Take back a pause."""
    store = open_queue()
    store.resume()
    print("no longer paused")
    _advise(store)
    return ExitCode.FINE


def change(args: argparse.Namespace) -> int:
    """Cancel, retry or remove entries."""
    store = open_queue()
    do, done = {
        "cancel": (store.cancel, "cancelled"),
        "retry": (store.retry, "waits again"),
        "remove": (store.remove, "removed; what it has made stays"),
    }[args.change]
    do(*args.ids)
    for number in dict.fromkeys(args.ids):
        print(f"{number}: {done}")
    if args.change == "retry":
        _advise(store)
    return ExitCode.FINE


def move(args: argparse.Namespace) -> int:
    """Move an entry to a place, counted from 1."""
    store = open_queue()
    others = [one.id for one in store.read().entries if one.id != args.id]
    at = args.to - 1
    store.move(args.id, others[at] if at < len(others) else None)
    return ExitCode.FINE


def as_data(store: Store, queue: Queue) -> dict[str, object]:
    """Return what `--json` prints."""
    return {
        "schema": SCHEMA,
        "folder": str(store.folder),
        "is_paused": queue.is_paused,
        "is_running": queue.is_running,
        "entries": [_entry_as_data(store, one) for one in queue.entries],
    }


def as_text(store: Store, queue: Queue) -> Iterator[str]:
    """Yield the queue as lines for people."""
    if not queue.entries:
        yield spell("nothing is in the queue; `sdcoreml queue add MODEL` puts something there")
    for one in queue.entries:
        yield f"{one.id:>4}  {one.state.value:<9}  {one.title}"
        yield from (f"      {line}" for line in _more(store, one))
    if queue.entries:
        yield _state(queue)


def _state(queue: Queue) -> str:
    waiting = sum(not one.state.is_over for one in queue.entries)
    if queue.is_paused:
        return spell("paused; `sdcoreml queue resume` takes that back")
    if queue.is_running:
        return "a runner is at work"
    if waiting:
        return spell("nobody works at it; `sdcoreml queue run` does")
    return _results(queue.entries)


def _results(entries: Sequence[Entry]) -> str:
    """Return how many entries ended how, and how to do again those that failed."""
    count = Counter(one.state for one in entries)
    failed = " ".join(one.id for one in entries if one.state is State.FAILED and not one.is_damaged)
    if count[State.DONE] == len(entries):
        return "all is done"
    told = ", ".join(f"{count[state]} {state.value}" for state in State if count[state])
    return spell(f"{told}; `sdcoreml queue retry {failed}` tries again") if failed else told


def _more(store: Store, entry: Entry) -> Iterator[str]:
    match entry.state:
        case State.RUNNING:
            progress = store.progress(entry.id) or {}
            done, total, left = (progress.get(name) for name in ("done", "total", "left"))
            rest = f", {duration(left)} left" if isinstance(left, int | float) else ""
            if isinstance(done, int) and isinstance(total, int) and total:
                yield f"{done / total:.0%} of {amount(total)}{rest}"
        case State.FAILED:
            yield spell(": ".join(filter(None, (entry.because, entry.remedy))))
            yield from entry.explanation.splitlines()
        case _:
            yield from entry.folders


def _entry_as_data(store: Store, entry: Entry) -> dict[str, object]:
    told: dict[str, object] = to_plain(entry)
    del told["unknown"]
    words = spell_words(("sdcoreml", *command_of(entry, store.folder)))
    return {**told, "command": list(words), "progress": store.progress(entry.id)}


def _advise(store: Store) -> None:
    queue = store.read()
    if queue.is_paused:
        print(spell("the queue is paused; `sdcoreml queue resume` takes that back"))
    elif not queue.is_running:
        print(spell("`sdcoreml queue run` does what waits"))


def _say(text: str) -> None:
    print(spell(text), flush=True)


def _echo(line: str) -> None:
    print(f"   {line}", file=sys.stderr, flush=True)
