"""The model's weight files: whole, safe, and really weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.doctor.checks.pins import listed
from sdcoreml.doctor.checks.ruling import judged
from sdcoreml.doctor.core.check import Family, Findings, Fix, check, error, info
from sdcoreml.doctor.core.subjects import ModelFolder, WeightFile


def files(model: ModelFolder) -> Iterator[WeightFile]:
    """Every weight file of the model."""
    for part in model.components:
        yield from part.weights


def broken(model: ModelFolder, kind: str) -> list[WeightFile]:
    """The files whose first bytes say that they are `kind`."""
    return [file for file in files(model) if file.kind == kind]


@judged
@check("MOD005", Family.MODEL)
def no_pointers(model: ModelFolder) -> Findings:
    """No weight file is a Git LFS pointer.

    A repository cloned without git-lfs holds 130-byte text files in place of the weights. Readers
    then complain of a header too large, or of an invalid pickle.
    """
    pointers = broken(model, "lfs-pointer")
    if pointers:
        yield error(
            f"Git LFS pointers instead of weights: {listed([_short(model, f) for f in pointers])}",
            why="The repository was cloned without git-lfs; the weights were never downloaded.",
            fix=Fix(
                "fetch what they point to",
                commands=(
                    ("git", "-C", _root(model), "lfs", "install", "--local"),
                    ("git", "-C", _root(model), "lfs", "pull"),
                ),
                safe=True,
            ),
            where=pointers[0].path,
        )


@judged
@check("MOD006", Family.MODEL)
def no_web_pages(model: ModelFolder) -> Findings:
    """No weight file is a saved web page or an empty file.

    Sites that want a login answer a download with a page, which a browser or curl saves under the
    name of the file.
    """
    for file in broken(model, "web-page"):
        yield error(
            f"{_short(model, file)} is a web page, not weights ({file.size} bytes)",
            why="The site answered the download with a login or error page.",
            fix=Fix("log in (or pass the site's token) and download it again"),
            where=file.path,
        )
    for file in (*broken(model, "empty"), *broken(model, "other"), *broken(model, "unreadable")):
        what = file.fault or ("no weight file" if file.size else "empty")
        yield error(
            f"{_short(model, file)} is {what}",
            why="Its tensors cannot be read.",
            fix=Fix("download the file again"),
            where=file.path,
        )


@judged
@check("MOD007", Family.MODEL)
def files_whole(model: ModelFolder) -> Findings:
    """Every weight file is whole: as long as its valid header says.

    A truncated download keeps a perfect header: only the length gives it away. The rules of both
    containers are applied by the converter's own readers.
    """
    for file in files(model):
        if file.fault and file.kind in {"safetensors", "pickle"}:
            yield error(
                f"{_short(model, file)}: {file.fault}",
                why="Reading it would fail, or give tensors that are not those of the model.",
                fix=Fix(file.remedy or "download the file again"),
                where=file.path,
            )


@judged
@check("MOD008", Family.MODEL)
def pickles_safe(model: ModelFolder) -> Findings:
    """No pickle names anything that could run.

    A .bin or .ckpt file is a program for Python's unpickler. Its opcodes are read here without
    running them; names such as os.system have no place in a checkpoint.
    """
    for file in files(model):
        if file.unsafe:
            yield error(
                f"{_short(model, file)}: {file.unsafe[0]}",
                why="Loading it with torch.load would run that. Nothing was executed here.",
                fix=Fix("never load it; get the model as safetensors from its author"),
                where=file.path,
            )


@check("MOD021", Family.MODEL)
def plain_pickles(model: ModelFolder) -> Findings:
    """No checkpoint carries a trainer's objects.

    Such a file needs pytorch_lightning or the like to be unpickled, and torch 2.6 and newer refuses
    it. The reader here leaves the objects aside.
    """
    for file in files(model):
        if file.notes:
            yield info(
                f"{_short(model, file)}: {listed(file.notes)}",
                why="torch.load would import a trainer's code for it, or refuse the file.",
            )


def _short(model: ModelFolder, file: WeightFile) -> str:
    """The file's path within the model."""
    return (
        file.path.removeprefix(model.path.rstrip("/") + "/")
        if file.path != model.path
        else Path(file.path).name
    )


def _root(model: ModelFolder) -> str:
    return model.path if model.kind != "single-file" else str(Path(model.path).parent)
