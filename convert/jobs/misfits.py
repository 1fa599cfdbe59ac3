"""Finds where a ControlNet does not fit the UNet in the folder beside which it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdcoreml.convert.bundle.fit import check_controlnet
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.storage.joined import Packages, open_whole
from sdcoreml.ground.errors import Fault


def find_misfits(job: Job, programs: Mapping[str, Packages]) -> Iterator[Fault]:
    """Yield faults where a ControlNet does not fit the UNet that it was made for."""
    if job.beside is None:
        return
    unet = next(
        entry.find_packages(job.beside, name)
        for name, entry in read_manifest(job.beside).programs.items()
        if entry.component == "controlled_unet"
    )
    with open_whole(programs[CONTROLNET]) as net, open_whole(unet) as controlled:
        yield from check_controlnet(net.model, net.path, controlled.model)
