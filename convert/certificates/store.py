"""Reads and writes the certificate file: JSON, sorted to keep diffs readable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from sdcoreml.convert.proof.record import FigureRecord, Origin
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.codec import DecodeError, read_field, shown
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document
from sdcoreml.ground.refusals import translate_os_errors

FILE = Path(__file__).parent / "certificates.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A record that a graph was proved to compute the same as its module.

    `key` is the result of `convert.certificates.digest.certificate_key`, and `title` describes the
    graph for people. `outputs` are the figures, measured with random weights in `runs` runs.
    `toolchain`, `lock` (the digest of its lock) and `date` (ISO 8601) say with which versions and
    when the graph was proved. If another graph was run instead, `like` is the key of that graph's
    certificate: the two differ only in the operator set that they declare.

    `module` is the result of `convert.certificates.digest.module_digest`, and `options` are those
    that the graph is drawn with. Both are empty if the graph cannot be drawn again.
    """

    key: str
    component: str
    title: str
    outputs: tuple[FigureRecord, ...]
    runs: int
    toolchain: str
    lock: str
    date: str
    like: str = ""
    module: str = ""
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def origin(self) -> Origin:
        """The part of the certificate that goes into a manifest: toolchain, date and figures."""
        return Origin(
            toolchain=self.toolchain,
            lock=self.lock,
            date=self.date,
            runs=self.runs,
            outputs=self.outputs,
        )

    def summary(self) -> str:
        """Describe the certificate in one line."""
        figures = ", ".join(f"{item.output} {item.psnr} dB {item.mode}" for item in self.outputs)
        return (
            f"{self.title}: certified on {self.date} with the toolchain {self.toolchain}: {figures}"
        )


def load(path: Path = FILE) -> dict[str, Certificate]:
    """Load all certificates, by their keys; empty if there is no file.

    Raises:
        BadInputError: the file is not a certificate file.
    """
    if not path.exists():
        return {}
    status = path.stat()
    return dict(_load_once(path, (status.st_ino, status.st_size, status.st_mtime_ns)))


@lru_cache(maxsize=1)
def _load_once(path: Path, _: tuple[int, ...]) -> Mapping[str, Certificate]:
    """Load the file in this state; a job of many models asks for it for each of them."""
    content = read_object(path, Document.RECORD, remedy="restore it")
    if (schema := content.get("schema")) != SCHEMA:
        raise BadInputError(
            f"schema {shown(schema)}, not {SCHEMA}", where=path, remedy="update sdcoreml"
        )
    try:
        found = read_field(content, "certificates", tuple[Certificate, ...])
    except DecodeError as error:
        raise BadInputError(
            f"not a certificate file: {error}", where=path, remedy="restore it"
        ) from error
    return {certificate.key: certificate for certificate in found}


def save(certificates: Iterable[Certificate], path: Path = FILE) -> None:
    """Rewrite the certificate file, ordered by component and title."""
    ordered = sorted(certificates, key=lambda item: (item.component, item.title, item.key))
    content = {"schema": SCHEMA, "certificates": [asdict(item) for item in ordered]}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with translate_os_errors(path):
        write_text(path, text)
