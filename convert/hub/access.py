"""The settings for reaching the hub and Civitai: servers, tokens, folders, and offline mode."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdcoreml.convert.hub.names import HUB_HOSTS
from sdcoreml.envs.mirrors.mirror import CIVITAI, HUB, mirror_of

HUB_SERVER = "https://huggingface.co"
CIVITAI_SERVER = "https://civitai.com"
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
CIVITAI_TOKENS = ("CIVITAI_TOKEN", "CIVITAI_API_TOKEN")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
_TRUE = frozenset({"1", "on", "yes", "true"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Servers (addresses without a `/` at the end), tokens ("" for none), and folders.

    `cache` is the hub's own cache; `downloads` holds files from other servers. In offline mode,
    `offline` is the name of the environment variable that demands it, otherwise "".
    """

    hub: str = HUB_SERVER
    civitai: str = CIVITAI_SERVER
    cache: Path
    downloads: Path
    hub_token: str = field(default="", repr=False)
    civitai_token: str = field(default="", repr=False)
    offline: str = ""

    @property
    def hub_hosts(self) -> frozenset[str]:
        """The hosts that count as the hub: its own, and a configured mirror's."""
        return HUB_HOSTS | {urlsplit(self.hub).netloc, urlsplit(self.hub).hostname or ""}


def access_here(environ: Mapping[str, str] = os.environ) -> Access:
    """Read the settings from the user's variables, token file and configuration.

    Raises:
        UsageError, LockfileError: a mirror was given that is not an address.
    """
    from platformdirs import user_cache_path

    hub = library()
    offline = (name for name in _OFFLINE if environ.get(name, "").lower() in _TRUE)
    return Access(
        hub=mirror_of(HUB, "", environ).address or HUB_SERVER,
        civitai=mirror_of(CIVITAI, "", environ).address or CIVITAI_SERVER,
        cache=Path(hub.constants.HF_HUB_CACHE),
        downloads=user_cache_path("sdcoreml", appauthor=False) / "downloads",
        hub_token=hub.get_token() or "",
        civitai_token=next(filter(None, (environ.get(name, "") for name in CIVITAI_TOKENS)), ""),
        offline=next(offline, ""),
    )


def library() -> Any:  # noqa: ANN401  a module
    """Import huggingface_hub, with progress bars and telemetry off."""
    said = {name: value for name, value in _QUIET.items() if name not in os.environ}
    os.environ.update(said)  # it reads them when it is imported
    try:
        import huggingface_hub
        import huggingface_hub.constants
    finally:
        for name in said:  # the process may be another program's
            os.environ.pop(name, None)
    return huggingface_hub
