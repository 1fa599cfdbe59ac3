"""`python -m tools.certify`: certifies the graphs of the models that most people convert.

Each case is a program of full size with random weights, built for the oldest deployment target and
compared with its pinned torch module. For newer targets, a program is only run if its operations
differ from those of every older target. This needs the built environment, one free core (minutes to
an hour per case) and up to 15 GB of disk.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date
from pathlib import Path

from sdcoreml.convert.certificates.digest import module_digest
from sdcoreml.convert.certificates.store import FILE, Certificate, load, save
from sdcoreml.convert.proof.record import parse_proof
from sdcoreml.convert.worker import Runner, Worker
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.envs.building.build import build
from sdcoreml.ground.codec import as_object
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import Emit
from sdcoreml.ground.exits import run_to_exit_code
from sdcoreml.lockfiles.toolchain import load_toolchain
from tools.certify.cases import CASES, TARGETS, Case
from tools.certify.issue import Issuer

LAUNCH = """\
import sys
from pathlib import Path
sys.path.append(str(Path(sys.argv[1]).parent))
from sdcoreml.convert.tasks.serve import serve
serve({"certify": "tools.certify.task"})
"""
"""The Python program that the child process runs: it serves the one task of this tool."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all not certified")
    parser.add_argument("--list", action="store_true", help="list the cases and what is certified")
    parser.add_argument(
        "--runs", type=int, metavar="N", help="sets of inputs a case (default: all)"
    )
    parser.add_argument("--folder", type=Path, help="working folder (default: temporary)")
    parser.add_argument("--file", type=Path, default=FILE, help="the file of certificates")
    add_toolchain(parser)


def run(args: argparse.Namespace, runner: Runner | None = None) -> int:
    """Certify the cases one after the other, and save each as soon as it is proved."""
    if unknown := sorted(set(args.cases) - CASES.keys()):
        raise UsageError(
            f"no case {', '.join(unknown)}", remedy="`python -m tools.certify --list` lists them"
        )
    if args.folder and not args.folder.is_dir():
        raise UsageError(f"{args.folder} is not a folder", where="--folder", remedy="make it first")
    known = {(item.component, item.title) for item in load(args.file).values()}
    if args.list:
        print("\n".join(_line(case, known) for case in CASES.values()))
        return 0
    wanted = args.cases or [
        name for name, case in CASES.items() if not certified_targets(case, known)
    ]
    with draw() as emit:
        environment = build(load_toolchain(args.toolchain), emit=emit)
        issuer = Issuer(
            toolchain=args.toolchain,
            lock=environment.lock_digest,
            date=date.today().isoformat(),  # noqa: DTZ011  the day where people are
        )
        worker = runner or Worker(python=environment.python, launch=LAUNCH)
        for certificate in certify(wanted, worker, issuer, args, emit):
            save({**load(args.file), certificate.key: certificate}.values(), args.file)
            print(f"{certificate.component}: {certificate.summary()}", flush=True)
    print(f"{len(load(args.file))} graphs certified in {args.file}", file=sys.stderr)
    return 0


def certify(
    names: Sequence[str], runner: Runner, issuer: Issuer, args: argparse.Namespace, emit: Emit
) -> Iterator[Certificate]:
    """Yield the certificates of each case; cases of one torch module share its random weights.

    Raises:
        ParityError: a program's output differs from its module's.
    """
    cases = [CASES[name] for name in names]
    for _, group in itertools.groupby(cases, lambda case: (case.model, case.part.source)):
        with tempfile.TemporaryDirectory(prefix="certify.", dir=args.folder) as folder:
            for case in group:
                request = {"case": case.name, "folder": folder, "runs": args.runs}
                answers = as_object(runner.run("certify", request, emit).value, "answer")
                yield from certificates_of(case, answers, issuer)


def certificates_of(
    case: Case, answers: Mapping[str, object], issuer: Issuer
) -> Iterator[Certificate]:
    """Yield each target's certificate; one with an earlier target's operations refers to that."""
    made: dict[str, Certificate] = {}
    for target, answer in answers.items():
        match answer:
            case {"like": str() as earlier, "key": str() as key}:
                same = made[earlier]
                other = replace(same, key=key, title=title(case, target), like=same.key)
                yield drawn_as(other, case, target)
            case _:
                if certificate := issuer.issue(parse_proof(answer), title(case, target)):
                    made[target] = certificate
                    yield drawn_as(certificate, case, target)


def drawn_as(certificate: Certificate, case: Case, target: str) -> Certificate:
    """Return the certificate with what is needed to draw its graph again."""
    options = case.options(target)
    module = module_digest(case.part.program, case.config, options)
    return replace(certificate, module=module, options=options.as_json())


def title(case: Case, target: str) -> str:
    """Return a case's title for one target, as shown to users."""
    return f"{case.title}, {target}"


def certified_targets(case: Case, known: AbstractSet[tuple[str, str]]) -> list[str]:
    """Return the targets for which a case is certified; `known` are (component, title) pairs."""
    return [target for target in TARGETS if (case.part.program, title(case, target)) in known]


def _line(case: Case, known: AbstractSet[tuple[str, str]]) -> str:
    return f"{case.name:<48} {', '.join(certified_targets(case, known)) or 'not certified'}"


def main(argv: Sequence[str]) -> int:
    """Run `python -m tools.certify` and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.certify", description=__doc__)
    configure(parser)
    args = parser.parse_args(argv)
    return run_to_exit_code(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
