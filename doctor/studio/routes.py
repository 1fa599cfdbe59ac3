"""What the page can ask for: a literal table of routes, and the function that answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sdcoreml
from sdcoreml.convert.deliver.mochi import find_mochi, is_there
from sdcoreml.doctor.commands.inspect import as_data, look, needs_of
from sdcoreml.doctor.studio import places
from sdcoreml.doctor.studio.asking import SMALL, Ask
from sdcoreml.doctor.studio.running import Studio, machine
from sdcoreml.envs.kept import store
from sdcoreml.ground.places import home_folder

Answer = Mapping[str, object]
"""An object of JSON."""

Work = Callable[[Studio, Ask], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A route: its method and path, what it does, and the most bytes that its body may have.

    What `is_slow` waits for others that are, and for nothing else.
    """

    method: str
    path: str
    work: Work
    is_slow: bool = False
    most: int = SMALL


def state(studio: Studio, _ask: Ask) -> Answer:
    """Say which machine and which tool this is, and what is ready on it."""
    environment = store.current(studio.toolchain)
    mochi = find_mochi(home_folder()).models
    return {
        "version": sdcoreml.__version__,
        "machine": _machine(),
        "toolchain": {
            "name": studio.toolchain,
            "is_ready": environment is not None,
            "text": "ready" if environment else "built by the first conversion",
        },
        "mochi": {"handle": studio.signer.sign(mochi)} if is_there(mochi) else None,
    }


_machine = cache(machine)


def folders(studio: Studio, ask: Ask) -> Answer:
    """List a folder of this machine; without a handle, where to begin."""
    if handle := ask.query.get("handle"):
        return places.list_folder(studio.signer.resolve(handle), studio.signer)
    return places.list_roots(studio.signer)


def examine(studio: Studio, ask: Ask) -> Answer:
    """Say what a model is, and whether it can be converted."""
    path = studio.signer.resolve(ask.text("handle"))
    judgement, _ = look(path)
    return {
        "handle": studio.signer.sign(path),
        "title": places.shown(path),
        **as_data(judgement, needs_of(judgement)),
        "verdict": judgement.ruling.as_json(),
    }


def model_of(studio: Studio, ask: Ask) -> Path:
    """Return the path of the model that is asked about."""
    return studio.signer.resolve(ask.text("handle"))


WAYS: tuple[Way, ...] = (
    Way(method="GET", path="/api/state", work=state),
    Way(method="GET", path="/api/folders", work=folders),
    Way(method="POST", path="/api/examine", work=examine, is_slow=True),
)
