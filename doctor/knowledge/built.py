"""Says that a release of torch which pip did not find was never built for the Python that ran.

pip only says that it has no such version; which Python looked for it stands elsewhere in the log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.mentioned import find_python
from sdcoreml.doctor.knowledge.releases import WHEELS
from sdcoreml.lockfiles.versions import key, satisfies

ENTRY = "torch-not-for-this-python"


def tell_built(
    entry: str, captured: Mapping[str, str], lines: Sequence[Line]
) -> Mapping[str, str] | None:
    """Return what was captured, with the Pythons that the release was built for.

    None if it is the entry of that, and the release was built for the Python that ran, or nobody
    knows which one that was.
    """
    if entry != ENTRY:
        return captured
    text = "\n".join(line.text for line in lines)
    if _SHORT.search(text):
        return captured
    ran = _find_running(text)
    left = () if ran else _find_left(text)
    version = _find_torch(captured["package"], captured["version"])
    fitting = [python for python, need in WHEELS["torch"].items() if satisfies(version, need)]
    short = ".".join(ran.split(".")[:2])
    if not fitting or (short in fitting if ran else not left or bool({*left} & {*fitting})):
        return None
    first, last = min(fitting, key=key), max(fitting, key=key)
    fit = _TESTED if _TESTED in fitting else last
    ran = ran or _name(left)
    return {**captured, "ran": ran, "oldest": first, "newest": last, "fit": fit}


_TESTED = "3.10"
"""The Python that most programs of the field were made for."""

_SHORT = re.compile(r"^Python 3\.[^\n]*\[MSC[^\n]*\b32 bit\b", re.MULTILINE)
"""A Python that torch never was built for, whatever its number; a case of the entry tells it."""

_SAID = (
    r"^(?:Using )?C?Python:? (3\.\d+(?:\.\d+)?)\b",
    r"\bUsing (?:C?Python|python) (3\.\d+(?:\.\d+)?)\b",
    r"(?i)[/\\]python-?(3)\.?(\d{1,2})(?:\.\d+)?[/\\](?:python|scripts|bin)",
    r"(?:^|[/\\\s\"'$])python(3\.\d+)(?:\.exe)?[\"']? -m (?:pip|venv)\b",
    r"(?:^|[/\\\s\"'$])pip(3\.\d+)(?:\.exe)?[\"']? install\b",
    r"\bpy -(3\.\d+)\b",
    r"\bpip \d[\d.]* from .*\(python (3\.\d+)\)",
)
"""How a log names the Python that ran."""


def _find_running(text: str) -> str:
    for form in _SAID:
        if found := re.search(form, text, re.MULTILINE):
            return ".".join(found.groups())
    return find_python(text)


def _find_left(text: str) -> tuple[str, ...]:
    """Return the Pythons that can have run, since pip did not set releases aside as theirs."""
    needs = [found[1] for found in _ASIDE.finditer(text)]
    told = [python for python in _PYTHONS if not any(satisfies(python, one) for one in needs)]
    return () if len(told) == len(_PYTHONS) else tuple(told)


def _name(pythons: Sequence[str]) -> str:
    """Say which Pythons are possible, of which there are some."""
    first, last = min(pythons, key=key), max(pythons, key=key)
    if first == last:
        return first
    return f"{first} or newer" if last == _PYTHONS[-1] else f"{first} to {last}"


_PYTHONS = tuple(f"3.{minor}" for minor in range(7, 16))
"""Those that the releases of pip run on that tell what they set aside."""

_ONE = r"(?:[<>=!]=?|~=) ?\d[\d.]*(?:\.\*)?"
_ASIDE = re.compile(rf"\bRequires-Python ({_ONE}(?:, ?{_ONE})*)")


def _find_torch(package: str, version: str) -> str:
    """Return the release of torch that one of torchvision or torchaudio belongs to."""
    if package == "torch" or not version.startswith("0."):
        return version
    minor = int(version.split(".")[1])
    if package == "torchaudio":
        return f"1.{minor}"
    return f"2.{minor - _OF_TWO}" if minor >= _OF_TWO else f"1.{minor - 1}"


_OF_TWO = 15
"""torchvision 0.15 belongs to torch 2.0, the one before to 1.13."""
