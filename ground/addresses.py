"""Addresses as people may see them: without passwords and tokens."""

from __future__ import annotations

import re

HIDDEN = "****"
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET = re.compile(
    r"(?i)(?<=[?&])((?:[\w-]*(?:token|signature|credential|password|secret)|api[_-]?key|key|sig)=)"
    r"[^&\s\"'#]+"
)
_PATH_TOKEN = re.compile(r"(?<=/t/)[\w-]{8,}(?=/)")
"""conda's way to put a token into a channel's address."""
_OWN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}")
"""Tokens of the hub, wherever they stand."""


def hide_credentials(text: str) -> str:
    """The text with every login and token in its addresses written as `****`."""
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    text = _SECRET.sub(rf"\g<1>{HIDDEN}", text)
    return _OWN.sub(HIDDEN, _PATH_TOKEN.sub(HIDDEN, text))
