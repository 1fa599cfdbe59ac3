"""The few choices that a model allows, each with a sentence, and the recommended one chosen.

Nothing here knows what goes with what: each option is put to the planner of `convert`, together
with what was chosen before it, and is offered if the planner takes it. So a choice limits those
after it, never those before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from sdcoreml.convert.bundle.apps import APPLE, COMFYUI, MOCHI, App
from sdcoreml.convert.jobs.plan import own_size
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.doctor.studio.bench import Examined, Table, Value
from sdcoreml.doctor.studio.choices import Choices, Chosen, File, Group, Kind, Offer, Option
from sdcoreml.doctor.studio.doubts import KEY, describe_own_size, is_prediction_in_doubt
from sdcoreml.doctor.studio.options import (
    describe_shape,
    list_batches,
    list_plain,
    list_told,
    take_option,
)
from sdcoreml.doctor.studio.plain import as_sentence
from sdcoreml.doctor.studio.wording import (
    APPS,
    BITS,
    COSTS,
    DEVICES,
    EXTRAS,
    KEEP,
    MORE,
    PREDICTIONS,
    SKIPS,
    TARGETS,
    Text,
    say,
    title,
)
from sdcoreml.ground.errors import BadInputError, Fault, SdcoremlError

VERDICTS: Mapping[str, App] = {
    MOCHI: App.MOCHI,
    APPLE: App.APPLE,
    COMFYUI: App.COMFYUI,
}
"""The apps by the names that their verdicts have."""

_PRESETS: Mapping[str, Table] = {
    "ne": {},
    "gpu": {"attention": "original"},
    "phone": {"chunk": True},
}
"""What each device stands for; attention is for the Neural Engine unless it is asked for."""

_OF_UNETS = frozenset({"batch", "chunk", KEY})
"""What the planner accepts for a ControlNet, too, where it changes nothing."""

_XL_SIZES = ("1024x1024", "832x1216", "1216x832", "896x1152", "1152x896", "768x768")
"""Sizes that SDXL was trained for, and a smaller one."""

_XL = 128
"""The latent side from which on a model's sizes are those of SDXL."""


def make_offer(examined: Examined, choices: Choices) -> Offer:
    """Return what can be chosen for a model, with these `choices` as far as they are possible."""
    return _Settling(examined=examined, wishes=choices).settle()


@dataclass(slots=True, kw_only=True)
class _Settling:
    """Goes through the groups in order, and keeps of the wishes what the planner accepts."""

    examined: Examined
    wishes: Choices
    table: dict[str, Value] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    changed: list[Text] = field(default_factory=list)
    refused: Fault | None = None

    def settle(self) -> Offer:
        """Ask all groups; first for a VAE that a file lacks, since ComfyUI alone needs none."""
        judgement = self.examined.judgement
        if judgement.lacking == ("vae",) and judgement.identity.single:
            self._ask_files("vae")
        self._ask("app", self._apps(), least=1)
        if "app" not in self.table:
            self._ask_what_is_missing()
        if "app" in self.table:
            self._ask_all()
        return Offer(
            groups=tuple(self.groups),
            table=dict(self.table),
            changed=tuple(self.changed),
            refused=self.refused,
        )

    def _ask_what_is_missing(self) -> None:
        """Ask what a model does not say of itself, without which no app is accepted.

        Nothing is recommended: who does not answer is told what is missing.
        """
        found: list[tuple[Option, Table]] = []
        for app in ({}, {"app": App.COMFYUI.value}):  # that app takes a UNet alone
            self.table |= app
            found = found or [*self._accepted(list_told(KEY, PREDICTIONS), is_weighed=False)]
        del self.table["app"]
        if found:
            wish = self.wishes.get(KEY)
            known = next((pair for pair in found if pair[0].value == wish), None)
            self.table |= known[1] if known else {}
            value = known[0].value if known else ""
            self.groups.append(_group(KEY, "one", value, [option for option, _ in found]))
            if known:
                self._ask("app", self._apps(), least=1)

    def _ask_all(self) -> None:
        identity = self.examined.read(self.examined.arguments(self.table)).judgement.identity
        is_net = CONTROLNET in identity.configs
        is_whole = self.table["app"] != App.COMFYUI.value and not is_net
        if is_net:
            self._ask_files("for", takes="folder")
        if "for" not in self.table:  # what a net is for decides device and size
            self._ask("device", self._devices(identity.contents.family, is_net=is_net))
            self._ask("size", self._sizes())
        self._ask("bits", self._bits())
        if not is_net:
            self._ask_files("lora", is_many=True, has_scale=True)
        self._ask_many("extras", ("install",) if is_net else EXTRAS)
        if is_whole:
            self._ask_ingredients(identity.contents.family, is_file=identity.single is not None)
        if "bits" not in self.table:
            self._ask_files("recipe", is_folded=True)
        for key, options in (
            ("batch", list_batches(is_for_apps=is_whole or is_net)),
            ("target", list_plain("target", TARGETS)),
            (KEY, list_plain(KEY, PREDICTIONS)),
            ("packages", list_plain("packages", KEEP)),
        ):
            if key not in self.table and not (is_net and key in _OF_UNETS):
                is_folded = key != KEY or not is_prediction_in_doubt(identity)
                self._ask(key, options, is_folded=is_folded)
        left_out = {*(_OF_UNETS if is_net else ()), *(() if identity.has_ema else ("extract-ema",))}
        more = tuple(one for one in MORE if one not in left_out)
        self._ask_many("more", more, is_folded=True)

    def _ask_ingredients(self, family: Family, *, is_file: bool) -> None:
        """Ask for what apps have in a folder, and ComfyUI loads itself."""
        if "vae" not in self.table:
            self._ask_files("vae")
        if family is Family.SDXL:
            self._ask_files("refiner", takes="folder", is_folded=True)
        self._ask_files("embedding", is_many=True, is_folded=True)
        self._ask("clip-skip", list_plain("clip-skip", SKIPS), is_folded=True)
        if is_file:
            self._ask_files("tokenizer", takes="folder", is_folded=True)

    def _apps(self) -> Iterator[tuple[Option, Table]]:
        """Yield the apps that run the model."""
        verdicts = self.examined.judgement.verdicts
        said = {VERDICTS[one.target]: one for one in verdicts if one.runs != "no"}
        for app in APPS:
            if verdict := said.get(app):
                reason = f"{as_sentence(verdict.reason.partition('; `')[0])}."
                is_limited = verdict.runs == "limited"
                sentence = say("app.limited", reason=reason) if is_limited else reason
                yield take_option("app", app.value, sentence=sentence), {"app": app.value}

    def _devices(self, family: Family, *, is_net: bool) -> Iterator[tuple[Option, Table]]:
        app = App(str(self.table["app"]))
        best = "gpu" if app is App.COMFYUI and family is Family.SDXL else "ne"
        for name in DEVICES:
            if name != "phone" or (app is App.APPLE and not is_net):
                yield take_option("device", name, is_recommended=name == best), _PRESETS[name]

    def _sizes(self) -> Iterator[tuple[Option, Table]]:
        read = self.examined.read(self.examined.arguments(self.table))
        height, width = (PIXELS_PER_LATENT * side for side in own_size(read.model))
        own = f"{width}x{height}"
        longer = 3 * width // 2, 3 * height // 2
        others = (f"{width}x{longer[1]}", f"{longer[0]}x{height}", f"{longer[0]}x{longer[1]}")
        is_large = width >= _XL * PIXELS_PER_LATENT
        described = describe_own_size(read.judgement.identity)
        for size in dict.fromkeys((own, *(_XL_SIZES if is_large else others))):
            how = described if size == own else describe_shape(size)
            shown = Option(
                value=size,
                title=size.replace("x", " x "),
                sentence=how,
                is_recommended=size == own,
            )
            yield shown, {} if size == own else {"size": size}

    def _bits(self) -> Iterator[tuple[Option, Table]]:
        is_small = bool(self.table.get("chunk"))
        for bits in BITS:
            table: Table = {} if bits == max(BITS) else {"bits": bits}
            best = 6 if is_small else max(BITS)
            option = take_option("bits", bits, is_recommended=bits == best)
            yield replace(option, cost=COSTS[bits].say()), table

    def _ask(
        self,
        key: str,
        candidates: Iterable[tuple[Option, Table]],
        *,
        is_folded: bool = False,
        least: int = 2,
    ) -> None:
        """Ask for one of the options that the planner accepts; fewer than `least` are no choice."""
        found = list(self._accepted(candidates, is_weighed=key == "bits"))
        if not found:
            return
        options = _recommend([option for option, _ in found])
        tables = {option.value: table for option, (_, table) in zip(options, found, strict=True)}
        usual = next(one.value for one in options if one.is_recommended)
        wish = self.wishes.get(key, usual)
        value = wish if isinstance(wish, str | int) and wish in tables else usual
        if value != wish:
            shown = next(one.title for one in options if one.value == value)
            self.changed.append(say("changed.other", group=title(key), value=shown))
        self.table |= tables[value]
        if len(options) >= least:
            self.groups.append(_group(key, "one", value, options, is_folded=is_folded))

    def _accepted(
        self, candidates: Iterable[tuple[Option, Table]], *, is_weighed: bool
    ) -> Iterator[tuple[Option, Table]]:
        for option, table in candidates:
            together = {**self.table, **table}
            if self.examined.refusal(together) is None:
                size = self.examined.nbytes(together) if is_weighed else None
                yield replace(option, size=size), table

    def _ask_many(self, key: str, known: Sequence[str], *, is_folded: bool = False) -> None:
        """Ask for any of the switches that the planner accepts beside what is chosen."""
        wish = self.wishes.get(key, ())
        wanted = [one for one in wish if isinstance(one, str)] if _is_list(wish) else []
        chosen: list[str] = []
        for one in wanted:
            if one in known and not self.examined.refusal({**self.table, one: True}):
                self.table[one] = True
                chosen.append(one)
            else:
                shown = title(key, one) if one in known else one
                self.changed.append(say("changed.not", choice=shown))
        options = tuple(
            take_option(key, name)
            for name in known
            if name in chosen
            or (name not in self.table and not self.examined.refusal({**self.table, name: True}))
        )
        if options:
            self.groups.append(_group(key, "many", tuple(chosen), options, is_folded=is_folded))

    def _ask_files(
        self,
        key: str,
        *,
        is_many: bool = False,
        has_scale: bool = False,
        takes: str = "file",
        is_folded: bool = False,
    ) -> None:
        """Ask for files; those that were chosen are put to the planner one after the other."""
        wish = self.wishes.get(key, ())
        files = [one for one in wish if isinstance(one, File)] if _is_list(wish) else []
        texts: list[str] = []
        for file in files if is_many else files[:1]:
            value = [*texts, _text(file, has_scale=has_scale)]
            together = {**self.table, key: value if is_many else value[-1]}
            error = _name_fault(file) or self.examined.refusal(together)
            if error:
                self.refused = self.refused or error.fault
            else:
                texts = value
                self.table = together
        group = _group(key, "file", tuple(files), (), is_folded=is_folded)
        self.groups.append(replace(group, is_many=is_many, has_scale=has_scale, takes=takes))


def _group(
    key: str, kind: Kind, value: Chosen, options: Sequence[Option], *, is_folded: bool = False
) -> Group:
    return Group(
        key=key,
        kind=kind,
        value=value,
        options=tuple(options),
        is_folded=is_folded,
    )


def _is_list(wish: Chosen) -> TypeGuard[Sequence[object]]:
    return isinstance(wish, list | tuple)


def _recommend(options: Sequence[Option]) -> list[Option]:
    """Return the options with one of them recommended: the first, if the best is not offered."""
    best = next((one.value for one in options if one.is_recommended), options[0].value)
    return [replace(one, is_recommended=one.value == best) for one in options]


def _text(file: File, *, has_scale: bool) -> str:
    """Return a file as an option takes it."""
    return f"{file.path}:{file.scale:g}" if has_scale and file.scale is not None else f"{file.path}"


def _name_fault(file: File) -> SdcoremlError | None:
    """Return the fault of a path that an option could not hold: `FILE:SCALE` ends at a colon."""
    if ":" not in str(file.path):
        return None
    what, remedy = "its name has a colon, which separates the strength", "rename the file"
    return BadInputError(what, where=file.path, remedy=remedy)
