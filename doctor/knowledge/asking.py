"""Says which side of two packages is of the wrong time, from which release on, and what to install.

What a line says was asked for is looked up in the releases of the package that was asked (see
`releases` and `dating`), and in those of the package that asks: another release of it may not ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.dating import (
    ANY_CLASS,
    Asked,
    Dating,
    Side,
    find_allowed,
    find_dating,
    find_quiet,
    put_aside,
)
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.history import find_package, history
from sdcoreml.doctor.knowledge.mentioned import find_all_stated, find_python
from sdcoreml.doctor.knowledge.phrasing import say_option, say_own, say_respelled, say_setting
from sdcoreml.doctor.knowledge.receivers import find_code
from sdcoreml.doctor.knowledge.releases import WHOLE, Releases, read_releases
from sdcoreml.doctor.knowledge.required import REQUIRED, is_always_asked, say_left_out, say_required
from sdcoreml.doctor.knowledge.spelling import is_respelled
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.toolchain import load_toolchain
from sdcoreml.lockfiles.versions import satisfies

FAILS = "fails"
"""The versions that lack what was asked for."""

_COMPILED = frozenset({"numpy", "torch", "tokenizers", "safetensors", "protobuf", "mlx", "av"})
"""Projects with names that no file of Python has: what their tables lack may be there."""


def tell(
    project: str, asker: str, raised: Raised | None, captured: Mapping[str, str], text: str
) -> Mapping[str, str] | None:
    """Say what is known of a project that lacks what it was asked for; None if nothing is.

    Args:
        project: the one that was asked.
        asker: the project that asked; "" if it is not known.
        raised: the exception; None if the line stands alone.
        captured: what the line says was asked for: `name`, `module`, `owner`, `call`.
        text: the log.
    """
    releases = read_releases(project)
    asked = find_asked(captured, raised, text, releases) if releases else None
    if releases is None or asked is None or _is_torchs(asked.owner, project, raised):
        return None
    dating = find_dating(releases, asked, _find_allowed(releases, project, raised, text))
    if dating is None or _is_untold(project, asked, dating.side, releases):
        return None
    if not find_all_stated(project, text):
        dating = put_aside(project, dating)
    if REQUIRED in captured:
        return (
            say_left_out(project, asked, raised)
            if is_always_asked(releases, asked)
            else say_required(project, asker, asked, dating)
        )
    is_option = asked.is_parameter and (_is_loaded(raised) or asked.name in _OPTIONS)
    is_respelt = is_respelled(asked.name, dating.near)
    if dating.side is Side.NEVER and (is_option or is_respelt):
        return (
            say_respelled(project, asker, _spell(asked), dating.near)
            if is_respelt
            else say_option(project, asker, asked)
        )
    is_self = dating.side is Side.OLD and _asks_itself(project, asked, raised)
    is_setting = project == "diffusers" and dating.side is not Side.OLD
    if is_self or (is_setting and _is_setting(releases, asked)):
        return say_own(project, asked, raised) if is_self else say_setting(asker, asked)
    quiet = _find_quiet(asker, raised, asked.name, dating.side)
    is_inner = asked.module.partition(".")[2] and not asked.owner
    place = f" in {asked.module}" if is_inner else ""
    return {
        "skew": _say(project, asker or "the code that ran", asked, place, dating, releases),
        **_advise(project, dating, f", or {asker} {quiet}" if quiet else ""),
        **({"cure": _OWN} if _is_own_pipeline(project, asked, dating) else {}),
        **_say_fails(dating),
        "confidence": _judge(project, asked, dating, releases).value,
    }


_OWN = "what the model's page asks for (its own code, or from_pretrained(custom_pipeline=…))"


def _asks_itself(project: str, asked: Asked, raised: Raised | None) -> bool:
    """Return whether a package's own file called a function with what that does not take."""
    is_function = asked.is_parameter and "." not in asked.owner
    return is_function and raised is not None and raised.code == find_package(project)


def _is_loaded(raised: Raised | None) -> bool:
    """Return whether an object was made by `from_pretrained`, which hands on what it is given."""
    return raised is not None and any(one.endswith(" from_pretrained") for one in raised.steps)


_OPTIONS = frozenset({"offload_state_dict", "offload_folder", "low_cpu_mem_usage", "device_map"})
"""What only `from_pretrained` is ever given."""


def _is_setting(releases: Releases, asked: Asked) -> bool:
    """Return whether an attribute is what a class of diffusers is made with, and its config has."""
    if not asked.owner or asked.is_parameter:
        return False
    taking, _ = releases.parameter(f"{asked.owner}.__init__", asked.name)
    return bool(taking and not releases.after(taking))


def _is_untold(project: str, asked: Asked, side: Side, releases: Releases) -> bool:
    """Return whether a table says nothing of a name, which may be there all the same.

    An attribute that begins with _ is in none, nor is all that is compiled.
    """
    is_hidden = bool(asked.owner) and asked.name.startswith("_") and not asked.is_parameter
    if side is Side.NEVER and (is_hidden or project not in WHOLE):
        return True
    return project in _COMPILED and _is_compiled(side, asked, releases)


def _is_compiled(side: Side, asked: Asked, releases: Releases) -> bool:
    """Return whether a name may be there though no file of Python has it, or only a stub."""
    is_named_so = asked.name.startswith("_") and "." in asked.module
    is_inner = is_named_so and releases.is_package(asked.module)
    return side is Side.NEVER or (side is Side.OLD and is_inner)


def _judge(project: str, asked: Asked, dating: Dating, releases: Releases) -> Confidence:
    if dating.side in {Side.NEVER, Side.ALWAYS}:
        return Confidence.GUESS
    is_inner = asked.is_attribute and releases.of_module(f"{asked.module}.{asked.name}")
    if is_inner and dating.side is Side.OLD and project in history().others.values():
        return Confidence.GUESS  # it may be there, and not be imported
    # Packages take names from their compiled parts, which a table sees late or as stubs.
    is_mixed = project in _COMPILED and not asked.owner and releases.is_package(asked.module)
    is_own = asked.name.startswith("_")  # others that this project imports may ask for it
    is_likely = is_mixed or is_own or dating.side is Side.UNSURE or not dating.is_sure
    return Confidence.LIKELY if is_likely else Confidence.CERTAIN


def find_asked(
    captured: Mapping[str, str], raised: Raised | None, text: str, releases: Releases
) -> Asked | None:
    """Return what a line says was asked for; None if it does not say of what."""
    name, module = captured["name"], captured.get("module", "").partition("[")[0]
    if module:
        parent, _, last = f"{module}.{name}".rpartition(".")
        is_attribute = raised is not None and "has no attribute" in raised.line.text
        return Asked(name=last, module=parent, is_attribute=is_attribute)
    owner = captured.get("owner", "")
    if "call" not in captured:
        return Asked(name=name, owner=owner) if owner else None
    call = _UNSTARRED.get(captured["call"], captured["call"]) if owner else captured["call"]
    if not owner and releases.modules_with(call):
        return Asked(name=name, owner=call, is_parameter=True)
    if not owner and call == "__init__":
        called = re.findall(r"\b([A-Z]\w+)\(", find_code(raised, text))
        owner = next((one for one in reversed(called) if releases.modules_with(one)), "")
    elif not owner:
        owner = ANY_CLASS
    if call == "__init__" and owner and releases.is_made_of_fields(owner):
        return Asked(name=name, owner=owner)
    return Asked(name=name, owner=f"{owner}.{call}", is_parameter=True) if owner else None


_UNSTARRED = {"init": "__init__", "call": "__call__"}
"""What pages that take __ for bold make of the names of a class's own methods."""


def _find_allowed(releases: Releases, project: str, raised: Raised | None, text: str) -> int:
    package = find_package(project)
    steps = list(raised.steps) if raised else []
    if raised:
        steps += re.findall(r"\(([^()]*\.py)\)", raised.line.text)
    allowed = find_allowed(releases, package, steps, find_python(text))
    stated = 0
    for version in find_all_stated(project, text):
        stated |= releases.near(version)
    return allowed & stated or stated or allowed


def find_owner(owner: str, packages: Sequence[str]) -> str:
    """Return the project that has a class or function: of these packages, the last first.

    If none of them has it, it is one that alone has it. Of what torch has too nobody knows whose it
    is: scripts and other packages take it from there.
    """
    if not re.fullmatch(r"[A-Za-z]\w{3,}", owner):
        return ""
    ran = [normalise(one) for one in reversed(packages)]
    having = {one: _has(one, owner) for one in (*ran, *_USUAL)}
    found = [one for one, rank in having.items() if rank and rank == max(having.values())]
    if "torch" in found:
        return "torch" if ran and ran[0] == "torch" else ""
    return found[0] if found and (found[0] in ran or len(found) == 1) else ""


def _has(project: str, owner: str) -> int:
    """Return 2 if a project defines a class, 1 if it only passes it on."""
    releases = read_releases(project)
    if releases is None or not releases.modules_with(owner):
        return 0
    return 2 if releases.knowing(owner) else 1


def _is_torchs(owner: str, project: str, raised: Raised | None) -> bool:
    """Return whether torch has a class of that name, which other packages make or call.

    What a package has itself, its own code does not take from torch.
    """
    kind = owner.partition(".")[0]
    if project == "torch" or not owner[:1].isupper() or not _has("torch", kind):
        return False
    is_own = raised is not None and raised.packages[-1:] == (find_package(project),)
    return not (is_own and project in history().others.values() and _has(project, kind) > 1)


_USUAL = (
    *("diffusers", "transformers", "accelerate", "huggingface-hub", "peft", "coremltools"),
    "torch",
)


def _find_quiet(asker: str, raised: Raised | None, name: str, side: Side) -> str:
    """Say which releases of the package that asks do not ask for it; "" if nobody knows."""
    releases = read_releases(asker) if asker else None
    if releases is None or raised is None or side is Side.NEVER:
        return ""
    package = find_package(asker)
    for step in reversed(raised.steps):
        parts = re.split(r"[/\\]", step.partition(".py")[0])
        if package in parts:
            inner = parts[len(parts) - 1 - parts[::-1].index(package) :]
            return find_quiet(releases, ".".join(inner).removesuffix(".__init__"), name, side)
    return ""


def _say(
    project: str, who: str, asked: Asked, place: str, dating: Dating, releases: Releases
) -> str:
    what = _spell(asked)
    origin = place.replace(" in ", " from ")
    now = f" (it is in {dating.now} now)" if dating.now else ""
    side = dating.side.value
    is_exact = dating.is_sure and dating.bound == dating.until
    gone = dating.until if is_exact else f"a release after {dating.last}"
    match dating.side:
        case Side.OLD:
            return f"{project} is {side}: it has {what} since {dating.since}, and {who} asks for it"
        case Side.NEW:
            return f"{project} is {side}: {gone} removed {what}{origin}, which {who} asks for{now}"
        case Side.UNSURE:
            return (
                f"{project} is {side}: {gone} removed {what}{origin}, which"
                f" {who} asks for{now}; releases before {dating.since} have none either"
            )
        case Side.ALWAYS:
            return (
                f"{project} is too old, damaged, or hidden by a file of that name: all its releases"
                f" since {dating.since} have {what}"
            )
        case Side.NEVER:
            pass
    return _say_never(project, who, asked, place, dating, releases)


def _say_never(
    project: str, who: str, asked: Asked, place: str, dating: Dating, releases: Releases
) -> str:
    """Say what it may mean that no release has a name."""
    what = _spell(asked)
    known = f"no release of {project} ({releases.versions[0]} to {releases.versions[-1]}) has"
    if dating.now:
        since = f", since {dating.since}" if dating.since else ""
        return f"{known} {what}{place}: it is in {dating.now}{since}"
    if _is_own_pipeline(project, asked, dating):
        return (
            f"{known} {what}: it is a pipeline of its authors' own, which the model's"
            f" model_index.json or {who} names"
        )
    near = f", or misspells {dating.near}" if dating.near else ""
    other = ", or took one object for another" if asked.owner and not asked.is_parameter else ""
    return f"{known} {what}{place}: {who} was written for a changed copy of {project}{near}{other}"


def _is_own_pipeline(project: str, asked: Asked, dating: Dating) -> bool:
    """Return whether a pipeline is none of diffusers' own, nor a misspelled one."""
    is_pipeline = asked.module == project and asked.name.endswith("Pipeline")
    return is_pipeline and dating.side is Side.NEVER and not (dating.now or dating.near)


def _spell(asked: Asked) -> str:
    owner = asked.owner.removeprefix(f"{ANY_CLASS}.")
    if asked.is_parameter:
        return f"{owner}({asked.name}=…)"
    return f"{owner}.{asked.name}" if owner else asked.name


def _say_fails(dating: Dating) -> Mapping[str, str]:
    match dating.side:
        case Side.OLD:
            return {FAILS: f"<{dating.since}"}
        case Side.NEW | Side.UNSURE:
            return {FAILS: f">={dating.bound}"}
        case _:
            return {}


def _advise(project: str, dating: Dating, other: str) -> Mapping[str, str]:
    """Say what to install: the tested versions, if they have it, or those that do."""
    if dating.side is Side.ALWAYS:
        return {"cure": f"{project} again: `pip install --force-reinstall {project}`"}
    if dating.side is Side.NEVER:
        named = (
            "the code's own requirements"
            if dating.now
            else f"the {project} that its requirements name, or the copy that it brings"
        )
        return {"cure": named, "tested": "Install"}
    since = dating.since if dating.side is not Side.NEW else ""
    until = f"before {dating.bound}" if dating.bound else ""
    bounds = (f"{since} or newer" if since else "", until)
    named = f"{project} {', '.join(filter(None, bounds))}"
    cure = {"cure": f"{named}: `pip install '{project}{dating.need}'`{other}"}
    pin = load_toolchain().pins.get(project, "")
    if pin and not satisfies(pin, dating.need):
        return {**cure, "tested": "Install"}
    if not pin and project in history().others.values():
        return {**cure, "tested": "Install"}
    if pin:
        tested = f"`sdcoreml env` installs {project} {pin}, which has it. Otherwise install"
        return {**cure, "tested": tested}
    return cure
