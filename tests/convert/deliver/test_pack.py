from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest

import sdcoreml
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.deliver.card import CARD, escape, require_card, write_card
from sdcoreml.convert.deliver.contents import Contents, contents_of
from sdcoreml.convert.deliver.pack import Archive, archive_name, pack
from sdcoreml.convert.jobs.manifest import Manifest, SourceRecord, write_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.programs.options import Attention
from sdcoreml.ground.errors import BadInputError, NoSpaceError, UsageError
from sdcoreml.ground.events import Event, silent
from tests.convert.stand_ins import StandIn, finish, job_of, write_controlnet, write_model
from tests.golden import assert_golden

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
NASTY = "cat](https://x.y) <script>\n---\n\x1b[31m| $$ `code` \udcff"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished folder, which no test changes."""
    folder = tmp_path_factory.mktemp("made")
    job = job_of(open_model(write_model(folder / "my_cat")), folder / "out")
    return finish(job, StandIn(size=SIZE))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "bundle"))


def packed(folders: Sequence[Path], into: Path, name: str = "") -> list[Archive]:
    return [*pack([contents_of(one) for one in folders], into, name, silent)]


def manifest_of(made: Path, **model: object) -> Manifest:
    manifest = contents_of(made).manifest
    fields: dict[str, object] = {"name": "cat", "family": manifest.model.family, **model}
    return replace(manifest, model=SourceRecord(**fields))  # type: ignore[arg-type]


def hidden(card: str) -> str:
    """Return a card without what every change of what is written changes."""
    hashes = re.sub(r"[0-9a-f]{16,64}", "HASH", card).replace(sdcoreml.__version__, "VERSION")
    return re.sub(r"[0-9.,]+ [kM]?B\b", "SIZE", hashes)


def test_an_archive_is_a_folder_that_proves_itself(made: Path, tmp_path: Path) -> None:
    said: list[Event] = []
    (archive,) = pack([contents_of(made)], tmp_path, "", said.append)
    assert archive.path == tmp_path / "my-cat-128x128_split_einsum_compiled.zip"
    step, *progress = said
    assert step == Event(kind="step", text=f"pack {archive.path.name}")
    files = contents_of(made).files
    done = accumulate(file.size for file in files.values())
    assert [(one.text, one.done) for one in progress] == [*zip(files, done, strict=True)]
    whole = sum(file.size for file in files.values())
    assert {(one.kind, one.total, one.unit) for one in progress} == {("progress", whole, "B")}
    with zipfile.ZipFile(archive.path) as file:
        assert file.testzip() is None
        tops = {name.partition("/")[0] for name in file.namelist()}
        assert tops == {archive.path.stem}, "swift-coreml-diffusers opens a folder of that name"
        assert {one.compress_type for one in file.infolist()} == {zipfile.ZIP_STORED}
        file.extractall(tmp_path)
    found = tmp_path / archive.path.stem
    assert not [path for path in found.iterdir() if path.suffix == ".mlpackage"]
    assert verify(found, StandIn(size=SIZE)).passed


def test_the_same_bytes_come_out_again_whenever_and_wherever(
    made: Path, bundle: Path, tmp_path: Path
) -> None:
    (first,) = packed([made], tmp_path / "a")
    for path in bundle.rglob("*"):
        os.utime(path, (1, 1))
    (bundle / "notes.txt").write_text("mine")
    (second,) = packed([bundle], tmp_path / "b")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.record == second.record
    card = write_card([first], tmp_path / "a").read_bytes()
    assert card == write_card([second], tmp_path / "b").read_bytes()
    (again,) = packed([made], tmp_path / "a")
    assert again.record == first.record, "ours may be replaced"


def test_names_are_those_that_apps_look_for(made: Path) -> None:
    manifest = manifest_of(made)
    assert archive_name(manifest) == "cat-128x128_split_einsum_compiled"
    plain = replace(manifest, options=replace(manifest.options, attention=Attention.ORIGINAL))
    assert archive_name(plain) == "cat-128x128_original_compiled"
    recipe = {"method": "kmeans", "bits": 6}
    small = replace(
        manifest,
        options=replace(manifest.options, attention=Attention.SPLIT_EINSUM_V2, recipe=recipe),
    )
    assert archive_name(small) == "cat-6-bit-128x128_split_einsum_v2_compiled"
    assert archive_name(manifest, "coreml-cat") == "coreml-cat_split_einsum_compiled"
    assert (
        archive_name(manifest_of(made, name="../\x1b[31m\n")) == "31m-128x128_split_einsum_compiled"
    )
    assert archive_name(manifest_of(made, name="..")) == "model-128x128_split_einsum_compiled"


def test_a_controlnet_is_packed_as_the_program_alone(tmp_path: Path) -> None:
    net = finish(
        job_of(open_model(write_controlnet(tmp_path / "canny")), tmp_path / "Canny"),
        StandIn(size=SIZE),
    )
    (archive,) = packed([net], tmp_path / "packed")
    (program,) = net.glob("*.mlmodelc")
    with zipfile.ZipFile(archive.path) as file:
        assert {name.partition("/")[0] for name in file.namelist()} == {program.name}
    card = write_card([archive], tmp_path / "packed").read_text()
    assert "`~/MochiDiffusion/controlnet`" in card
    assert "--resource-path" not in card
    assert_golden("card-controlnet", hidden(card))


@pytest.mark.parametrize("size", ["same", "other"])
def test_what_is_not_as_it_was_written_is_not_packed(
    bundle: Path, tmp_path: Path, size: str
) -> None:
    path = bundle / "Unet.mlmodelc/model.mil"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content if size == "same" else content + b"x")
    with pytest.raises(BadInputError, match=r"written.*sdcoreml verify") as caught:
        packed([bundle], tmp_path / "packed")
    assert caught.value.where == str(path)
    assert size == "other" or caught.value.remedy.endswith("; this folder was not packed")
    assert [*tmp_path.glob("packed/*")] == []


def test_no_folder_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="a folder that sdcoreml convert made"):
        contents_of(tmp_path)


def test_a_link_in_a_program_is_not_followed(bundle: Path) -> None:
    path = bundle / "Unet.mlmodelc/model.mil"
    path.rename(bundle.parent / "elsewhere")
    path.symlink_to(bundle.parent / "elsewhere")
    with pytest.raises(BadInputError, match="a link in place of what was written"):
        contents_of(bundle)


def test_two_folders_with_one_name(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another --name"):
        packed([made, made], tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK somebody else's", b"packed by nobody"])
def test_a_file_that_is_not_ours_is_never_replaced(
    made: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "my-cat-128x128_split_einsum_compiled.zip"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="sdcoreml did not pack it"):
        packed([made], tmp_path)
    assert path.read_bytes() == content


def test_an_archive_of_something_else_is_never_replaced(
    made: Path, bundle: Path, tmp_path: Path
) -> None:
    (first,) = packed([made], tmp_path, "coreml-cat")
    manifest = contents_of(bundle).manifest
    options = replace(manifest.options, recipe={"method": "kmeans", "bits": 6})
    model = replace(manifest.model, made_from={"loras": [["fur.safetensors", 1.0]]})
    inputs = {name: replace(one, sha256="0" * 64) for name, one in manifest.inputs.items()}
    for other in (
        replace(manifest, options=options),
        replace(manifest, model=model),
        replace(manifest, inputs=inputs),
    ):
        write_manifest(other, bundle)
        with pytest.raises(BadInputError, match="another model, or one with other options"):
            packed([bundle], tmp_path, "coreml-cat")
    write_manifest(replace(manifest, toolchain=replace(manifest.toolchain, name="new")), bundle)
    (again,) = packed([bundle], tmp_path, "coreml-cat")
    assert again.record != first.record


def test_a_card_stays_while_an_archive_is_there_that_the_new_one_would_not_list(
    made: Path, tmp_path: Path
) -> None:
    (archive,) = packed([made], tmp_path)
    write_card([archive], tmp_path)
    (tmp_path / "mine.zip").write_bytes(b"PK")
    require_card(tmp_path, [archive.path])
    with pytest.raises(BadInputError, match="all folders of one model at once") as caught:
        require_card(tmp_path, [tmp_path / "other.zip"])
    assert archive.path.name in caught.value.what


def test_a_full_disk_is_said_before_anything_is_written(made: Path, tmp_path: Path) -> None:
    contents = contents_of(made)
    vast = {name: replace(one, size=1 << 60) for name, one in contents.files.items()}
    with pytest.raises(NoSpaceError):
        next(pack([replace(contents, files=vast)], tmp_path, "", silent))
    assert [*tmp_path.iterdir()] == []


def card_of(made: Path, tmp_path: Path, manifest: Manifest) -> str:
    (archive,) = packed([made], tmp_path)
    changed = Contents(folder=made, manifest=manifest, files=archive.contents.files)
    return write_card([replace(archive, contents=changed)], tmp_path).read_text("utf-8")


def test_nothing_of_a_model_is_read_as_markup(made: Path, tmp_path: Path) -> None:
    fetched = FetchedFrom(name=NASTY, revision=NASTY, licence=NASTY, address=NASTY)
    manifest = manifest_of(
        made, name=NASTY, notes=(NASTY,), made_from={NASTY: NASTY}, fetched=fetched
    )
    card = card_of(made, tmp_path, manifest)
    head, _, body = card.partition("\n---\n")
    assert "<script" not in body.replace("\\<", "")
    assert "\x1b" not in card
    assert "](" not in body
    assert head.count("\n") == 4, "the licence is one line of the head"
    assert "$$" not in body
    assert "base_model" not in card


def test_a_model_of_the_hub_is_named_with_its_licence(made: Path, tmp_path: Path) -> None:
    fetched = FetchedFrom(
        name="owner/cat", revision="abc", licence="openrail", address="https://a.b"
    )
    card = card_of(made, tmp_path, manifest_of(made, fetched=fetched))
    assert 'license: "openrail"\nbase_model: "owner/cat"\n' in card
    assert "| Licence as stated | openrail |\n" in card
    assert_golden("card-model", hidden(card))


def test_escaped_text_is_what_it_was() -> None:
    assert escape("a_b [c](d) 1.5") == "a\\_b &#91;c&#93;(d) 1\\.5"
    assert escape("a\nb") == "a\\\\nb"


def test_a_card_that_somebody_changed_stays(made: Path, tmp_path: Path) -> None:
    require_card(tmp_path)
    (archive,) = packed([made], tmp_path)
    card = write_card([archive], tmp_path)
    require_card(tmp_path, [archive.path])
    card.write_text(card.read_text() + "and my own words\n")
    with pytest.raises(BadInputError, match="is not as sdcoreml wrote it"):
        require_card(tmp_path)
    (tmp_path / CARD).write_text("# mine\n")
    with pytest.raises(BadInputError):
        require_card(tmp_path)


def test_the_tokenizer_is_packed_although_an_older_manifest_does_not_list_it(
    bundle: Path, tmp_path: Path
) -> None:
    write_manifest(replace(contents_of(bundle).manifest, tokenizer={}), bundle)
    (archive,) = packed([bundle], tmp_path / "packed")
    assert "vocab.json" in archive.contents.files
