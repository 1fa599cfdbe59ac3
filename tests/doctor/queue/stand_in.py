"""A program in the tool's place: it does what the words of an entry say."""

from __future__ import annotations

import sys
from pathlib import Path

from sdcoreml.doctor.queue.entry import Kind
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import Store

SCRIPT = """\
import json, os, signal, sys, time
root, what, *rest = sys.argv[1:]
sys.path.insert(0, root)
def say(**event):
    print(json.dumps({"schema": 1, **event}), flush=True)
def linger(number, frame):
    while rest[0].startswith("/") and not os.path.exists(rest[0]):
        time.sleep(0.01)
    if not rest[0].startswith("/"):
        time.sleep(float(rest[0]))
    open("tidied", "w").close()
    sys.exit(143)
if what in ("wait", "hang"):
    signal.signal(signal.SIGTERM, linger if what == "wait" else signal.SIG_IGN)
    from sdcoreml.ground.lifeline import end_with_starter
    end_with_starter()
if what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "say":
    say(event="progress", done=1, total=2)
    print("not an event", flush=True)
    print("beside", file=sys.stderr, flush=True)
if what == "table":
    say(event="table", results=json.loads(rest[0]))
if what == "where":
    say(event="note", text=os.getcwd(), stdin=os.fstat(0).st_mode, words=sys.argv[2:])
if what == "fail":
    print("error: " + rest[0], file=sys.stderr)
    sys.exit(int(rest[1]))
if what == "table" and len(rest) > 1:
    sys.exit(int(rest[1]))
if what in ("wait", "hang"):
    open("began", "w").close()
    print("began", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.05)
"""

PROGRAM = (sys.executable, "-S", "-c", SCRIPT, str(Path(__file__).parents[3]))
"""The command; the words of the entry follow."""


def add(store: Store, *words: str, place: Path | None = None) -> str:
    """Add an entry whose words the stand-in understands."""
    return store.add(New(kind=Kind.FIX, title=words[0], words=words, place=str(place or "")))
