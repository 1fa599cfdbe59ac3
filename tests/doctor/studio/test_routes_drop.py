from __future__ import annotations

import asyncio
import os
import shutil
import struct
import threading
import time
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.drop import HOUR
from sdcoreml.doctor.studio.refusals import AbsentError
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.asgi import send
from tests.doctor.studio.open_studio import Opened, tensors


def test_a_dropped_file_is_known_from_its_ends_and_then_sent(
    studio: Opened, tmp_path: Path
) -> None:
    data = tensors(tmp_path / "x")
    ends = struct.pack("<I", 700) + data[:700] + data[-50:]
    found = studio.send(
        "POST", f"/api/drop?name=my%20style.safetensors&size={len(data)}", ends
    ).data
    assert found["title"] == "my style.safetensors"
    assert "LoRA" in found["facts"][0][1]
    where = f"/api/drop/{found['drop']}"
    assert studio.get(where).data == {"received": 0, "size": len(data)}
    reference = {"handle": found["handle"]}
    early = studio.post("/api/queue", model=reference, choices={})
    assert (early.status, early.refused) == (409, "this file is not sent yet")
    assert studio.send("PUT", f"{where}?offset=0", data[:900]).data == {"received": 900}
    again = studio.send("PUT", f"{where}?offset=0", data[:900])
    assert again.status == 409
    last = studio.send("PUT", f"{where}?offset=900", data[900:]).data
    assert last == {"received": len(data), "handle": found["handle"]}
    assert studio.studio.signer.resolve(last["handle"]).read_bytes() == data
    assert studio.send("DELETE", where).status == 200
    assert studio.get(where).status == 404


def test_no_command_names_a_dropped_file_which_is_not_kept(studio: Opened, tmp_path: Path) -> None:
    path = save(tmp_path / "dream.safetensors", original("sd1"))
    data = path.read_bytes()
    head = data[: 8 + int.from_bytes(data[:8], "little")]
    ends = struct.pack("<I", len(head)) + head + data[-50:]
    found = studio.send("POST", f"/api/drop?name=dream.safetensors&size={len(data)}", ends).data
    assert found["plan"]["folders"]
    assert found["plan"]["command"] == ""
    again = studio.post("/api/plan", model={"drop": found["drop"]}, choices={"bits": 6}).data
    assert (bool(again["folders"]), again["command"]) == (True, "")
    kept = {"handle": studio.sign(path)}
    assert "dream.safetensors" in studio.post("/api/plan", model=kept, choices={}).data["command"]


@pytest.mark.parametrize(
    "query", ["", "?name=x", "?size=5", "?name=x&size=-5", "?name=&size=5", "?name=x&size=1e9"]
)
def test_a_drop_without_name_or_size_is_refused(studio: Opened, query: str) -> None:
    assert studio.send("POST", f"/api/drop{query}", b"\0\0\0\0").status == 400


def test_a_drop_for_which_there_is_no_room_says_so(
    studio: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 1 << 40
    usage = shutil.disk_usage(Path.cwd())._replace(free=size - 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = studio.send("POST", f"/api/drop?name=x.pt&size={size}", struct.pack("<I", 2) + b"abcd")
    answered = studio.send("PUT", f"/api/drop/{found.data['drop']}?offset=0", b"abcdef")
    assert answered.status == 507
    assert answered.refused.startswith("needs 1,099,511,627,776 bytes, and the disk")
    assert answered.data["error"]["where"] == "x.pt"
    assert answered.data["error"]["remedy"].startswith("free ")


def test_all_is_answered_while_a_dropped_file_is_put_on_the_disk(studio: Opened) -> None:
    may_end = threading.Event()

    async def play() -> None:
        writing = asyncio.ensure_future(studio.studio.desk.do(lambda: may_end.wait(30), "drop"))
        where = f"/api/drop/{'a' * 32}"
        others = [asyncio.ensure_future(send(studio.app, one, where)) for one in ("PUT", "GET")]
        for _ in range(3):  # the first one may come before the others
            assert (await send(studio.app, "GET", "/api/queue")).status == 200
        assert not any(one.done() for one in others), "what is said of dropped files waits"
        may_end.set()
        await writing
        assert {one.status for one in await asyncio.gather(*others)} <= {400, 404}

    try:
        asyncio.run(play())
    finally:
        may_end.set()


def test_half_a_dropped_file_of_a_page_that_is_gone_is_removed_at_a_start(studio: Opened) -> None:
    drops = studio.studio.drops
    drop = drops.begin("a.ckpt", 9, b"\1\0\0\0PK")
    for path in drops.folder.rglob("*"):
        os.utime(path, (time.time() - 2 * HOUR,) * 2)
    studio.studio.sweep()
    with pytest.raises(AbsentError):
        drops.find(drop.id)
