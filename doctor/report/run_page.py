"""The parts of a page that tell of a run, and of pictures that were drawn."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone

from sdcoreml.doctor.core.runs import RunLog
from sdcoreml.ground.charts import Stick, bar, sticks
from sdcoreml.ground.markup import Markup, code, element
from sdcoreml.ground.page import Column, Page, Section, facts, folded, heading, table
from sdcoreml.ground.quantity import amount

SELF_CONTAINED = "This page is whole: it has no script, and asks for nothing from elsewhere."
"""The last line of pages."""

_MINUTE = 60
_MOST = 100.0
"""The right end of the decibels' scale for pictures."""

_FEWEST = 40
"""The steps that a chart has room for: a few would look like walls."""


def run_section(log: RunLog) -> Section:
    """Return what a run took: its time, its memory, its steps."""
    most = max((step.seconds for step in log.steps), default=0.0)
    warnings = (element("li", text) for text in log.warnings)
    return Section(
        key="run",
        title="The run",
        content=(
            facts(
                (
                    ("Began", f"{log.began.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"),
                    ("Took", clock(log.seconds)),
                    ("Processor time", f"{clock(log.cpu_seconds)} on {log.cores} cores"),
                    ("Memory", f"{amount(log.memory)}, the most that one process held"),
                    ("Made by", f"sdcoreml {log.version} on {log.system}"),
                    ("Written to", code(log.folder)),
                )
            ),
            table(
                "Steps, and how long each took",
                (
                    Column(title="Step", kind="long"),
                    Column(title="Time", kind="number"),
                    Column(title="Share of the longest", kind="chart"),
                ),
                ((one.text, clock(one.seconds), bar(one.seconds, most)) for one in log.steps),
            ),
            *([heading("Warnings"), element("ul", *warnings)] if log.warnings else ()),
        ),
    )


def run_page(log: RunLog) -> Page:
    """Return the page of a run whose folder is not there."""
    name = log.folder.rpartition("/")[2]
    return Page(kind="Conversion, by sdcoreml", title=name, lead=(), sections=(run_section(log),))


def clock(seconds: float) -> str:
    """Return a measured time: `4.2 s`, `3 min 07 s`."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes:,} min {rest:02} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture for a page.

    `png` are the file's bytes, `title` stands below in bold, `lines` after it. `steps` are the
    PSNRs of the latents after each step, in dB, if the picture was compared with another.
    """

    png: bytes
    title: str
    lines: tuple[str, ...] = ()
    steps: tuple[float, ...] = ()


def picture_section(
    pictures: Sequence[Picture], title: str = "Pictures", key: str = "pictures"
) -> Section:
    """Return pictures side by side, as many as the window has room for."""
    figures = (figure(one) for one in pictures)
    compared = (
        one for number, picture in enumerate(pictures) for one in _steps(f"{key}-{number}", picture)
    )
    return Section(
        key=key,
        title=title,
        content=(element("div", *figures, class_="sheet"), *compared) if pictures else (),
    )


def figure(picture: Picture) -> Markup:
    """Return a picture with its caption; the whole picture is part of the page."""
    data = base64.b64encode(picture.png).decode()
    said = ". ".join((picture.title, *picture.lines))
    return element(
        "figure",
        element("img", src=f"data:image/png;base64,{data}", alt=f"Picture: {said}"),
        element(
            "figcaption",
            element("strong", picture.title),
            *(element("div", line) for line in picture.lines),
        ),
    )


def _steps(key: str, picture: Picture) -> Iterator[Markup]:
    """Yield how near a picture's latents stayed to the other's, step by step."""
    if not picture.steps:
        return
    yield heading(f"Step by step: {picture.title}")
    yield sticks(
        key,
        f"Nearness after each of {len(picture.steps)} steps",
        f"From {picture.steps[0]:.1f} dB after the first to {picture.steps[-1]:.1f} dB at the end",
        [
            Stick(height=psnr / _MOST, tone="value", name=f"step {place}: {psnr:.1f} dB")
            for place, psnr in enumerate(picture.steps, 1)
        ],
        max(len(picture.steps), _FEWEST),
    )
    rows = ((f"{place}", f"{psnr:.1f} dB") for place, psnr in enumerate(picture.steps, 1))
    columns = (Column(title="Step"), Column(title="PSNR of the latents", kind="number"))
    yield folded("The steps as a table", table("Nearness after each step", columns, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """A row of a contact sheet: a prompt, and what each folder drew of it."""

    prompt: str
    pictures: tuple[Picture, ...]


def sheet_page(rows: Sequence[SheetRow], settings: Mapping[str, str]) -> Page:
    """Return a contact sheet; a row for each prompt, in it a picture for each folder.

    `settings` are shown as names and values, such as `{"Steps": "20"}`.
    """
    prompts = [row.prompt for row in rows]
    is_one = sum(len(row.pictures) for row in rows) == 1
    several = f"{len(rows)} prompts" if len(rows) > 1 else "one prompt"
    return Page(
        kind="Picture, drawn by sdcoreml" if is_one else "Contact sheet, drawn by sdcoreml",
        title=prompts[0] if len(prompts) == 1 else "Contact sheet",
        lead=() if is_one else (f"The same noise, {several}, and a picture of each folder",),
        sections=(
            *(
                picture_section(row.pictures, row.prompt, f"row-{number}")
                for number, row in enumerate(rows)
            ),
            Section(
                key="settings", title="How they were drawn", content=(facts(settings.items()),)
            ),
        ),
        foot=(SELF_CONTAINED,),
    )
