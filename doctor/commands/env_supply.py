"""`sdcoreml env sbom` and `audit`: what a toolchain is made of, and what is known against it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from doctor.commands.env_common import Action, asked, chosen, shown, toolchain_option
from envs.errors import EnvError

SCHEMA = 1
"""Version of what `audit --json` prints."""


def sbom(args: argparse.Namespace) -> int:
    """Write the bill of materials, on stdout unless a file is named."""
    from envs import store
    from envs.frozen import freeze
    from envs.sbom import bill

    toolchain = chosen(args)
    frozen = freeze(toolchain, args.target)
    built = store.current(toolchain.name)
    same = built is not None and built.lock_digest == frozen.lock.digest
    text = bill(frozen, built if same else None)
    if args.output is None:
        print(text, end="")
        return 0
    path: Path = args.output
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise EnvError(f"{path}: {error.strerror}; name another file with --output") from None
    print(
        f"{shown(path)}: {len(frozen.artefacts)} packages of {toolchain.name}, each with its hash"
    )
    return 0


def audit(args: argparse.Namespace) -> int:
    """Say what is known against the locked versions; 1 when something is, 3 when nobody answers."""
    from envs.audit import audit as audit_lock
    from envs.frozen import freeze

    toolchain = chosen(args)
    frozen = freeze(toolchain, args.target)
    outcome = audit_lock(frozen, args.ignore, asked(args, "service", ""))
    if args.json:
        found = [asdict(one) for one in outcome.found]
        told = {"schema": SCHEMA, "packages": outcome.packages, "vulnerabilities": found}
        print(json.dumps(told))
        return 1 if found else 0
    for one in outcome.found:
        print(one)
    known = f"{len(outcome.found)} known" if outcome.found else "no known"
    print(f"{toolchain.name} on {frozen.lock.target}: {known} vulnerabilities in", end=" ")
    print(f"{outcome.packages} packages")
    return 1 if outcome.found else 0


def _target_option(parser: argparse.ArgumentParser) -> None:
    toolchain_option(parser)
    parser.add_argument("--target", default="", help="another kind of machine, such as macos-arm64")


def _sbom_options(parser: argparse.ArgumentParser) -> None:
    _target_option(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout")


def _audit_options(parser: argparse.ArgumentParser) -> None:
    _target_option(parser)
    add = parser.add_argument
    add("--ignore", action="append", default=[], metavar="ID", help="one that was judged harmless")
    add("--service", metavar="URL", default=argparse.SUPPRESS, help="default: the OSV database")
    add("--json", action="store_true", help="print the outcome as JSON")


ACTIONS = (
    Action(name="sbom", help="its CycloneDX bill of materials", configure=_sbom_options, run=sbom),
    Action(name="audit", help="known vulnerabilities", configure=_audit_options, run=audit),
)
