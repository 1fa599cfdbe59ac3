"""Says who is too old or too new by what history.toml knows of a name, and what to use.

Python itself is one of those that are asked: of its modules that have names only since a release,
or until one.
"""

from __future__ import annotations

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.asking import FAILS
from sdcoreml.doctor.knowledge.history import history
from sdcoreml.lockfiles.toolchain import load_toolchain
from sdcoreml.lockfiles.versions import satisfies

PYTHON = "python"


def find_python(module: str, name: str) -> str:
    """Return the project "python" if a module of its own got or lost a name; "" if not.

    Where it did not, a file of the user may hide the module.
    """
    known = history()
    full = (PYTHON, f"{module}.{name}")
    return PYTHON if full in known.since or full in known.until else ""


def tell_history(asked: str, asker: str, name: str, module: str) -> dict[str, str]:
    """Say which of the two is too old or too new; empty if history.toml does not know."""
    known = history()
    short = name.rpartition(".")[2] if name.partition(".")[0] not in {asked, module} else name
    who = asker or "the code that ran"
    names = [(asked, one) for one in (f"{module}.{short}", short, name)]
    since = next((known.since[one] for one in names if one in known.since), "")
    until = next((known.until[one] for one in names if one in known.until), "")
    if asked == PYTHON and (since or until):
        return _tell_python(f"{module}.{short}" if module else short, who, since, until)
    if since:
        return {
            "skew": f"{asked} is too old: it has {short} since {since}, and {who} asks for it",
            "cure": f"{asked} {since} or newer",
            FAILS: f"<{since}",
            "confidence": Confidence.CERTAIN.value,
        }
    again = known.again.get((asked, short), "")
    if until:
        removed = f"is too new: {until} removed {short}, which {who} asks for"
        missing = f"{until} has no {short}, which {who} asks for; {again} has it again"
        return {
            "skew": f"{asked} {missing if again else removed}",
            "cure": f"{asked} before {until}{f', or {again} or newer' if again else ''}",
            FAILS: f">={until}{f',<{again}' if again else ''}",
            "confidence": Confidence.CERTAIN.value,
        }
    return {}


def _tell_python(name: str, who: str, since: str, until: str) -> dict[str, str]:
    """Say why a Python is too old or too new for the code that ran on it, and which is not."""
    need = f">={since}" if since else f"<{until}"
    said = f"too old: it has {name} since {since}" if since else f"too new: {until} removed {name}"
    other = (
        f"Python {since} or newer" if since else f"a newer release of {who}, or Python < {until}"
    )
    is_tested = satisfies(load_toolchain().python.version, need)
    brings = "`sdcoreml env` finds or brings Python 3.10, which has it. Otherwise use"
    return {
        "skew": f"Python is {said}, and {who} asks for it",
        "tested": brings if is_tested else "Use",
        "cure": other,
        FAILS: f"<{since}" if since else f">={until}",
        "confidence": Confidence.CERTAIN.value,
    }
