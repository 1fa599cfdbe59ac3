"""Finds what a log states elsewhere of what a line is about, and what its numbers mean.

pip says which versions a package asks for and which are there, xformers what it was built for. Far
below such lines a library cannot be loaded, in words that name no version. `FILLERS` says what is
looked for where a cause has a place for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sdcoreml.doctor.knowledge import Failure
from sdcoreml.doctor.knowledge.bare import read_bare
from sdcoreml.doctor.knowledge.differences import (
    Tensor,
    explain,
    find_sign,
)
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.history import history
from sdcoreml.doctor.knowledge.libraries import find_library
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.listing import find_listing
from sdcoreml.doctor.knowledge.meetings import explain_meeting
from sdcoreml.doctor.knowledge.names import Kind, find_kinds
from sdcoreml.doctor.knowledge.parts import compare_parts, find_lacking
from sdcoreml.doctor.knowledge.skew import Skew, find_stated
from sdcoreml.doctor.knowledge.stages import EXTENSION
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, satisfies


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """What is to be filled in: of which entry, in which line of a log, and what its pattern has."""

    entry: Failure
    line: Line
    captured: Mapping[str, str]
    skew: Skew
    lines: Sequence[Line]

    @property
    def raised(self) -> Raised | None:
        """The exception that the line belongs to, if any."""
        number = self.line.number
        raised = (one for chain in self.skew.chains for one in chain)
        return next((one for one in raised if one.start <= number <= one.end), None)


def add_stated(blank: Blank) -> Mapping[str, str]:
    """Return what was captured, with what the log states for the places in the entry's cause."""
    told = dict(blank.captured)
    for place, filler in FILLERS.items():
        if f"{{{place}" in blank.entry.cause and place not in told:
            told |= filler(blank)
    return told


def is_of_other_versions(line: Line, lines: Sequence[Line]) -> bool:
    """Return whether pip set aside, for their Python, other versions than the one asked for."""
    if not _SET_ASIDE.search(line.text):
        return False
    behind = (one.text for one in lines if line.number < one.number <= line.number + _NEAR)
    asked = next((found for text in behind if (found := _ONE_VERSION.search(text))), None)
    return asked is not None and asked["version"] not in _VERSIONS.findall(line.text)


_SET_ASIDE = re.compile(r"\bIgnored the following versions that require a different python\b")
_ONE_VERSION = re.compile(r"\bsatisfies the requirement [\w.\[\]-]+==(?P<version>\d[\w.+]*)")
_VERSIONS = re.compile(r"(\d[\w.+]*) Requires-Python")
_NEAR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A package, what it needs of another one, and what of that is there."""

    package: str
    other: str
    need: str
    have: str


_PAIRS = (
    re.compile(
        r"^\s*(?:ERROR: )?(?P<package>[\w.-]+) \d[\w.+]* (?:requires|has requirement)"
        r" (?P<other>torch|numpy) ?(?P<need>[=<>!~][^\n;]*?),"
        r" but you(?: have|'ll have) (?P=other) (?P<have>\d[\w.+]*)",
        re.MULTILINE,
    ),
    re.compile(
        r"(?P<package>xFormers) was built for:\s+Py(?P<other>Torch) (?P<need>[\w.+]+)"
        r"(?: with CUDA \S+)?"
        r"(?: \(you have |[\s\S]{0,120}?[Yy]ou have:\s+PyTorch )(?P<have>[\w.+]+)"
    ),
)
_OWNERS = (
    (r"_ZNK?\d?[a-z]*(?:2at|3c10|5torch)|_{2}ZNK?(?:2at|3c10|5torch)|torch|THP|c10", "torch"),
    (r"\b_?Py[A-Z]\w+", "Python"),
    (r"cuda|cublas|cudnn|nvJitLink|nvrtc|cusparse", "CUDA"),
)
"""Whose the symbols of compiled code are."""

_WHERE = re.compile(r"(?:site|dist)-packages[/\\](?P<name>[A-Za-z]\w*)")
_NOT_LOADED = re.compile(r"DLL load failed while importing (?P<name>[A-Za-z]\w+)")
_LOADERS = frozenset({"importlib", "ctypes"})


def find_pairs(text: str) -> Iterator[Pair]:
    """Yield the pairs of which a log says that they do not belong together."""
    for form in _PAIRS:
        for found in form.finditer(text):
            package, other = found["package"].lower(), found["other"].lower()
            yield Pair(package=package, other=other, need=found["need"], have=found["have"])


def _fill_mismatch(blank: Blank) -> Mapping[str, str]:
    """Say which compiled package was built for what, and what is there."""
    failed = _find_failed(blank)
    pairs = find_pairs(blank.skew.text)
    pair = next((one for one in pairs if normalise(failed) in {"", normalise(one.package)}), None)
    needs = "library" in blank.captured or "needs" in blank.entry.cause.partition("}")[2]
    if pair:
        said = (
            f"{pair.package} was built for {pair.other} {pair.need.removeprefix('==')}, and"
            f" {pair.other} {pair.have} is installed"
        )
        cure = f"the {pair.package} that belongs to {pair.other} {pair.have}"
        return {"mismatch": f"{said}; it" if needs else said, "cure": cure}
    if not failed:
        return {}
    if needs:
        return {"mismatch": failed, "cure": f"{_name_for_pip(failed)} again"}
    owner = next((name for form, name in _OWNERS if re.search(form, blank.line.text)), "")
    if not owner:
        return {"cure": f"{_name_for_pip(failed)} again"}
    have = find_stated(owner, blank.skew) if owner == "torch" else ""
    return {
        "mismatch": f"{failed} was built for another {owner} than the installed {have or 'one'}",
        "cure": f"{_name_for_pip(failed)} as it is built for the installed {owner}",
    }


_PIP_NAMES = {
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "cv2": "opencv-python",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
    "OpenSSL": "pyOpenSSL",
    "Crypto": "pycryptodome",
    "_cffi_backend": "cffi",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
}
"""What pip calls packages whose modules have another name, beside those of history.toml."""


def _name_for_pip(module: str) -> str:
    """Return what pip calls the package of a module."""
    return _PIP_NAMES.get(module) or history().projects.get(module, module)


def _find_failed(blank: Blank) -> str:
    """Return the package whose code could not be loaded; "" if nothing names it."""
    named = _WHERE.search(blank.line.text) or _NOT_LOADED.search(blank.line.text)
    if named:
        return named["name"]
    packages = blank.raised.packages if blank.raised else ()
    return next((one for one in reversed(packages) if one not in _LOADERS), "")


def _fill_cuda(blank: Blank) -> Mapping[str, str]:
    """Say which CUDA a driver's number is: 11060 is 11.6."""
    found = blank.captured.get("found", "")
    return {"cuda": f"{int(found) // 1000}.{int(found) % 1000 // 10}"} if found else {}


def _fill_way(blank: Blank) -> Mapping[str, str]:
    """Say whether what is there is too old or too new for what is needed."""
    need, have = (blank.captured.get(one, "").strip(" `.") for one in ("need", "have"))
    parts = [part.strip() for part in need.split(",")]
    if is_version(have) and all(re.match(r"[<>=!~]=? ?\d[\w.]*$", part) for part in parts):
        parts = [part for part in parts if not satisfies(have, part.replace(" ", ""))][:1]
    if len(parts) != 1:
        return {}
    if re.match(r"v?\d[\w.]*$|.*(?:>|least|newer|later|higher|above|greater|latest|\+$)", parts[0]):
        return {"way": "is too old"}
    return {"way": "is too new"} if parts[0].startswith("<") else {}


def _fill_wanted(blank: Blank) -> Mapping[str, str]:
    """Say what is needed as one writes it for pip, also of a package that nobody knows."""
    name, need = (blank.captured.get(one, "") for one in ("asked", "need"))
    return {"wanted": f"{name} {need.strip(' .')}".strip().replace("`", "")} if need else {}


def _fill_named(blank: Blank) -> Mapping[str, str]:
    """Name the package that a line calls one, though nobody knows it."""
    name = blank.captured.get("package", "")
    return {"named": f": {name}"} if name and Kind.PACKAGE not in find_kinds(name) else {}


def _fill_asker(blank: Blank) -> Mapping[str, str]:
    """Say who called: the extension or the last other package that the exception passed through."""
    raised = blank.raised
    if raised is None:
        return {}
    named = [found["name"] for step in raised.steps if (found := EXTENSION.search(step))]
    others = [one for one in raised.packages if one not in {*_LOADERS, "torch", "triton"}]
    who = (named or others)[-1:]
    return {"asker": who[0]} if who else {}


_SYSTEMS = {
    "4": "iOS 13, macOS 10.15",
    "5": "iOS 14, macOS 11",
    "6": "iOS 15, macOS 12",
    "7": "iOS 16, macOS 13",
    "8": "iOS 17, macOS 14",
    "9": "iOS 18, macOS 15",
}
"""The systems that read a version of Core ML's specification."""


def _fill_system(blank: Blank) -> Mapping[str, str]:
    """Say which system the version of a specification belongs to."""
    system = _SYSTEMS.get(blank.captured.get("need", ""))
    return {"system": f" ({system})"} if system else {}


_CALLED = re.compile(r"(?i)\b(?P<what>scheduler|unet|vae|text_encoder|transformer|pipe\w*)[\w.]*\(")


def _fill_caller(blank: Blank) -> Mapping[str, str]:
    """Say whose code gives a part of diffusers an argument that it does not take."""
    name, raised = blank.captured.get("name", ""), blank.raised
    if raised is None or not name or "got an unexpected" not in blank.line.text:
        return {}
    above = [one.text for one in blank.lines if raised.start <= one.number < raised.line.number]
    called = next((found for text in reversed(above) if (found := _CALLED.search(text))), None)
    own = [step for step in raised.steps if not _WHERE.search(step)]
    if extension := next((one for step in own[::-1] if (one := EXTENSION.search(step))), None):
        return _blame_extension(extension["name"], name)
    if called is None or not own:
        return {}
    script = re.split(r"[/\\]", own[-1].rpartition(" ")[0])[-1]
    what = "pipeline" if called["what"].startswith("pipe") else called["what"].lower()
    return {
        "skew": (
            f"{script} gives {name} to a {what} that does not take it: it was written for a {what}"
            f" of its own project, or for a changed copy of diffusers that the project brings, and"
            f" the one of the installed diffusers was taken in its place"
        ),
        "cure": (
            f"the diffusers that the project of {script} brings or names (its own folder, its"
            f" requirements), bring its code to its newest state, and make its own {what}"
        ),
    }


def _blame_extension(extension: str, name: str) -> Mapping[str, str]:
    return {
        "skew": (
            f"The extension {extension} gives {name} to a function of the program that it runs in,"
            f" which does not take it: it was written for an older or newer release of the program"
        ),
        "cure": f"the newest state of {extension} and of the program (ComfyUI, the web UI), both",
    }


def _fill_differences(blank: Blank) -> Mapping[str, str]:
    """Say what the weights are of and what they were loaded as, by the tensors that did not fit."""
    return explain(blank.skew.text)


def _fill_lora(blank: Blank) -> Mapping[str, str]:
    """Say whose a layer is, by how a LoRA names it."""
    sign = find_sign(Tensor(name=blank.captured.get("has", "")), "lora")
    return {"lora": sign.what} if sign else {}


def _fill_bare(blank: Blank) -> Mapping[str, str]:
    """Say what an error without a message means, by the code that raised it."""
    said = read_bare(blank.raised, blank.lines) if blank.raised else ""
    return {"bare": said} if said else {}


FILLERS: Mapping[str, Callable[[Blank], Mapping[str, str]]] = {
    "mismatch": _fill_mismatch,
    "cuda": _fill_cuda,
    "way": _fill_way,
    "wanted": _fill_wanted,
    "named": _fill_named,
    "asker": _fill_asker,
    "system": _fill_system,
    "skew": _fill_caller,
    "differs": _fill_differences,
    "lora": _fill_lora,
    "sizes": lambda blank: explain_meeting(blank.line.text),
    "listing": lambda blank: find_listing(blank.line.number, blank.lines),
    "lacking": lambda blank: find_lacking(blank.captured),
    "parts": lambda blank: compare_parts(blank.captured),
    "brought": lambda blank: find_library(blank.captured.get("said", ""), blank.line.text),
    "bare": _fill_bare,
}
"""Who fills which place in a cause (and what belongs to it in the remedy)."""
