"""`tools.reference_pairs`: what may be shipped is packed, the rest is listed."""

from __future__ import annotations

import json
from pathlib import Path

from tools.reference_pairs import describe, is_shipped, pack, read_files, unpack

FILES = {
    "parakeet_a/compiled.mlmodelc/model.mil": b"text",
    "unified_int8/compiled.mlmodelc/model.mil": b"text",
    "unified_int8/compiled.mlmodelc/weights/weight.bin": bytes(500_000),
    "unified_palette_2bit/compiled.mlmodelc/weights/weight.bin": bytes(80_000),
}


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    archive = pack(FILES)
    assert archive == pack(dict(reversed(FILES.items())))
    unpack(archive, tmp_path)
    assert dict(read_files(tmp_path)) == FILES


def test_licences_and_sizes_decide() -> None:
    assert [is_shipped(name, content) for name, content in FILES.items()] == [
        *(False, True, False, True)
    ]
    said = json.loads(describe(FILES))["parakeet_a/compiled.mlmodelc/model.mil"]
    assert said == {
        "bytes": 4,
        "sha256": "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1",
        "shipped": False,
    }


def test_prompts_and_notes_are_not_of_the_pairs(tmp_path: Path) -> None:
    for name in ("SOURCES.md", "swift-runs/a.json", "text_1_3/a.mil"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [name for name, _ in read_files(tmp_path)] == ["text_1_3/a.mil"]
