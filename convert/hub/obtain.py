"""Makes a model on the hub available at a local path: lists, downloads and links its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdcoreml.convert.hub.access import HUB_SERVER, Access
from sdcoreml.convert.hub.cache import CARD, Shelf, list_cached
from sdcoreml.convert.hub.failures import Asked, off_line
from sdcoreml.convert.hub.listing import Listing, list_model
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.selection import Form, Selection, select
from sdcoreml.convert.hub.sketch import draw_header, folder_of_links
from sdcoreml.convert.hub.transfer import download
from sdcoreml.convert.hub.web import Web, open_web
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.files import SUFFIXES
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import require_space
from sdcoreml.ground.errors import FetchError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount

SAFE = ".safetensors"
_SHORT = 8
_LONGEST_CARD = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """A model that was given by name: its local path, and its origin.

    If `is_sketch` is true, only the headers of its weights are at that path.
    """

    path: Path
    origin: FetchedFrom
    is_sketch: bool = False


@contextmanager
def obtain_from_hub(
    name: HubName,
    access: Access,
    emit: Emit,
    examine: Callable[[Path], None],
    *,
    with_checker: bool = False,
) -> Iterator[Obtained]:
    """Download the files that a conversion needs, and link them in a folder with the model's name.

    Before the download, `examine` is called with a folder that has only the headers of the model's
    weights; it raises an error if the model cannot be converted. Pickles are not examined.

    Raises:
        FetchError: the hub cannot be reached, or refuses access.
        BadInputError: there is no such model, revision or file; or a download has the wrong hash.
        UnsupportedError: the model has nothing that can be converted.
        NoSpaceError: the disk has too little space.
    """
    with open_web(emit) as web:
        order = _Order.of(name, access, web, with_checker=with_checker)
        emit(Event(kind="note", text=order.summary()))
        if order.missing:
            if order.can_be_sketched:
                with _sketch(order, web) as sketch:
                    examine(sketch)
            _download_all(order, order.missing, web)
        _check_kept(order, web)
    with folder_of_links(order.title, order.places(), f"{name}") as folder:
        yield Obtained(path=order.path_in(folder), origin=order.origin)


@contextmanager
def sketch_from_hub(name: HubName, access: Access, emit: Emit) -> Iterator[Obtained]:
    """Yield the model with only the headers of its weights; no large file is downloaded.

    Raises:
        FetchError, BadInputError, UnsupportedError: as `obtain_from_hub`; or the weights are
            pickles, which cannot be judged before they are downloaded.
    """
    with open_web(emit) as web:
        order = _Order.of(name, access, web)
        emit(Event(kind="note", text=order.summary()))
        if not order.can_be_sketched:
            raise FetchError(
                "its weights are pickles, which can be judged only after they are downloaded",
                where=f"{name}",
                remedy=f"{command('convert', str(name))} downloads them ({amount(order.nbytes)})",
            )
        with _sketch(order, web) as path:
            yield Obtained(path=path, origin=order.origin, is_sketch=bool(order.missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """The files chosen from a model, and the files to download, which are `missing` here."""

    shelf: Shelf
    selection: Selection
    missing: Sequence[str]

    @classmethod
    def of(cls, name: HubName, access: Access, web: Web, *, with_checker: bool = False) -> _Order:
        listing = _list(name, access, web)
        shelf = Shelf(access=access, listing=listing)
        have = shelf.here()
        selection = select(
            listing.files, where=f"{name}", file=name.file, have=have, with_checker=with_checker
        )
        missing = [path for path in selection.files if path not in have]
        card = listing.files.get(CARD)
        # It states the licence when offline later; it is not downloaded alone.
        if missing and card and card.size < _LONGEST_CARD and CARD not in have:
            missing.append(CARD)
        return cls(shelf=shelf, selection=selection, missing=tuple(missing))

    @property
    def name(self) -> HubName:
        return self.shelf.listing.name

    @property
    def nbytes(self) -> int:
        """The number of bytes of all missing files; files with equal content count once."""
        files = [self.shelf.listing.files[path] for path in self.missing]
        return sum({file.blob: file.size for file in files}.values())

    @property
    def begun(self) -> int:
        """How many bytes of the missing files an earlier run has already downloaded."""
        parts = {self.shelf.choose_target(path).part for path in self.missing}
        return sum(part.stat().st_size for part in parts if part.exists())

    @property
    def title(self) -> str:
        return self.name.repo.rpartition("/")[2]

    @property
    def can_be_sketched(self) -> bool:
        missing = (PurePosixPath(path).suffix for path in self.missing)
        return all(suffix == SAFE or suffix not in SUFFIXES for suffix in missing)

    @property
    def origin(self) -> FetchedFrom:
        listing = self.shelf.listing
        return FetchedFrom(
            name=f"hf:{self.name.repo}",
            revision=listing.commit,
            licence=listing.licence,
            address=f"{HUB_SERVER}/{self.name.repo}",
        )

    def describe_request(self, file: str = "") -> Asked:
        access = self.shelf.access
        return Asked(name=self.name, server=access.hub, has_token=bool(access.hub_token), file=file)

    def places(self) -> dict[str, Path]:
        """Map the path of each chosen file in a folder of links to its path in the cache."""
        return {self.path_of(path): self.shelf.place(path) for path in self.selection.files}

    def path_of(self, path: str) -> str:
        return PurePosixPath(path).name if self.selection.form is Form.SINGLE else path

    def path_in(self, folder: Path) -> Path:
        """Return the path of the model itself in a folder of links."""
        if self.selection.form is Form.SINGLE:
            return folder / self.path_of(self.selection.files[0])
        return folder

    def summary(self) -> str:
        """Describe in one line what will be downloaded, and its size."""
        listing = self.shelf.listing
        chosen = len(self.selection.files)
        parts = [f"{self.name} at {listing.commit[:_SHORT]}", f"{self.selection.form.value}"]
        parts.append(f"{chosen} file{'s' if chosen > 1 else ''}")
        licence = f"licence {listing.licence or 'not stated'}"
        missing = len([path for path in self.missing if path in self.selection.files])
        if not missing:
            return f"{', '.join(parts)}, all in the cache already; {licence}"
        which = f"{missing} of them" if missing < chosen else "all"
        begun = self.begun
        rest = f" (of which {amount(begun)} are here already)" if begun else ""
        return f"{', '.join(parts)}, {which} to download: {amount(self.nbytes)}{rest}; {licence}"


def _list(name: HubName, access: Access, web: Web) -> Listing:
    """List a model's files on the hub or, if the hub cannot be reached, those in the cache."""
    asked = Asked(name=name, server=access.hub, has_token=bool(access.hub_token))
    if access.offline:
        if (cached := list_cached(name, access)) is None:
            raise off_line(asked, access.offline)
        return cached
    try:
        return list_model(name, access, web)
    except FetchError as error:
        if (cached := list_cached(name, access)) is None:
            raise
        text = f"{error.what}: using the files in the hub's cache"
        web.emit(Event(kind="warning", text=text))
        return cached


@contextmanager
def _sketch(order: _Order, web: Web) -> Iterator[Path]:
    small = [path for path in order.missing if PurePosixPath(path).suffix != SAFE]
    _download_all(order, small, web)
    large = {path for path in order.missing if path not in small}
    here = {path: order.shelf.place(path) for path in order.selection.files if path not in large}
    links = {order.path_of(path): place for path, place in here.items()}
    with folder_of_links(order.title, links, f"{order.name}") as folder:
        for path in sorted(large):
            wanted = order.shelf.choose_target(path)
            draw_header(wanted, web, order.describe_request(path), folder / order.path_of(path))
        yield order.path_in(folder)


def _download_all(order: _Order, paths: Sequence[str], web: Web) -> None:
    shelf = order.shelf
    files = [shelf.listing.files[path] for path in paths if shelf.find(path) is None]
    if not files:
        return
    if shelf.access.offline:
        raise off_line(order.describe_request(files[0].path), shelf.access.offline)
    total = sum(file.size for file in files)
    begun = (shelf.choose_target(file.path).part for file in files)
    require_space(shelf.folder, total - sum(part.stat().st_size for part in begun if part.exists()))
    is_large = total > _LONGEST_CARD
    if is_large:
        web.emit(Event(kind="step", text=f"fetch {amount(total)} of {order.name}"))
    before = 0
    for file in files:

        def progress(done: int, before: int = before) -> None:
            if is_large:
                web.emit(Event(kind="progress", done=before + done, total=total, unit="B"))

        download(shelf.choose_target(file.path), web, order.describe_request(file.path), progress)
        shelf.link(file.path)
        before += file.size
    shelf.remember()


def _check_kept(order: _Order, web: Web) -> None:
    """Compare cached files with the hub's hashes, and download damaged ones again."""
    kept = [path for path in order.selection.files if path not in order.missing]
    damaged = [path for path in kept if order.shelf.is_damaged(path)]
    for path in damaged:
        text = f"{path} in the hub's cache is damaged and is downloaded again"
        web.emit(Event(kind="warning", text=text))
        order.shelf.discard(path)
    _download_all(order, damaged, web)
