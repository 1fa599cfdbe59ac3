"""What the client trusts, and how often and when it asks again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.hub.failures import Asked
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.web import open_web, stated_size
from sdcoreml.envs.mirrors.mirror import CERTIFICATES
from sdcoreml.ground.errors import FetchError, UsageError
from sdcoreml.ground.events import Event
from tests.convert.hub.server import Fault, Server


def test_certificates_may_be_a_file_or_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    with open_web():
        pass
    missing = tmp_path / "none.pem"
    monkeypatch.setenv("CURL_CA_BUNDLE", str(missing))
    with pytest.raises(UsageError) as caught, open_web():
        pass
    assert str(caught.value) == (
        f"{missing}: cannot load certificates: No such file or directory; correct the variable that"
        " names it (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, PIP_CERT)"
    )


def test_the_pauses_that_a_server_asks_for_are_kept_and_told(hub: Server) -> None:
    """A pause of a second is not worth a line."""
    hub.pages["/x"] = ("application/octet-stream", b"12345")
    hub.faults = [
        Fault(path="/x", status=503),
        Fault(path="/x", status=429, headers={"Retry-After": "1"}),
        Fault(path="/x", status=429, headers={"Retry-After": "7"}),
    ]
    pauses: list[float] = []
    said: list[Event] = []
    asked = Asked(name=HubName(repo="a/b"), server=hub.address, has_token=False)
    with open_web(said.append) as opened:
        web = replace(opened, sleep=pauses.append)
        with web.answer(f"{hub.address}/x", asked, "") as response:
            assert response.read() == b"12345"
        assert pauses == [1.0, 1.0, 7.0]
        text = "the server asks for a pause of 7 s (429)"
        assert said == [Event(kind="note", text=text)]
        pauses.clear()
        none = replace(web, patience=2)
        with (
            pytest.raises(FetchError, match="cannot be reached"),
            none.answer("http://127.0.0.1:1/x", asked, ""),
        ):
            pass
        assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({"Content-Range": "bytes 0-0/77", "Content-Length": "1"}, 77),
        ({"Content-Range": "bytes 0-0/*", "Content-Length": "5"}, 5),
        ({"Content-Length": "-5"}, None),
        ({"Content-Length": "9" * 99}, None),
        ({}, None),
    ],
)
def test_a_size_is_what_the_headers_say(headers: dict[str, str], size: int | None) -> None:
    assert stated_size(headers) == size
