from __future__ import annotations

import pytest

from sdcoreml.doctor.studio.dropped import (
    LARGEST,
    MOST_FILES,
    Drop,
    File,
    choose_files,
    safe_name,
    split_ends,
)
from sdcoreml.doctor.studio.refusals import AbsentError, RequestError


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("x.safetensors", "x.safetensors"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/.hidden.ckpt", "hidden.ckpt"),
        ("..", "model"),
        ("", "model"),
        (".safetensors", "safetensors"),
        ("a\0b\n\x1b[31mc\u202e.pt", "ab[31mc.pt"),
        ("C:x.pt", "Cx.pt"),
        ("\u00e4\u65e5 '\"$(touch x)<b>.pt", "\u00e4\u65e5 '\"$(touch x)<b>.pt"),
        ("a\u0308.pt", "\u00e4.pt"),
        ("x" * 300 + ".safetensors", "x" * 188 + ".safetensors"),
        ("\u65e5" * 300, "\u65e5" * 66),
    ],
)
def test_a_name_is_made_one_that_stays_in_its_folder(told: str, name: str) -> None:
    assert safe_name(told) == name


WEIGHTS = File(path="unet/model.safetensors", size=9, number=0)


def chosen(*paths: str) -> list[str]:
    """Return which of these files are taken beside weights."""
    listed = [File(path=path, size=1, number=one) for one, path in enumerate(paths, 1)]
    first, *others = choose_files("model", [WEIGHTS, *listed])
    assert first == WEIGHTS
    return [one.path for one in others]


@pytest.mark.parametrize(
    "path",
    [
        "model_index.json",
        "tokenizer/merges.txt",
        "tokenizer_2/spiece.model",
        "unet/diffusion_pytorch_model-00001-of-00002.bin",
        "a/b/c/x.CKPT",
        "\u65e5/\u00e4 (1).json",
    ],
)
def test_what_a_model_is_made_of_is_taken(path: str) -> None:
    assert chosen(path) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/x.json",
        "../x.json",
        "a/../x.json",
        "./x.json",
        "a//x.json",
        "a/",
        "a\\x.json",
        ".git/x.json",
        "a/.hidden.json",
        "a/x.json ",
        "a/\u202ex.json",
        "a\0/x.json",
        "c:x.json",
        "a/b/c/d/x.json",
        "x" * 300 + ".json",
        "picture.png",
        "README.md",
        "run.py",
        "x",
        "json",
    ],
)
def test_what_has_an_odd_name_or_is_no_part_of_a_model_is_left_out(path: str) -> None:
    assert chosen(path) == []


def test_two_names_that_are_one_on_some_disks_and_a_file_as_a_folder_are_left_out() -> None:
    assert chosen("a.json", "A.json", "UNET/Model.safetensors") == ["a.json"]
    assert chosen("b.json", "b.json/x.json", "c.json/x.json", "C.json") == [
        "b.json",
        "c.json/x.json",
    ]


def test_a_name_of_a_mac_s_disk_is_taken_as_it_is_typed() -> None:
    """HFS tells a letter and its accent as two characters; both are one name on other disks."""
    assert chosen("mode\u0300le/config.json") == ["mod\u00e8le/config.json"]
    assert chosen("a\u0308.json", "\u00e4.json", "u\u0308/x.json") == [
        "\u00e4.json",
        "\u00fc/x.json",
    ]


def test_what_is_core_ml_already_is_left_out_beside_weights() -> None:
    assert chosen("coreml/Unet.mlpackage/Manifest.json", "Vae.mlmodelc/x.json", "a.json") == [
        "a.json"
    ]


def test_a_size_is_one_that_a_file_can_have() -> None:
    assert choose_files("m", [WEIGHTS, File(path="x.json", size=-1)]) == (WEIGHTS,)
    with pytest.raises(RequestError, match=r"\bno model has this size"):
        choose_files("m", [File(path="x.bin", size=1 << 41)])


@pytest.mark.parametrize(
    ("name", "listed", "said"),
    [
        ("m", [], "no weights"),
        ("m", [File(path="x.json", size=1)], "no weights"),
        ("m", [WEIGHTS] * 2_001, "more files than a model has"),
        ("m", [File(path="x.json", size=1), File(path="a/B.MLPACKAGE/x.bin", size=1)], "Core ML"),
        ("m", [File(path="Unet.mlmodelc/weights/weight.bin", size=1)], "Core ML already"),
        ("Unet.mlpackage", [File(path="Data/weights/weight.bin", size=1)], "Core ML already"),
    ],
)
def test_what_is_no_model_to_convert_says_so(name: str, listed: list[File], said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        choose_files(name, listed)
    assert raised.value.remedy


def test_a_file_is_called_by_its_place_in_the_page_s_list() -> None:
    files = (File(path="a.bin", size=1, number=3), File(path="b.bin", size=2, number=9))
    drop = Drop(id="0" * 32, name="m", size=3, files=files)
    assert (drop.sizes, drop.place_of(9)) == ((1, 2), 1)
    for number in (0, 1, 10):
        with pytest.raises(AbsentError):
            drop.place_of(number)
    assert Drop(id="0" * 32, name="m.bin", size=3).sizes == (3,)


def ends_of(head: bytes, tail: bytes) -> bytes:
    return len(head).to_bytes(4, "little") + head + tail


def split(ends: bytes, size: int) -> list[bytes]:
    return [bytes(one) for one in split_ends(ends, size)]


def test_the_largest_model_that_there_is_may_be_dropped() -> None:
    largest = File(path="x.bin", size=LARGEST - 1)
    assert choose_files("m", [largest, File(path="x.json", size=1)])[0] == largest
    with pytest.raises(RequestError, match=r"\bno model has this size"):
        choose_files("m", [largest, File(path="x.json", size=2)])
    assert split(ends_of(b"a", b"b"), LARGEST) == [b"a", b"b"]
    with pytest.raises(RequestError, match=r"\bno model has this size"):
        split_ends(ends_of(b"a", b"b"), LARGEST + 1)


def test_ends_may_be_all_of_a_file_and_no_more() -> None:
    assert split(ends_of(b"abc", b"de"), 5) == [b"abc", b"de"]
    assert split(ends_of(b"", b""), 0) == [b"", b""]
    for ends, size in (
        (ends_of(b"abc", b"de"), 4),
        (b"\0\0\0", 9),
        (b"\5\0\0\0abcd", 9),
        (ends_of(b"", b""), -1),
    ):
        with pytest.raises(RequestError):
            split_ends(ends, size)


def test_as_many_files_as_count_are_taken() -> None:
    listed = [WEIGHTS, *(File(path=f"{one}.json", size=1) for one in range(MOST_FILES - 1))]
    assert len(choose_files("m", listed)) == MOST_FILES == 2_000
