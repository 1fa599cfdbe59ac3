"""The options of the verbs as keywords, read by the verbs' own parsers.

A keyword is an option's name with underscores for dashes: `bits=6` is `--bits 6`. True stands for
an option without a value; a list gives an option several times; None and False leave it out.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypedDict

from sdcoreml.ground.errors import UsageError

if TYPE_CHECKING:
    StrPath: TypeAlias = str | os.PathLike[str]
    """A path, or the name of a model where the command line takes one."""

    Texts: TypeAlias = str | Sequence[str]
    """A text, or several."""


class ConvertOptions(TypedDict, total=False):
    """The options of `convert` and `plan`; `sdcoreml convert --help` describes each."""

    output: StrPath
    name: str
    force: bool
    toolchain: str
    workers: int
    index: str
    app: str
    install: bool
    converter: str
    compare_upstream: bool
    vae: StrPath
    lora: Texts
    embedding: Texts
    extract_ema: bool
    tokenizer: StrPath
    attention: Texts
    size: Texts
    batch: int
    tokens: int
    target: str
    controlled: bool
    safety_checker: bool
    refiner: StrPath
    chunk: bool
    components: str
    for_: StrPath
    clip_skip: int
    prediction_type: str
    accept_schedule: bool
    pad_id: int
    latent_scale: float
    own_size: bool
    precision: Texts
    bits: int
    group_size: int
    method: str
    recipe: StrPath
    packages: str
    full: bool


class DoctorOptions(TypedDict, total=False):
    """The options of `doctor`; `sdcoreml doctor --help` describes each."""

    goal: str
    toolchain: str
    output: StrPath
    attention: str
    size: str
    select: Texts
    ignore: Texts
    deep: bool


class VerifyOptions(TypedDict, total=False):
    """The options of `verify`; `sdcoreml verify --help` describes each."""

    against: StrPath
    refiner: StrPath
    tokenizer: StrPath
    fast: bool
    full: bool
    with_: str
    units: str
    toolchain: str


OPTIONS: Mapping[str, type] = {
    "convert": ConvertOptions,
    "doctor": DoctorOptions,
    "verify": VerifyOptions,
}
"""The keywords of each verb. Other options of the command line say what it prints, or do more."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises an error where one for people prints and exits."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, remedy=f"`{self.prog} --help` lists the options")


def read_options(
    verb: str, given: Sequence[StrPath], options: Mapping[str, object]
) -> argparse.Namespace:
    """Return a verb's arguments: what it is given, and its options.

    Raises:
        UsageError: an option does not exist, or has a value that it does not take.
    """
    known = OPTIONS[verb].__annotations__ if verb in OPTIONS else {}
    if unknown := options.keys() - known:
        raise UsageError(
            f"{verb} takes no {', '.join(sorted(unknown))}",
            remedy=f"it takes {', '.join(known)}" if known else "leave it out",
        )
    parser = _Parser(prog=f"sdcoreml {verb}", allow_abbrev=False, add_help=False)
    importlib.import_module(f"sdcoreml.doctor.commands.{verb}").configure(parser)
    words = [word for name, value in options.items() for word in _words(name, value)]
    words += ["--", *(os.fspath(one) for one in given)]
    args = parser.parse_args(words)
    args.typed = (verb, *words)  # advice quotes the command
    return args


def _words(name: str, value: object) -> Iterator[str]:
    """Yield the words of an option; a keyword of Python has an underscore at its end."""
    option = f"--{name.rstrip('_').replace('_', '-')}"
    if value is True:
        yield option
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _words(name, one)
    elif value is not None and value is not False:
        text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
        yield f"{option}={text}"
