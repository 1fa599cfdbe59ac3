from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.__main__ import digest_of, find_browser, main
from tests.browser.specimens import pages
from tests.browser.studio.stage import once_more
from tests.pages import read_page


def test_every_kind_of_page_is_sound_before_any_browser_looks() -> None:
    made = pages()
    assert len(made) == 10
    for page in made.values():
        assert read_page(page).elements.count("h1") == 1


def test_without_a_browser_it_fails_or_says_that_nothing_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROWSER", "no-such-browser")
    assert find_browser() == ""
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("no browser: install Chromium or Chrome")
    assert main(["--if-any", str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith("NOT RUN: make browser: no browser")
    assert [*tmp_path.iterdir()] == []


def test_pages_without_a_fault_are_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROWSER", "/bin/sh")
    (tmp_path / "faultless").write_text(digest_of(pages(), "/bin/sh"))
    assert main(["--if-any", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("the pages are as they were")
    assert digest_of({"a": b"b"}, "x") != digest_of({"a": b"c"}, "x")


def test_a_browser_is_found_on_the_path_or_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "google-chrome"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() == str(browser)
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.setenv("PATH", "")
    assert find_browser() == str(browser)


def test_what_fails_once_is_told_and_what_fails_twice_is_a_fault() -> None:
    told: list[str] = []
    answers = [["a"], [], ["b"], ["c", "d"], []]
    plays = [once_more(lambda: answers.pop(0), "scene", told.append) for _ in range(3)]
    assert [*map(list, plays)] == [[], ["c", "d"], []]
    assert told == [
        "scene: failed once, then passed: a race, of the scene or of the page: mend it:",
        "  a",
    ]
