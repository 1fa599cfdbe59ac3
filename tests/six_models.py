"""Runs a job file with a stand-in for what writes programs: `python -m tests.six_models FILE`.

Other words are passed over, so that a queue's runner can start it in the tool's place.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.cache import digests
from sdcoreml.convert.cache.shelf import open_cache
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.doctor.commands.jobs_batch import Opener, open_batches
from sdcoreml.doctor.commands.jobs_file import read_job_file
from sdcoreml.doctor.commands.jobs_run import Run, table
from sdcoreml.ground.lifeline import end_with_starter
from sdcoreml.ground.signals import end_on_signals
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.stand_ins import MADE_IN, StandIn

SIZE = Dimensions(batch=2, height=8, width=8, features=32, tokens=77)


def main(path: Path) -> int:
    """Run the job file; return 1 if a folder is not there at the end."""
    digests._SETTLED = -(10**10)  # the models were written just before
    file = read_job_file(path)
    shop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, cache=open_cache())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with ExitStack() as stack:
        run = Run(
            shop=shop,
            opener=Opener(into=file.into, run={"toolchain": "tested"}, stack=stack),
            toolchain=load_toolchain("tested"),
            require_able=lambda _: None,
            emit=lambda _: None,
        )
        results = run.make(open_batches(file, run.opener))
    sys.stdout.write("\n".join(table(results)))
    return int(not all(one.is_there for one in results))


if __name__ == "__main__":
    end_on_signals()
    end_with_starter()
    sys.exit(main(next(Path(word) for word in sys.argv[1:] if word.endswith(".toml"))))
