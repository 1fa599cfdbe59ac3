"""What the file of certificates holds, and what a page says that it does."""

from __future__ import annotations

from collections.abc import Iterator

from sdcoreml.convert.certificates.store import load
from sdcoreml.ground.places import ROOT

FOR_COMFYUI = " for ComfyUI"
PROGRAMS = {"unet": "UNet", "controlled_unet": "UNet for ControlNets"}


def table() -> Iterator[str]:
    """Yield the table of the graphs for ComfyUI that have certificates: one row for each model."""
    layouts: dict[tuple[str, str, str], set[str]] = {}
    for one in load().values():
        if FOR_COMFYUI in one.title:
            title, layout, size, _ = one.title.split(", ")
            row = (title.removesuffix(FOR_COMFYUI), PROGRAMS[one.component], size)
            layouts.setdefault(row, set()).add(layout.lower().replace("_", "-"))
    yield "| model | program | size | `--attention` |"
    yield "|---|---|---|---|"
    for row, found in sorted(layouts.items()):
        said = ", ".join(f"`{layout}`" for layout in sorted(found))
        yield f"| {' | '.join(row)} | {said} |"


def test_the_page_lists_the_graphs_for_comfyui_that_have_certificates() -> None:
    lines = "\n".join(table())
    page = (ROOT / "convert" / "README.md").read_text("utf-8")
    assert f"\n\n{lines}\n\n" in page, f"write these lines into convert/README.md:\n{lines}"
