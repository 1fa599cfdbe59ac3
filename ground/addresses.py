"""Hides passwords and tokens in addresses before they are shown."""

from __future__ import annotations

import re

HIDDEN = "****"
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET = re.compile(
    r"(?i)(?<=[?&])((?:[\w-]*(?:token|signature|credential|password|secret)|api[_-]?key|key|sig)=)"
    r"[^&\s\"'#]+"
)
_PATH_TOKEN = re.compile(r"(?<=/t/)[\w-]{8,}(?=/)")
"""The token in a conda channel's URL: `https://host/t/TOKEN/channel`."""
_OWN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}")
"""Tokens of the Hugging Face hub, in a URL or anywhere else in a text."""


def hide_credentials(text: str) -> str:
    """Return the text with every login and token in its URLs replaced by `****`."""
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    text = _SECRET.sub(rf"\g<1>{HIDDEN}", text)
    return _OWN.sub(HIDDEN, _PATH_TOKEN.sub(HIDDEN, text))
