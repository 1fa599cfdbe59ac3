"""How a page and its server prove to each other that they know the token, which neither sends.

After a crash, another user of this machine may listen at the port that an open page asks. So the
page first has the server prove itself: it sends a number that was never sent before, and what only
the token's owner can make of it comes back, with the name of this server's life, a random one. The
page then asks with a pass, which is good for that life alone: whoever gets it after a crash has
nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from sdcoreml.doctor.studio.refusals import RequestError

_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_BYTES = 16


def _random() -> str:
    return secrets.token_hex(_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """The token, and the life of the server that it is used with: another one after each start."""

    token: str
    life: str = field(default_factory=_random)

    @property
    def access(self) -> str:
        """The pass that the page asks with; "" without a token, which opens nothing."""
        return self._sign("page", self.life) if self.token else ""

    def prove(self, nonce: str) -> dict[str, object]:
        """Return what shows to whoever knows the token that this server knows it, too.

        Raises:
            RequestError: a nonce is 16 to 64 letters, digits, `_` or `-`.
        """
        if not _NONCE.fullmatch(nonce):
            raise RequestError("there is nothing to prove", where="the request")
        return {"id": self.life, "proof": self._sign("server", self.life, nonce)}

    def is_proved(self, nonce: str, proof: str) -> bool:
        """Whether this is what a server with this token and life answers to a nonce."""
        said = proof.encode("utf-8", "replace")
        return hmac.compare_digest(said, self._sign("server", self.life, nonce).encode())

    def _sign(self, *words: str) -> str:
        # The first word keeps the purposes apart: no nonce makes of a proof a pass.
        said = " ".join(words).encode("utf-8", "replace")
        return hmac.new(self.token.encode(), said, hashlib.sha256).hexdigest()


def make_nonce() -> str:
    """Return a number that was never sent before, as text."""
    return secrets.token_urlsafe(_BYTES)
