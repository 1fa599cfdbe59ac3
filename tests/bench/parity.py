"""Measures how close programs are to their torch modules, and what the check costs.

    python -m tests.bench.parity [--certified] [--tiny] [--full] [--compressed] [--python PYTHON]

`--certified` prints the figures of full-size programs from the shipped certificates. `--tiny` runs
a narrow model of the real structure for every family, component and attention. `--full` checks one
full-size program, and compares the cost with running the module in torch. `--compressed` measures
how compression changes the output of the full UNet of SD 1.5. Without any of these options, all
four parts run.

Weights are random, as the pinned libraries initialise them, with random scale and shift in every
norm, and rounded to float16. For `--full`, each line is a new child process of the built
environment; the operating system reports its CPU time and peak resident memory. The line `start`
is the cost of the imports, which every other line includes. The figures of parity are printed
last.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from tests.bench import parity_certified
from tests.bench.checkpoints import SPREADS
from tests.bench.narrow import FULL_UNET, SUBJECTS
from tests.bench.parity_rows import COMPRESSED, Table, show
from tests.bench.programs import CASES, ROOT, _run

LARGEST_LATENT = 128
FAST = 20.0
"""The limit in CPU seconds of a check with `--fast`, for the full UNet of SD 1.5."""

TASKS: Mapping[str, str] = {
    "start": "importing what a check imports",
    "torch": "the module itself in float32, one run",
    "streamed": "the module with streamed weights, one run",
    "fp32": "the program in float32 mode, one run",
    "fp16": "the program in float16 mode, one run",
    "audit": "the audit of every weight, without torch",
    "fast": "sdcoreml verify --fast: audit, one run of each, one precision",
    "check": "the whole check: audit, two runs of each, both precisions",
}


def main(arguments: list[str]) -> int:
    """Print the requested parts, by default all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for part in PARTS:
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--case", choices=CASES, default="sd15-unet", help="for --full")
    parser.add_argument("--attention", default="SPLIT_EINSUM", help="for --full")
    spread_help = "of the weights, for --tiny and --compressed (default: initialised)"
    parser.add_argument("--spread", choices=SPREADS, default="initialised", help=spread_help)
    parser.add_argument("--python", type=Path, default=ROOT / ".envs" / "tested" / "bin" / "python")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    given = parser.parse_args(arguments)
    wanted = [part for part in PARTS if getattr(given, part)] or list(PARTS)
    for part in wanted:
        print(f"-- {part}", flush=True)
        PARTS[part](given)
    return 0


def certified(_: argparse.Namespace) -> None:
    """Print the figures of full-size programs from their certificates."""
    print("\n".join(parity_certified.table(load().values())))


def tiny(given: argparse.Namespace) -> None:
    """Check a narrow model of every family, component and attention."""
    show(SUBJECTS, given.python, Table(spread=given.spread), given.folder)


def compressed(given: argparse.Namespace) -> None:
    """Print how much compression changes the full UNet's output."""
    table = Table(columns=COMPRESSED, spread=given.spread, runs=1)
    show([FULL_UNET], given.python, table, given.folder)


def full(given: argparse.Namespace) -> None:
    """Print the cost of every task of `TASKS` on one full-size program."""
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        component, config = CASES[given.case].component, CASES[given.case].config
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        for task in ("make", "build"):
            _child(given.python, task, component, given.attention, folder)
        print(f"{given.case}, {given.attention}\n{'':<62}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}")
        spent: dict[str, float] = {}
        for task, meaning in TASKS.items():
            started = time.perf_counter()
            answer, cpu, peak = _child(given.python, task, component, given.attention, folder)
            wall = time.perf_counter() - started
            print(f"{meaning:<62}{cpu:>8.1f}{wall:>8.1f}{peak / 1e6:>9.0f}", flush=True)
            spent[task] = cpu
        print(answer)
        if given.case == "sd15-unet":
            print(limit("fp32 mode", spent["fp32"], 2 * spent["torch"], "twice torch's forward"))
            print(limit("--fast", spent["fast"], FAST, "the issue's figure"))


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "certified": certified,
    "tiny": tiny,
    "full": full,
    "compressed": compressed,
}


def limit(what: str, seconds: float, most: float, source: str) -> str:
    """Print a figure with its limit, and whether it is met."""
    verdict = "met" if seconds <= most else "MISSED"
    return f"{what}: {seconds:.1f} CPU s, limit {most:.1f} ({source}): {verdict}"


def _child(
    python: Path, task: str, component: str, attention: str, folder: Path
) -> tuple[str, float, int]:
    start = (
        f"import sys; sys.path.append({str(ROOT)!r}); from tests.bench.parity import child; child()"
    )
    return _run([str(python), "-c", start, task, component, attention, str(folder)])


def child() -> None:
    """Run the task that the arguments name, in the built environment; print its result."""
    task, component, attention, folder = sys.argv[1:]
    print(CHILDREN[task](Path(folder), component, attention))


def make(folder: Path, component: str, _: str) -> str:
    """Write random weights, rounded to float16."""
    SPREADS["initialised"](component, _config(folder), _weights(folder))
    return ""


def build(folder: Path, component: str, attention: str) -> str:
    """Build the package with the project's own builder."""
    from sdcoreml.convert.tasks.build import task
    from sdcoreml.ground.events import silent

    program = {
        "component": component,
        "package": str(_package(folder)),
        "options": options_of(folder, attention).as_json(),
    }
    request = {
        "config": str(folder / "config.json"),
        "weights": str(_weights(folder)),
        "programs": [program],
    }
    return json.dumps(task({"components": [request]}, silent))


def start(_: Path, __: str, ___: str) -> str:
    """Only import the libraries, to measure what that costs."""
    import diffusers  # noqa: F401
    import transformers  # noqa: F401

    import sdcoreml.convert.parity.check  # noqa: F401

    return ""


def run_torch(folder: Path, component: str, _: str) -> str:
    """Run the module in the usual manner, with all weights in memory as float32."""
    import torch
    from safetensors.torch import load_file

    from sdcoreml.convert.references.components import reference

    judge = reference(component)
    module = judge.build(_config(folder)).eval()
    module.load_state_dict(load_file(_weights(folder)))
    with torch.inference_mode():
        judge.call(module, _feed(folder, component), ProgramOptions())
    return ""


def run_streamed(folder: Path, component: str, _: str) -> str:
    """Run the module as the check does, with weights that are read when they are needed."""
    import torch

    from sdcoreml.convert.references.components import reference
    from sdcoreml.convert.references.modules import open_module

    judge = reference(component)
    module = open_module(lambda: judge.build(_config(folder)), _weights(folder), torch.float16)
    with torch.inference_mode():
        judge.call(module, _feed(folder, component), ProgramOptions())
    return ""


def run_program(mode: str) -> Callable[[Path, str, str], str]:
    """Return a task that runs the program once in this precision."""

    def run(folder: Path, component: str, _: str) -> str:
        from sdcoreml.convert.mil.interpreter import Executable
        from sdcoreml.convert.mil.kinds import Mode
        from sdcoreml.convert.storage.package import open_program

        with open_program(_package(folder)) as package:
            program = Executable.of(package)
            program.run(_feed(folder, component), Mode(mode))
        return ""

    return run


def run_audit(folder: Path, component: str, _: str) -> str:
    """Audit every weight, byte for byte, and compute the graph's certificate key."""
    from sdcoreml.convert.certificates.check import examine

    examine(_package(folder), component, _config(folder), _weights(folder), ProgramOptions())
    return ""


def check(quick: str) -> Callable[[Path, str, str], str]:
    """Return a task that checks a program as a conversion does: in full, or as with `--fast`."""

    def run(folder: Path, component: str, attention: str) -> str:
        from dataclasses import replace

        from sdcoreml.convert.parity.check import FULL, QUICK, check_component
        from sdcoreml.ground.codec import to_plain

        options = replace(QUICK if quick else FULL, program=options_of(folder, attention))
        parity = check_component(
            component, _package(folder), _config(folder), _weights(folder), options
        )
        return json.dumps([to_plain(figure.record()) for figure in parity.figures])

    return run


CHILDREN: Mapping[str, Callable[[Path, str, str], str]] = {
    "make": make,
    "build": build,
    "start": start,
    "torch": run_torch,
    "streamed": run_streamed,
    "fp32": run_program("fp32"),
    "fp16": run_program("fp16"),
    "audit": run_audit,
    "fast": check("quick"),
    "check": check(""),
}


def _feed(folder: Path, component: str) -> Mapping[str, Any]:
    from sdcoreml.convert.references.components import reference
    from sdcoreml.convert.storage.package import open_program

    with open_program(_package(folder)) as program:
        shapes = program.function.input_shapes
    return reference(component).feeds(_config(folder), shapes)[0]


def options_of(folder: Path, attention: str) -> ProgramOptions:
    """Return a program's options as in a conversion, at the size in the component's config."""
    size = _config(folder).get("sample_size")
    if size is None:
        return ProgramOptions(attention=Attention(attention))
    latent = size if size <= LARGEST_LATENT else size // 8  # a VAE's is its image's
    return ProgramOptions(attention=Attention(attention), height=latent, width=latent)


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def _weights(folder: Path) -> Path:
    return folder / "weights.safetensors"


def _package(folder: Path) -> Path:
    return folder / "out.mlpackage"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
