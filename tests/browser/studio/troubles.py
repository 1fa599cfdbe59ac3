"""What goes wrong between the studio's page and its server, and two pages at once."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser.studio import answers
from tests.browser.studio.stage import VIEWS, Stage, drop, until
from tests.browser.studio.wire import TICKET, TOKEN
from tests.pages import HOSTILE


def strangers(stage: Stage) -> None:
    """Without a token or with an old one the page says what to type."""
    for token in ("", "#wrong-token-0123456789-0123456789", "#once-a-wrong-ticket-0123456789"):
        with stage.page(address=f"http://127.0.0.1:{stage.server.port}/{token}") as tab:
            tab.wait_for_selector("#notice code")
            assert "sdcoreml studio" in tab.inner_text("#notice")
            assert not tab.query_selector("#notice button"), "it would load what answers here"
            stage.judge(tab, "stranger")


KEPT = "sessionStorage.getItem('sdcoreml-token')"


def another(stage: Stage) -> None:
    """Another studio has the port for a while: the page says so, and comes back to its own."""
    with stage.page() as tab:
        first = set(stage.server.heard)
        stage.server.heard.clear()
        stage.server.restart(token="of-another-studio-0123456789")  # noqa: S106 (of a fake)
        tab.wait_for_selector("[data-server=stranger]")
        assert stage.server.heard == [], "it has not proved itself, and was asked for something"
        assert not tab.query_selector("#notice button"), "it would load what answers here"
        stage.server.restart()
        tab.wait_for_selector("[data-server=here]")
    assert len(first) == len(set(stage.server.heard)) == 1
    assert not first & set(stage.server.heard), "a pass outlived its server"
    assert not any(TOKEN in one for one in (*first, *stage.server.heard))


def impostor(stage: Stage) -> None:
    """The page is loaded anew from somebody who took the port: this tab has no token to read."""
    with stage.page() as tab:
        assert tab.evaluate(KEPT) == TOKEN, "a page that is loaded anew needs it"
        stage.server.stop()
        tab.wait_for_selector("[data-server=gone]")
        assert tab.evaluate(KEPT) is None
        stage.server.start()
        tab.wait_for_selector("[data-server=here]")
        assert tab.evaluate(KEPT) == TOKEN
        tab.reload()
        tab.wait_for_selector("[data-server=here]")
        theirs = b"document.title = `read ${JSON.stringify({ ...sessionStorage })}`;"
        stage.server.files = {"main.js": theirs}
        stage.server.restart(token="of-another-studio-0123456789")  # noqa: S106 (of a fake)
        tab.wait_for_selector("[data-server=stranger]")
        tab.reload()
        until(tab, "document.title.startsWith('read')")
        assert tab.title() == "read {}"


def mute(stage: Stage) -> None:
    """Whoever has the port takes connections and says nothing: that is as if nobody answered."""
    stage.studio.may_prove.clear()
    with stage.page(address=stage.server.address) as tab:
        tab.wait_for_selector("[data-server=gone]")
        stage.studio.may_prove.set()
        tab.wait_for_selector("[data-server=here]")


def pasted(stage: Stage) -> None:
    """Another address is pasted into the tab: a wrong token or ticket takes no right one away."""
    own = f"http://127.0.0.1:{stage.server.port}/"
    with stage.page() as tab:
        tab.evaluate("document.body.dataset.same = 'yes'")
        for wrong in ("#wrong-token-0123456789-0123456789", "#once-a-wrong-ticket-0123456789"):
            tab.goto(f"{own}{wrong}")
            until(tab, "location.hash === '#/convert'")
            tab.click("#browse")
            tab.wait_for_selector("dialog .item")
            tab.keyboard.press("Escape")
            assert tab.evaluate("document.body.dataset.same") == "yes", "it was loaded anew"
        tab.goto("about:blank")
        tab.goto(f"{own}#once-a-wrong-ticket-0123456789")
        tab.wait_for_selector("[data-server=here]")
        tab.evaluate("document.body.dataset.same = 'yes'")
        tab.goto(f"{own}#{TICKET}")
        tab.wait_for_selector("[data-server=here]:not([data-same])")


def ticket(stage: Stage) -> None:
    """A browser is started with a ticket, which is exchanged; nothing stays in the address."""
    with stage.page(address=f"http://127.0.0.1:{stage.server.port}/#{TICKET}") as tab:
        tab.wait_for_selector("[data-server=here]")
        assert tab.evaluate("location.hash") == "#/convert"
        tab.reload()
        tab.wait_for_selector("[data-server=here]")


_DROP = """async ([name, size, kind]) => {
  const head = new TextEncoder().encode('{"__metadata__":{}}');
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const type of ['dragenter', 'dragover', kind]) {
    const event = new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.getElementById('drop').dispatchEvent(event);
  }
}"""


def dropping(stage: Stage) -> None:
    """A dropped file shows its head and tail first, is copied when it is converted, in parts."""
    size = 20 << 20
    with stage.page() as tab:
        tab.evaluate(_DROP, [f"{HOSTILE}.safetensors", size, "drop"])
        tab.wait_for_selector(".plan .figures")
        drop = next(body for what, body in stage.studio.asked if what == "drop")
        assert (drop["head"], drop["tail"]) == (8 + 19, 1 << 20), drop
        assert int(drop["size"]) == size
        assert drop["name"] == f"{HOSTILE}.safetensors"
        tab.click(".offer .primary")
        tab.wait_for_selector("#entries > li")
    assert stage.studio.received["d1"] == size
    assert stage.studio.asked[-1][1]["model"] == {"handle": "m-dropped"}


def folder_drop(stage: Stage) -> None:
    """A folder is listed, the ends of what is wanted go first, the rest through a crash."""
    sizes = {"model_index.json": 300, "unet/a.safetensors": 10 << 20, "vae/b.safetensors": 6 << 20}
    with TemporaryDirectory() as home:
        folder = Path(home) / "a model"
        for name, size in {**sizes, "me.png": 5, ".git/config": 7}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(bytes(size))
        with stage.page() as tab:
            drop(tab, folder)
            tab.wait_for_selector(".plan .figures")
            assert tab.inner_text("#model h2") == "a model"
            (listed,) = (body for what, body in stage.studio.asked if what == "folder")
            found = {one["path"]: one["size"] for one in listed["files"]}
            assert found == sizes, "a picture is none of a model's files"
            assert sorted(stage.studio.parts.values()) == [0, 0, 300], "small files are sent whole"
            stage.studio.dies_at = 2
            tab.click(".offer .primary")
            tab.wait_for_selector("[data-server=gone]")
            assert sum(stage.studio.parts.values()) < sum(sizes.values())
            stage.server.restart()
            tab.wait_for_selector("#entries > li")
    assert sorted(stage.studio.parts.values()) == sorted(sizes.values())
    assert stage.studio.asked[-1][1]["model"] == {"handle": "d2"}


def vanished_drop(stage: Stage) -> None:
    """A dropped file is removed before it is copied: that is said, and the server is not blamed."""
    with TemporaryDirectory() as home, stage.page() as tab:
        path = Path(home) / "model.safetensors"
        path.write_bytes(bytes(10 << 20))
        drop(tab, path)
        tab.wait_for_selector(".plan .figures")
        path.unlink()
        tab.click(".offer .primary")
        tab.wait_for_selector(".offer .bar .refusal")
        assert "can no longer be read" in tab.inner_text(".offer .bar .refusal")
        assert tab.query_selector("[data-server=here]")
        assert not tab.query_selector(".copying")
        stage.judge(tab, "vanished-drop")


def left_drop(stage: Stage) -> None:
    """Of a dropped file that nobody converts, nothing stays on the server's disk."""
    with stage.page() as tab:
        tab.evaluate(_DROP, ["left.safetensors", 2 << 20, "drop"])
        tab.wait_for_selector(".plan .figures")
        assert "d1" in stage.studio.received
        tab.click("#model >> text=Choose another")
        tab.wait_for_selector("#start:not([hidden])")
        end = time.monotonic() + 20
        while stage.studio.received and time.monotonic() < end:
            time.sleep(0.05)
    assert stage.studio.received == {}


def stopped_drop(stage: Stage) -> None:
    """Another model is opened while a file is copied: the copy ends, and the new one stays."""
    with stage.page() as tab:
        tab.evaluate(_DROP, ["first.safetensors", 12 << 20, "drop"])
        tab.wait_for_selector(".plan .figures")
        stage.studio.may_receive.clear()
        tab.click(".offer .primary")
        tab.wait_for_selector(".copying progress")
        tab.evaluate(_PASTE, "owner/name")
        until(tab, "document.querySelector('#model h2')?.textContent === 'owner/name'")
        assert "Copying first.safetensors was stopped" in tab.inner_text("#stopped")
        stage.judge(tab, "stopped-drop")
        stage.studio.may_receive.set()
        until(tab, "document.querySelector('.offer .primary').ariaDisabled === 'false'")
        end = time.monotonic() + 20
        while stage.studio.received and time.monotonic() < end:
            time.sleep(0.05)
        assert tab.inner_text("#model h2") == "owner/name"
        tab.click("#model >> text=Choose another")
        assert tab.inner_text("#stopped") == ""
    assert stage.studio.received == {}
    assert stage.studio.entries == []


_PASTE = """(name) => {
  document.getElementById('hub-name').value = name;
  document.getElementById('hub').requestSubmit();
}"""
"""The form is not in sight while a model is shown; what is dropped goes the same way."""


def interrupted_drop(stage: Stage) -> None:
    """A server that dies while a file is copied: the copy goes on where it was."""
    size = 40 << 20
    with stage.page() as tab:
        tab.evaluate(_DROP, ["big.safetensors", size, "drop"])
        tab.wait_for_selector(".plan .figures")
        stage.studio.dies_at = 1
        tab.click(".offer .primary")
        tab.wait_for_selector("[data-server=gone]")
        assert 0 < stage.studio.received["d1"] < size
        stage.server.restart()
        tab.wait_for_selector("#entries > li")
    assert stage.studio.received["d1"] == size


def crash(stage: Stage) -> None:
    """A server that dies: the page says so and what to type, and comes back by itself."""
    stage.studio.add("convert", "a")
    with stage.page() as tab:
        tab.wait_for_selector("#entries > li")
        stage.server.stop()
        tab.wait_for_selector("[data-server=gone]")
        assert "sdcoreml studio" in tab.inner_text("#notice code")
        stage.judge(tab, "gone")
        stage.studio.entries[0]["title"] = "b"
        stage.server.start()
        tab.wait_for_selector("[data-server=here]")
        until(tab, "document.querySelector('#entries h3').textContent === 'b'")
        assert tab.inner_text("#notice") == ""


def two_pages(stage: Stage) -> None:
    """What is done in one page is seen in the other."""
    with stage.page() as one, stage.page(VIEWS[0]) as other:
        number = stage.studio.add("convert", "a")
        stage.studio.add("convert", "b")
        for tab in (one, other):
            tab.wait_for_selector("#entries > li >> nth=1")
        one.click("[aria-label='Up: b']")
        for tab in (one, other):
            until(tab, "document.querySelector('#entries h3').textContent === 'b'")
        other.click("[aria-label='Cancel: a']")
        one.wait_for_selector("#finished [data-state=cancelled]")
        stage.studio.change(number, **answers.DONE)
        shown = "document.getElementById('finished').textContent"
        one.wait_for_selector("#finished .figures")
        other.wait_for_selector("#finished .figures")
        assert one.evaluate(shown) == other.evaluate(shown)
