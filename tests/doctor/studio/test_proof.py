from __future__ import annotations

import pytest

from sdcoreml.doctor.studio.proof import Secret, make_nonce
from sdcoreml.doctor.studio.refusals import RequestError

TOKEN, OTHER = "literal-token-0123456789", "another"
SECRET = Secret(token=TOKEN, life="literal-life")
NONCE = "literal-nonce-0123"


def test_who_knows_the_token_can_make_the_proof_and_the_pass() -> None:
    # As `openssl dgst -sha256 -hmac literal-token-0123456789` says of these words.
    proof = "6094a0bb277d147ceb4263e1b856d42353fcfe03e422304f4bdb9544aef6c7be"
    assert SECRET.prove(NONCE) == {"id": "literal-life", "proof": proof}
    assert SECRET.access == "2d5b1adb460864394055ad57b8c64c932f945f1334eb3801ab28472ffdf068e8"
    assert SECRET.is_proved(NONCE, proof)


def test_another_token_life_or_nonce_has_another_proof() -> None:
    proof = str(SECRET.prove(NONCE)["proof"])
    assert not Secret(token=OTHER, life="literal-life").is_proved(NONCE, proof)
    assert not Secret(token=SECRET.token, life="another").is_proved(NONCE, proof)
    assert not SECRET.is_proved("literal-nonce-0124", proof)
    for said in ("", "\udcff", SECRET.access):
        assert not SECRET.is_proved(NONCE, said)


def test_a_pass_of_one_life_is_none_of_the_next_and_no_nonce_makes_one() -> None:
    first, second = Secret(token=TOKEN), Secret(token=TOKEN)
    assert first.access != second.access
    assert first.access != first.prove(first.life)["proof"]
    assert Secret(token="").access == ""


@pytest.mark.parametrize("nonce", ["", "a" * 15, "a" * 65, "a b" * 9, "ä" * 20, "a" * 20 + "\n"])
def test_what_is_no_nonce_is_not_signed(nonce: str) -> None:
    with pytest.raises(RequestError, match="nothing to prove"):
        SECRET.prove(nonce)


def test_a_nonce_is_never_the_same() -> None:
    nonces = {make_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(SECRET.prove(one)) for one in nonces} == {2}
