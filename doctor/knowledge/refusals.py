"""Reads what a library says of what it refused: who refused what, what it takes, what it got.

Messages of libraries are built alike, whatever they are about: a name, what its value must be, what
it is, and what to do. What of these a message has is put into the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sdcoreml.doctor.knowledge import Failure
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.lines import Line

TOPICS = frozenset(
    {
        *("family_refusals", "family_builtins"),
        *("family_translating", "family_translated", "family_converting"),
    }
)

_END = (
    r"(?=[,;.]? (?:but|and got|got|when|if|for|in order|instead)\b"
    r"|[;.](?:\s|$)|, (?:not|got)\b|\s*$)"
)
_VERB = re.compile(
    r"\b(?:must|should|has to|have to|needs? to|expect\w*|but|only|cannot be"
    r"|[Pp]lease|[Uu]se|so|since)\b"
)
"""What a message refuses is named before it says what it wants."""

_LEAD = r"^(?:The |An? |Argument |Parameter |Input )*"
_STRANGE = r"\b(?:[Uu]nknown|[Uu]nsupported|[Ii]nvalid|[Uu]nrecogni[sz]ed)"
_SUBJECT = (
    _LEAD + r"(?P<it>[a-z]\w*(?:[_.]\w+)+)\b",
    r"[`'\"](?P<it>(?!None\b)[A-Za-z_][\w.=-]{1,60})[`'\"]",
    _LEAD + r"(?P<it>[a-z]\w*) (?:must|should|has to|have to|cannot)\b",
    _STRANGE + r" value for (?P<it>[a-z]\w*)\b",
    _STRANGE
    + r" (?P<it>(?!argument|value|literal|option\b|type\b|name\b)[a-z]\w*)(?=:| ?[=(]| [`'\"])",
    r"^(?P<it>\w+ type)\b",
)
_SUBJECTS = (
    _SUBJECT,
    (r"\bfor (?:the )?(?:argument |parameter |option )?" + _SUBJECT[1], *_SUBJECT[3:]),
)
"""Where to find it; where the message begins with what is wrong, a quoted word is mostly the value.

`Invalid column name 'age'` is of no setting of that name.
"""

_BEGUN = re.compile(rf"(?:The |An? )?{_STRANGE}\b", re.IGNORECASE)
_PLURAL = r"\b(?:[Ss]upported|[Aa]vailable|[Aa]llowed|[Vv]alid|[Pp]ossible|[Aa]ccepted)"
_WANTED = (
    *(
        start + r" (?P<it>\S.{0,120}?)" + _END
        for start in (
            r"\b(?:must|should|has to|have to|needs? to|can only|to)(?: either)? be",
            r"\b[Ee]xpect(?:ed|s|ing)?(?: one of| either| to be)?",
            r"\bonly supports?",
            r"\bsupport(?:s|ed)? only",
            r"\brequires?",
        )
    ),
    _PLURAL + r"(?: \w+){0,3}?(?: are| is|:| include)+ (?P<it>\S.{0,120}?)(?=\.(?:\s|$)|$)",
    r"\b[Cc]hoose (?:between|from|one of) (?P<it>\S.{0,120}?)(?=\.(?:\s|$)|$)",
    r"\b[Oo]nly (?P<it>\S.{0,80}?) (?:is|are)(?: currently)? (?:supported|allowed|valid)\b",
)
_BUT = r"\b(?:[Gg]ot|[Rr]eceived|but (?:got|found|given|is|was|are|has|have|it is))(?: an?)?:?"
_GOT = (
    _BUT + r" (?P<it>[^\s:].{0,79}?)(?=[;,.]?(?: instead\b|[;.](?:\s|$))|[.,;]\s|\.?$)",
    _STRANGE + r"(?: [\w-]+){1,4}: ?(?P<it>\S.{0,60}?)(?=\.(?:\s|$)|$)",
)
_DO = (
    r"(?:Please|Use|Set|Pass|Install|Consider|Try|Make sure|Provide|Run|Call|Choose|Update|Upgrade"
    r"|Switch|Disable|Enable|Remove|Check|Load|Specify|Add"
    r"|You (?:need|must|should|can|have to|might|may))"
)
_ADVICE = re.compile(
    rf"(?:^|[.;!?:] )(?P<it>{_DO} (?!file\b|open an\b|report\b|refer\b|see\b|visit\b)\S.{{6,240}})$"
)
_CLAIM = re.compile(r"(?P<it>\S.{7,160}?)(?:[.!](?:\s|$)|$)")
_MESSAGE = re.compile(r"\b\w*(?:Error|Exception): (?P<message>.*)")


def read_refusal(text: str) -> Mapping[str, str]:
    """Return what a line says of a refusal, as phrases for a sentence.

    `of` is what was refused, with the word before it; `said` what is taken and what was given;
    `claim` is its first sentence; `advice` what it says is to be done. What it does not say is
    left out.
    """
    found = _MESSAGE.search(text)
    message = found["message"].strip() if found else text.strip()
    verb = _VERB.search(message)
    what = _first(
        _SUBJECTS[bool(_BEGUN.match(message))], message[: verb.end()] if verb else message
    )
    wanted, got = _first(_WANTED, message), _first(_GOT, message)
    said = [
        *([f"wanted: {wanted}"] if wanted else []),
        *([f"given: {got}"] if got and got != wanted else []),
    ]
    advice, claim = _ADVICE.search(message), _CLAIM.match(message)
    return {
        **({"claim": f' ("{claim["it"]}")'} if claim else {}),
        **({"of": f" for {what}"} if what else {}),
        **({"said": f" ({'; '.join(said)})"} if said else {}),
        **({"advice": f'Do what it says: "{advice["it"]}"'} if advice else {}),
    }


def _first(patterns: Sequence[str], text: str) -> str:
    found = (re.search(pattern, text) for pattern in patterns)
    return next((_balance(one["it"].strip()) for one in found if one), "")


def _balance(text: str) -> str:
    """Return a phrase without the bracket that closes one before it."""
    return text.rstrip(")") if text.count(")") > text.count("(") else text


def name_refuser(
    entry: Failure,
    line: Line,
    captured: Mapping[str, str],
    chains: Sequence[Sequence[Raised]],
) -> Mapping[str, str]:
    """Add to what a pattern of these families captured who refused, and what the line says of it.

    A script is not named: its name tells nobody who reads the cause anything.
    """
    if entry.topic not in TOPICS:
        return captured
    return {**captured, **read_refusal(line.text), **dict(_name(line, chains))}


def _name(line: Line, chains: Sequence[Sequence[Raised]]) -> Iterator[tuple[str, str]]:
    for one in (one for chain in chains for one in chain if one.start <= line.number <= one.end):
        if one.code and not one.code.endswith(".py"):
            yield "refuser", one.code
            yield "place", f" ({one.file})"
        ops = [found["op"] for step in one.steps if (found := _OP.search(step))]
        if ops:
            yield "op", f"the operation {ops[-1]}"


_STEPS = "translate|parse|get|check|solve|try|handle|construct|add|lower"
_OP = re.compile(
    rf"[/\\]frontend[/\\]\w+[/\\]ops\.py _?(?P<op>(?!convert|build|_|(?:{_STEPS})_)\w+)$"
)
"""The functions of coremltools that translate an operation have its name; their steps have not."""
