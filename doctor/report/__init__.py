"""One report, many renderers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TextIO

from sdcoreml.doctor.core.engine import Report

FORMATS: Mapping[str, str] = {
    "text": "text",
    "json": "as_json",
    "sarif": "sarif",
    "junit": "junit",
    "github": "github",
    "markdown": "markdown",
}
"""Formats of the command line and the module of each; only the chosen one is imported."""


def write(report: Report, form: str, stream: TextIO) -> None:
    """Write the report in one of `FORMATS`."""
    importlib.import_module(f"sdcoreml.doctor.report.{FORMATS[form]}").write(report, stream)
