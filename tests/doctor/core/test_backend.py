from __future__ import annotations

import pytest

from sdcoreml.doctor.core.backend import choose_backend
from sdcoreml.ground.errors import UsageError


def test_an_option_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND", "conda")
    assert choose_backend() == "conda"
    assert choose_backend("venv") == "venv"


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_word_it_is_a_venv(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.delenv("BACKEND", raising=False)
    if text is not None:
        monkeypatch.setenv("BACKEND", text)
    assert choose_backend() == "venv"


def test_any_other_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND", "docker")
    with pytest.raises(UsageError, match="BACKEND=docker: no such backend; there are: venv, conda"):
        choose_backend()


def test_the_upstream_converter_is_no_backend_and_says_how_it_is_asked_for() -> None:
    with pytest.raises(UsageError, match="no such backend") as caught:
        choose_backend("upstream")
    assert "--converter upstream" in caught.value.remedy
