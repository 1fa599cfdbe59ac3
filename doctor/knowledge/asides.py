"""Finds what programs print of something that they do without, and then go on.

A log is full of it: an extension that was not loaded, an optional package that is missing, a
request that was tried again. Where anything else tells why a run failed, none of it does; a log
that tells nothing else is asked about for its sake.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from sdcoreml.doctor.knowledge.lines import Line

_TRACEBACK = r"[ \t]*Traceback \(most recent call last\):(?:\n[ \t]+\S[^\n]*)+\n"
"""The first lines of a traceback, down to its last frame."""

_FORMS = (
    # Optional packages of web UIs, diffusers, transformers, xformers
    (
        r"^.*\bA matching Triton is not available\b.*(?:\nError caught was: .*)?"
        rf"|^{_TRACEBACK}ModuleNotFoundError: No module named 'triton'"
        r"(?:\n.*\bA matching Triton is not available\b.*)?"
    ),
    r"^No module '\w+'\. Proceeding without it\b.*",
    r"^.*\bxFormers can't load C\+\+/CUDA extensions\b.*(?:\n(?!Traceback)[ \t].*){0,8}",
    r"^(?i:warning|info)\b[^\n]*\bnot (?:installed|available|found)\b[^\n]*\bNo module named\b.*",
    r"^.*\b(?:optional|extra)\b.*\bNo module named\b.*",
    r"^'NoneType' object has no attribute 'cadam32bit_grad_fp32'",
    r"^.*\bcextension\.py:\d+: UserWarning: .*(?:\n  \S.*)?",
    # Extensions and custom nodes
    (
        r"^\*\*\* Error (?:loading script|calling|executing callback|running install\.py)\b[^\n]*\n"
        rf"(?:{_TRACEBACK}[ \t]*[\w.]+(?:Error|Exception|Warning)\b[^\n]*\n+(?:---)?)?"
    ),
    (
        rf"^{_TRACEBACK}[\w.]+(?:Error|Exception)?\b[^\n]*\n+"
        r"Cannot import \S.* module for custom nodes: .*"
    ),
    r"^Cannot import \S.* module for custom nodes: .*|^[ \t]*[\d.]+ seconds \(IMPORT FAILED\): .*",
    rf"^Exception in thread .*\n{_TRACEBACK}AttributeError: 'NoneType' object has no attribute .*",
    # A client that closed its connection, on Windows
    (
        r"^(?:\S+ )*Exception in callback _ProactorBasePipeTransport\._call_connection_lost\b.*"
        rf"(?:\nhandle: .*)?\n{_TRACEBACK}ConnectionResetError: .*"
    ),
    r"^\[ERROR\] An error occurred while retrieving information for the '[^']*' node\b.*",
    # Done otherwise
    r"^An error occurred while trying to fetch .*(?:\nDefaulting to unsafe serialization\b.*)?",
    r"^Could not create share link\b.*",
    r"^.*\bnvidia-smi: (?:command )?not found\b",
    r"^.*\bcaught exception '.*', memory monitor disabled",
    r"^.*\bfalling back to (?:CPU|cpu|the CPU)\b.*|^.*\bFalling back to regular HTTP download\b.*",
    # What a build looks for and does without
    r"^--\s+Could NOT find .*",
    r"^(?:\S*[/\\])?conftest\.\w+:\d+:\d+: (?:fatal )?error: (?!.?std(?:io|lib)\.h).*",
    # Of pip and libraries
    (
        r"^ERROR: pip's dependency resolver does not currently take into account\b.*"
        r"(?:\n[\w.-]+ \S+ (?:requires|has requirement|depends on)\b.*)+\nSuccessfully installed .*"
    ),
    r"^lora key not loaded: .*",
    r"^The config attributes \{.*\} were passed to \w+, but are not expected and will be ignored.*",
    r"^.*\btorchvision[/\\]io[/\\]image\.py:\d+: UserWarning: .*(?:\n  \S.*)?",
    (
        r"^.*\bUserWarning: (?:CUDA initialization"
        r"(?!(?:.*\n){1,40}?.*(?:Torch is not able to use GPU|mixed precision requires a GPU))"
        r"|User provided device_type of)\b.*(?:\n  \S.*)?"
    ),
    (
        r"^.*\bUserWarning: The operator 'aten::\S+' is not currently supported on the MPS backend"
        r" and will fall back\b.*"
    ),
)
_IDLE_FORMS = (
    r"^.*\bwarning: setlocale: .*|^debconf: .*|^Fontconfig error: .*|^libpng (?:warning|error): .*",
    r"^.*\[coreml\] Failed to get the home directory when checking model path\b.*",
    r"^.*\bTorch version \S+ has not been tested with coremltools\b.*",
    r"^.*\bscikit-learn version \S+ is not supported\b.* Disabling scikit-learn conversion API\b.*",
    r"^.*\[W:onnxruntime:.*\bFailed to create \w+ExecutionProvider\b.*",
    r"^objc\[\d+\]: Class \w+ is implemented in both .*|^ld: warning: (?!ignoring file\b).*",
    r"^WARNING: The directory '.*' or its parent directory is not owned or is not writable\b.*",
    (
        r"^.*\b(?:Future|Deprecation|PendingDeprecation|Tracer|Syntax|Resource)Warning: .*"
        r"(?:\n  \S.*)?"
    ),
)
_IDLE = re.compile("|".join(f"(?:{form})" for form in _IDLE_FORMS), re.MULTILINE)
_ASIDE = re.compile("|".join(f"(?:{form})" for form in (*_FORMS, *_IDLE_FORMS)), re.MULTILINE)
_RETRIED = re.compile(
    r"^.*\bthrown while requesting (?:HEAD|GET) .*(?:\nRetrying in \d+s \[Retry \d/\d\]\.?)?"
    r"|^(?:\w+:)*[ \t]*(?i:warning)\b.*\bRetrying \(Retry\(total=.*"
    r"\bafter connection broken by\b.*",
    re.MULTILINE,
)
_WENT_ON = re.compile(r"\b100%\||^Successfully ", re.MULTILINE)
"""What shows that a request was answered in the end."""

_OF_NUMPY = re.compile(
    r"^.*\bA module that was compiled using NumPy 1\.x cannot be run in\b.*"
    r"(?:\n(?!\w*Error\b|\(|\$).*){0,60}?\n.*\b_ARRAY_API not found\b.*(?:\n  device: .*)?",
    re.MULTILINE,
)
"""What numpy says to what was compiled for an older one, with the frames that led there."""

_NUMPY_FAILED = re.compile(r"(?:Error|error\b).*(?:numpy|multiarray|ARRAY_API)")
_MISSING = re.compile(
    rf"^{_TRACEBACK}ModuleNotFoundError: No module named '(?P<name>\w+)[\w.]*'", re.MULTILINE
)
_INSTALLED = re.compile(r"^Successfully installed (?P<names>.*)", re.MULTILINE)


def find_asides(lines: Sequence[Line]) -> Iterator[frozenset[int]]:
    """Yield the numbers of the lines with which programs say what they do without.

    First all of them, then those that hardly ever tell why a run failed, whatever else the log is.
    """
    text = "\n".join(line.text for line in lines)
    starts = [0, *accumulate(len(line.text) + 1 for line in lines)]
    idle = [one.span() for one in _IDLE.finditer(text)]
    before = frozenset[int]()
    for spans in ([*_find_spans(text)], idle):
        found = frozenset(
            lines[at].number
            for start, end in spans
            for at in range(bisect_right(starts, start) - 1, bisect_right(starts, end - 1))
        )
        if found and found != before:
            yield found
        before = found


def _find_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where in a text an aside begins and ends."""
    yield from (one.span() for one in _ASIDE.finditer(text))
    answered = max((one.start() for one in _WENT_ON.finditer(text)), default=0)
    yield from (one.span() for one in _RETRIED.finditer(text) if one.end() <= answered)
    if not _NUMPY_FAILED.search(text):
        yield from (one.span() for one in _OF_NUMPY.finditer(text))
    installed = [
        (one.start(), frozenset(re.findall(r"\w+(?=-\d)", one["names"])))
        for one in _INSTALLED.finditer(text)
    ]
    for one in _MISSING.finditer(text) if installed else ():
        if any(one.end() <= start and one["name"] in names for start, names in installed):
            yield one.span()
