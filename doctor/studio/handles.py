"""Handles: the only way in which the page names a file or a folder.

A handle is a path that this server has signed, so whatever a page sends, it can only name what a
listing or an answer has given it. Signing instead of remembering costs no memory, and a handle
outlives a crash of the server, whose key is kept.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.studio.refusals import StrangerError

_SIGNATURE = 16
"""Bytes of a signature: half of SHA-256's, which nobody guesses."""

_LONGEST = 16_384
"""The most letters of a handle: a path has at most 4,096 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs paths with `key`, each for one `purpose`, and takes back only what it signed."""

    key: bytes

    def sign(self, path: Path, purpose: str = "path") -> str:
        """Return the handle of a path; equal paths have equal handles."""
        data = os.fsencode(path)
        return _letters(self._signature(data, purpose) + data)

    def resolve(self, handle: object, purpose: str = "path") -> Path:
        """Return the path of a handle.

        Raises:
            StrangerError: this key did not sign it for this purpose.
        """
        data = _bytes(handle) if isinstance(handle, str) and len(handle) <= _LONGEST else b""
        signature, path = data[:_SIGNATURE], data[_SIGNATURE:]
        if not path or not hmac.compare_digest(signature, self._signature(path, purpose)):
            raise StrangerError(
                "this handle was not given by this studio", remedy="load the page again"
            )
        return Path(os.fsdecode(path))

    def _signature(self, data: bytes, purpose: str) -> bytes:
        said = purpose.encode() + b"\0" + data
        return hmac.new(self.key, said, hashlib.sha256).digest()[:_SIGNATURE]


def _letters(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
