"""Renderers: the same report as text, as JSON, or as annotations of GitHub Actions."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TextIO

from sdcoreml.doctor.core.engine import Report

FORMATS: Mapping[str, str] = {"text": "text", "json": "as_json", "github": "github"}
"""Each output format and its module; only the chosen module is imported."""


def write(report: Report, form: str, stream: TextIO) -> None:
    """Write the report in one of `FORMATS`."""
    importlib.import_module(f"sdcoreml.doctor.report.{FORMATS[form]}").write(report, stream)
