"""Makes certificates of what a full check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdcoreml.convert.certificates.store import Certificate

_SCALE = 8  # image pixels per latent pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """In which toolchain programs were run, by its name and the digest of its lock, and when.

    `date` is ISO 8601.
    """

    toolchain: str
    lock: str
    date: str

    def issue(self, result: Mapping[str, Any], title: str) -> Certificate | None:
        """The certificate of one program; `None` where nothing was proved that could have one.

        Args:
            result: what a full check found, as `Parity.as_json` has it. A sample
                is not enough, and certifying by certificate would prove nothing.
            title: what the program is, for people.
        """
        if not result["passed"] or not result["graph"] or {"certificate", "sample"} & result.keys():
            return None
        return Certificate(
            key=result["graph"],
            component=result["component"],
            title=title,
            outputs=tuple(result["outputs"]),
            runs=result["runs"],
            toolchain=self.toolchain,
            lock=self.lock,
            date=self.date,
        )


def title_of(manifest: Mapping[str, Any]) -> str:
    """What the programs of a finished folder are."""
    options = manifest["options"]
    size = f"{_SCALE * options['width']}x{_SCALE * options['height']}"
    words = (manifest["model"]["family"], options["attention"], size, options["target"])
    return ", ".join((*words, f"batch {options['batch']}", f"{options['tokens']} tokens"))
