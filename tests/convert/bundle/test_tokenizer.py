from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.tokenizer import (
    RESTORE,
    Tokenizer,
    check_tokenizer,
    pair_faults,
    read_added_words,
    read_ids,
    read_tokenizer,
    read_written,
    tokenizer_files,
    tokenizer_folder,
)
from sdcoreml.ground.errors import BadInputError
from tests.odd import base

VOCAB = {"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}


def folder(
    tmp_path: Path, vocab: object = VOCAB, merges: bytes = b"#version: 0.2\na b</w>\n"
) -> Path:
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_bytes(merges)
    return tmp_path


def test_a_refiner_has_the_second_tokenizer_only(tmp_path: Path) -> None:
    assert tokenizer_folder(tmp_path) == tmp_path / "tokenizer"
    (tmp_path / "tokenizer_2").mkdir()
    assert tokenizer_folder(tmp_path) == tmp_path / "tokenizer_2"
    (tmp_path / "tokenizer").mkdir()
    assert tokenizer_folder(tmp_path) == tmp_path / "tokenizer"


def test_sound_files_are_kept_byte_for_byte(tmp_path: Path) -> None:
    tokenizer = read_tokenizer(folder(tmp_path))
    assert tokenizer.files() == (
        ("vocab.json", json.dumps(VOCAB).encode()),
        ("merges.txt", b"#version: 0.2\na b</w>\n"),
    )


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    first = read_tokenizer(folder(tmp_path))
    assert read_tokenizer(tmp_path) is first
    changed = b"#version: 0.2\na b</w>\n<| b</w>\n"
    assert read_tokenizer(folder(tmp_path, merges=changed)).merges == changed


@pytest.mark.parametrize("merges", [b"#v\r\na b</w>\r\n", b"#v\na b</w>", b"#v\r\na b</w>"])
def test_line_ends_are_mended_so_that_no_merge_is_lost(tmp_path: Path, merges: bytes) -> None:
    assert read_tokenizer(folder(tmp_path, merges=merges)).merges == b"#v\na b</w>\n"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(BadInputError, match=r"merges.txt: no such file; copy vocab.json and"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("vocab", "what"),
    [
        ([], "not a map from tokens to integers"),
        ({"a": "0"}, "not a map from tokens to integers"),
        ({"a": True}, "not a map from tokens to integers"),
        ({"<|startoftext|>": 0}, "the token <|endoftext|> is missing"),
        ({"<|endoftext|>": 0}, "the token <|startoftext|> is missing"),
    ],
)
def test_a_vocabulary_that_swift_would_crash_on(tmp_path: Path, vocab: object, what: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read_tokenizer(folder(tmp_path, vocab=vocab))
    assert str(caught.value) == f"{tmp_path}/vocab.json: {what}; restore it from the model's source"


@pytest.mark.parametrize(
    ("merges", "what"),
    [
        (b"<html>not merges at all</html>\n", "line 1 is not two tokens separated by one space"),
        (b"#v\na b\nabc\n", "line 3 is not two tokens separated by one space"),
        (b"#v\na  b\n", "line 2 is not two tokens separated by one space"),
        (b"#v\n\xff b\n", "not UTF-8 (invalid start byte at 3)"),
    ],
)
def test_merges_that_swift_would_throw_on(tmp_path: Path, merges: bytes, what: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read_tokenizer(folder(tmp_path, merges=merges))
    assert str(caught.value) == f"{tmp_path}/merges.txt: {what}; restore it from the model's source"


def test_a_vocabulary_that_is_no_json() -> None:
    faults = tuple(check_tokenizer(Tokenizer(vocab=b"<html>", merges=b"a b\n"), Path("x")))
    assert [Path(fault.where) for fault in faults] == [Path("x/vocab.json")]
    assert faults[0].what.startswith("not valid JSON (")


def test_a_last_line_that_would_be_dropped() -> None:
    vocab = json.dumps(VOCAB).encode()
    faults = tuple(check_tokenizer(Tokenizer(vocab=vocab, merges=b"a b\nc d"), Path("x")))
    assert [fault.what for fault in faults] == ["the last line has no line feed and would be lost"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("added_tokens.json", {"<a>": 5, "<|endoftext|>": 4}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"5": {"content": "<a>"}}}),
        ("tokenizer.json", {"added_tokens": [{"id": 5, "content": "<a>"}]}),
    ],
)
def test_added_words_reach_the_two_files(tmp_path: Path, name: str, content: object) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    found = read_tokenizer(folder(tmp_path))
    assert json.loads(found.vocab) == {**VOCAB, "<a></w>": 5, "<a>": 5}
    assert found.merges.decode().splitlines() == [
        *("#version: 0.2", "a b</w>", "< a", "<a ></w>", "<a >")
    ]
    assert found.notes == ("its added words can be typed: <a>",)


def test_added_words_that_no_prompt_can_hold_are_named(tmp_path: Path) -> None:
    words = {"two words": 5, "Big": 6, "ab": 7}
    (tmp_path / "added_tokens.json").write_text(json.dumps(words))
    found = read_tokenizer(folder(tmp_path))
    assert json.loads(found.vocab) == VOCAB, "ab is a word of the vocabulary already"
    assert found.notes == (
        "its added word 'two words' cannot be typed: it contains a space",
        (
            "its added word 'Big' cannot be typed: it has capital letters, but prompts are"
            " converted to lower case"
        ),
    )


def test_other_files_that_say_nothing_of_words_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "added_tokens.json").write_text("[]")
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 77}')
    (tmp_path / "tokenizer.json").write_text("not JSON")
    assert read_tokenizer(folder(tmp_path)).vocab == json.dumps(VOCAB).encode()


def test_one_newer_file_holds_both(tmp_path: Path) -> None:
    for merges in (["a b</w>"], [["a", "b</w>"]]):
        model = {"vocab": VOCAB, "merges": merges}
        (tmp_path / "tokenizer.json").write_text(json.dumps({"model": model}))
        tokenizer = read_tokenizer(tmp_path)
        assert json.loads(tokenizer.vocab) == VOCAB
        assert tokenizer.merges == b"#version: 0.2\na b</w>\n"
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInputError, match="not a byte-pair tokenizer"):
        read_tokenizer(tmp_path)


def test_a_mark_of_byte_order_is_no_part_of_either_file(tmp_path: Path) -> None:
    vocab = b'{"<|startoftext|>": 0, "<|endoftext|>": 1}'
    (tmp_path / "vocab.json").write_bytes(b"\xef\xbb\xbf" + vocab)
    (tmp_path / "merges.txt").write_bytes(b"\xef\xbb\xbf#version: 0.2\n")
    tokenizer = read_tokenizer(tmp_path)
    assert (tokenizer.vocab, tokenizer.merges) == (vocab, b"#version: 0.2\n")


def test_words_that_merges_make_and_the_vocabulary_lacks_are_noted(tmp_path: Path) -> None:
    folder = base.write_tokenizer(tmp_path)
    base.write(folder / "merges.txt", "#version: 0.2\nt h\nz z\n")
    assert read_tokenizer(folder).notes == (
        "merges.txt makes 1 words that vocab.json does not have (first 'zz'): prompts lose them",
    )


def test_the_first_three_words_that_get_lost_are_named(tmp_path: Path) -> None:
    merges = b"#version: 0.2\na b</w>\nx 1\nx 2\nx 3\nx 4\n"
    (note,) = read_tokenizer(folder(tmp_path, merges=merges)).notes
    assert note == (
        "merges.txt makes 4 words that vocab.json does not have (first 'x1', 'x2', 'x3'):"
        " prompts lose them"
    )


def test_the_files_that_are_there_are_listed(tmp_path: Path) -> None:
    assert tokenizer_files(tmp_path) == ()
    folder(tmp_path)
    assert tokenizer_files(tmp_path) == (tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert read_written(tmp_path).files() == read_tokenizer(tmp_path).files()
    (tmp_path / "vocab.json").unlink()
    assert tokenizer_files(tmp_path) == (tmp_path / "merges.txt",)
    (tmp_path / "merges.txt").unlink()
    assert read_ids(tmp_path) == {}


def test_the_words_that_each_file_adds_are_read(tmp_path: Path) -> None:
    assert read_added_words(tmp_path) == {}
    content = {
        "added_tokens": [{"content": "<one>", "id": 7}, {"content": "<|endoftext|>", "id": 4}]
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    content = {"added_tokens_decoder": {"8": {"content": "<two>"}}}  # type: ignore[dict-item]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(content))
    (tmp_path / "added_tokens.json").write_text('{"<three>": 9}')
    assert read_added_words(tmp_path) == {"<one>": 7, "<two>": 8, "<three>": 9}


def pairs(merges: bytes, **vocab: int) -> list[str]:
    """Return the faults of a vocabulary and its merges."""
    tokenizer = Tokenizer(vocab=json.dumps({**VOCAB, **vocab}).encode(), merges=merges)
    return [str(fault) for fault in pair_faults(tokenizer, Path("t"))]


def test_a_pair_is_compared_where_its_vocabulary_is_sound() -> None:
    assert pairs(b"#version: 0.2\na b</w>\n") == []
    assert pairs(b"a b</w>\n") == []
    lost = "1 of vocab.json's tokens have no merge, such as 'ab</w>'"
    assert pairs(b"#version: 0.2\n") == [f"t/merges.txt: {lost}; {RESTORE}"]
    numbers = "its 5 tokens are not numbered 0 to 4, each once"
    assert pairs(b"#version: 0.2\n", a=7) == [f"t/vocab.json: {numbers}; {RESTORE}"]


def test_a_padding_that_is_no_word_is_noted(tmp_path: Path) -> None:
    folder = base.write_tokenizer(tmp_path, pad="[PAD]")
    (note,) = read_tokenizer(folder).notes
    assert note.startswith("it pads prompts with '[PAD]', which is not in its vocabulary")
    base.write(folder / "added_tokens.json", {"[PAD]": 9})
    assert "none of its words" not in " ".join(read_tokenizer(folder).notes)
    assert read_ids(folder)["[PAD]"] == 9
