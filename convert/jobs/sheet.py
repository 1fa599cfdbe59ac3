"""Draws several prompts with several folders: rows and columns of a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.drawing.sheets import Compared, ContactSheet, Nearness, Strip
from sdcoreml.convert.drawing.wish import Target
from sdcoreml.convert.jobs.draw import Drawing, Request, draw_targets
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.plan import name_storage
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.aside import scratch_beside
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.events import Emit
from sdcoreml.ground.quantity import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A folder, or the model that the first one was made from, and its size in bytes.

    A folder's size is that of the compiled models that apps load. `storage` is how its weights are
    stored, where that tells it from the other folders.
    """

    path: Path
    nbytes: int
    is_model: bool = False
    storage: str = ""

    @property
    def name(self) -> str:
        """What stands above the column."""
        return "the model itself" if self.is_model else self.storage or self.path.resolve().name


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A prompt, what each folder drew of it, and the bytes of each column's PNG file.

    `near` says how near each column's picture is to the first column's, `None` for that one.
    """

    prompt: str
    drawings: tuple[Drawing, ...]
    pictures: tuple[bytes, ...]
    near: tuple[Nearness | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A contact sheet; if the model itself was drawn, it is the first column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def draw_sheet(
    request: Request,
    prompts: Sequence[str],
    others: Sequence[Path],
    output: Path,
    runner: Runner,
    emit: Emit,
) -> Sheet:
    """Draw each prompt with the request's folder and the others, and write the PNG file `output`.

    If the request is against a model, its picture is in the first column.

    Raises:
        SdcoremlError: as `draw_targets`; no two folders may draw pictures of different sizes.
    """
    folders = (request.folder, *others)
    columns = _columns(folders)
    with scratch_beside(output) as scratch:
        scratch.mkdir(exist_ok=True)
        place = scratch.resolve()
        drawn = []
        for number, folder in enumerate(folders):
            asked = request if number == 0 else _alone(request, folder)
            targets = [_target(place, number, row, one, asked) for row, one in enumerate(prompts)]
            drawn.append(draw_targets(asked, targets, runner, emit))
        names = [str(number) for number in range(len(folders))]
        if request.against:
            columns.insert(0, _model_of(request.folder, request.against))
            names.insert(0, _ORIGINAL)
        rows = tuple(
            Strip(prompt=prompt, pictures=tuple(str(_file(place, name, row)) for name in names))
            for row, prompt in enumerate(prompts)
        )
        heads = tuple((one.name, amount(one.nbytes)) for one in columns)
        sheet = ContactSheet(heads=heads, rows=rows, output=str(output))
        answer = runner.run("sheet", to_plain(sheet), emit)
        found = from_plain(Compared, answer.value)
        return Sheet(
            columns=tuple(columns),
            rows=tuple(
                Row(
                    prompt=strip.prompt,
                    drawings=tuple(one[row] for one in drawn),
                    pictures=tuple(Path(picture).read_bytes() for picture in strip.pictures),
                    near=(None, *found.rows[row]),
                )
                for row, strip in enumerate(rows)
            ),
        )


_ORIGINAL = "original"


def _alone(request: Request, folder: Path) -> Request:
    """Return the request for another folder, without the model, which is drawn once."""
    return replace(request, folder=folder, against=None, refiner=None, own_ids=False)


def _target(place: Path, number: int, row: int, prompt: str, asked: Request) -> Target:
    original = str(_file(place, _ORIGINAL, row)) if asked.against else ""
    return Target(prompt=prompt, output=str(_file(place, str(number), row)), original=original)


def _file(place: Path, column: str, row: int) -> Path:
    return place / f"{column}-{row}.png"


def _columns(folders: Sequence[Path]) -> list[Column]:
    recipes = [read_manifest(folder).options.recipe for folder in folders]
    stored = [name_storage(recipe) if recipe else "uncompressed" for recipe in recipes]
    differ = len(set(stored)) == len(stored)
    return [
        Column(path=folder, nbytes=_bytes_of(folder), storage=storage if differ else "")
        for folder, storage in zip(folders, stored, strict=True)
    ]


def _model_of(folder: Path, model: Path) -> Column:
    nbytes = sum(record.size for record in read_manifest(folder).inputs.values())
    return Column(path=model, nbytes=nbytes, is_model=True)


def _bytes_of(folder: Path) -> int:
    return sum(
        record.size
        for entry in read_manifest(folder).programs.values()
        for record in entry.loaded.values()
    )
