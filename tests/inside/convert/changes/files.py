"""Changes to the files of a finished folder, by hand or with the converter's own tools."""

from __future__ import annotations

import json
import os
import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from shutil import copytree, rmtree
from typing import Any

from tests.inside.convert.changes.mending import DATA, put, put_weights, read_raw

Change = Callable[[Path, Random], None]

PROGRAMS = ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder")


def some(rng: Random) -> str:
    """Return the name of a random program."""
    return rng.choice(PROGRAMS)


def in_json(name: str, change: Callable[[Any, Random], object]) -> Change:
    """Return a change that edits the value in a JSON file."""

    def apply(folder: Path, rng: Random) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        change(content, rng)
        text = json.dumps(content, indent=2, ensure_ascii=False)
        put(folder / name, text.encode())

    return apply


def in_lines(change: Callable[[list[str], Random], object]) -> Change:
    """Return a change that edits the lines of merges.txt."""

    def apply(folder: Path, rng: Random) -> None:
        lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
        change(lines, rng)
        put(folder / "merges.txt", "\n".join(lines).encode())

    return apply


def swap(items: Any, rng: Random, least: int = 0) -> None:
    """Swap two random values of an object, or two items of a list from index `least` on."""
    keys = sorted(items) if isinstance(items, dict) else range(least, len(items) - 1)
    one, other = rng.sample(list(keys), 2)
    items[one], items[other] = items[other], items[one]


def _swap_words(vocabulary: dict[str, int]) -> None:
    """Swap the ids of two words, in the order of the ids."""
    one, other = "cat</w>", "dog</w>"
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    ordered = sorted(vocabulary.items(), key=lambda item: item[1])
    vocabulary.clear()
    vocabulary.update(ordered)


def in_text(old: str, new: str) -> Change:
    """Return a change that replaces one match of the pattern `old` in some program's model.mil."""

    def apply(folder: Path, rng: Random) -> None:
        names = [*PROGRAMS]
        rng.shuffle(names)
        for name in names:
            path = folder / f"{name}.mlmodelc" / "model.mil"
            text = path.read_text(encoding="utf-8")
            places = [*re.finditer(old, text)]
            if places:
                place = rng.choice(places)
                changed = place.expand(new)
                put(path, (text[: place.start()] + changed + text[place.end() :]).encode())
                return
        raise AssertionError(old)

    return apply


def in_bytes(name: str, *, is_end: bool = False) -> Change:
    """Return a change that flips one bit of a file.

    `PROGRAM` in `name` stands for the name of a random program. With `is_end`, the bit is in the
    last byte of the file.
    """

    def apply(folder: Path, rng: Random) -> None:
        path = folder / name.replace("PROGRAM", some(rng))
        content = bytearray(path.read_bytes())
        place = len(content) - 1 if is_end else rng.randrange(len(content))
        content[place] ^= 1 << rng.randrange(8)
        put(path, bytes(content))

    return apply


def in_weights(change: Callable[[bytearray, Random], object]) -> Change:
    """Return a change that edits a program's weights, alike in its package and compiled model."""

    def apply(folder: Path, rng: Random) -> None:
        name = some(rng)
        content = bytearray((folder / f"{name}.mlmodelc/weights/weight.bin").read_bytes())
        change(content, rng)
        put_weights(folder, name, bytes(content))

    return apply


def flip(content: bytearray, place: int, rng: Random) -> None:
    """Flip a random bit of the byte at index `place`."""
    content[place] ^= 1 << rng.randrange(8)


def _again(folder: Path, rng: Random) -> None:
    """Copy the compiled `Unet` to the name of a program that this folder does not have."""
    name = rng.choice(["UnetChunk1", "UnetChunk2", "ControlledUnet"])
    copytree(folder / "Unet.mlmodelc", folder / f"{name}.mlmodelc")


def _swapped(suffix: str) -> Change:
    def apply(folder: Path, _: Random) -> None:
        one, other = (folder / f"{name}{suffix}" for name in ("VAEDecoder", "VAEEncoder"))
        aside = folder / "aside"
        one.rename(aside)
        other.rename(one)
        aside.rename(other)

    return apply


def _file(folder: Path, rng: Random) -> Path:
    """Return a random file that the manifest lists."""
    content = read_raw(folder)
    names: list[str] = [name for one in content["programs"].values() for name in one["files"]]
    return Path(folder, rng.choice([*names, *content["tokenizer"]]))


def _linked(folder: Path, rng: Random) -> None:
    path = _file(folder, rng)
    aside = folder.with_name("elsewhere")
    path.rename(aside)
    path.symlink_to(aside)


def _linked_folder(folder: Path, rng: Random) -> None:
    path = _file(folder, rng).parent
    if path == folder:
        path = folder / "Unet.mlmodelc"
    aside = folder.with_name("elsewhere")
    path.rename(aside)
    path.symlink_to(aside)


def _moded(mode: int) -> Change:
    return lambda folder, rng: _file(folder, rng).chmod(mode)


def _pipe(folder: Path, rng: Random) -> None:
    path = _file(folder, rng)
    path.unlink()
    os.mkfifo(path)


def _renamed(folder: Path, rng: Random) -> None:
    path = _file(folder, rng)
    path.rename(path.with_name(path.name.swapcase()))


def _renamed_program(folder: Path, _: Random) -> None:
    (folder / "Unet.mlmodelc").rename(folder / "unet.mlmodelc")


def _stranger(name: str) -> Change:
    def apply(folder: Path, rng: Random) -> None:
        path = folder / name.replace("PROGRAM", some(rng))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"more")

    return apply


def _metadata(name: str, value: object) -> Change:
    def apply(folder: Path, rng: Random) -> None:
        def change(content: Any, _: Random) -> None:
            content[0][name] = value

        in_json(f"{some(rng)}.mlmodelc/metadata.json", change)(folder, rng)

    return apply


def _spec(number: int, payload: bytes) -> Change:
    """Return a change that appends a field to a package's model, and does not compile it again."""

    def apply(folder: Path, rng: Random) -> None:
        path = folder / f"{some(rng)}.mlpackage" / DATA / "model.mlmodel"
        tag = number << 3 | (0 if len(payload) == 1 else 2)
        field = bytes([tag & 127 | 128, tag >> 7]) if tag > 127 else bytes([tag])
        size = b"" if len(payload) == 1 else bytes([len(payload)])
        put(path, path.read_bytes() + field + size + payload)

    return apply


def _gone(folder: Path, rng: Random) -> None:
    path = _file(folder, rng)
    path.unlink()


def _in_answers(change: Callable[[Any, Random], object]) -> Change:
    """Return a change that edits the record of one program's answers."""
    return in_json("answers.json", lambda record, rng: change(record["programs"][some(rng)], rng))


def _negate(answers: Any, rng: Random) -> None:
    """Negate the largest number of a random output."""
    name = rng.choice(sorted(answers["outputs"]))
    raw = b64decode(answers["outputs"][name])
    numbers = [number for (number,) in struct.iter_unpack("<e", raw)]
    place = max(range(len(numbers)), key=lambda n: abs(numbers[n]))
    numbers[place] = -numbers[place]
    changed = struct.pack(f"<{len(numbers)}e", *numbers)
    answers["outputs"][name] = b64encode(changed).decode()


ANSWERS: Mapping[str, Change] = {
    "answers.json: a number": _in_answers(_negate),
    "answers.json: a seed": _in_answers(lambda one, _: one.update(seed=one["seed"] + 1)),
    "answers.json: more runs": _in_answers(lambda one, _: one.update(runs=one["runs"] + 1)),
    "answers.json: an output more": _in_answers(
        lambda one, _: one["outputs"].update(more=next(iter(one["outputs"].values())))
    ),
    "answers.json: of another program": in_json(
        "answers.json", lambda record, rng: swap(record["programs"], rng)
    ),
    "answers.json: of no program": in_json(
        "answers.json", lambda record, _: record["programs"].update(More=record["programs"]["Unet"])
    ),
}
"""The changes to recorded answers, which only folders have that torch ran."""


FILES: Mapping[str, Change] = {
    "vocab.json: two ids swapped": in_json("vocab.json", swap),
    "vocab.json: a token gone": in_json("vocab.json", lambda v, r: v.pop(r.choice(sorted(v)))),
    "vocab.json: a token more": in_json("vocab.json", lambda v, _: v.update({"zz": len(v)})),
    "vocab.json: an id twice": in_json(
        "vocab.json", lambda v, r: v.update({r.choice(sorted(v)): 7})
    ),
    "vocab.json: written otherwise": in_json("vocab.json", lambda *_: None),
    "merges.txt: emptied": in_lines(lambda m, _: m.__setitem__(slice(1, None), [""])),
    "merges.txt: a line gone": in_lines(lambda m, r: m.pop(r.randrange(1, len(m) - 1))),
    "merges.txt: two lines swapped": in_lines(lambda m, r: swap(m, r, 1)),
    "merges.txt: a line more": in_lines(lambda m, _: m.insert(1, "z z")),
    "merges.txt: a comment": in_lines(lambda m, _: m.insert(1, "#")),
    "merges.txt: other line ends": in_lines(
        lambda m, _: m.__setitem__(slice(None), [f"{line}\r" for line in m])
    ),
    "merges.txt: another version": in_lines(lambda m, _: m.__setitem__(0, "#version: 0.3")),
    "merges.txt: a merge twice": in_lines(lambda m, _: m.insert(2, m[1])),
    "vocab.json: two words swapped": in_json("vocab.json", lambda v, _: _swap_words(v)),
    "vocab.json: all ids one on": in_json(
        "vocab.json", lambda v, _: v.update({word: n + 1 for word, n in v.items()})
    ),
    "vocab.json: another end": in_json(
        "vocab.json", lambda v, _: v.update({"<|end|>": v.pop("<|endoftext|>")})
    ),
    "merges.txt: a bit": in_bytes("merges.txt"),
    "vocab.json: a bit": in_bytes("vocab.json"),
    "model.mil: a space": in_text(r"\n( +)", r"\n \1"),
    "model.mil: a name": in_text(r'name = tensor<string, \[\]>\("', 'name = tensor<string, []>("x'),
    "model.mil: a number": in_text(r"0x1\.([0-9a-f])", r"0x1.0\1"),
    "model.mil: an operation": in_text(r" = (add|mul)\(", " = sub("),
    "model.mil: a shape": in_text(r"\[1, 3", "[3, 1"),
    "model.mil: a compiler": in_text(r"3500", "3501"),
    "model.mil: a blob": in_text(r"uint64, \[\]>\(64\)", "uint64, []>(128)"),
    "model.mil: a bit": in_bytes("PROGRAM.mlmodelc/model.mil"),
    "coremldata.bin: a bit": in_bytes("PROGRAM.mlmodelc/coremldata.bin"),
    "coremldata.bin: the last bit": in_bytes("PROGRAM.mlmodelc/coremldata.bin", is_end=True),
    "analytics: a bit": in_bytes("PROGRAM.mlmodelc/analytics/coremldata.bin"),
    "metadata.json: a bit": in_bytes("PROGRAM.mlmodelc/metadata.json"),
    "metadata.json: updatable": _metadata("isUpdatable", "1"),
    "metadata.json: a licence": _metadata("license", "free"),
    "metadata.json: a precision": _metadata("computePrecision", "Float32"),
    "metadata.json: a class": _metadata("generatedClassName", "Other"),
    "model.mlmodel: a bit": in_bytes(f"PROGRAM.mlpackage/{DATA}/model.mlmodel"),
    "model.mlmodel: updatable": _spec(10, b"\1"),
    "model.mlmodel: an unknown field": _spec(90, b"more"),
    "Manifest.json: a bit": in_bytes("PROGRAM.mlpackage/Manifest.json"),
    "weight.bin: a bit, in both": in_weights(lambda w, r: flip(w, r.randrange(len(w)), r)),
    "weight.bin: a bit of the header": in_weights(lambda w, r: flip(w, r.randrange(64), r)),
    "weight.bin: a bit of a descriptor": in_weights(lambda w, r: flip(w, r.randrange(64, 128), r)),
    "weight.bin: the last bit": in_weights(lambda w, r: flip(w, len(w) - 1, r)),
    "weight.bin: a byte more": in_weights(lambda w, _: w.append(0)),
    "weight.bin: a byte less": in_weights(lambda w, _: w.pop()),
    "weight.bin: zeros": in_weights(
        lambda w, _: w.__setitem__(slice(128, None), bytes(len(w) - 128))
    ),
    "weight.bin: of one only": in_bytes("PROGRAM.mlmodelc/weights/weight.bin"),
    "swapped: compiled": _swapped(".mlmodelc"),
    "swapped: packages": _swapped(".mlpackage"),
    "more: halves": _again,
    "more: a file in a program": _stranger("PROGRAM.mlmodelc/more.bin"),
    "more: a folder in a program": _stranger("PROGRAM.mlmodelc/more/file"),
    "more: a file in a package": _stranger(f"PROGRAM.mlpackage/{DATA}/weights/more.bin"),
    "more: a neural network": _stranger("PROGRAM.mlmodelc/model.espresso.net"),
    "link: a file": _linked,
    "link: a folder": _linked_folder,
    "mode: for all": _moded(0o666),
    "mode: a program": _moded(0o755),
    "mode: setuid": _moded(0o4644),
    "mode: a folder for all": lambda f, r: (f / f"{some(r)}.mlmodelc").chmod(0o777),
    "mode: secret": _moded(0o600),
    "kind: a pipe": _pipe,
    "name: another": _renamed,
    "gone: a file": _gone,
    "gone: all weights": lambda f, r: rmtree(f / f"{some(r)}.mlmodelc" / "weights"),
    "gone: a tokenizer": lambda f, _: (f / "vocab.json").unlink(),
    "name: of a program": _renamed_program,
    "gone: a compiled program": lambda f, r: rmtree(f / f"{some(r)}.mlmodelc"),
}
"""The changes to files, by a name that says what is changed and how."""
