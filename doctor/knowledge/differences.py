"""Tells what weights are of, and what they were loaded as, by the tensors that did not fit.

Who loads weights into another model gets a list of names and shapes: those that only the file has,
those that only the model has, and those that differ. Most of them say nothing, and a few belong to
one family alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from sdcoreml.doctor.knowledge.tensors import describe
from sdcoreml.lockfiles.table import read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor by its name, and its shape as it is printed ("320, 768"); "" if nobody says it."""

    name: str
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What a tensor of this name and shape is a sign of, and what is to be done about it.

    `shape` is that of a tensor, or "FILE | MODEL" of two; `is_all` that all names have to match.
    """

    name: re.Pattern[str]
    shape: re.Pattern[str]
    what: str
    cure: str
    is_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What the file has and the model has not, and the other way round, tensor by tensor.

    Of a line that was cut off only one side is known: `cut_file` and `cut_model`.
    """

    file: Sequence[Tensor] = ()
    model: Sequence[Tensor] = ()
    pairs: Sequence[tuple[Tensor, Tensor]] = ()
    cut_file: Sequence[Tensor] = ()
    cut_model: Sequence[Tensor] = ()


_SIZE = r"\(?(?:torch\.Size\()?[\[(](?P<{}>[\d, ]*)[\])]"
_FILE, _MODEL = _SIZE.format("file"), _SIZE.format("model")
_PAIRS = tuple(
    (words, re.compile(form))
    for words, form in (
        (
            "size mismatch for",
            (
                rf"size mismatch for\s+(?P<name>\S+):\s*copying\s*a\s*param\s*with"
                rf"\s*shape\s*{_FILE}\)?"
                rf"\s*from\s*checkpoint,\s*the\s*shape\s*in\s*current\s*model\s*is\s*{_MODEL}"
            ),
        ),
        (
            "expected",
            (
                r"because\s*(?P<name>\S+?)\s*expected\s*shape\s*(?:tensor\(\.\.\.[^\n]*?size=)?"
                rf"{_MODEL}[^\n]*?but\s*got\s*{_FILE}"
            ),
        ),
        (
            ": found shape",
            (
                rf"(?<![\w.])(?P<name>[\w.]+): found shape {_FILE}\)? in the checkpoint and"
                rf" {_MODEL}\)? in the model"
            ),
        ),
        (
            "shape mismatch at",
            rf"shape mismatch at'?,? '?(?P<name>[\w.]+)'?,? {_FILE},? \(?{_MODEL}",
        ),
        ("vs model:", rf"(?<![\w.])(?P<name>[\w.]+)[^\n]*ckpt: ?{_FILE}\)? vs model: ?{_MODEL}"),
        (
            "but received shape",
            rf"[Ee]xpected shape {_MODEL} but received shape {_FILE} for parameter (?P<name>\S+)",
        ),
        (
            "set a tensor of shape",
            rf"set a tensor of shape {_FILE}\)? in \"(?P<name>\w+)\" \(which has shape {_MODEL}",
        ),
    )
)
"""How programs tell of two shapes, and the words without which a log has none of that form."""

_CUT_FILE = re.compile(
    r"size mismatch for\s+(?P<name>\S+):\s*copying\s*a\s*param\s*with\s*shape\s*"
    rf"{_FILE}\)?(?!\s*from\s*checkpoint,[^\n]*\[)"
)
_CUT_MODEL = re.compile(
    r"because\s*(?P<name>\S+?)\s*expected\s*shape\s*(?:tensor\(\.\.\.[^\n]*?size=)?"
    rf"{_MODEL}(?![^\n]*but\s*got[^\n]*\[)"
)
"""The first of two shapes, where a terminal or a mail cut off the other."""

_MISSING = re.compile(
    r"(?:Missing key\(s\) in state_dict|following keys are\s+missing|Missing \d+ parameters?):"
    r"\s*(?P<names>[^\n]+)"
)
_UNEXPECTED = re.compile(
    r"(?:Unexpected key\(s\) in state_dict|Received \d+ parameters not in model):"
    r"\s*(?P<names>[^\n]+)"
)
_NAME = re.compile(r"\w[\w.]*\w")
_MOST = 2_000
"""So many names are looked at, at most."""


def find_differences(text: str) -> Differences:
    """Return what a log says of the tensors that did not fit."""
    pairs = [
        (
            Tensor(name=found["name"], shape=found["file"].strip(" ,")),
            Tensor(name=found["name"], shape=found["model"].strip(" ,")),
        )
        for words, form in _PAIRS
        if words in text
        for found in islice(form.finditer(text), _MOST)
    ]
    return Differences(
        file=_find_names(_UNEXPECTED, text),
        model=_find_names(_MISSING, text),
        pairs=pairs,
        cut_file=() if pairs else _find_cut(_CUT_FILE, "file", text),
        cut_model=() if pairs else _find_cut(_CUT_MODEL, "model", text),
    )


def _find_cut(form: re.Pattern[str], side: str, text: str) -> Sequence[Tensor]:
    return [
        Tensor(name=found["name"], shape=found[side].strip(" ,"))
        for found in islice(form.finditer(text), _MOST)
    ]


def _find_names(form: re.Pattern[str], text: str) -> Sequence[Tensor]:
    named = (name for found in form.finditer(text) for name in _NAME.findall(found["names"]))
    return [Tensor(name=name) for name in islice(named, _MOST)]


def explain(text: str) -> Mapping[str, str]:
    """Return `differs`, what the file is and what it was loaded as, and `cure`; {} if unknown."""
    told = find_differences(text)
    return (
        _explain_names_alone(told)
        or _explain_video(told.pairs, text)
        or _explain_added(told.pairs, text)
        or _explain_pairs(told.pairs)
        or _explain_cut(told)
        or _explain_names(told)
        or _explain_beginnings(told)
        or _explain_kinds(told)
    )


_VIDEO = re.compile(
    r"loading state_dict for (?P<net>UNet(?:3DCondition|SpatioTemporalCondition|Motion)Model)\b"
)


def _explain_video(pairs: Sequence[tuple[Tensor, Tensor]], text: str) -> Mapping[str, str]:
    """Explain what signs of pictures' models cannot: widths that a video model has, too."""
    net = _VIDEO.search(text)
    if net is None or not _explain_pairs(pairs):
        return {}
    return {
        "differs": f"The weights are not of the video model that {net['net']} was made as"
        f" ({_quote(*pairs[0])})",
        "cure": "Load them with the class and the config.json that stand beside them in their own"
        " repository (model_index.json names the class).",
    }


_ADDED = re.compile(
    r"loading state_dict for (?:\w*\.)*(?P<net>Control(?:Net\w*|ledUnet\w*|Lora\w*)|T2IAdapter\w*"
    r"|IPAdapter\w*|HyperNetwork\w*)\b"
)
_ADDITIONS = {"C": "ControlNet", "T": "T2I-Adapter", "I": "IP-Adapter", "H": "hypernetwork"}
_FAMILY = re.compile(r"Stable Diffusion (?:1|2|XL)\b(?:'s refiner)?")


def _explain_added(pairs: Sequence[tuple[Tensor, Tensor]], text: str) -> Mapping[str, str]:
    """Explain what is put onto a model: of that one it says which family it is for."""
    net = _ADDED.search(text)
    said = _explain_pairs(pairs).get("differs", "") if net else ""
    families = _FAMILY.findall(said)
    if net is None or len(families) < len(("has", "wants")):
        return {}
    what, has, wants = _ADDITIONS[net["net"][0]], families[0], families[1]
    return {
        "differs": f"The {what} is one for {has}, and was loaded as one for {wants}"
        f" ({_quote(*pairs[0])})",
        "cure": f"Take a {what} for {wants}, or one of {has}'s models for this one, with the"
        " configuration (.yaml, config.json) that stands beside it.",
    }


def _explain_cut(told: Differences) -> Mapping[str, str]:
    """Explain by one side of a line whose other was cut off."""
    has, wants = _find_first_sign(told.cut_file), _find_first_sign(told.cut_model)
    if has:
        one = next(one for one in told.cut_file if find_sign(one) is has)
        said = f"{_THOSE} {has.what} ({one.name} is [{one.shape}] in the file)"
        return {"differs": f"{said}, and were loaded as another model"} | _cure(has)
    if wants:
        one = next(one for one in told.cut_model if find_sign(one) is wants)
        said = f"The weights were loaded as {wants.what}, which they are not"
        return {"differs": f"{said} ({one.name} is [{one.shape}] in the model)"}
    return {}


def _explain_pairs(pairs: Sequence[tuple[Tensor, Tensor]]) -> Mapping[str, str]:
    """Explain by two shapes that tell together, or of which each tells, the surest first."""
    for sign in _signs("pair"):
        for file, model in pairs:
            shapes = f"{file.shape} | {model.shape}"
            if sign.name.search(file.name) and sign.shape.fullmatch(shapes):
                return {"differs": f"{sign.what} ({_quote(file, model)})", "cure": sign.cure}
    for has in _signs("sign"):
        for file, model in pairs:
            if find_sign(file) is has:
                wants = find_sign(model)
                if wants and wants.what != has.what:
                    said = f"{has.what}, and were loaded as {wants.what}"
                    return {"differs": f"{_THOSE} {said} ({_quote(file, model)})"} | _cure(has)
    return {}


def _quote(file: Tensor, model: Tensor) -> str:
    return f"{file.name} is [{file.shape}] in the file and [{model.shape}] in the model"


def _cure(sign: Sign | None) -> dict[str, str]:
    return {"cure": sign.cure} if sign and sign.cure else {}


def _explain_names(told: Differences) -> Mapping[str, str]:
    """Explain by the names that one side alone has."""
    has, wants = _find_first_sign(told.file), _find_first_sign(told.model)
    if has and wants and has.what != wants.what:
        said = f"{has.what}, and were loaded as {wants.what}"
        return {"differs": f"{_THOSE} {said} ({told.file[0].name})"} | _cure(has)
    if has and not wants:
        said = f"{has.what} ({told.file[0].name}), and were loaded as another model"
        return {"differs": f"{_THOSE} {said}"} | _cure(has)
    if wants and not has:
        said = f"The weights were loaded as {wants.what}, which they are not"
        return {"differs": f"{said} ({told.model[0].name} is missing)"}
    return {}


_THOSE = "The weights are those of"


def _find_first_sign(tensors: Iterable[Tensor]) -> Sign | None:
    return next((sign for one in tensors if (sign := find_sign(one))), None)


def _explain_names_alone(told: Differences) -> Mapping[str, str]:
    """Explain names that are left over, or missing, whatever the model is."""
    if told.pairs:
        return {}
    sides = ((told.file, told.model, "over"), (told.model, told.file, "missing"))
    for side, other, rows in sides:
        for row in _signs(rows):
            found = [one for one in side if row.name.search(one.name)]
            if found and (not row.is_all or (len(found) == len(side) and not other)):
                return {"differs": f"{row.what} ({found[0].name})", "cure": row.cure}
    return {}


def _explain_beginnings(told: Differences) -> Mapping[str, str]:
    """Explain names that are the same but for what they begin with."""
    wanted = {one.name for one in told.model}
    for file in told.file[:1]:
        ends = (file.name[at + 1 :] for at, sign in enumerate(file.name) if sign == ".")
        shorter = next((one for one in ends if one in wanted), "")
        longer = next((one for one in wanted if one.endswith(f".{file.name}")), "")
        if shorter:
            said = f"begin with {file.name.removesuffix(shorter)}, which those of the model do not"
        elif longer:
            said = f"lack the {longer.removesuffix(file.name)} that those of the model begin with"
        else:
            return {}
        return {
            "differs": f"The names of the tensors in the file {said}: the model was wrapped in"
            " another when it was saved, or is a part of one",
            "cure": "Take this beginning off the names, or put it before them, and save the file"
            " again.",
        }
    return {}


def _explain_kinds(told: Differences) -> Mapping[str, str]:
    """Explain by what the names are names of: the layout, or a part of a model."""
    has, wants = _find_kind(told.file), _find_kind(told.model)
    if has and wants and has != wants:
        return {
            "differs": f"The file holds {has} ({told.file[0].name}), and it was loaded as {wants}"
        }
    if wants and not told.file:
        return {"differs": f"The file lacks tensors of {wants} ({told.model[0].name})"}
    return {}


def _find_kind(tensors: Iterable[Tensor]) -> str:
    return next((kind for one in tensors if (kind := describe(one.name))), "")


def find_sign(tensor: Tensor, kind: str = "sign") -> Sign | None:
    """Return what a tensor is a sign of, if it tells."""
    told = (one for one in _signs(kind) if one.name.search(tensor.name))
    return next((one for one in told if one.shape.fullmatch(tensor.shape)), None)


@cache
def _signs(kind: str) -> Sequence[Sign]:
    """Return the signs of one kind: of a tensor, of a pair, of names left over or missing."""
    table = read_table(Path(__file__).parent / "tensors.toml")
    found = tuple(
        Sign(
            name=re.compile(row.get("name", str)),
            shape=re.compile(row.get("shape", str, "")),
            what=row.get("what", str),
            cure=row.get("cure", str, ""),
            is_all=row.values.get("all") is True,
        )
        for row in table.tables(kind)
    )
    table.finish()
    return found
