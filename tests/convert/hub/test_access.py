"""Where models are fetched from, as whom, and whether at all: what a person has set."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sdcoreml.convert.hub.access import Access, access_here, library

USUAL = Access(cache=Path("/cache"), downloads=Path("/downloads"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let huggingface_hub be imported anew: it has a cache, and a token if `hub.told` is set."""
    made: Any = ModuleType("huggingface_hub")
    made.constants = ModuleType("huggingface_hub.constants")
    made.constants.HF_HUB_CACHE = "/hub/cache"
    made.told = None
    made.get_token = lambda: made.told
    monkeypatch.setitem(sys.modules, "huggingface_hub", made)
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", made.constants)
    return made


@pytest.mark.usefixtures("hub")
def test_unless_somebody_says_otherwise_the_usual_servers_are_asked() -> None:
    found = access_here({})
    assert (found.hub, found.civitai) == ("https://huggingface.co", "https://civitai.com")
    assert (found.hub_token, found.civitai_token, found.offline) == ("", "", "")
    assert found.cache == Path("/hub/cache")
    assert found.downloads.name == "downloads"
    assert found.downloads.parent.name == "sdcoreml"


def test_a_token_is_the_one_that_the_hub_s_own_library_finds_and_is_never_shown(hub: Any) -> None:
    hub.told = "hf_secret"
    found = access_here({"CIVITAI_API_TOKEN": "civ_secret"})
    assert (found.hub_token, found.civitai_token) == ("hf_secret", "civ_secret")
    assert "secret" not in repr(found)
    both = {"CIVITAI_TOKEN": "one", "CIVITAI_API_TOKEN": "two"}
    told = [access_here(one).civitai_token for one in (both, {**both, "CIVITAI_TOKEN": ""})]
    assert told == ["one", "two"]


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("environ", "offline"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE"),
        ({"HF_HUB_OFFLINE": "True"}, "HF_HUB_OFFLINE"),
        ({"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "yes"}, "TRANSFORMERS_OFFLINE"),
        ({"HF_HUB_OFFLINE": "on", "TRANSFORMERS_OFFLINE": "1"}, "HF_HUB_OFFLINE"),
        ({"HF_HUB_OFFLINE": "no", "TRANSFORMERS_OFFLINE": ""}, ""),
    ],
)
def test_it_is_said_which_variable_forbids_the_network(
    environ: Mapping[str, str], offline: str
) -> None:
    assert access_here(environ).offline == offline


@pytest.mark.usefixtures("hub")
def test_a_mirror_counts_as_the_hub() -> None:
    found = access_here({"HF_ENDPOINT": "https://mirror.example:8443"})
    assert found.hub == "https://mirror.example:8443"
    assert {"mirror.example:8443", "mirror.example", "huggingface.co"} <= found.hub_hosts
    assert "mirror.example" not in USUAL.hub_hosts


def test_the_library_is_imported_quietly_and_no_variable_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what nobody has set is set meanwhile."""
    for name in ("huggingface_hub", "huggingface_hub.constants"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    package = tmp_path / "huggingface_hub"
    package.mkdir()
    (package / "__init__.py").write_text("import os\nseen = dict(os.environ)\n")
    (package / "constants.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "0")
    before = dict(os.environ)
    found = library()
    assert found.seen == {**before, "HF_HUB_DISABLE_TELEMETRY": "1"}
    assert dict(os.environ) == before
    for name in ("huggingface_hub", "huggingface_hub.constants"):
        del sys.modules[name]  # the real ones come back, if they were there
