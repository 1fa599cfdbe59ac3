from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.refusals import StrangerError

SIGNER = Signer(key=b"k" * 32)
PATHS = (
    "/",
    "/home/me/My models/ä.safetensors",
    os.fsdecode(b"/home/me/\xff\xfe.ckpt"),
    "/a\nb\"'<script>",
    "/" + "x" * 4_000,
)


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
def test_a_signed_path_comes_back(path: str) -> None:
    handle = SIGNER.sign(Path(path))
    assert handle.isascii()
    assert SIGNER.resolve(handle) == Path(path)
    assert SIGNER.sign(Path(path)) == handle


def forged(path: bytes) -> str:
    return base64.urlsafe_b64encode(b"\0" * 16 + path).decode().rstrip("=")


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "/etc/passwd",
        "../../etc/passwd",
        forged(b"/etc/passwd"),
        forged(b""),
        Signer(key=b"o" * 32).sign(Path("/home/me")),
        SIGNER.sign(Path("/home/me"), "report"),
        SIGNER.sign(Path("/home/me"))[:-1],
        SIGNER.sign(Path("/home/me")) + "AAAA",
        SIGNER.sign(Path("/home/me"))[:16],
        "x" * 20_000,
        "\u00e4" * 40,
        "=" * 40,
        None,
        7,
        ["a"],
        {"handle": "x"},
    ],
)
def test_whatever_was_not_signed_is_refused(handle: object) -> None:
    with pytest.raises(StrangerError, match="not given by this studio"):
        SIGNER.resolve(handle)


def test_no_bit_of_a_handle_can_be_changed() -> None:
    data = bytearray(base64.urlsafe_b64decode(SIGNER.sign(Path("/home/me/model")) + "=="))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StrangerError):
            SIGNER.resolve(base64.urlsafe_b64encode(bytes(data)).decode().rstrip("="))
        data[bit // 8] ^= 1 << bit % 8
