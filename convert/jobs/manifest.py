"""The manifest of a finished folder: the origin of everything in it, and how it was checked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE, chunk_paths
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.fetched import FetchedFrom
from sdcoreml.convert.models.few_steps import AppSettings
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.layout import Component
from sdcoreml.convert.programs.options import ProgramOptions, Runtime
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.ground.codec import DecodeError, as_object, from_plain, read_field, to_plain
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.files import Document, read_bytes, refuse_pointer

MARKER = "manifest.json"
"""The manifest's file name. A folder is replaced only if it is empty or has a manifest."""

ANSWERS = "answers.json"
"""The name of the file with the recorded answers (`convert.jobs.answers`)."""

REPORT = "report.html"
"""The name of the folder's page (`convert.jobs.report`)."""

NOT_COMPILED = "not compiled: ComfyUI's nodes load packages"
"""What is said of a program that has no compiled model, in place of how that was verified."""

SCHEMA, OLDER = 2, 1
"""Versions of the manifest's layout; the older has no digests of the manifest or the tokenizer."""

DIGEST = "digest"
"""The name of the manifest's field with the digest of all other fields."""

_OPTIONAL = frozenset({"fetched", "made_from", "notes", "settings"})
"""Fields of a `SourceRecord` that are left out of the JSON if empty."""
AGAIN = "convert the model again"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """The model: its folder's name, its family, and the files that it was assembled from.

    `notes` are assumptions and other facts worth knowing. `settings` are those to choose in an app,
    for a model that needs only few steps. `fetched` is the origin and the licence of a model that
    was given by name.
    """

    name: str
    family: str
    made_from: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: AppSettings | None = None
    fetched: FetchedFrom | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeIn:
    """The toolchain of a conversion, and the seal, lock and target of its environment.

    `drift` means that the environment's Python (`python`) is not the tested version.
    """

    name: str = ""
    seal: str = ""
    lock: str = ""
    target: str = ""
    python: str = ""
    tested_python: str = ""
    drift: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRecord:
    """How a program's compiled models were verified, and where two compilers' results differ."""

    verdict: str = ""
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBy:
    """The external converter that wrote a program: its repository and commit."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEntry:
    """One program: its source and options, its proof, and its files.

    `made_by` is `None` if our own builders wrote the program. `kept` means that the program is from
    an earlier result, so the folder's options may not be those that it was made with. The JSON
    leaves these two fields out if they are not set.
    """

    component: str
    source: str
    options: ProgramOptions
    halves: bool
    checked: ProgramProof
    compiled: CompiledRecord
    files: Mapping[str, FileRecord]
    recipe: Mapping[str, object] | None = None
    made_by: MadeBy | None = None
    kept: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the entry as JSON values for the manifest."""
        proof = replace(self.checked, answers=None)  # they have a file of their own
        special = {"options": self.options.as_json(), "checked": proof.as_json()}
        content = {**to_plain(self), **special}
        if self.made_by is None:
            del content["made_by"]
        if not self.kept:
            del content["kept"]
        return content

    @property
    def loaded(self) -> Mapping[str, FileRecord]:
        """The files that apps load: those of compiled models, or of a package for ComfyUI."""
        suffix = PACKAGE if self.options.runtime is Runtime.COMFYUI else COMPILED
        return {
            name: one for name, one in self.files.items() if name.partition("/")[0].endswith(suffix)
        }

    def find_packages(self, folder: Path, name: str, suffix: str = PACKAGE) -> Packages:
        """Return the path of the program `name`, or of its two halves, with the given suffix."""
        package = folder / f"{name}{suffix}"
        return chunk_paths(package) if self.halves else package


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The record of a finished folder.

    `inputs` are the source files, `programs` the entries by the names of their packages.
    `odd_tokenizer` says what is wrong with the model's own tokenizer, which the folder has
    unchanged. `part` means that programs of the model's family were left out on request. `answers`
    is the file of recorded answers, if there are any, and `report` the page: folders of earlier
    versions have none.
    """

    model: SourceRecord
    inputs: Mapping[str, FileRecord]
    options: Options
    toolchain: MadeIn
    programs: Mapping[str, ProgramEntry]
    tokenizer: Mapping[str, FileRecord] = field(default_factory=dict)
    odd_tokenizer: tuple[str, ...] = ()
    part: bool = False
    answers: Mapping[str, FileRecord] = field(default_factory=dict)
    report: Mapping[str, FileRecord] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def is_older(self) -> bool:
        """Whether an older version wrote it, without digests of itself and the tokenizer."""
        return self.schema == OLDER

    @property
    def components(self) -> frozenset[str]:
        """What its programs are, such as `unet`."""
        return frozenset(entry.component for entry in self.programs.values())

    @property
    def is_xl(self) -> bool:
        """Whether it is an SDXL model, as apps tell: it has a second text encoder."""
        return "text_encoder_2" in self.components

    @property
    def digest(self) -> str:
        """The digest that the manifest's file states."""
        return f"{self.as_json()[DIGEST]}"

    def as_json(self) -> dict[str, object]:
        """Return the manifest as JSON values, without dates, so that manifests can be compared."""
        model = to_plain(self.model)
        model = {name: said for name, said in model.items() if said or name not in _OPTIONAL}
        options = to_plain(self.options)
        if not self.options.accept_schedule:
            del options["accept_schedule"]
        if not self.options.is_for_comfyui:
            del options["runtime"]
        programs = {name: entry.as_json() for name, entry in self.programs.items()}
        said = {"schema": SCHEMA, "model": model, "options": options, "programs": programs}
        content = {**to_plain(self), **said}
        for name in ("answers", "odd_tokenizer", "part", "report"):
            if not content[name]:
                del content[name]
        return {**content, DIGEST: digest_of(content)}


def digest_of(content: Mapping[str, object]) -> str:
    """Return the SHA-256 of a manifest's fields, in canonical JSON without the digest itself."""
    rest = {name: value for name, value in content.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest into the folder; what is no valid UTF-8 in file names is escaped."""
    (folder / MARKER).write_bytes(_render(manifest.as_json()))


def _render(content: object) -> bytes:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode(errors="backslashreplace")


def inputs_of(component: Component) -> Iterator[tuple[str, Path]]:
    """Yield the source files of a component, each with its name in a manifest."""
    for path in (component.folder / CONFIG_NAME, *component.weights):
        yield f"{component.name}/{path.name}", path


def read_manifest(bundle: Path) -> Manifest:
    """Read the manifest of a finished folder.

    Raises:
        BadInputError: there is no manifest, or it is not one that this version can read.
    """
    path = bundle / MARKER
    remedy = AGAIN if os.path.lexists(path) else "give a folder that sdcoreml convert made"
    data = read_bytes(path, Document.MANIFEST, remedy=remedy)
    refuse_pointer(data, path)
    try:
        return _parse(data, path, remedy)
    except DecodeError as error:
        raise BadInputError(
            f"not a manifest of this version of sdcoreml ({error})", where=path, remedy=AGAIN
        ) from error


@lru_cache(maxsize=100)
def _parse(data: bytes, path: Path, remedy: str) -> Manifest:
    """Parse a manifest's bytes; a run reads the same ones several times."""
    return parse_manifest(parse_json(data, path, remedy=remedy, holds_names=True))


def manifest_faults(bundle: Path) -> Iterator[Fault]:
    """Yield a fault if a readable manifest was changed; one without a digest is not checked."""
    path = bundle / MARKER
    data = read_bytes(path, Document.MANIFEST)
    content = as_object(parse_json(data, path, holds_names=True), "manifest")
    if content.get("schema") == OLDER:
        return
    is_whole = content.get(DIGEST) == digest_of(content)
    if not is_whole or data != _render(content):
        yield Fault(where=path, what="changed since it was written", remedy=AGAIN)


def parse_manifest(content: object) -> Manifest:
    """Parse the manifest from `content`, as written by `Manifest.as_json`.

    Raises:
        DecodeError: the schema is unknown, a field is missing, unknown or of another type, or a
            value is none that a conversion writes.
    """
    fields = {**as_object(content, "manifest")}
    schema = fields.get("schema")
    if schema not in (SCHEMA, OLDER):
        raise DecodeError(f"schema {schema!r}; this version reads {SCHEMA} and {OLDER}")
    if schema == SCHEMA:
        read_field(fields, DIGEST, str)
        del fields[DIGEST]
    manifest = from_plain(Manifest, fields, "manifest")
    if manifest.model.family not in {family.value for family in Family}:
        raise DecodeError(f"model.family: there is no {manifest.model.family!r}")
    if manifest.answers.keys() - {ANSWERS}:
        raise DecodeError(f"answers: the only file is {ANSWERS}")
    if manifest.report.keys() - {REPORT}:
        raise DecodeError(f"report: the only file is {REPORT}")
    for name, entry in manifest.programs.items():
        _require_own_files(name, entry)
    return manifest


def _require_own_files(name: str, entry: ProgramEntry) -> None:
    """Raise `DecodeError` if the program's name or a file's path is none that conversions write."""
    if Path(name).name != name:
        raise DecodeError(f"programs: {name!r} is not the name of a package")
    stems = chunk_paths(Path(name)) if entry.halves else (Path(name),)
    tops = {f"{stem}{suffix}" for stem in stems for suffix in (PACKAGE, COMPILED)}
    for file in entry.files:
        parts = PurePosixPath(file).parts
        if parts[:1] == () or parts[0] not in tops or ".." in parts:
            raise DecodeError(f"programs.{name}.files: {file!r} is not in the program")
