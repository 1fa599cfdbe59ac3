"""The tokenizer files of a finished folder, in the form that Apple's Swift reader accepts.

Facts (BPETokenizer+Reading.swift of apple/ml-stable-diffusion): `vocab.json` maps tokens to
integers and must hold `<|startoftext|>` and `<|endoftext|>`; `merges.txt` is split at line feeds,
empty lines and lines that begin with `#` are skipped, any other line must have exactly two parts,
and a last line without a line feed is dropped.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.pairs import SPECIAL, merges_faults, vocabulary_faults
from sdcoreml.convert.models.words import WORD_END, add_words, parse_vocabulary, why_untypable
from sdcoreml.ground.documents import read_json, read_object
from sdcoreml.ground.errors import BadInputError, Fault, raise_first
from sdcoreml.ground.files import Document, read_bytes

VOCAB = "vocab.json"
MERGES = "merges.txt"
RESTORE = "restore it from the model's source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """The contents of vocab.json and merges.txt, ready to be written.

    `notes` say which of the model's added words can be typed in a prompt, and which cannot.
    """

    vocab: bytes
    merges: bytes
    notes: tuple[str, ...] = ()

    def files(self) -> tuple[tuple[str, bytes], ...]:
        """Return the name and the content of each file."""
        return ((VOCAB, self.vocab), (MERGES, self.merges))


def tokenizer_files(folder: Path) -> tuple[Path, ...]:
    """List the tokenizer files that are in a finished folder; a ControlNet's folder has none."""
    return tuple(folder / name for name in (VOCAB, MERGES) if (folder / name).is_file())


def read_written(folder: Path) -> Tokenizer:
    """Read the tokenizer of a finished folder as it is, without repairs."""
    vocab, merges = (read_bytes(folder / name, Document.VOCABULARY) for name in (VOCAB, MERGES))
    return Tokenizer(vocab=vocab, merges=merges)


def tokenizer_folder(model: Path) -> Path:
    """Return the folder of a model's tokenizer; SDXL's refiner has only `tokenizer_2`."""
    second = model / "tokenizer_2"
    return second if second.is_dir() and not (model / "tokenizer").is_dir() else model / "tokenizer"


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of a model folder, repair it, and insert its added words.

    Line endings are repaired, and a byte order mark is removed. Added words are inserted because
    Apple's reader ignores the files that list them: see `sdcoreml.convert.models.words`. If there
    is only transformers' newer `tokenizer.json`, vocab.json and merges.txt are extracted from it.

    Raises:
        BadInputError: a file is missing, or the Swift reader would not accept it.
    """
    return _read_once(folder, _states_of(folder))


def _states_of(folder: Path) -> tuple[object, ...]:
    """Return what tells a folder's files from those of another, and from changed ones."""
    with suppress(OSError):
        found = ((path, path.stat()) for path in sorted(folder.iterdir()))
        return tuple(
            (path, one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
            for path, one in found
        )
    return (object(),)  # no second look finds it again


@lru_cache(maxsize=8)
def _same(content: bytes) -> bytes:
    """Return equal bytes as one object: most models have CLIP's files, of 1.5 MB."""
    return content


@lru_cache(maxsize=64)
def _read_once(folder: Path, _: tuple[object, ...]) -> Tokenizer:
    """Read a tokenizer in this state, as several steps do; that takes a tenth of a second."""
    if tokenizer := _from_one_file(folder):
        raise_first(tuple(check_tokenizer(tokenizer, folder)))
        return _complete(tokenizer, folder)
    remedy = "copy vocab.json and merges.txt from the model that this one was trained from"
    missing = [name for name in (VOCAB, MERGES) if not (folder / name).is_file()]
    raise_first(
        [Fault(where=folder / name, what="no such file", remedy=remedy) for name in missing]
    )
    merges = read_bytes(folder / MERGES, Document.VOCABULARY, remedy=remedy)
    merges = merges.removeprefix(BOM_UTF8).replace(b"\r\n", b"\n")
    if not merges.endswith(b"\n"):
        merges += b"\n"
    vocab = read_bytes(folder / VOCAB, Document.VOCABULARY, remedy=remedy)
    tokenizer = Tokenizer(vocab=_same(_plain(vocab)), merges=_same(merges))
    raise_first(tuple(check_tokenizer(tokenizer, folder)))
    return _complete(tokenizer, folder)


def _complete(tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    """Insert the added words, and add notes on what cannot be typed or does not fit together."""
    oddities = tuple(_oddities(tokenizer, folder))
    found = _with_added_words(tokenizer, read_added_words(folder))
    return replace(found, notes=(*found.notes, *oddities))


def read_added_words(folder: Path) -> Mapping[str, int]:
    """Read the words that a tokenizer knows in addition to its vocabulary, with their ids.

    The words can be in any of three files; a file that cannot be read counts as empty.
    """
    found: dict[str, int] = {}
    for name, read in _ADDED.items():
        with suppress(BadInputError, ValueError, KeyError, TypeError, AttributeError):
            found |= read(read_json(folder / name, Document.VOCABULARY))
    return {word: number for word, number in found.items() if word not in SPECIAL}


_ADDED: Mapping[str, Callable[[Any], dict[str, int]]] = {
    "tokenizer.json": lambda it: {one["content"]: int(one["id"]) for one in it["added_tokens"]},
    "tokenizer_config.json": lambda it: {
        one["content"]: int(number) for number, one in it["added_tokens_decoder"].items()
    },
    "added_tokens.json": lambda it: {str(word): int(number) for word, number in it.items()},
}


def read_pad_token(folder: Path) -> str:
    """Read the token with which a tokenizer pads prompts.

    As in transformers 4.34, special_tokens_map.json outranks tokenizer_config.json. If neither file
    names a token, CLIP pads with its end token.

    Raises:
        BadInputError: one of the two files is not JSON.
    """
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        place = folder / name
        pad = read_object(place, Document.VOCABULARY).get("pad_token") if place.is_file() else None
        match pad:
            case (str() as token) | {"content": str() as token} if token:
                return token
    return SPECIAL[1]


def read_ids(folder: Path) -> Mapping[str, int]:
    """Read the ids of all words of a tokenizer, including added ones.

    The vocabulary comes from vocab.json or, if there is none, from tokenizer.json.

    Raises:
        BadInputError: the vocabulary is not readable, or not of CLIP's kind.
    """
    if not (folder / VOCAB).is_file():
        found = _from_one_file(folder)
        vocabulary: Mapping[str, int] = parse_vocabulary(found.vocab, VOCAB) if found else {}
    else:
        data = read_bytes(folder / VOCAB, Document.VOCABULARY)
        vocabulary = parse_vocabulary(_plain(data), folder / VOCAB)
    return {**vocabulary, **read_added_words(folder)}


@lru_cache(maxsize=8)
def _find_lost(vocab: bytes, merges: bytes) -> tuple[str, ...]:
    """Return the words that merges make and a vocabulary lacks; most models have CLIP's."""
    vocabulary = parse_vocabulary(vocab, VOCAB).keys()
    lines = merges.decode().split("\n")
    made = (line.replace(" ", "") for line in lines if line and not line.startswith("#"))
    return tuple(word for word in made if word not in vocabulary)


def _oddities(tokenizer: Tokenizer, folder: Path) -> Iterator[str]:
    """Yield notes on words that a sound tokenizer refers to but does not have."""
    vocabulary = parse_vocabulary(tokenizer.vocab, VOCAB).keys()
    if lost := _find_lost(tokenizer.vocab, tokenizer.merges):
        shown = ", ".join(map(repr, lost[:_SHOWN]))
        yield (
            f"{MERGES} makes {len(lost)} words that {VOCAB} does not have (first {shown}):"
            " prompts lose them"
        )
    with suppress(BadInputError):
        pad = read_pad_token(folder)
        if pad not in vocabulary and pad not in read_added_words(folder):
            said = f"it pads prompts with {pad!r}, which is not in its vocabulary"
            yield f"{said}; the apps' own padding stays"


_SHOWN = 3


def _with_added_words(tokenizer: Tokenizer, words: Mapping[str, int]) -> Tokenizer:
    vocabulary = parse_vocabulary(tokenizer.vocab, VOCAB)
    new = {w: n for w, n in words.items() if not vocabulary.keys() & {w, w + WORD_END}}
    lost = {word: why for word in new if (why := why_untypable(word))}
    typed = [word for word in new if word not in lost]
    notes = [f"its added word {word!r} cannot be typed: it {why}" for word, why in lost.items()]
    if typed:
        notes.insert(0, f"its added words can be typed: {', '.join(typed)}")
        merges = tokenizer.merges.decode().removesuffix("\n").split("\n")
        whole = {**vocabulary}
        add_words(whole, merges, {word: new[word] for word in typed})
        tokenizer = Tokenizer(
            vocab=json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(),
            merges=("\n".join(merges) + "\n").encode(),
        )
    return replace(tokenizer, notes=tuple(notes))


def _plain(vocab: bytes) -> bytes:
    """Remove the byte order mark of a UTF-8 vocabulary, which Swift does not reliably read."""
    return vocab.removeprefix(BOM_UTF8)


def _from_one_file(folder: Path) -> Tokenizer | None:
    """Extract vocab.json and merges.txt from tokenizer.json, if the folder has neither of them."""
    whole = folder / "tokenizer.json"
    if not whole.is_file() or (folder / VOCAB).exists() or (folder / MERGES).exists():
        return None
    try:
        content: Any = read_json(whole, Document.VOCABULARY)
        model = content["model"]
        pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        vocab = json.dumps(model["vocab"], ensure_ascii=False)
    except (ValueError, KeyError, TypeError):
        what, remedy = "not a byte-pair tokenizer like CLIP's", "add vocab.json and merges.txt"
        raise BadInputError(what, where=whole, remedy=remedy) from None
    merges = "\n".join(("#version: 0.2", *pairs, ""))
    return Tokenizer(vocab=vocab.encode(), merges=merges.encode())


def pair_faults(tokenizer: Tokenizer, folder: Path) -> Iterator[Fault]:
    """Yield the faults of files that Swift can read but that form no byte-pair tokenizer.

    Merges are compared with the vocabulary only if the vocabulary has no faults. Merges that begin
    with `#` count here: CLIP's list has some, although the Swift reader takes them for comments.
    """
    vocabulary = parse_vocabulary(tokenizer.vocab, folder / VOCAB, remedy=RESTORE)
    wrong = tuple(vocabulary_faults(vocabulary))
    yield from (Fault(where=folder / VOCAB, what=what, remedy=RESTORE) for what in wrong)
    lines = tokenizer.merges.decode().split("\n")
    lines = lines[1:] if lines[0].startswith("#version") else lines
    merges = [line for line in lines if line.count(" ") == 1]
    for what in () if wrong else merges_faults(vocabulary, merges):
        yield Fault(where=folder / MERGES, what=what, remedy=RESTORE)


def check_tokenizer(tokenizer: Tokenizer, folder: Path) -> Iterator[Fault]:
    """Yield a fault for everything that the Swift reader would reject."""
    yield from _check_vocab(tokenizer.vocab, folder / VOCAB)
    yield from _check_merges(tokenizer.merges, folder / MERGES)


def _check_vocab(content: bytes, path: Path) -> Iterator[Fault]:
    remedy = RESTORE
    try:
        vocabulary = parse_vocabulary(content, path, remedy=remedy)
    except BadInputError as error:
        yield error.fault
        return
    for token in SPECIAL:
        if token not in vocabulary:
            yield Fault(where=path, what=f"the token {token} is missing", remedy=remedy)


def _check_merges(content: bytes, path: Path) -> Iterator[Fault]:
    remedy = RESTORE
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        yield Fault(where=path, what=f"not UTF-8 ({error.reason} at {error.start})", remedy=remedy)
        return
    if content and not content.endswith(b"\n"):
        yield Fault(
            where=path, what="the last line has no line feed and would be lost", remedy=remedy
        )
    if number := _find_odd_line(content):
        what = f"line {number} is not two tokens separated by one space"
        yield Fault(where=path, what=what, remedy=remedy)


@lru_cache(maxsize=8)
def _find_odd_line(merges: bytes) -> int:
    """Return the number of the first line that is not two tokens and one space; 0 without one."""
    for number, line in enumerate(merges.decode("utf-8").split("\n"), start=1):
        if line.count(" ") != 1 and line and not line.startswith("#"):
            return number
    return 0
