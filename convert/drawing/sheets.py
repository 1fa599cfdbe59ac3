"""A contact sheet: pictures that several folders drew of one prompt, as values for the child."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A picture of a contact sheet: its PNG file, and the lines of text below it."""

    picture: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSheet:
    """Panels side by side, each compared with the first, and the PNG file to write."""

    panels: tuple[Panel, ...]
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How near a panel's picture is to the first: PSNR in dB, and SSIM."""

    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a contact sheet showed: an entry for each panel after the first."""

    panels: tuple[Nearness, ...]
