"""Runs every command on every odd input, and prints where they disagree.

    python -m tests.odd.survey [--convert] [--part PART] [--json] [--keep FOLDER] [NAMES]

Each input is given to `inspect --json`, `doctor MODEL --goal convert --json` and `convert --plan`.
With `--convert` it is converted in full, for which the environment must have been built. NAMES are
names of cases, or parts of names.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.facts import programs_at
from sdcoreml.doctor.cli import main as command
from sdcoreml.doctor.commands import convert
from sdcoreml.doctor.commands.convert_environment import choose_environment
from sdcoreml.doctor.core.backend import choose_backend
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.ground.events import silent
from tests.odd.case import Can, Case, Why
from tests.odd.corpus import CASES, FIRST, FOURTH, SECOND, THIRD
from tests.odd.warm import warm_worker

SLOW = 5.0
"""The time limit in seconds for one command on a tiny model."""
SIZE = ("--size", "128x128")
BUG = 70


ABOUT: Mapping[Why, str] = {
    Why.ADD_ON: "lora|inversion|embedding|vae|controlnet|adapter|motion|hypernetwork",
    Why.FAMILY: "flux|cascade|diffusion 3|pixart|qwen|video|upscal|family|no app drives",
    Why.FINISHED: "core ml",
    Why.FORMAT: "gguf|onnx|flax|openvino|zip|tar|hdf5|keras|integer|dtype|numpy|format",
    Why.SCHEDULE: "schedule|terminal|beta|sigma",
    Why.TASK: "channels|guidance",
    Why.TOKENIZER: "vocab|merges|token",
    Why.UNSAFE: "run code",
    Why.VALUES: "finite|nan|inf|number|float16",
}
"""For each reason: a regular expression that the message of a refusal must match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One command's answer for a case; `can` is its verdict, `None` if it gave none."""

    can: Can | None
    code: int | str
    text: str
    seconds: float
    data: Any = None

    @property
    def verdict(self) -> dict[str, Any] | None:
        """Return the verdict in the command's JSON."""
        return self.data.get("verdict") if isinstance(self.data, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case, the commands' answers to it, and what is wrong with them."""

    case: Case
    inspect: Answer
    doctor: Answer
    convert: Answer
    made: dict[str, Any] = field(default_factory=dict)
    to_the_end: bool = False

    def faults(self) -> Iterator[str]:
        """Yield a line for every crash, wrong or contradictory verdict, and missing message."""
        answers = {"inspect": self.inspect, "doctor": self.doctor, "convert": self.convert}
        for name, answer in answers.items():
            if answer.code == BUG or "Traceback" in answer.text or isinstance(answer.code, str):
                yield f"{name} crashed ({answer.code})"
            if name != "convert" and answer.seconds > SLOW:
                yield f"{name} took {answer.seconds:.1f} s"
        yield from self._disagreements(answers)
        yield from self._silences(answers)
        yield from self._misleading()

    def _disagreements(self, answers: dict[str, Answer]) -> Iterator[str]:
        case = self.case
        for name, answer in answers.items():
            alone = case.options and name != "convert"
            right = ({case.alone} if case.alone else set(Can)) if alone else {case.can, case.also}
            if Can.YES in right:  # which nobody knows for sure who read no weights
                right.add(Can.HEADERS)
            if case.can is Can.HEADERS and name == "convert" and self.to_the_end:
                right = {Can.NO}
            if answer.can not in right:
                yield f"{name} says {answer.can.value if answer.can else 'nothing'}"
        verdicts = [answer.verdict for answer in answers.values()]
        if case.options or self.to_the_end:
            verdicts.pop()
        if any(verdict != verdicts[0] for verdict in verdicts):
            yield f"they disagree: {verdicts}"
        if self.doctor.can is not Can.NO and self.doctor.code:
            yield "doctor's findings forbid what its verdict allows"
        yield from (
            f"{name}'s remedy is {name} itself"
            for name, answer in answers.items()
            # with an option that was not given, it is another command
            if re.search(
                rf"sdcoreml {name}(?! MODEL|.* --app )",
                str((answer.verdict or {}).get("remedy")),
            )
        )

    def _misleading(self) -> Iterator[str]:
        about = ABOUT.get(self.case.why)
        if about and self.convert.can is Can.NO:
            message = re.sub(r"\S*/\S*", "", self.convert.text)  # paths hold the answer
            if not re.search(about, message, re.IGNORECASE):
                yield f"convert's refusal does not name {self.case.why.value}"
        if re.search(r"see (what `)?sdcoreml inspect", self.inspect.text):
            yield "inspect's remedy is inspect itself"

    def _silences(self, answers: dict[str, Answer]) -> Iterator[str]:
        case = self.case
        said = "\n".join(answer.text for answer in answers.values())
        if case.says and not re.search(case.says, said.replace(str(case.name), ""), re.IGNORECASE):
            yield f"nobody says {case.says!r}"
        if case.family and isinstance(self.inspect.data, dict):
            family = self.inspect.data.get("family")
            if family != case.family:
                yield f"family is {family}, not {case.family}"
        for key, value in case.makes.items():
            if self.made and self.made.get(key) != value:
                yield f"{key} is {self.made.get(key)!r}, not {value!r}"
        if not self.made and isinstance(self.inspect.data, dict) and "prediction" in case.makes:
            told = self.inspect.data.get("prediction_type")
            if told != case.makes["prediction"] and "--prediction-type" not in case.options:
                yield f"inspect says that it predicts {told}, not {case.makes['prediction']}"


def run(arguments: Sequence[str]) -> tuple[int | str, str, str, float]:
    """Run one command; return exit code (or exception), stdout, stderr, and seconds."""
    out, err = io.StringIO(), io.StringIO()
    began = time.perf_counter()
    code: int | str
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = command(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else str(error.code)
    except Exception as error:  # noqa: BLE001  a crash is a finding
        code = f"{type(error).__name__}: {error}"
    return code, out.getvalue(), err.getvalue(), time.perf_counter() - began


def parsed(text: str) -> Any:
    """Parse the JSON that a command printed; {} if there is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def inspected(model: Path) -> Answer:
    """Run `inspect` on a case."""
    return _answer(["inspect", str(model), "--json"])


def examined(model: Path) -> Answer:
    """Run `doctor` on a case; its exit code is 1 if the model cannot be converted."""
    answer = _answer(["doctor", str(model), "--goal", "convert", "--json"])
    if not isinstance(answer.data, dict):
        return answer
    blamed = {name for goal in answer.data["verdicts"] for name in goal["because"]}
    mine = [r for r in answer.data["results"] if r["id"].startswith(("MOD", "BUN"))]
    said = "\n".join(
        f"{r['id']} {f['status']}: {f['what']}; {f.get('fix', {}).get('title')}"
        for r in mine
        for f in r.get("findings", ())
        if f["status"] != "ok"
    )
    code = int(any(r["id"] in blamed for r in mine))
    return replace(answer, code=code, text=answer.text + said)


def converted(case: Case, folder: Path, model: Path, toolchain: str = "") -> Answer:
    """Run `convert` on a case in a toolchain's environment; without one, `convert --plan`."""
    options = [word.format(case=folder) for word in case.options]
    words = ["convert", "--json", "-o", str(folder / "made"), *SIZE, *options, "--", str(model)]
    how = ["--toolchain", toolchain] if toolchain else ["--plan"]
    return _answer(["convert", *how, *words[1:]], is_text=False)


def _answer(words: Sequence[str], *, is_text: bool = True) -> Answer:
    code, out, err, seconds = run(words)
    data = parsed(out)
    verdict = data.get("verdict") if isinstance(data, dict) else None
    can = Can(verdict["can"]) if verdict else Can.NO if code else None
    text = (out if is_text else "") + err
    return Answer(can=can, code=code, text=text, seconds=seconds, data=data)


def made(folder: Path) -> dict[str, Any]:
    """Return what a finished folder contains, by the keys of `Case.makes`; {} if there is none."""
    manifest = parsed((folder / "manifest.json").read_text()) if folder.is_dir() else None
    if not isinstance(manifest, dict):
        return {}
    programs = manifest["programs"]
    options = {name: entry.get("options", {}) for name, entry in programs.items()}
    facts: dict[str, Any] = {
        "programs": sorted(programs),
        "prediction": options.get("Unet", {}).get("prediction", "epsilon"),
        "pad_id": options.get("TextEncoder", {}).get("pad_id"),
    }
    for program in programs_at(folder):
        if program.path.stem == "TextEncoder":
            counts = (program.operations or {}).items()
            facts["text_blocks"] = sum(count for name, count in counts if name.endswith("softmax"))
    words = folder / "vocab.json"  # which a ControlNet has not
    vocabulary = (parsed(words.read_text()) if words.is_file() else None) or {}
    facts["words"] = [
        word for word in ("<cat>", "<dog>", "sks") if {word, f"{word}</w>"} & vocabulary.keys()
    ]
    return facts


def survey(case: Case, place: Path, toolchain: str = "") -> Row:
    """Make a case's input in the empty folder `place`, and run all commands on it.

    With a `toolchain`, convert it in full.
    """
    model = case.build(place)
    row = Row(
        case=case,
        inspect=inspected(model),
        doctor=examined(model),
        convert=converted(case, place, model, toolchain),
    )
    if not toolchain:
        return row
    return replace(row, made=made(place / "made"), to_the_end=True)


def chosen(args: argparse.Namespace) -> list[Case]:
    """Return the cases that the command line asks for."""
    part = {"first": FIRST, "second": SECOND, "third": THIRD, "fourth": FOURTH}.get(
        args.part, CASES
    )
    part = part[[case.name for case in part].index(args.after) + 1 :] if args.after else part
    return [case for case in part if not args.names or any(n in case.name for n in args.names)]


def as_object(row: Row) -> dict[str, Any]:
    """Convert a row to plain values for JSON."""
    case = row.case
    answers = {name: asdict(getattr(row, name)) for name in ("inspect", "doctor", "convert")}
    for answer in answers.values():
        answer["can"] = answer["can"] and answer["can"].value
        answer.pop("data")
    return {
        "case": case.name,
        "truth": case.truth,
        "can": case.can.value,
        "why": case.why.value,
        "faults": list(row.faults()),
        "made": row.made,
        **answers,
    }


def line(row: Row) -> str:
    """Return a row as a line of the table."""
    words = [
        answer.can.value if answer.can else "?" for answer in (row.inspect, row.doctor, row.convert)
    ]
    table = "  ".join(f"{word:<7}" for word in (row.case.can.value, *words))
    return f"{row.case.name:<40}  {table}  {'; '.join(row.faults())}"


def say(text: str) -> None:
    """Print a line and flush stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Survey the cases; return 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.odd.survey", description=__doc__)
    parser.add_argument("names", nargs="*", help="cases, or parts of their names (default: all)")
    parser.add_argument("--json", action="store_true", help="one object a line, every case")
    parser.add_argument("--convert", action="store_true", help="convert to the end")
    parser.add_argument("--after", default="", help="only the cases after this one")
    parser.add_argument(
        "--part", choices=("first", "second", "third", "fourth"), help="only these (default: all)"
    )
    parser.add_argument("--toolchain", default="tested", help="what --convert converts with")
    parser.add_argument("--keep", type=Path, help="leave the inputs in this folder")
    args = parser.parse_args(argv)
    run(["inspect", str(Path(__file__).parent), "--json"])  # the first one pays for the imports
    with ExitStack() as environment:
        if args.convert:
            _, built = choose_environment(
                args.toolchain, silent, BuildOptions(backend=choose_backend()), None
            )
            worker = environment.enter_context(warm_worker(built.python))
            setattr(convert, "Worker", lambda **_: worker)  # noqa: B010  not exported
        return survey_all(args)


def survey_all(args: argparse.Namespace) -> int:
    """Survey the chosen cases one by one, and print what is wrong."""
    wrong = count = 0
    if not args.json:
        say(f"{'case':<40}  {'truth':<7}  {'inspect':<7}  {'doctor':<7}  {'convert':<7}")
    for case in chosen(args):
        place = Path(tempfile.mkdtemp(dir=args.keep, prefix=f"{case.name}-"))
        row = survey(case, place, args.toolchain if args.convert else "")
        count += 1
        faulty = any(row.faults())
        wrong += faulty
        if args.json:
            say(json.dumps(as_object(row)))
        elif faulty:
            say(line(row))
        if not args.keep:
            shutil.rmtree(place, ignore_errors=True)
    sys.stderr.write(f"{wrong} of {count} cases are judged wrongly or in contradiction\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
