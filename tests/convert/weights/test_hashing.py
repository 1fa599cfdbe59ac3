from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.weights.hashing import Digest


@given(st.lists(st.binary(max_size=5000), max_size=8))
def test_it_is_the_digest_of_all_parts_in_order(parts: list[bytes]) -> None:
    digest = Digest()
    for part in parts:
        digest.update(memoryview(part))
    assert digest.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()
    digest.close()
    assert digest.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()
