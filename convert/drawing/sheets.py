"""A contact sheet: what several folders drew of several prompts, as values for the child."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A row of a contact sheet: its prompt, and the PNG file of each column's picture."""

    prompt: str
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSheet:
    """Rows of pictures, each compared with its row's first, and the PNG file to write.

    `heads` are the lines of text above each column.
    """

    heads: tuple[tuple[str, ...], ...]
    rows: tuple[Strip, ...]
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How near a picture is to the first of its row: PSNR in dB, and SSIM."""

    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a contact sheet showed: for each row, an entry for each picture after the first."""

    rows: tuple[tuple[Nearness, ...], ...]
