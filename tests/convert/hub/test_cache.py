"""The hub's own cache: what lies there is a model only with its weights, and keeps its names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdcoreml.convert.hub.access import Access
from sdcoreml.convert.hub.cache import Shelf, list_cached
from sdcoreml.convert.hub.listing import HubFile, Listing
from sdcoreml.convert.hub.names import HubName

COMMIT, OTHER = "c" * 40, "d" * 40
SHA256, GIT = "a" * 64, "b" * 40
NAME = HubName(repo="owner/cat")


@pytest.fixture
def lonely(tmp_path: Path) -> Access:
    """Return settings of a client that needs no server."""
    return Access(hub="https://hub", cache=tmp_path, downloads=tmp_path, hub_token="hf_x")  # noqa: S106  none


@pytest.fixture
def shelf(lonely: Access) -> Shelf:
    files = (
        HubFile(path="unet/config.json", size=2, sha256="", git=GIT),
        HubFile(path="unet/it.safetensors", size=3, sha256=SHA256, git="e" * 40),
    )
    listing = Listing(name=NAME, commit=COMMIT, files={file.path: file for file in files})
    return Shelf(access=lonely, listing=listing)


def keep(folder: Path, files: dict[str, tuple[str, bytes]], commit: str = COMMIT) -> None:
    """Put files into the cache: a path in the model, its blob's name, and its content."""
    for path, (blob, content) in files.items():
        place = folder / "models--owner--cat" / "snapshots" / commit / path
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = folder / "models--owner--cat" / "blobs" / blob
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(content)
        place.symlink_to(os.path.relpath(kept, place.parent))


def test_what_is_wanted_is_asked_for_by_its_commit_and_proved_by_its_hash(shelf: Shelf) -> None:
    large = shelf.choose_target("unet/it.safetensors")
    assert large.url == f"https://hub/owner/cat/resolve/{COMMIT}/unet/it.safetensors"
    assert large.target == shelf.folder / "blobs" / SHA256
    assert large.lock.parts[-3:] == (".locks", "models--owner--cat", f"{SHA256}.lock")
    assert (large.size, large.sha256, large.git, large.token) == (3, SHA256, "", "hf_x")
    small = shelf.choose_target("unet/config.json")
    assert (small.target.name, small.sha256, small.git) == (GIT, "", GIT)


def test_a_downloaded_file_is_linked_and_found_only_whole(shelf: Shelf) -> None:
    path = "unet/config.json"
    assert shelf.here() == {}
    blob = shelf.blob(shelf.listing.files[path])
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"{}")
    place = shelf.link(path)
    assert place == shelf.folder / "snapshots" / COMMIT / path
    assert str(place.readlink()) == f"../../../blobs/{GIT}"
    assert shelf.link(path) == place, "it may be linked again"
    assert shelf.here() == {path: place}
    assert not shelf.is_damaged(path), "nobody stated its SHA-256"
    blob.write_bytes(b"{} ")
    assert shelf.find(path) is None
    shelf.discard(path)
    assert not place.is_symlink()
    assert not blob.exists()
    shelf.discard(path)


def test_damage_is_a_sha256_that_differs(shelf: Shelf) -> None:
    path = "unet/it.safetensors"
    shelf.blob(shelf.listing.files[path]).parent.mkdir(parents=True)
    shelf.blob(shelf.listing.files[path]).write_bytes(b"abc")
    shelf.link(path)
    assert shelf.is_damaged(path)


@pytest.mark.parametrize(
    ("revision", "ref"), [("", "main"), ("main", "main"), ("a/b", "a/b"), (COMMIT, None)]
)
def test_a_branch_is_remembered_and_a_commit_need_not_be(
    lonely: Access, revision: str, ref: str | None
) -> None:
    name = HubName(repo="owner/cat", revision=revision)
    shelf = Shelf(access=lonely, listing=Listing(name=name, commit=COMMIT, files={}))
    shelf.remember()
    found = {
        path.relative_to(shelf.folder).as_posix(): path.read_text()
        for path in shelf.folder.rglob("*")
        if path.is_file()
    }
    assert found == ({f"refs/{ref}": COMMIT} if ref else {})


CARD = b"---\nlicense: mit\n---\nA cat.\n"


def test_a_file_of_weights_is_listed_with_its_hashes_and_licence(lonely: Access) -> None:
    keep(lonely.cache, {"it.SafeTensors": (SHA256, b"abc"), "README.md": (GIT, CARD)})
    for revision in (COMMIT, COMMIT[:7], "main"):
        if revision == "main":
            assert list_cached(HubName(repo="owner/cat", revision="main"), lonely) is None
            ref = lonely.cache / "models--owner--cat" / "refs" / "main"
            ref.parent.mkdir()
            ref.write_text(f"{COMMIT}\n")
        listing = list_cached(HubName(repo="owner/cat", revision=revision), lonely)
        assert listing is not None
        assert (listing.commit, listing.licence) == (COMMIT, "mit")
        assert listing.files == {
            "it.SafeTensors": HubFile(path="it.SafeTensors", size=3, sha256=SHA256, git=""),
            "README.md": HubFile(path="README.md", size=len(CARD), sha256="", git=GIT),
        }


def test_a_commit_that_two_begin_with_is_unknown(lonely: Access) -> None:
    for commit in (COMMIT, f"{COMMIT[:-1]}d"):
        keep(lonely.cache, {"a.ckpt": (SHA256, b"abc")}, commit)
    assert list_cached(HubName(repo="owner/cat", revision=COMMIT[:9]), lonely) is None
    found = list_cached(HubName(repo="owner/cat", revision=COMMIT), lonely)
    assert found is not None
    assert found.licence == ""


def test_a_commit_has_forty_letters(lonely: Access) -> None:
    keep(lonely.cache, {"a.ckpt": (SHA256, b"abc")}, "cafe")
    assert list_cached(HubName(repo="owner/cat", revision="cafe"), lonely) is None


INDEX = json.dumps({"_class_name": "P", "unet": ["d", "U"], "vae": ["d", "V"]}).encode()


@pytest.mark.parametrize(
    ("files", "file", "suffices"),
    [
        ({"notes.txt": b""}, "", False),
        ({"unet/it.safetensors": b""}, "", False),
        ({"it.ckpt": b""}, "", True),
        ({"it.ckpt": b""}, "it.ckpt", True),
        ({"it.ckpt": b""}, "other.ckpt", False),
        ({"model_index.json": INDEX}, "", False),
        ({"model_index.json": b"[]"}, "", True),
        ({"model_index.json": b"{"}, "", True),
    ],
)
def test_without_its_weights_a_model_is_not_there(
    lonely: Access,
    files: dict[str, bytes],
    file: str,
    suffices: bool,  # noqa: FBT001
) -> None:
    keep(lonely.cache, {path: (f"{n:064}", data) for n, (path, data) in enumerate(files.items())})
    name = HubName(repo="owner/cat", revision=COMMIT, file=file)
    assert (list_cached(name, lonely) is not None) is suffices


def test_a_card_that_nobody_can_read_states_no_licence(lonely: Access) -> None:
    keep(lonely.cache, {"a.ckpt": (SHA256, b""), "README.md": (GIT, b"---\n[: \n---\n")})
    found = list_cached(HubName(repo="owner/cat", revision=COMMIT), lonely)
    assert found is not None
    assert found.licence == ""
