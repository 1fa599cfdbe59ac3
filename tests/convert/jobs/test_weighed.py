from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache, Values, WeightFile
from sdcoreml.convert.jobs.manifest import MadeIn
from sdcoreml.convert.jobs.weighed import (
    Built,
    KeptAudits,
    Offer,
    Weighed,
    component_key,
    keep_palettes,
    note_built,
    offer,
    record_weights,
)
from sdcoreml.convert.packages.write import WEIGHTS, Placed
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.convert.proof.compressed import Compressed
from sdcoreml.ground.digest import FileRecord, describe
from tests.convert.jobs.test_unproven import ENTRY, MANIFEST

INPUTS = {
    "unet/config.json": FileRecord(size=2, sha256="c" * 64),
    "unet/a.safetensors": FileRecord(size=9, sha256="a" * 64),
}
TOOLCHAIN = MadeIn(name="light", lock="1" * 64, python="3.10.10")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache")


def kept(cache: Cache, *files: Path) -> Offer:
    """Keep files as the one with the layout `flat`, and return what is offered then."""
    content = FileRecord(size=5, sha256=describe({"": files[0]})[""].sha256)
    cache.keep_weights("key", "flat", WeightFile(content=content, paths=tuple(map(str, files))))
    return offer("key", [], cache)


def test_weights_whose_folder_is_gone_are_offered_from_the_cache(
    tmp_path: Path, cache: Cache
) -> None:
    path = tmp_path / "weight.bin"
    path.write_bytes(b"12345")
    cache.keep_files({path: describe({"": path})[""]})
    assert kept(cache, path).made["flat"].path == path
    content = describe({"": path})[""]
    path.unlink()
    assert offer("key", [], cache).made["flat"].path == cache.stock.path_of(content)
    cache.stock.remove(content)
    assert offer("key", [], cache).made == {}


def test_a_component_is_its_config_and_weights_in_any_order_of_shards() -> None:
    shards = {"unet/b.bin": FileRecord(size=1, sha256="b" * 64)}
    key = component_key("unet", {**INPUTS, **shards}, TOOLCHAIN)
    assert component_key("unet", {**shards, **INPUTS}, TOOLCHAIN) == key
    assert component_key("unet", INPUTS, TOOLCHAIN) != key
    swapped = {"unet/config.json": INPUTS["unet/a.safetensors"], "x": INPUTS["unet/config.json"]}
    assert component_key("unet", swapped, TOOLCHAIN) != component_key("unet", INPUTS, TOOLCHAIN)


def test_a_file_is_offered_where_it_still_is_what_it_was(tmp_path: Path, cache: Cache) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        path.write_bytes(b"12345")
    offered = kept(cache, old, new)
    assert offered.request()["made"] == {"flat": os.fspath(new)}
    new.write_bytes(b"54321")
    assert offer("key", [], cache).request()["made"] == {"flat": os.fspath(old)}
    old.unlink()
    assert offer("key", [], cache).request()["made"] == {}


def test_a_file_that_was_taken_is_known_without_hashing(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    offered = kept(cache, tmp_path / "one")
    package = tmp_path / "x.mlpackage"
    (package / WEIGHTS).parent.mkdir(parents=True)
    (package / WEIGHTS).write_bytes(b"other")  # to tell what is known from what is hashed
    placed = Placed(layout="flat", source=os.fspath(tmp_path / "one"))
    weighed = Weighed()
    assert note_built(package, placed, offered, weighed) == ("key", "flat")
    told = weighed.describe({"": package / WEIGHTS})[""]
    assert told == offered.made["flat"].content


def test_a_file_whose_source_changed_meanwhile_is_hashed(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    offered = kept(cache, tmp_path / "one")
    package = tmp_path / "x.mlpackage"
    (package / WEIGHTS).parent.mkdir(parents=True)
    (package / WEIGHTS).write_bytes(b"54321")
    (tmp_path / "one").write_bytes(b"54321!")
    weighed = Weighed()
    placed = Placed(layout="flat", source=os.fspath(tmp_path / "one"))
    note_built(package, placed, offered, weighed)
    assert weighed.describe({"": package / WEIGHTS}) == describe({"": package / WEIGHTS})


def test_a_compiled_model_s_file_is_recorded_if_it_is_the_package_s(
    tmp_path: Path, cache: Cache
) -> None:
    ours, apples = (FileRecord(size=5, sha256=letter * 64) for letter in "ab")
    files = {f"{name}.mlpackage/{WEIGHTS}": ours for name in ("same", "other")} | {
        "same.mlmodelc/weights/weight.bin": ours,
        "other.mlmodelc/weights/weight.bin": apples,
    }
    manifest = replace(MANIFEST, programs={"same": replace(ENTRY, files=files)})
    layouts = {name: ("key", name) for name in ("same", "other")}
    record_weights(layouts, manifest, tmp_path, cache)
    path = tmp_path / "same.mlmodelc" / "weights" / "weight.bin"
    assert cache.find_weights("key") == {"same": WeightFile(content=ours, paths=(str(path),))}


def test_palettes_are_kept_for_the_same_recipes(cache: Cache) -> None:
    recipes = [{"bits": 6}]
    first = offer("key", recipes, cache)
    assert first.palettes == {}
    keep_palettes([Built(palettes={"w": 1}), Built(palettes={"v": 2})], first, cache)
    second = offer("key", recipes, cache)
    assert second.request()["palettes"] == {"w": 1, "v": 2}
    keep_palettes([Built(palettes={"u": 3})], second, cache)
    assert offer("key", recipes, cache).palettes == {"w": 1, "v": 2, "u": 3}
    assert offer("key", [{"bits": 4}], cache).palettes == {}


def test_an_audit_is_kept_whole(cache: Cache) -> None:
    item = Compressed(tensor="w", method="palette of 6 bits", psnr=41.3, wrong=0, is_nearest=True)
    audit = Audit(sources={"a": ("b",)}, extras={"t": "table"}, compressed={"w": item}, elements=7)
    audits = KeptAudits(cache=cache)
    assert audits.find("key") is None
    audits.keep("key", audit)
    assert audits.find("key") == audit
    (cache.folder / "audits" / "key.json").write_text("{}")
    assert audits.find("key") is None
    cache.keep_values(Values.AUDITS, "key", {"sources": 3})
    assert audits.find("key") is None
    audits.keep("key", replace(audit, missing=("b",)))
    assert audits.find("key") is None
