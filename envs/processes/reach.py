"""Checks within seconds, before downloads, that a server can be reached."""

from __future__ import annotations

import ssl
import threading
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SECONDS = 4.0
"""The time limit in seconds, including the DNS look-up."""
_ABSENT = frozenset({404, 410})


def why_unreachable(url: str, seconds: float = SECONDS) -> str:
    """Return why nothing can be downloaded from a URL, or ""; only http and https are checked.

    A server counts as reached even if it demands a login or has a certificate unknown to this
    Python: the downloading programs have their own logins and certificates. But 404 and 410 mean
    that the server does not have the locked files.
    """
    if not url.startswith(("http://", "https://")):
        return ""
    said = ["it cannot be reached: no answer in time"]
    # A DNS look-up has no time limit of its own, so it runs in a thread that may be abandoned.
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
