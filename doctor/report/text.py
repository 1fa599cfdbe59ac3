"""Writes the report as text: coloured by rich if it is installed, plain otherwise."""

from __future__ import annotations

import importlib.util
from typing import TextIO

from sdcoreml.doctor.core.engine import Report
from sdcoreml.doctor.report.layout import Line, page
from sdcoreml.ground.visible import visible, without_filter

STYLES = {
    "ok": "green",
    "info": "cyan",
    "skipped": "dim",
    "unknown": "magenta",
    "warning": "yellow",
    "error": "bold red",
}


def write(report: Report, stream: TextIO) -> None:
    """Write the report; rich is imported only for a terminal that can show colour."""
    lines = page(report)
    if stream.isatty() and importlib.util.find_spec("rich"):
        _write_coloured(lines, stream)
    else:
        stream.write("".join(f"{line}\n" for line in lines))


def _write_coloured(lines: tuple[Line, ...], stream: TextIO) -> None:
    """Write the lines with rich, which honours NO_COLOR, FORCE_COLOR and TERM=dumb."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=without_filter(stream), highlight=False, markup=False, soft_wrap=True)
    for line in lines:
        text = Text(visible(str(line)))
        text.stylize(STYLES.get(line.style, ""), 0, len(line.label))
        console.print(text)
