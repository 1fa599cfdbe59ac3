"""Makes certificates of what a full check found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convert.certificates.store import Certificate

_SCALE = 8  # image pixels per latent pixel


def issue(
    manifest: Mapping[str, Any],
    checked: Mapping[str, Mapping[str, Any]],
    toolchain: str,
    date: str,
) -> list[Certificate]:
    """A certificate for each program that passed and whose graph has a key.

    Args:
        manifest: of the folder that was checked.
        checked: by program, the outcome as `convert.parity.Parity.as_json` has it. It must be that
            of a full check: a sample is not enough, and certifying by certificate would prove
            nothing.
        toolchain: in which the programs were run.
        date: ISO 8601.
    """
    options = manifest["options"]
    size = f"{_SCALE * options['width']}x{_SCALE * options['height']}"
    details = (
        options["attention"],
        size,
        f"batch {options['batch']}",
        f"{options['tokens']} tokens",
    )
    title = ", ".join((manifest["model"]["family"], *details))
    return [
        Certificate(
            key=result["graph"],
            component=result["component"],
            title=title,
            outputs=tuple(result["outputs"]),
            runs=result["runs"],
            toolchain=toolchain,
            date=date,
        )
        for result in checked.values()
        if result["passed"] and result["graph"] and "certificate" not in result
    ]
