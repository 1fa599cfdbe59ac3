"""`python -m tools.certify.finished FOLDER --against MODEL`: certifies a conversion's programs.

The folder is verified in full, and the graphs of its programs are added to the certificates.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from sdcoreml.convert.certificates.store import FILE, load, save
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.verify import Against, Verification, verify
from sdcoreml.convert.worker import Runner
from sdcoreml.doctor.commands.verify import EnvironmentOnDemand, summary
from sdcoreml.doctor.report.terminal import draw
from tools.certify.issue import Issuer, title_of


def main(argv: list[str], runner: Runner | None = None, file: Path = FILE) -> int:
    """Verify one folder in full and certify its graphs; return 1 if it does not pass."""
    parser = argparse.ArgumentParser(prog="python -m tools.certify.finished", description=__doc__)
    parser.add_argument("bundle", type=Path, help="a folder that sdcoreml convert made")
    parser.add_argument("--against", type=Path, required=True, help="the model it was made from")
    parser.add_argument("--refiner", type=Path, help="what UnetRefiner is made of")
    parser.add_argument("--toolchain", default="tested", help="default: tested")
    args = parser.parse_args(argv)
    args.words = ("verify", os.fspath(args.bundle), "--against", os.fspath(args.against))
    issued = load(file)  # the folder may name them; none is accepted in place of a run
    against = Against(model=args.against, refiner=args.refiner, certificates={}, issued=issued)
    with draw() as emit:
        result = verify(
            args.bundle,
            runner or EnvironmentOnDemand(toolchain=args.toolchain, args=args),
            against,
            emit,
        )
    print(summary(result))
    if not result.passed:
        return 1
    print(f"{certify(result, args.toolchain, file)} graphs certified in {file}")
    return 0


def certify(result: Verification, toolchain: str, file: Path) -> int:
    """Add the graphs that were just proved to the file of certificates; return their number."""
    manifest = read_manifest(result.bundle)
    made_in = manifest.toolchain
    issuer = Issuer(
        toolchain=toolchain,
        lock=made_in.lock if made_in.name == toolchain else "",
        date=date.today().isoformat(),  # noqa: DTZ011  the day where people are
    )
    issued = (issuer.issue(checked, title_of(manifest)) for checked in result.checked.values())
    new = {item.key: item for item in issued if item is not None}
    save({**load(file), **new}.values(), file)
    return len(new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
