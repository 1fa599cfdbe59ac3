"""What `convert` and `jobs` do for one app: refusals before the work, and installing after it."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdcoreml.convert.bundle.apps import UNUSED, App
from sdcoreml.convert.deliver.contents import contents_of
from sdcoreml.convert.deliver.install import (
    Installed,
    Installer,
    require_free,
    require_home,
)
from sdcoreml.convert.deliver.mochi import find_mochi
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.ground.errors import UnsupportedError, UsageError
from sdcoreml.ground.events import Emit
from sdcoreml.ground.places import home_folder

NETS = "controlnet"
"""The folder in a model's folder from which Apple's package loads ControlNets."""


def app_of(args: argparse.Namespace) -> App | None:
    """Return the app to convert for; `None` for both."""
    said = vars(args)
    if said.get("app"):
        return App(said["app"])
    return App.MOCHI if said.get("install") else None


def require_deliverable(args: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """Refuse what the app does not use, and a place to install to that is not free.

    Raises:
        UsageError: --install is for Mochi Diffusion only.
        UnsupportedError: the app uses a program not at all.
        BadInputError: nothing can be put into the app's folder, or something else has a name there.
    """
    said = vars(args)
    if said.get("app") == App.APPLE.value and said.get("install"):
        raise UsageError(
            "Apple's package has no folder of models to install to",
            where="--install",
            remedy="leave it out, or --app apple",
        )
    for job in jobs if said.get("app") else ():
        _require_used(App(said["app"]), job)
    if not said.get("install"):
        return
    mochi = find_mochi(home_folder())
    for job in jobs:
        is_net = CONTROLNET in job.model.components
        place = mochi.nets if is_net else mochi.models
        require_home(place, chosen=mochi.chosen, may_make=platform.system() == "Darwin")
        if not is_net:
            name, model = job.model.path.resolve().name, job.model
            # Of a draft, whose origin is {}, it is not known yet.
            made_from = {} if model.origin is None else model.origin or None
            require_free(place / job.output.name, name, made_from, is_net=False)


def _require_used(app: App, job: Job) -> None:
    options = job.options
    asked = {
        "safety_checker": options.safety_checker,
        "controlled_chunks": options.chunk and options.controlled,
    }
    for what, why in UNUSED[app].items():
        if asked[what]:
            raise UnsupportedError(why, where=job.model.path)


def deliver(
    args: argparse.Namespace, folders: Sequence[Path], emit: Emit
) -> Iterator[tuple[Path, Installed]]:
    """Put finished folders where the app looks for them; yield each with its place.

    With --app apple a ControlNet goes beside the others of the model that --for names.

    Raises:
        SdcoremlError: as `Installer.install`; what was installed before stays.
    """
    said, installer = vars(args), Installer(emit=emit)
    for folder in folders:
        if said.get("install"):
            contents, mochi = contents_of(folder), find_mochi(home_folder())
            place = mochi.nets if contents.is_net else mochi.models
            yield folder, installer.install(contents, place)
        elif said.get("app") == App.APPLE.value and said.get("beside"):
            yield folder, installer.install(contents_of(folder), said["beside"] / NETS)
