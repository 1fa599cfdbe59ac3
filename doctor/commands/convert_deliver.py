"""What `convert` and `jobs` do for one app: refusals before the work, and installing after it."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.apps import UNUSED, App
from sdcoreml.convert.bundle.comfyui import FOLDER
from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.deliver.contents import contents_of
from sdcoreml.convert.deliver.install import (
    Installed,
    Installer,
    is_installed,
    name_of,
    require_free,
    require_home,
)
from sdcoreml.convert.deliver.mochi import MochiFolders, find_mochi
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.loading.record import LoadReport
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.sources.find import homes_of
from sdcoreml.doctor.commands.convert_upstream import wants_upstream
from sdcoreml.doctor.commands.verify_coreml import verdict
from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnsupportedError, UsageError
from sdcoreml.ground.events import Emit
from sdcoreml.ground.outputs import find_place
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
    places = _Places.of(args)
    for job in jobs:
        _require_free(places, job)


def require_for_comfyui(args: argparse.Namespace) -> None:
    """With --app comfyui, refuse what ComfyUI does itself, and what only other apps have.

    Raises:
        UsageError: such an option was given.
    """
    said = vars(args)
    if said.get("app") != App.COMFYUI.value:
        return
    ours = "ComfyUI loads it itself, and only the UNet is converted; leave it out"
    refused = {
        "--vae": ours,
        "--embedding": ours,
        "--tokenizer": "ComfyUI encodes prompts itself; leave it out",
    }
    for option, remedy in refused.items():
        if said.get(option.removeprefix("--").replace("-", "_")):
            raise UsageError("it has no use with --app comfyui", where=option, remedy=remedy)
    if wants_upstream(args):
        raise UsageError(
            "Apple's converter makes nothing for ComfyUI",
            where="--converter",
            remedy="leave it out",
        )


def _require_free(places: _Places, job: Job) -> None:
    model, is_net = job.model, CONTROLNET in job.model.components
    place = places.place_of(is_net=is_net)
    if place is None:
        return
    if mochi := places.mochi:
        chosen = mochi.nets_chosen if is_net else mochi.models_chosen
        require_home(place, chosen=chosen, may_make=platform.system() == "Darwin")
    if places.comfyui or is_net:
        _require_program_free(place, job, PACKAGE if places.comfyui else COMPILED)
        return
    # Of a draft, whose origin is {}, it is not known yet.
    made_from = {} if model.origin is None else model.origin or None
    require_free(place / job.output.name, model.path.resolve().name, made_from, is_bare=False)


def _require_program_free(place: Path, job: Job, form: str) -> None:
    """Refuse the place of a program alone, unless it has what was made and installed before."""
    for part in job.all_parts:
        target = place / f"{part.stem}{form}"
        if not _is_there(job.output, target, form):
            require_free(target, part.stem, is_bare=True)


def _is_there(folder: Path, target: Path, form: str) -> bool:
    try:
        return is_installed(contents_of(folder, form), target)
    except BadInputError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where results are installed: Mochi's folders, or the ControlNets' of one model, `nets`.

    `comfyui` is ComfyUI's folder for the packages of UNets.
    """

    mochi: MochiFolders | None
    nets: Path | None
    comfyui: Path | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> _Places:
        """Return the places that the arguments ask for; Mochi's preferences are read once.

        With --app apple a ControlNet goes beside the others of the model that --for names.
        """
        said = vars(args)
        if said.get("app") == App.COMFYUI.value:
            return cls(mochi=None, nets=None, comfyui=_comfyui() if said.get("install") else None)
        mochi = find_mochi(home_folder()) if said.get("install") else None
        is_beside = said.get("app") == App.APPLE.value and said.get("beside")
        nets = Path(said["beside"]) / NETS if is_beside else None
        return cls(mochi=mochi, nets=mochi.nets if mochi else nets)

    def place_of(self, *, is_net: bool) -> Path | None:
        """Return the folder for a model, or for a ControlNet; `None` without one."""
        if self.comfyui:
            return self.comfyui
        if is_net:
            return self.nets
        return self.mochi.models if self.mochi else None


def _comfyui() -> Path:
    """Return ComfyUI's folder for the packages of UNets, if ComfyUI is known in one place.

    Raises:
        UsageError: it is known in none, or in several.
        BadInputError: it is not there, or nothing can be put there.
    """
    known = homes_of("comfy")
    if not known:
        told = command("sources", "add", "comfy", "FOLDER")
        raise UsageError("where ComfyUI is, is not known", where="--install", remedy=told)
    if len(known) > 1:
        raise UsageError(
            f"ComfyUI is known in {len(known)} places",
            where="--install",
            remedy=f"leave it out, and copy the package into one's {FOLDER}",
        )
    forget = command("sources", "remove", "comfy", known[0])
    if not (known[0] / FOLDER).parent.is_dir():
        raise BadInputError(
            "ComfyUI is not there",
            where=known[0],
            remedy=f"connect its disk, or forget it: {forget}",
        )
    _require_usable(known[0] / FOLDER)
    return known[0] / FOLDER


def _require_usable(folder: Path) -> None:
    """Refuse ComfyUI's folder of UNets if no package can be put there; it is made if need be.

    Raises:
        BadInputError: it is a link that leads nowhere, is no folder, or may not be written to.
    """
    place = find_place(folder)
    otherwise = "leave --install out, and copy the package to where ComfyUI reads it"
    if not place.is_dir() and place.exists():
        remedy = f"move it away, or {otherwise}"
        raise BadInputError("is a file, and ComfyUI reads a folder", where=folder, remedy=remedy)
    there = place if place.is_dir() else place.parent
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = f"see who owns it, or {otherwise}"
        raise BadInputError("may not be written to", where=there, remedy=remedy)


def _require_used(app: App, job: Job) -> None:
    options = job.options
    asked = {
        "safety_checker": options.safety_checker,
        "controlled_chunks": options.chunk and options.controlled,
    }
    for what, why in UNUSED[app].items():
        if asked[what]:
            raise UnsupportedError(why, where=job.model.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of finished folders: where they were put, and why others were not."""

    installed: Mapping[Path, Installed]
    withheld: Mapping[Path, SdcoremlError]


def deliver(
    args: argparse.Namespace,
    folders: Sequence[Path],
    emit: Emit,
    find_fault: Callable[[Path], SdcoremlError | None] = lambda _: None,
) -> Delivery:
    """Put finished folders where the app looks for them; one that cannot be put stops no other.

    `find_fault` says what is wrong with a folder that is not there yet; such a folder is withheld.
    """
    installer, places = Installer(emit=emit), _Places.of(args)
    done = {folder: _attempt(places, folder, installer, find_fault) for folder in folders}
    return Delivery(
        installed={folder: one for folder, one in done.items() if isinstance(one, Installed)},
        withheld={folder: one for folder, one in done.items() if isinstance(one, SdcoremlError)},
    )


def _attempt(
    places: _Places,
    folder: Path,
    installer: Installer,
    find_fault: Callable[[Path], SdcoremlError | None],
) -> Installed | SdcoremlError | None:
    try:
        return _install(places, folder, installer, find_fault)
    except SdcoremlError as error:
        return error


def _install(
    places: _Places,
    folder: Path,
    installer: Installer,
    find_fault: Callable[[Path], SdcoremlError | None],
) -> Installed | None:
    if places.mochi is None and places.nets is None and places.comfyui is None:
        return None
    contents = contents_of(folder, PACKAGE if places.comfyui else COMPILED)
    place = places.place_of(is_net=contents.is_net)
    if place is None:
        return None
    if not is_installed(contents, place / name_of(contents)) and (fault := find_fault(folder)):
        raise fault
    return installer.install(contents, place)


def fault_of(folder: Path, report: LoadReport | None) -> SdcoremlError | None:
    """Return why a folder is not installed that Core ML found faulty; `None` if it did not."""
    if report is None or not report.faults:
        return None
    more = command("verify", folder, "--with", "coreml")
    return SdcoremlError(verdict(report), where=folder, remedy=f"see {more}")
