"""`python -m tools.sample`: trains the sample, and measures what it draws.

It runs in the tested environment:

    PYTHONPATH=. .envs/tested/bin/python -B -m tools.sample train FOLDER

`train` goes on with the training in a folder, from its beginning or from where it was ended.
`measure` says how many of 100 prompts are drawn right whose words were never trained together,
`grid` draws some prompts on FOLDER/grid.png, and `store` writes FOLDER/sample.safetensors, from
which the sample is made. All three take the training as far as it has come.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sdcoreml.convert.models.vocabulary import vocabulary_folder
from sdcoreml.ground.exits import run_to_exit_code
from tools.sample.loop import Pace

VERBS = ("train", "measure", "grid", "store")


def main(words: Sequence[str]) -> int:
    """Run one verb on the folder of a training."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m tools.sample", description=__doc__, formatter_class=form
    )
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("folder", type=Path, help="where the training keeps its state")
    parser.add_argument("--size", type=int, help="height and width of pictures (the last round's)")
    parser.add_argument("--steps", type=int, default=20, help="steps of the scheduler (20)")
    parser.add_argument(
        "--guidance", type=float, default=7.5, help="how strongly words count (7.5)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    asked = parser.parse_args(words)
    return run_to_exit_code(lambda: _run(asked))


def _run(asked: argparse.Namespace) -> int:
    import torch

    from tools.sample import pictures, stored, training

    torch.set_num_threads(asked.threads)
    torch.set_flush_denormal(True)  # fading weights take a tenth of the time
    plan, folder, vocabulary = training.PLAN, asked.folder, vocabulary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if asked.verb == "train":
        return 0 if training.run(plan, vocabulary, folder, Pace(), _say) else 1
    trained = training.load(plan, vocabulary, folder)
    if asked.verb == "store":
        _say(f"{stored.store(trained, folder / 'sample.safetensors'):,} bytes")
        return 0
    size = asked.size or training.reached(plan, folder).size
    how = pictures.Drawn(size=size, steps=asked.steps, guidance=asked.guidance)
    if asked.verb == "measure":
        _say(pictures.measure(trained, how))
    else:
        pictures.grid(trained, how, folder / "grid.png")
    return 0


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
