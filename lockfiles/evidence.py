"""Proof that a lock is not only locked but tested: who ran what on it, when, with which result.

`evidence.toml` lies beside the locks; each run that succeeded appends one entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import LockfileError
from sdcoreml.lockfiles.table import TomlTable, quote, read_table
from sdcoreml.lockfiles.toolchain import Toolchain

FILE = "evidence.toml"
_HEAD = "# Written by `sdcoreml env evidence`: what was proven on which environment. Append only.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One proof.

    `when` is the moment in UTC (ISO 8601); `seal` and `lock` are the digests of the environment
    and its lock; `ran` is the command that succeeded in it, `result` its last line of output.
    `tests` is the number of tests that passed, and `psnr` maps "fp32" and "fp16" to the lowest
    figure of any program's output in dB; 0 and empty where none were measured.
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

    def figures(self) -> str:
        """Such as `788 tests, the sample's programs at least 127.1 dB in fp32`."""
        said = [f"{self.tests} tests" if self.tests else self.result]
        floors = ", ".join(f"{decibel:.1f} dB in {mode}" for mode, decibel in self.psnr.items())
        return ", ".join(
            (*said, *((f"the sample's programs at least {floors}",) if floors else ()))
        )


def load_evidence(toolchain: Toolchain) -> tuple[Evidence, ...]:
    """All proofs of a toolchain, the oldest first; empty when there are none.

    Raises:
        LockfileError: the file is damaged; all faults are named.
    """
    path = toolchain.folder / FILE
    if not path.exists():
        return ()
    table = read_table(path)
    proofs = table.values.get("proof", [])
    if not isinstance(proofs, list) or not all(isinstance(proof, dict) for proof in proofs):
        raise LockfileError("proof is not a list of tables", where=path, remedy="correct it")
    found = tuple(
        _read(TomlTable(path=path, place=f"proof[{n}].", values=proof, faults=table.faults))
        for n, proof in enumerate(proofs)
    )
    table.finish()
    return found


def find_proof(
    proofs: Iterable[Evidence], *, target: str, python: str, lock: str, seal: str
) -> Evidence | None:
    """Find the last proof of this very environment, or else of one that should equal it.

    The same target, Python and lock give the same seal; another seal means that bytes differ from
    those that were proven. None if nothing like it was proven.
    """
    mine = (target, python, lock)
    alike = [proof for proof in proofs if (proof.target, proof.python, proof.lock) == mine]
    return next((proof for proof in reversed(alike) if proof.seal == seal), None) or (
        alike[-1] if alike else None
    )


def append_evidence(toolchain: Toolchain, proof: Evidence) -> Path:
    """Add a proof; gives the file's path."""
    path = toolchain.folder / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    write_text(path, text + _write(proof))
    return path


def _read(table: TomlTable) -> Evidence:
    words = {name: table.get(name, str) for name in _WORDS}
    figures = table.table("psnr").numbers()
    return Evidence(**words, tests=table.get("tests", int, 0), psnr=figures)


def _write(proof: Evidence) -> str:
    lines = [f"{name} = {quote(getattr(proof, name))}" for name in _WORDS]
    if proof.tests:
        lines.append(f"tests = {proof.tests}")
    if proof.psnr:
        floors = ", ".join(f"{quote(mode)} = {value}" for mode, value in proof.psnr.items())
        lines.append(f"psnr = {{ {floors} }}")
    return "\n".join(("", "[[proof]]", *lines, ""))


_WORDS = tuple(one.name for one in fields(Evidence) if one.name not in ("tests", "psnr"))
