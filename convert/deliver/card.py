"""The model card of archives, as hubs show it: what they are, how to load them, what is proved.

Nothing that came with a model is trusted: in the head each value is a JSON string, which YAML
reads as the same text, and below every letter is escaped that Markdown or HTML could read.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sdcoreml.convert.bundle.contract import first_macos
from sdcoreml.convert.deliver.contents import is_net
from sdcoreml.convert.deliver.pack import Archive, is_ours, top_of
from sdcoreml.convert.jobs.evidence import advice, compute_units, evidence, makers
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.jobs.plan import name_storage
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.ground.advice import TOOL
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.outputs import ELSEWHERE, find_place
from sdcoreml.ground.quantity import amount
from sdcoreml.ground.visible import one_line

CARD = "README.md"
"""The name under which hubs look for a model card."""

_HEAD = "---\n# made by sdcoreml, and unchanged as long as this is the digest of what follows: "
_HUB = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_MARKED = str.maketrans(
    {letter: f"\\{letter}" for letter in "\\`*_{}<>#+!|~&:@.$"} | {"[": "&#91;", "]": "&#93;"}
)
"""What Markdown, HTML, links and formulas are made of; for some readers `\\[` begins a formula."""

_LONGEST = 2_000


def require_card(folder: Path, archives: Collection[Path] = ()) -> None:
    """Refuse a folder whose card is somebody else's, or was changed since we wrote it.

    A card of `archives` may not replace one of others that are still there, either.

    Raises:
        BadInputError: it is.
    """
    place = find_place(folder / CARD)
    if not place.exists():
        return
    found = read_bytes(place, Document.TEXT)
    rest = found[len(_begin(b"")) :]
    if found != _begin(rest) + rest:
        raise BadInputError(
            "exists, and is not as sdcoreml wrote it", where=folder / CARD, remedy=ELSEWHERE
        )
    for other in sorted(folder.glob("*.zip")):
        if other not in archives and is_ours(other):
            raise BadInputError(
                f"describes {other.name}, too, and would not any more",
                where=folder / CARD,
                remedy="pack to another --output, or all folders of one model at once",
            )


def write_card(archives: Sequence[Archive], folder: Path) -> Path:
    """Write the card of the archives, which are of one model, beside them; return its path."""
    rest = "".join(f"{line}\n" for line in _lines(archives))
    write_text(folder / CARD, _begin(rest.encode("utf-8", "surrogateescape")).decode() + rest)
    return folder / CARD


def _begin(rest: bytes) -> bytes:
    return f"{_HEAD}{hashlib.sha256(rest).hexdigest()}\n".encode()


def escape(text: str) -> str:
    """Return a text from outside so that Markdown shows it as it is, on one line."""
    return one_line(text)[:_LONGEST].encode("utf-8", "replace").decode().translate(_MARKED)


def _lines(archives: Sequence[Archive]) -> Iterator[str]:
    manifests = list(
        {one.contents.manifest.digest: one.contents.manifest for one in archives}.values()
    )
    yield from _head(manifests[0])
    yield ""
    yield f"# {escape(manifests[0].model.name)} for Core ML"
    yield ""
    yield (
        f"{manifests[0].model.family}, as Core ML programs for Mochi Diffusion and apps on Apple's"
        " Swift package, made by sdcoreml."
    )
    yield from _table(("Archive", "What", "Size", "SHA-256"), [*map(_row, archives)])
    yield "## Load it"
    yield from (line for one in archives for line in _loading(one))
    yield "## Options"
    rows = [(_title(one), *map(escape, _options(one.contents.manifest))) for one in archives]
    yield from _table(("Archive", "Attention", "Pictures", "Weights", "Runs on"), rows)
    yield "## How it was checked"
    yield ""
    yield (
        "Decibels say how small an output's errors are beside its range: 20 dB more means errors a"
        " tenth as large."
    )
    yield from (line for one in archives for line in _checked(one))
    yield "## Made from"
    yield from _origin(manifests)


def _head(manifest: Manifest) -> Iterator[str]:
    fetched = manifest.model.fetched
    licence = _text(fetched.licence) if fetched else ""
    yield f"license: {json.dumps(licence or 'other')}"
    if fetched and _HUB.fullmatch(fetched.name):
        yield f"base_model: {json.dumps(fetched.name)}"
    yield "pipeline_tag: text-to-image"
    yield "tags: [core-ml, stable-diffusion]"
    yield "---"


def _text(text: str) -> str:
    return one_line(text)[:_LONGEST].encode("utf-8", "replace").decode()


def _title(archive: Archive) -> str:
    return escape(archive.path.name)


def _row(archive: Archive) -> tuple[str, ...]:
    record, manifest = archive.record, archive.contents.manifest
    programs = ", ".join(map(escape, manifest.programs))
    return _title(archive), programs, amount(record.size), f"`{record.sha256}`"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    for row in (titles, ["---"] * len(titles), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def _loading(archive: Archive) -> Iterator[str]:
    manifest, top = archive.contents.manifest, top_of(archive)
    units = compute_units(manifest)
    yield ""
    yield f"{_title(archive)}: unpack it, which gives {escape(top)}, then"
    yield ""
    if is_net(manifest):
        name = top.rpartition(".")[0]
        yield "- for Mochi Diffusion put that into `~/MochiDiffusion/controlnet`;"
        yield (
            "- for Apple's package put it into `controlnet` in the folder of a model with a"
            f" ControlledUnet, and name it: `--controlnet` {escape(shlex.quote(name))}."
        )
        yield ""
        return
    large = " --xl" if manifest.is_xl else ""
    folder = shlex.quote(top)
    yield (
        "- for Mochi Diffusion put that into `~/MochiDiffusion/models`, choose it there, and set"
        f" the compute unit to Auto or {units.in_mochi};"
    )
    yield (
        '- for Apple\'s package: `swift run StableDiffusionSample "a lighthouse at dusk"'
        f" --resource-path {folder} --compute-units {units.in_swift}{large}`;"
    )
    repository = top.rsplit(f"_{_suffix(top)}", 1)[0]
    yield (
        "- swift-coreml-diffusers finds this archive in a repository that is called"
        f" `{repository}`;"
    )
    yield f"- to check every byte: `{TOOL} verify {folder}`."
    yield ""


def _suffix(top: str) -> str:
    found = re.search(r"(?:split_einsum_v2|split_einsum|original)_compiled$", top)
    return found[0] if found else ""


def _options(manifest: Manifest) -> tuple[str, ...]:
    options = manifest.options
    width, height = (PIXELS_PER_LATENT * side for side in (options.width, options.height))
    first = first_macos(options.target.specification, is_xl=manifest.is_xl)
    return (
        options.attention.value.lower(),
        f"{width}x{height}",
        name_storage(options.recipe) if options.recipe else "not compressed",
        f"macOS {first}, or newer" if first else options.target.value,
    )


def _checked(archive: Archive) -> Iterator[str]:
    manifest = archive.contents.manifest
    rows = [
        (escape(name), escape(evidence(entry.checked)), escape(entry.compiled.verdict))
        for name, entry in manifest.programs.items()
    ]
    yield ""
    yield f"{_title(archive)}:"
    yield from _table(("Program", "Evidence", "As compiled"), rows)
    for note in (*advice(manifest), *makers(manifest.programs.values())):
        yield f"- {escape(note)}"
    made = manifest.toolchain
    if made.name:
        said = (made.name, f"Python {made.python}", f"lock {made.lock}")
        yield f"- made in {', '.join(map(escape, said))}"
    yield ""


def _origin(manifests: Sequence[Manifest]) -> Iterator[str]:
    fetched = manifests[0].model.fetched
    if fetched:
        said = {
            "Name": fetched.name,
            "Revision": fetched.revision,
            "Licence as stated": fetched.licence,
            "Address": fetched.address,
        }
        yield from _table(("", ""), [(name, escape(text)) for name, text in said.items() if text])
    else:
        yield ""
        yield "Its licence is not known here: it is that of the model."
    files = {name: one for manifest in manifests for name, one in manifest.inputs.items()}
    rows = [
        (escape(name), amount(one.size), f"`{one.sha256}`") for name, one in sorted(files.items())
    ]
    yield from _table(("File of the model", "Size", "SHA-256"), rows)
    for name, value in manifests[0].model.made_from.items():
        yield f"- {escape(name.replace('_', ' '))}: {escape(json.dumps(value, ensure_ascii=False))}"
