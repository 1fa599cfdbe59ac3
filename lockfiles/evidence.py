"""Records of test runs that prove a lock: command, machine, time, result and figures.

Each successful run appends one entry to `evidence.toml`, which is beside the locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import LockfileError
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.locks import hold_folder
from sdcoreml.lockfiles.table import TomlTable, quote, read_table
from sdcoreml.lockfiles.toolchain import Toolchain

FILE = "evidence.toml"
FAILS = "fails: "
"""What is recorded of a family that does not work begins with it."""
_HEAD = "# Written by `sdcoreml env prove`: what was proven on which environment. Append only.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The record of one successful test run in an environment.

    `when` is the time in UTC (ISO 8601); `seal` and `lock` are the digests of the environment and
    its lock; `ran` is the command, `result` its last line of output. `tests` is the number of
    tests that passed, 0 if none ran. `psnr` maps "fp32" and "fp16" to the lowest PSNR of any
    program's output in dB; empty if none was measured. `families` maps the families of models that
    were tried to what came of it, `fails: ...` or figures; `certificates` says how many of those
    that are about them hold here.
    """

    when: str
    target: str
    system: str
    cpu: str
    python: str
    lock: str
    seal: str
    ran: str
    result: str
    tests: int = 0
    psnr: Mapping[str, float] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    certificates: str = ""

    def figures(self) -> str:
        """Return a summary such as `788 tests, the sample's programs at least 127.1 dB in fp32`."""
        said = [f"{self.tests} tests" if self.tests else self.result]
        whose = "the sample's"
        if self.families:
            said, whose = list(self._tried()), "the miniatures'"
        floors = ", ".join(f"{decibel:.1f} dB in {mode}" for mode, decibel in self.psnr.items())
        return ", ".join((*said, *((f"{whose} programs at least {floors}",) if floors else ())))

    def _tried(self) -> Iterator[str]:
        """Yield which families work, which fail, and how many certificates hold."""
        works = [name for name, how in self.families.items() if not how.startswith(FAILS)]
        fails = [name for name in self.families if name not in works]
        yield f"{' '.join(works)} work{'s' * (len(works) == 1)}"
        if fails:
            yield f"{' '.join(fails)} fail{'s' * (len(fails) == 1)}"
        if self.certificates:
            yield f"{self.certificates} certificates hold"


def load_evidence(toolchain: Toolchain) -> tuple[Evidence, ...]:
    """Return all test records of a toolchain, the oldest first; empty if there are none.

    Raises:
        LockfileError: the file is damaged; lists all faults.
    """
    path = toolchain.folder / FILE
    if not path.exists():
        return ()
    table = read_table(path)
    proofs = table.values.get("proof", [])
    if not isinstance(proofs, list) or not all(isinstance(proof, dict) for proof in proofs):
        raise LockfileError("`proof` is not an array of tables", where=path, remedy="correct it")
    found = tuple(
        _read(TomlTable(path=path, place=f"proof[{n}].", values=proof, faults=table.faults))
        for n, proof in enumerate(proofs)
    )
    table.finish()
    return found


def find_proof(
    proofs: Iterable[Evidence], *, target: str, python: str, lock: str, seal: str
) -> Evidence | None:
    """Find the last test record of this environment, else of one that should be equal to it.

    Of a user's own toolchain, it is the last of those of the most families.

    The same target, Python and lock should give the same seal. If the record has another seal, the
    environment's files differ from the tested ones. None if there is no such record.
    """
    mine = (target, python, lock)
    alike = [proof for proof in proofs if (proof.target, proof.python, proof.lock) == mine]
    alike.sort(key=lambda proof: len(proof.families))  # one of a single family says less
    return next((proof for proof in reversed(alike) if proof.seal == seal), None) or (
        alike[-1] if alike else None
    )


def append_evidence(toolchain: Toolchain, proof: Evidence) -> Path:
    """Append a test record to the toolchain's evidence; return the file's path.

    Of two processes that append at once, one waits for the other.
    """
    path = toolchain.folder / FILE
    with hold_folder(toolchain.folder):
        text = read_text(path, Document.LOCK) if path.exists() else _HEAD
        write_text(path, text + _write(proof))
    return path


def _read(table: TomlTable) -> Evidence:
    words = {name: table.get(name, str) for name in _WORDS}
    figures = table.table("psnr").numbers()
    return Evidence(
        **words,
        tests=table.get("tests", int, 0),
        psnr=figures,
        families=table.table("families").mapping(),
        certificates=table.get("certificates", str, ""),
    )


def _write(proof: Evidence) -> str:
    lines = [f"{name} = {quote(getattr(proof, name))}" for name in _WORDS]
    if proof.tests:
        lines.append(f"tests = {proof.tests}")
    if proof.psnr:
        floors = ", ".join(f"{quote(mode)} = {value}" for mode, value in proof.psnr.items())
        lines.append(f"psnr = {{ {floors} }}")
    if proof.families:
        tried = ", ".join(f"{quote(name)} = {quote(how)}" for name, how in proof.families.items())
        lines.append(f"families = {{ {tried} }}")
    if proof.certificates:
        lines.append(f"certificates = {quote(proof.certificates)}")
    return "\n".join(("", "[[proof]]", *lines, ""))


_OTHERS = ("tests", "psnr", "families", "certificates")
_WORDS = tuple(one.name for one in fields(Evidence) if one.name not in _OTHERS)
