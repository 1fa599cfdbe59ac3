from __future__ import annotations

import asyncio
import json
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
from tests.doctor.studio.models import MODELS
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


def ends_of(data: bytes) -> bytes:
    """Return what is sent first: so much of both ends; of a small file, all of it."""
    most = 400_000
    head, tail = data[:most], data[max(most, len(data) - most) :]
    return struct.pack("<I", len(head)) + head + tail


def test_a_dropped_folder_is_known_from_its_ends_and_then_sent(
    studio: Opened, tmp_path: Path
) -> None:
    folder = MODELS["sd1 folder"](tmp_path)
    (folder / "preview.png").write_bytes(b"\x89PNG")
    data = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    listed = [
        {"path": path.relative_to(folder).as_posix(), "size": len(one)}
        for path, one in data.items()
    ]
    sent = json.dumps({"files": listed}).encode()
    begun = studio.send("POST", "/api/drop/folder?name=my%20model", sent).data
    names = [listed[one]["path"] for one in begun["wants"]]
    assert "unet/config.json" in names
    assert "preview.png" not in names
    where = f"/api/drop/{begun['drop']}"
    contents = dict(enumerate(data.values()))
    for one in begun["wants"]:
        ends = ends_of(contents[one])
        assert studio.send("PUT", f"{where}/ends?file={one}", ends).data == {}
    found = studio.post("/api/examine", drop=begun["drop"]).data
    assert (found["title"], found["verdict"]["can"]) == ("my model", "headers")
    assert "/models/my model-" in found["plan"]["folders"][0]["folder"]
    assert found["plan"]["command"] == ""
    early = studio.post("/api/queue", model={"handle": found["handle"]}, choices={})
    assert (early.status, early.refused) == (409, "this file is not sent yet")
    far = studio.get(where).data
    assert 0 < far["received"] < far["size"]
    assert [one["file"] for one in far["files"]] == begun["wants"]
    answers = []
    for one in begun["wants"]:
        whole = next(file for file in far["files"] if file["file"] == one)
        piece = contents[one][whole["received"] :]
        target = f"{where}?file={one}&offset={whole['received']}"
        answers.append(studio.send("PUT", target, piece).data)
    assert [len(contents[one]) for one in begun["wants"]] == [one["received"] for one in answers]
    assert answers[-1] == {
        "received": answers[-1]["received"],
        "all": far["size"],
        "handle": found["handle"],
    }
    made = studio.studio.signer.resolve(answers[-1]["handle"])
    for name in names:
        assert (made / name).read_bytes() == (folder / name).read_bytes()
    assert studio.post("/api/queue", model={"handle": found["handle"]}, choices={}).status == 200
    assert studio.send("DELETE", where).refused == "the queue needs this file"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"files": {}}',
        b'{"files": []}',
        b'{"files": ["x.bin"]}',
        b'{"files": [{"path": "x.bin"}]}',
        b'{"files": [{"path": 1, "size": 1}]}',
        b'{"files": [{"path": "x.bin", "size": true}]}',
        b'{"files": [{"path": "x.bin", "size": "1"}]}',
        b'{"files": [{"path": "../x.bin", "size": 1}]}',
        b'{"files": [{"path": "x.bin", "size": 1e400}]}',
    ],
)
def test_a_list_that_is_none_is_refused_and_leaves_nothing(studio: Opened, body: bytes) -> None:
    assert studio.send("POST", "/api/drop/folder?name=m", body).status == 400
    assert not studio.studio.drops.folder.exists()


def test_only_what_was_listed_is_taken(studio: Opened) -> None:
    sent = b'{"files": [{"path": "a.png", "size": 1}, {"path": "x.bin", "size": 4}]}'
    assert studio.send("POST", "/api/drop/folder", sent).status == 400
    begun = studio.send("POST", "/api/drop/folder?name=m", sent).data
    assert begun["wants"] == [1]
    where = f"/api/drop/{begun['drop']}"
    ends = struct.pack("<I", 2) + b"ab"
    for query in ("?file=0", "?file=2", "?file=-1", ""):
        assert studio.send("PUT", f"{where}/ends{query}", ends).status in {400, 404}
        assert studio.send("PUT", f"{where}{query or '?'}&offset=0", b"abcd").status in {400, 404}
    assert studio.send("PUT", f"{where}/ends?file=1", ends).status == 200
    assert studio.send("PUT", f"{where}?file=1&offset=0", b"abcd").data["received"] == 4
    single = studio.send("POST", "/api/drop?name=x.pt&size=9", ends).data["drop"]
    assert studio.send("PUT", f"/api/drop/{single}/ends?file=0", ends).status == 404


@pytest.mark.parametrize(
    ("count", "status", "said"), [(2_000, 200, ""), (2_001, 400, "more files")]
)
def test_a_list_of_as_many_files_as_count_is_read_however_long_their_names_are(
    studio: Opened, count: int, status: int, said: str
) -> None:
    above = "/".join("\u65e5" * 66 for _ in range(3))
    listed = [{"path": f"{above}/{one:0100}.png", "size": 1} for one in range(count - 1)]
    body = {"files": [{"path": "x.bin", "size": 9}, *listed]}
    sent = json.dumps(body, ensure_ascii=False).encode()
    assert len(sent) > 1 << 20
    answered = studio.send("POST", "/api/drop/folder?name=m", sent)
    assert answered.status == status
    assert said in (answered.refused if said else "")
