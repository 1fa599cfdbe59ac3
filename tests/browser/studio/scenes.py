"""The scenes of the studio's page, in the order in which they are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.browser.studio.fake import Studio
from tests.browser.studio.languages import translated
from tests.browser.studio.looks import folds, hostile, lacks, limits, looks, refused
from tests.browser.studio.stage import Stage, once_more
from tests.browser.studio.troubles import (
    another,
    crash,
    dropping,
    folder_drop,
    impostor,
    interrupted_drop,
    left_drop,
    mute,
    pasted,
    stopped_drop,
    strangers,
    ticket,
    two_pages,
    vanished_drop,
)
from tests.browser.studio.ways import (
    checks,
    drawing,
    finished,
    first_paint,
    fixing,
    keyboard,
    queue_order,
    quiet,
    removing,
    shelves,
)
from tests.browser.studio.wire import Server

SCENES: tuple[Callable[[Stage], str | None], ...] = (
    first_paint,
    looks,
    strangers,
    ticket,
    another,
    impostor,
    mute,
    pasted,
    keyboard,
    dropping,
    folder_drop,
    interrupted_drop,
    vanished_drop,
    left_drop,
    stopped_drop,
    queue_order,
    quiet,
    crash,
    two_pages,
    hostile,
    finished,
    fixing,
    refused,
    limits,
    lacks,
    folds,
    checks,
    shelves,
    drawing,
    removing,
    translated,
)


def use(browser: str, axe: str, shots: Path, tell: Callable[[str], None]) -> Iterator[str]:
    """Yield a line for each fault; tell figures. Playwright must be on the path of modules."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for scene in SCENES:
            name = f"studio, {scene.__name__}"

            def play(
                scene: Callable[[Stage], str | None] = scene, name: str = name
            ) -> Iterator[str]:
                with Server(Studio()) as server:
                    stage = Stage(chromium=chromium, axe=axe, shots=shots, server=server)
                    try:
                        if figures := scene(stage):
                            tell(f"studio: {figures}")
                    except Exception as error:  # noqa: BLE001 (any is a fault to show)
                        yield f"{name}: {type(error).__name__}: {error}"
                yield from (f"{name}: {line}" for line in stage.said)

            yield from once_more(play, name, tell)
        chromium.close()
