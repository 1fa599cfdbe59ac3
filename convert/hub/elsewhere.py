"""Downloads single files from an address or from Civitai.

They are kept in the user's cache folder, each in a folder of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdcoreml.convert.hub.access import CIVITAI_SERVER, Access
from sdcoreml.convert.hub.failures import Asked, off_line
from sdcoreml.convert.hub.names import CivitaiName, FileAddress
from sdcoreml.convert.hub.obtain import SAFE, Obtained
from sdcoreml.convert.hub.sketch import draw_header, folder_of_links
from sdcoreml.convert.hub.transfer import Wanted, download, require_plain_file
from sdcoreml.convert.hub.web import Web, open_web, stated_size
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.files import SUFFIXES
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import require_space
from sdcoreml.ground.errors import BadInputError, FetchError, UnsupportedError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount

_KEY = 16
_LONGEST_NAME = 200
"""The bytes of a file's name: most systems take 255, and ours adds to it."""
_KINDS: Mapping[str, str] = {
    "LORA": "a LoRA: `sdcoreml convert MODEL --lora FILE` takes it",
    "LoCon": "a LoRA: `sdcoreml convert MODEL --lora FILE` takes it",
    "TextualInversion": "a textual inversion: `sdcoreml convert MODEL --embedding FILE` takes it",
    "VAE": "a VAE: `sdcoreml convert MODEL --vae FILE` takes it",
}
"""Maps Civitai's types of partial models to a description that names the option for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file to download, the request for it, its origin, and its approximate size in bytes."""

    wanted: Wanted
    asked: Asked
    origin: FetchedFrom
    about: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether the file has been downloaded already."""
        return self.wanted.target.exists()


@contextmanager
def obtain_file(
    name: FileAddress | CivitaiName,
    access: Access,
    emit: Emit,
    examine: Callable[[Path], None],
) -> Iterator[Obtained]:
    """Download a file and yield its place and origin.

    Before the download, `examine` is called with a file that has only the header of a safetensors
    file; it raises an error if the model cannot be converted. A pickle is not examined.

    Raises:
        FetchError, BadInputError, UnsupportedError, NoSpaceError: as `obtain_from_hub`.
    """
    with open_web(emit) as web:
        file = _find(name, access, web)
        _tell(file, emit)
        if not file.is_here:
            if file.wanted.target.suffix == SAFE:
                with _sketch(file, web) as sketch:
                    examine(sketch)
            _download(file, web)
    yield Obtained(path=file.wanted.target, origin=file.origin)


@contextmanager
def sketch_file(name: FileAddress | CivitaiName, access: Access, emit: Emit) -> Iterator[Obtained]:
    """Fetch only the header of a file, and yield a file that has this header but no weights.

    If the file was downloaded before, it is yielded itself.

    Raises:
        FetchError, BadInputError, UnsupportedError: as `obtain_file`; or the file is a pickle.
    """
    with open_web(emit) as web:
        file = _find(name, access, web)
        _tell(file, emit)
        if file.is_here:
            yield Obtained(path=file.wanted.target, origin=file.origin)
            return
        if file.wanted.target.suffix != SAFE:
            raise FetchError(
                "it is a pickle, which can be judged only after it is downloaded",
                where=f"{name}",
                remedy=f"{command('convert', str(name))} downloads it",
            )
        with _sketch(file, web) as path:
            yield Obtained(path=path, origin=file.origin, is_sketch=True)


def _tell(file: RemoteFile, emit: Emit) -> None:
    size = f", {amount(file.about)}" if file.about is not None else ""
    state = "here already" if file.is_here else "to fetch"
    licence = f"; licence {file.origin.licence}" if file.origin.licence else ""
    name = file.wanted.target.name
    emit(Event(kind="note", text=f"{file.asked.name}: {name}{size}, {state}{licence}"))


@contextmanager
def _sketch(file: RemoteFile, web: Web) -> Iterator[Path]:
    with folder_of_links("model", {}, f"{file.asked.name}") as folder:
        path = folder / file.wanted.target.name
        draw_header(file.wanted, web, file.asked, path)
        yield path


def _download(file: RemoteFile, web: Web) -> None:
    total = file.about or 0
    require_space(file.wanted.target, total)
    said = f" {amount(total)}" if total else ""
    web.emit(Event(kind="step", text=f"fetch{said} of {file.asked.name}"))

    def progress(done: int) -> None:
        web.emit(Event(kind="progress", done=done, total=total, unit="B"))

    download(file.wanted, web, file.asked, progress)


def _find(name: FileAddress | CivitaiName, access: Access, web: Web) -> RemoteFile:
    if isinstance(name, FileAddress):
        return _at_address(name, access, web)
    return _on_civitai(name, access, web)


def _at_address(name: FileAddress, access: Access, web: Web) -> RemoteFile:
    """Return the file at an address; its target depends on the address and the content's mark."""
    server = f"{urlsplit(name.url).scheme}://{urlsplit(name.url).netloc}"
    asked = Asked(name=name, server=server, file=name.file)
    if Path(name.file).suffix.lower() not in SUFFIXES:
        raise BadInputError(
            "this is not the address of a weight file",
            where=f"{name}",
            remedy=f"give an address that ends with {' or '.join(sorted(SUFFIXES))}",
        )
    folder = access.downloads / hashlib.sha256(name.url.encode()).hexdigest()[:_KEY]
    if access.offline:
        kept = sorted(folder.glob(f"*/{name.file}"))
        if not kept:
            raise off_line(asked, access.offline)
        return _describe_kept(kept[-1], asked)
    mark, size = _mark(name, web, asked)
    target = folder / mark / name.file
    wanted = Wanted(url=name.url, target=target, lock=target.with_name(".lock"), size=size)
    return RemoteFile(wanted=wanted, asked=asked, origin=_origin(name), about=size)


def _describe_kept(path: Path, asked: Asked) -> RemoteFile:
    wanted = Wanted(url="", target=path, lock=path.with_name(".lock"), size=path.stat().st_size)
    origin = _origin(asked.name)
    return RemoteFile(wanted=wanted, asked=asked, origin=origin, about=wanted.size)


def _origin(name: object) -> FetchedFrom:
    return FetchedFrom(name=f"{name}", address=f"{name}" if isinstance(name, FileAddress) else "")


def _mark(name: FileAddress, web: Web, asked: Asked) -> tuple[str, int | None]:
    """Return a mark of the file's present content, and the file's size in bytes, if known.

    The mark is a hash of the size and of the ETag or date that the server states.
    """
    with web.answer(name.url, asked, headers={"Range": "bytes=0-0"}) as response:
        headers = response.headers
        require_plain_file(response, name.url, asked)
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    said = headers.get("ETag") or headers.get("Last-Modified") or ""
    mark = hashlib.sha256(f"{said} {total}".encode()).hexdigest()[:_KEY]
    return mark, stated_size(headers)


def _on_civitai(name: CivitaiName, access: Access, web: Web) -> RemoteFile:
    asked = Asked(name=name, server=access.civitai, has_token=bool(access.civitai_token))
    folder = access.downloads / f"civitai-{name.version}"
    if access.offline:
        kept = [path for path in sorted(folder.glob("*")) if path.suffix in SUFFIXES]
        if not kept:
            raise off_line(asked, access.offline)
        return _describe_kept(kept[0], asked)
    url = f"{access.civitai}/api/v1/model-versions/{name.version}"
    answer = web.get_json(url, asked, access.civitai_token)
    try:
        return _read_version(answer, asked, folder, access)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FetchError(
            f"unexpected answer from Civitai ({type(error).__name__}: {error})",
            where=f"{name}",
            remedy="download it with a browser, and give the file's path",
        ) from error


def _read_version(answer: Any, asked: Asked, folder: Path, access: Access) -> RemoteFile:  # noqa: ANN401  JSON
    kind = answer["model"]["type"]
    if kind != "Checkpoint":
        what = _KINDS.get(kind, f"of Civitai's type {kind}, which cannot be converted")
        raise UnsupportedError(
            f"this is {what}", where=f"{asked.name}", remedy="give a version of a checkpoint"
        )
    chosen = _choose(answer["files"], asked)
    name, digest = Path(chosen["name"]).name, str(chosen["hashes"]["SHA256"]).lower()
    if not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        raise ValueError("a file has a name that no file can have")
    if not name or name.startswith(".") or len(digest) != hashlib.sha256().digest_size * 2:
        raise ValueError("a file has no name or no SHA-256")
    target = folder / name
    address = f"{CIVITAI_SERVER}/models/{answer['modelId']}?modelVersionId={answer['id']}"
    wanted = Wanted(
        url=_of_server(chosen["downloadUrl"], access),
        target=target,
        lock=target.with_name(".lock"),
        sha256=digest,
        token=access.civitai_token,
    )
    return RemoteFile(
        wanted=wanted,
        asked=Asked(name=asked.name, server=asked.server, has_token=asked.has_token, file=name),
        origin=FetchedFrom(
            name=f"{asked.name}",
            revision=f"{answer['id']}",
            licence=_licence(answer),
            address=address,
        ),
        about=round(chosen["sizeKB"] * 1024),
    )


def _of_server(url: str, access: Access) -> str:
    """Return a download's address if it is on Civitai's server, since a token is sent there.

    Raises:
        ValueError: the address is on another server.
    """
    if not url.startswith(f"{access.civitai}/"):
        raise ValueError("the download's address is on another server")
    return url


def _licence(answer: Mapping[str, Any]) -> str:
    """Describe the licence: that of the base model, and the terms on the model's page."""
    base = answer.get("baseModel")
    return f"that of {base}, and the terms on its page" if base else ""


def _choose(files: list[Mapping[str, Any]], asked: Asked) -> Mapping[str, Any]:
    """Choose the best weight file of a version.

    Models are preferred to other types of files, then safetensors files, then half precision, then
    the file that Civitai calls primary.
    """
    models = [file for file in files if Path(file["name"]).suffix.lower() in SUFFIXES]
    if not models:
        raise UnsupportedError(
            f"has no weight file, only {', '.join(file['name'] for file in files) or 'none'}",
            where=f"{asked.name}",
            remedy="choose another version",
        )

    def rank(file: Mapping[str, Any]) -> tuple[bool, bool, bool, bool]:
        metadata = file.get("metadata") or {}
        return (
            file.get("type") != "Model",
            Path(file["name"]).suffix.lower() != SAFE,
            metadata.get("fp") != "fp16",
            not file.get("primary"),
        )

    return min(models, key=rank)
