"""A model given by name converts to the same folder as its files do, except for its origin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.hub.access import Access
from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.hub.obtain import obtain_from_hub
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.ground.events import silent
from tests.convert.hub.server import COMMIT, Repository, Server
from tests.convert.stand_ins import StandIn, finish, job_of, write_model

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_only_manifest_and_page_differ_by_where_it_came_from(
    hub: Server, access: Access, tmp_path: Path
) -> None:
    local = write_model(tmp_path / "cat")
    hub.repositories["acme/cat"] = Repository(files=contents(local), licence="openrail")
    plain = finish(job_of(open_model(local), tmp_path / "plain"), StandIn(size=SIZE))
    name = HubName(repo="acme/cat")
    with obtain_from_hub(name, access, silent, lambda _: None) as found:
        model = replace(open_model(found.path), fetched=found.origin)
        named = finish(job_of(model, tmp_path / "named"), StandIn(size=SIZE))
    before, after = contents(plain), contents(named)
    old, new = json.loads(before.pop("manifest.json")), json.loads(after.pop("manifest.json"))
    assert "acme/cat" in after.pop("report.html").decode()
    assert "acme/cat" not in before.pop("report.html").decode()
    assert before == after
    assert new["model"].pop("fetched") == {
        "name": "hf:acme/cat",
        "revision": COMMIT,
        "licence": "openrail",
        "address": "https://huggingface.co/acme/cat",
    }
    assert new.pop("digest") != old.pop("digest")
    assert new.pop("report") != old.pop("report")
    assert new == old
