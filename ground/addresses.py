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
"""A token in a channel's address, as conda writes it."""
_OWN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}")
"""Tokens of the hub, anywhere in a text."""


def hide_credentials(text: str) -> str:
    """The text with every login and token in its addresses written as `****`."""
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    text = _SECRET.sub(rf"\g<1>{HIDDEN}", text)
    return _OWN.sub(HIDDEN, _PATH_TOKEN.sub(HIDDEN, text))
