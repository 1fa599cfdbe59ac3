"""`sdcoreml studio` as it is typed, with a stand-in for what serves the page."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio import serve, studio
from sdcoreml.ground.errors import UsageError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    studio.configure(parser)
    return parser.parse_args(words)


Served = tuple[Path, int | None, Callable[[str], object]]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Served]:
    calls: list[Served] = []

    def stand_in(
        store: Store,
        port: int | None,
        open_page: Callable[[str], object],
        say: Callable[[str], None],
    ) -> int:
        calls.append((store.folder, port, open_page))
        say("the studio is open")
        return 7

    monkeypatch.setenv("SDCOREML_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setattr(serve, "serve", stand_in)
    return calls


@pytest.mark.parametrize(
    ("words", "port"),
    [((), None), (("--port", "0"), 0), (("--port", "65535"), 65_535)],
)
def test_the_queue_s_page_is_served_and_opened_in_the_browser(
    words: tuple[str, ...],
    port: int | None,
    served: list[Served],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert studio.run(parsed(*words)) == 7
    assert served == [(tmp_path / "queue", port, serve.open_in_browser)]
    assert capsys.readouterr().out == "the studio is open\n"


def test_without_a_browser_nothing_is_opened(
    served: list[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", pytest.fail)
    assert studio.run(parsed("--no-browser")) == 7
    ((_, _, open_page),) = served
    assert open_page is not serve.open_in_browser
    assert open_page("http://127.0.0.1:1/") is None


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_what_is_no_port_is_wrong_usage(port: str, served: list[Served]) -> None:
    with pytest.raises(UsageError, match=rf"^no port is {port}; give 0 to 65535$"):
        studio.run(parsed("--port", port))
    assert served == []
