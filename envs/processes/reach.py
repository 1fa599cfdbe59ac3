"""Checks within seconds, before downloads, whether an address can be reached."""

from __future__ import annotations

import ssl
import threading
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SECONDS = 4.0
"""The time limit in seconds, including the name look-up."""
_ABSENT = frozenset({404, 410})


def why_unreachable(url: str, seconds: float = SECONDS) -> str:
    """Why nothing comes from an address, or "" where an answer came; a folder's is not asked.

    Only the beginning of the answer is read. Whoever wants a login, or a certificate that this
    Python does not know, was reached: those who download have logins and certificates of their own.
    """
    if not url.startswith(("http://", "https://")):
        return ""
    said = ["it cannot be reached: no answer in time"]
    # A name's look-up has no time limit of its own: whoever waits for it is left behind.
    asking = threading.Thread(target=lambda: said.__setitem__(0, _ask(url, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    return said[0]


def _ask(url: str, seconds: float) -> str:
    try:
        with urlopen(Request(url), timeout=seconds):  # noqa: S310  http or https alone
            return ""
    except HTTPError as error:
        return f"it does not have what is locked ({error.code})" if error.code in _ABSENT else ""
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return ""
        return f"it cannot be reached: {getattr(reason, 'strerror', None) or reason}"
