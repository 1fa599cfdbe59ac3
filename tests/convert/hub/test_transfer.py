"""A download is complete and verified, or an error says why not; interrupted ones resume."""

from __future__ import annotations

import hashlib
import resource
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from sdcoreml.convert.hub.access import Access
from sdcoreml.convert.hub.failures import Asked
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.transfer import Wanted, download, require_plain_file
from sdcoreml.convert.hub.web import Web, open_web
from sdcoreml.ground.errors import BadInputError, FetchError, NoSpaceError, UsageError
from sdcoreml.ground.events import Event
from tests.convert.hub.server import Fault, Server

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SECRET = "hf_" + 12 * "s"
ASKED = Asked(name=HubName(repo="a/b"), server="http://hub.invalid", file="x.bin")


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def web(pauses: list[float]) -> Iterator[Web]:
    with open_web() as opened:
        yield replace(opened, sleep=pauses.append)


@pytest.fixture
def wanted(hub: Server, access: Access, tmp_path: Path) -> Wanted:
    hub.pages["/x.bin"] = ("application/octet-stream", CONTENT)
    return Wanted(
        url=f"{access.hub}/x.bin",
        target=tmp_path / "blobs" / DIGEST,
        lock=tmp_path / "locks" / "x.lock",
        size=len(CONTENT),
        sha256=DIGEST,
    )


def fetch(wanted: Wanted, web: Web, asked: Asked = ASKED) -> list[int]:
    """Download a file; return the progress that was reported."""
    steps: list[int] = []
    download(wanted, web, asked, steps.append)
    return steps


def test_a_file_is_brought_once(wanted: Wanted, web: Web, hub: Server) -> None:
    steps = fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT
    assert steps[-1] == len(CONTENT)
    assert [path.name for path in wanted.target.parent.iterdir()] == [DIGEST]
    fetch(wanted, web)
    assert len(hub.requests) == 1


def test_what_an_earlier_run_brought_is_gone_on_from(wanted: Wanted, web: Web, hub: Server) -> None:
    wanted.part.parent.mkdir()
    wanted.part.write_bytes(CONTENT[:1_000_000])
    fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT
    assert hub.requests[0].headers["Range"] == "bytes=1000000-"
    assert hub.sent == len(CONTENT) - 1_000_000


def test_what_was_whole_already_is_only_compared(wanted: Wanted, web: Web, hub: Server) -> None:
    wanted.part.parent.mkdir()
    wanted.part.write_bytes(CONTENT)
    fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT
    assert hub.requests == []


@pytest.mark.parametrize("left", [b"other" * 1000, CONTENT + b"more"])
def test_what_an_earlier_run_left_may_be_anything(
    wanted: Wanted, web: Web, hub: Server, left: bytes
) -> None:
    wanted.part.parent.mkdir()
    wanted.part.write_bytes(left)
    fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT
    assert "Range" not in hub.requests[-1].headers


def test_a_body_that_ends_early_is_gone_on_from(
    wanted: Wanted, web: Web, hub: Server, pauses: list[float]
) -> None:
    hub.faults = [Fault(path="x.bin", cut=300_000), Fault(path="x.bin", cut=300_000)]
    fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT
    assert [request.headers.get("Range") for request in hub.requests] == [
        *(None, "bytes=300000-", "bytes=600000-")
    ]
    assert pauses == [1.0, 1.0]


def test_what_came_is_on_disk_before_it_is_gone_on_from(
    wanted: Wanted, web: Web, hub: Server
) -> None:
    hub.faults = [Fault(path="x.bin", cut=1000), Fault(path="x.bin", cut=1000)]
    sizes: list[int] = []
    fetch(wanted, replace(web, sleep=lambda _: sizes.append(wanted.part.stat().st_size)))
    assert sizes == [1000, 2000]


def test_a_body_that_always_ends_at_once_is_given_up(
    wanted: Wanted, web: Web, hub: Server, pauses: list[float]
) -> None:
    hub.faults = [Fault(path="x.bin", cut=300_000), Fault(path="x.bin", times=99, cut=0)]
    with pytest.raises(
        FetchError, match=r"^a/b: .*cannot be reached .*the partial download is kept$"
    ):
        fetch(wanted, web)
    assert wanted.part.read_bytes() == CONTENT[:300_000]
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_server_without_ranges_sends_all_of_it(wanted: Wanted, web: Web, hub: Server) -> None:
    wanted.part.parent.mkdir()
    wanted.part.write_bytes(CONTENT[:1000])
    hub.faults = [Fault(path="x.bin", no_ranges=True)]
    fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT


def test_a_server_without_ranges_that_ends_early_is_not_asked_for_ever(
    wanted: Wanted, web: Web, hub: Server
) -> None:
    hub.faults = [Fault(path="x.bin", times=99, no_ranges=True, cut=1000)]
    with pytest.raises(FetchError):
        fetch(wanted, web)
    assert len(hub.requests) == 5


def test_another_file_is_thrown_away(wanted: Wanted, web: Web, hub: Server) -> None:
    hub.faults = [Fault(path="x.bin", content=b"?" * len(CONTENT))]
    with pytest.raises(BadInputError, match=r"x.bin: the download differs from the published file"):
        fetch(wanted, web)
    assert list(wanted.target.parent.iterdir()) == []


def test_a_server_that_says_too_little_is_not_believed(
    wanted: Wanted, web: Web, hub: Server
) -> None:
    hub.pages["/x.bin"] = ("application/octet-stream", CONTENT[:1000])
    with pytest.raises(FetchError, match=r"closed the connection after 1,000 of 1,048,576 bytes"):
        fetch(wanted, web)


def test_a_server_that_asks_for_a_pause_gets_it(
    wanted: Wanted, web: Web, hub: Server, pauses: list[float]
) -> None:
    said: list[Event] = []
    busy = Fault(path="x.bin", status=429, headers={"Retry-After": "7"})
    hub.faults = [busy, Fault(path="x.bin", status=503)]
    fetch(wanted, replace(web, emit=said.append))
    assert wanted.target.read_bytes() == CONTENT
    assert pauses == [7.0, 2.0]
    assert said[0].text == "the server asks for a pause of 7 s (429)"


def test_a_pause_that_is_too_long_is_told(wanted: Wanted, web: Web, hub: Server) -> None:
    hub.faults = [Fault(path="x.bin", status=429, headers={"Retry-After": "600"})]
    with pytest.raises(
        FetchError, match=r"limits requests .*; try again in 600 s, or set HF_TOKEN"
    ):
        fetch(wanted, web)


def test_the_token_goes_to_its_server_alone(wanted: Wanted, web: Web, hub: Server) -> None:
    there = f"{hub.elsewhere}/x.bin"
    hub.faults = [Fault(path="first", status=302, headers={"Location": there})]
    first = replace(wanted, url=f"{hub.address}/first", token=SECRET)
    fetch(first, web)
    ours, theirs = hub.requests
    assert ours.headers["Authorization"] == f"Bearer {SECRET}"
    assert "Authorization" not in theirs.headers
    assert SECRET not in str(theirs)
    assert wanted.target.read_bytes() == CONTENT


def test_redirects_in_a_circle_end(wanted: Wanted, web: Web, hub: Server) -> None:
    hub.faults = [Fault(path="x.bin", times=99, status=302, headers={"Location": wanted.url})]
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch(wanted, web)


def test_no_server_at_all(wanted: Wanted, web: Web, pauses: list[float]) -> None:
    with pytest.raises(
        FetchError, match=r"hub.invalid cannot be reached .*HTTPS_PROXY.*HF_ENDPOINT"
    ):
        fetch(replace(wanted, url="http://127.0.0.1:9/x"), web)
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_listing_is_asked_for_twice_and_no_more(web: Web, pauses: list[float]) -> None:
    with pytest.raises(FetchError, match="cannot be reached"):
        web.get_json("http://127.0.0.1:9/api", ASKED, "")
    assert pauses == [1.0]


def test_a_small_file_is_compared_with_git_s_hash(wanted: Wanted, web: Web, hub: Server) -> None:
    hub.pages["/x.bin"] = ("text/plain", b"hello\n")
    small = replace(wanted, size=6, sha256="", git="ce013625030ba8dba906f756967f9e9ca394464a")
    fetch(small, web)
    assert wanted.target.read_bytes() == b"hello\n"
    wanted.target.unlink()
    hub.faults = [Fault(path="x.bin", content=b"jello\n")]
    with pytest.raises(BadInputError, match="differs from the published file"):
        fetch(small, web)


def test_two_at_once_bring_it_once(wanted: Wanted, web: Web, hub: Server) -> None:
    hub.gate = threading.Event()
    said: list[Event] = []

    def tell(event: Event) -> None:
        said.append(event)
        assert hub.gate
        hub.gate.set()

    one = threading.Thread(target=fetch, args=(wanted, web))
    one.start()
    while not hub.requests:
        one.join(0.005)
    fetch(wanted, replace(web, emit=tell))
    one.join()
    assert [event.text for event in said] == [
        "another program is downloading x.bin; waiting for it"
    ]
    assert len(hub.requests) == 1
    assert wanted.target.read_bytes() == CONTENT


def test_a_full_disk_keeps_what_came(wanted: Wanted, web: Web) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(NoSpaceError, match=r"x.bin; free space, or choose .* HF_HOME"):
            fetch(wanted, web)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert wanted.part.read_bytes() == CONTENT[:500_000]
    fetch(wanted, web)
    assert wanted.target.read_bytes() == CONTENT


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_certificates_that_are_none_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "ca.pem"
    if text:
        path.write_text(text)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    said = r"ca.pem: cannot load certificates: .*SSL_CERT_FILE"
    with pytest.raises(UsageError, match=said), open_web():
        pass


def test_a_way_that_leaves_https_is_refused_where_no_hash_decides(hub: Server) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.scheme == "https":
            return httpx2.Response(302, headers={"Location": "http://a.invalid/x.ckpt"})
        return httpx2.Response(200, content=b"anything")

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    plain, url = Web(client=client), "https://a.invalid/x.ckpt"
    said = "it redirects from https to http"
    with plain.answer(url, ASKED) as response, pytest.raises(BadInputError, match=said):
        require_plain_file(response, url, ASKED)
    assert hub.requests == []
