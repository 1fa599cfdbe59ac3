"""One conversion, from a model folder to a finished, checked Core ML folder.

    read → merge → build → check → compile → write

`convert_model` is the list of these steps; each takes the values of those before it. Everything is
made in a staging folder that becomes the result at the very end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from convert.bundle import NAMES, check_programs
from convert.compile.check import faults as faults_of
from convert.compile.compare import compile_compared
from convert.compile.compiled import read_compiled
from convert.compile.xcode import find_xcode
from convert.digest import describe_files, files_below
from convert.errors import BadInputError, ConvertError, UnsupportedError
from convert.families import PARTS, Part, parts_of, require_supported
from convert.models.family import Family
from convert.models.layout import CONFIG_NAME, Component, Model, read_model
from convert.models.merge import merge_component
from convert.proof import Built, Judge, prove
from convert.sharing import share_weights
from convert.spec.reader import read_package
from convert.staging import MARKER, staged
from convert.tokenizer import Tokenizer, read_tokenizer, tokenizer_folder
from convert.weights.fault import raise_first
from convert.worker import Runner
from envs.events import Emit, Event, silent

SCHEMA = 1
"""Version of the manifest's layout."""

COMPRESSED = frozenset({"text_encoder", "text_encoder_2", "unet", "controlled_unet"})
"""Programs that a recipe is for; a VAE is small, and shows every bit it loses."""

ATTENTIONS = ("SPLIT_EINSUM", "ORIGINAL", "SPLIT_EINSUM_V2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to convert; recorded in the manifest. All but the last two are `ProgramOptions`'.

    `attention` is one of `ATTENTIONS`. `height` and `width` are the latent's, an eighth of the
    image's. `controlled` asks for a UNet that takes a ControlNet's residuals, too. `recipe`
    compresses the weights of `COMPRESSED`; its fields are `convert.compress.Recipe`'s.
    """

    attention: str
    height: int
    width: int
    batch: int = 2
    tokens: int = 77
    clip_skip: int = 1
    target: str = "macOS13"
    states_own_size: bool = False
    controlled: bool = False
    recipe: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to convert, where to, how, and in which toolchain (as the manifest is to say it).

    `siblings` are folders made of the same model, such as in another size: what they have in common
    is stored once. `judge` says how programs are proved.
    """

    model: Model
    output: Path
    options: Options
    toolchain: Mapping[str, Any]
    siblings: tuple[Path, ...] = ()
    judge: Judge = field(default_factory=Judge)


def open_model(path: Path) -> Model:
    """Read a model folder and refuse what cannot be converted.

    Raises:
        BadInputError: the folder is damaged or incomplete; the message names the first fault.
        UnsafePickleError: a weight file names something that has no place in a checkpoint.
        UnsupportedError: the family or task cannot be converted, or not yet.
    """
    if path.is_file():
        raise BadInputError(
            f"{path}: a single file; unpack it first: .venv/bin/python -m convert"
            f" --checkpoint_path {path} --dump_path FOLDER --tokenizer FOLDER"
        )
    model = read_model(path)
    if model.family is not Family.UNKNOWN:
        require_supported(model)
    raise_first(model.faults)
    require_supported(model)
    missing = sorted({part.source for part in PARTS[model.family]} - model.components.keys())
    if missing:
        raise UnsupportedError(
            f"{path}: no {' and no '.join(missing)} in this folder; add the missing part from the"
            " model it was trained from"
        )
    return model


def plan(
    model: Model,
    output: Path | None,
    attention: str,
    toolchain: Mapping[str, Any],
    **choices: Any,  # noqa: ANN401  other fields of `Options`
) -> Job:
    """The job for a model with its own size and name where nothing else was asked for."""
    size = model.components["unet"].config.get("sample_size", 64)
    height, width = (size, size) if isinstance(size, int) else size
    fields = {"attention": attention, "height": height, "width": width, **choices}
    options = Options(**fields)
    return Job(
        model=model,
        output=output or Path("models") / folder_name(model.path, options),
        options=options,
        toolchain=toolchain,
    )


def folder_name(model: Path, options: Options) -> str:
    """`<model>_<attention>_<W>x<H>`: by the part before the first `_`, Mochi finds other sizes."""
    stem = model.resolve().name.replace("_", "-")
    attention = options.attention.lower().replace("_", "-")
    bits = f"_{options.recipe.get('bits', 6)}-bit" if options.recipe else ""
    return f"{stem}_{attention}_{8 * options.width}x{8 * options.height}{bits}"


def convert_model(job: Job, runner: Runner, emit: Emit = silent) -> Path:
    """Do the job; returns the finished folder.

    Raises:
        ConvertError: nothing is left behind, and an older result is untouched.
    """
    tokenizer = read_tokenizer(tokenizer_folder(job.model.path))
    with staged(job.output) as folder, _scratch(folder) as scratch:
        parts = parts_of(job.model, controlled=job.options.controlled)
        weights = _merge(job, parts, scratch, emit)
        built = [_build(job, part, weights, folder, runner, emit) for part in parts]
        share_weights((folder, *job.siblings))
        proofs = prove(built, job.judge, runner, emit)
        compiled = {made.part.program: _compile(made, emit) for made in built}
        emit(Event(kind="step", text="write the folder"))
        _write_tokenizer(tokenizer, folder)
        _check_folder(built, folder)
        _write_manifest(job, built, {"checked": proofs, "compiled": compiled}, folder)
    return job.output


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for what only the conversion needs; gone before the result takes its place."""
    scratch = folder / ".scratch"
    scratch.mkdir()
    yield scratch
    shutil.rmtree(scratch)


def _merge(job: Job, parts: tuple[Part, ...], scratch: Path, emit: Emit) -> Mapping[str, Path]:
    """One safetensors file for each component, in place where there is one already."""
    return {
        name: _merge_one(job.model.components[name], scratch / name, emit)
        for name in dict.fromkeys(part.source for part in parts)
    }


def _merge_one(component: Component, target: Path, emit: Emit) -> Path:
    files = len(component.weights)
    if not component.is_merged:
        what = f"merge {component.name}: {files} {'shards' if files > 1 else 'file'}"
        emit(Event(kind="step", text=f"{what} to one safetensors file"))
    return merge_component(component, target, emit)


def _build(
    job: Job, part: Part, weights: Mapping[str, Path], folder: Path, runner: Runner, emit: Emit
) -> Built:
    """Write one program's package in a child process."""
    name = NAMES[part.program]
    emit(Event(kind="step", text=f"build {name}"))
    source = job.model.components[part.source]
    built = Built(
        part=part,
        package=folder / f"{name}.mlpackage",
        config=source.folder / CONFIG_NAME,
        settings=source.config,
        weights=weights[part.source],
        options=program_options(job.options, part),
    )
    recipe = job.options.recipe if part.program in COMPRESSED else None
    extra = {"recipe": recipe} if recipe else {}
    outcome = runner.run("build", {**built.request(), **extra}, emit)
    emit(Event(kind="note", text=f"built in {outcome.peak_memory / 1e6:.0f} MB of memory"))
    return built


def program_options(options: Options, part: Part) -> Mapping[str, Any]:
    """What was asked for, and what the model itself asks for: fields of `ProgramOptions`."""
    others = ("controlled", "recipe")
    fields = {key: value for key, value in asdict(options).items() if key not in others}
    return {**fields, **part.options}


def _compile(made: Built, emit: Emit) -> Mapping[str, Any]:
    """Write the compiled folder; on a Mac with Xcode it is compared with what Apple makes of it."""
    outcome = compile_compared(made.package, made.compiled, find_xcode(), emit=emit)
    return {"verdict": outcome.verdict, "differences": list(outcome.differences)}


def _write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    for name, content in tokenizer.files():
        (folder / name).write_bytes(content)


def _check_folder(built: list[Built], folder: Path) -> None:
    """Read everything back and compare it with what the runtimes ask for."""
    models = {made.part.program: read_package(made.package).model for made in built}
    compiled = (faults_of(read_compiled(made.compiled)) for made in built)
    faults = (*check_programs(models, folder), *(fault for found in compiled for fault in found))
    if faults:
        raise ConvertError("; ".join(map(str, faults)))


def _write_manifest(
    job: Job, built: list[Built], proofs: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Where everything came from and how it was checked; no dates, so that it can be compared.

    `proofs` are the outcomes by kind and program, and stand in the manifest under their kind.
    """
    sources = dict.fromkeys(made.part.source for made in built)
    inputs = [path for name in sources for path in _inputs(job.model.components[name])]
    content = {
        "schema": SCHEMA,
        "model": {"name": job.model.path.resolve().name, "family": job.model.family.value},
        "inputs": describe_files(inputs, job.model.path),
        "options": asdict(job.options),
        "toolchain": job.toolchain,
        "programs": {
            NAMES[made.part.program]: {
                "source": made.part.source,
                "options": made.options,
                **{kind: outcomes[made.part.program] for kind, outcomes in proofs.items()},
                "files": describe_files(
                    (*files_below(made.package), *files_below(made.compiled)), folder
                ),
            }
            for made in built
        },
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MARKER).write_text(text + "\n", encoding="utf-8")


def _inputs(component: Component) -> tuple[Path, ...]:
    return (component.folder / CONFIG_NAME, *component.weights)
