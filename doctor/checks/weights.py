"""Checks of the model's weight files: complete, safe, and in fact weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.doctor.checks.pins import list_some
from sdcoreml.doctor.checks.ruling import adopt_judgement
from sdcoreml.doctor.core.check import CheckFamily, Findings, Fix, check, error, info
from sdcoreml.doctor.core.subjects import ModelFolder, WeightFile


def files(model: ModelFolder) -> Iterator[WeightFile]:
    """Yield every weight file of the model."""
    for part in model.components:
        yield from part.weights


def files_of_kind(model: ModelFolder, kind: str) -> list[WeightFile]:
    """Return the weight files whose first bytes are those of `kind`."""
    return [file for file in files(model) if file.kind == kind]


@adopt_judgement
@check("MOD005", CheckFamily.MODEL)
def no_pointers(model: ModelFolder) -> Findings:
    """No weight file is a Git LFS pointer.

    A repository cloned without git-lfs holds 130-byte text files in place of the weights. Readers
    then report a header that is too large, or an invalid pickle.

    `--fix` fetches them with git-lfs, unless the repository has settings or hooks that could make
    git run a program: those are shown, for you to judge.
    """
    pointers = files_of_kind(model, "lfs-pointer")
    if pointers:
        yield error(
            f"Git LFS pointers, not weights: {list_some([_short(model, f) for f in pointers])}",
            why="The repository was cloned without git-lfs; the weights were never downloaded.",
            fix=Fix(
                "fetch what they point to"
                + (
                    f"; git would follow this repository's settings: {list_some(model.active)}"
                    if model.active
                    else ""
                ),
                commands=(
                    ("git", "-C", _root(model), "lfs", "install", "--local"),
                    ("git", "-C", _root(model), "lfs", "pull"),
                ),
                safe=not model.active,
            ),
            where=pointers[0].path,
        )


@adopt_judgement
@check("MOD006", CheckFamily.MODEL)
def no_web_pages(model: ModelFolder) -> Findings:
    """No weight file is a saved web page or an empty file.

    A site that wants a login answers a download with a page, which a browser or curl saves under
    the file's name.
    """
    for file in files_of_kind(model, "web-page"):
        yield error(
            f"{_short(model, file)} is a web page, not weights ({file.size} bytes)",
            why="The site answered the download with a login or error page.",
            fix=Fix("log in (or pass the site's token) and download it again"),
            where=file.path,
        )
    kinds = ("empty", "other", "unreadable")
    for file in (file for kind in kinds for file in files_of_kind(model, kind)):
        what = file.fault or ("no weight file" if file.size else "empty")
        yield error(
            f"{_short(model, file)} is {what}",
            why="Its tensors cannot be read.",
            fix=Fix("download the file again"),
            where=file.path,
        )


@adopt_judgement
@check("MOD007", CheckFamily.MODEL)
def files_whole(model: ModelFolder) -> Findings:
    """Every weight file is complete: exactly as long as its header says.

    A truncated download keeps a perfect header; only its length gives it away. The converter's own
    readers judge both containers.
    """
    for file in files(model):
        if file.fault and file.kind in {"safetensors", "pickle"}:
            yield error(
                f"{_short(model, file)}: {file.fault}",
                why="Reading it would fail, or give tensors that are not those of the model.",
                fix=Fix(file.remedy or "download the file again"),
                where=file.path,
            )


@adopt_judgement
@check("MOD008", CheckFamily.MODEL)
def pickles_safe(model: ModelFolder) -> Findings:
    """No pickle names anything that could run.

    A .bin or .ckpt file is a program for Python's unpickler. This check reads its opcodes without
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


@check("MOD021", CheckFamily.MODEL)
def plain_pickles(model: ModelFolder) -> Findings:
    """No checkpoint carries a trainer's objects.

    torch.load needs pytorch_lightning or the like for such a file, and refuses it from torch 2.6
    on. sdcoreml's reader skips the objects.
    """
    for file in files(model):
        if file.notes:
            yield info(
                f"{_short(model, file)}: {list_some(file.notes)}",
                why="torch.load would import a trainer's code for it, or refuse the file.",
            )


def _short(model: ModelFolder, file: WeightFile) -> str:
    """Return the file's path within the model."""
    return (
        file.path.removeprefix(model.path.rstrip("/") + "/")
        if file.path != model.path
        else Path(file.path).name
    )


def _root(model: ModelFolder) -> str:
    return model.path if model.kind != "single-file" else str(Path(model.path).parent)
