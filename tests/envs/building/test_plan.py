"""Each step of a build, on a plan whose base and installer are stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.building import build as building
from sdcoreml.envs.building.base import VenvBase
from sdcoreml.envs.building.build import BuildOptions, key_of, ready
from sdcoreml.envs.building.steps import STEPS, BuildPlan
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.envs.processes.installer import Cache, PackageSource
from sdcoreml.envs.pythons.interpreter import Choice
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import BrokenError, EnvError, InstallError, NoSpaceError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.artefact import Artefact
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.kept.sealed import python_below
from tests.envs.wheels import toolchain

A, B = "a" * 64, "b" * 64


def artefact(project: str, size: int) -> Artefact:
    return Artefact(project=project, version="1.0", file=f"{project}.whl", sha256=A, size=size)


@dataclass
class StandIn:
    """An installer of one module; it keeps what it is asked."""

    version: str = "1.0"
    error: Exception | None = None
    asked: list[object] = field(default_factory=list)

    def describe(self) -> str:
        return "uv 1.0"

    def inspect_cache(self, python: Path, requirements: Path, source: PackageSource) -> Cache:
        raise NotImplementedError

    def install(
        self, python: Path, requirements: Path, source: PackageSource, keep: Sequence[int] = ()
    ) -> None:
        self.asked.append((python, requirements.read_text(), source, keep))
        if self.error is not None:
            raise self.error
        folder = python.parent.parent
        (folder / ".lock").touch()
        info = site_packages(folder) / f"one-{self.version}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text("one.py,,\n")
        (site_packages(folder) / "one.py").write_text("VALUE = 1\n")


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    tiny = load_toolchain(toolchain(tmp_path / "tiny", {"one==1.0": A}))
    lock = load_lock(f"{tiny.folder}/", host_target())
    choice = Choice(interpreter=python_below(tmp_path / "python"), drift=True)
    (tmp_path / "envs").mkdir()
    return BuildPlan(
        toolchain=tiny,
        name="tiny",
        lock=lock,
        packages=lock.packages,
        artefacts=(artefact("one", 600), artefact("two", 400)),
        base=VenvBase(chosen=choice),
        choice=choice,
        asked="",
        installer=StandIn(),
        source=PackageSource(index="https://x.invalid"),
        folder=tmp_path / "envs/.sdcoreml-abc",
        final=tmp_path / "envs/abc",
        lock_fd=7,
        expected_seal="",
        cache=Cache(
            cached=frozenset({"one"}), folder=tmp_path, unpacked=True, variable="UV_CACHE_DIR"
        ),
        size=100,
        unpacked=3_000,
    )


def do(plan: BuildPlan, *texts: str) -> list[Event]:
    """Do the steps whose texts begin so; return what they say."""
    events: list[Event] = []
    for step in STEPS:
        if step.text.startswith(texts):
            step.run(plan, events.append)
    return events


def test_what_has_to_be_downloaded(plan: BuildPlan) -> None:
    assert plan.missing == (plan.artefacts[1],)
    assert plan.text_of_download == " (400 bytes to download)"
    assert plan.cache_bytes == 400 * 3_000 // 1_000
    packed = replace(plan, cache=replace(plan.cache, unpacked=False))
    assert packed.cache_bytes == 400
    nothing = replace(plan, artefacts=())
    assert (nothing.text_of_download, nothing.cache_bytes, nothing.missing) == ("", 0, ())
    assert replace(plan, artefacts=(artefact("two", 0),)).text_of_download == ""


def test_steps_are_told_before_they_are_done() -> None:
    assert [step.text for step in STEPS] == [
        "check that there is room",
        "make an empty environment",
        "install {n} locked packages{download}",
        "compile bytecode",
        "compare what is installed with the lock",
        "import the direct pins",
        "hash every file and seal",
    ]


def test_what_is_used_and_needed_is_said(plan: BuildPlan) -> None:
    python = f"Python 3.10.10 from --python: {plan.choice.interpreter.path}"
    assert do(plan, "check") == [
        Event(kind="note", text=python),
        Event(kind="note", text="1 of 2 wheels to download, 400 bytes"),
    ]
    cached = replace(plan, cache=replace(plan.cache, cached=frozenset({"one", "two"})))
    assert do(cached, "check")[1:] == [Event(kind="note", text="all wheels are in the cache")]
    assert do(replace(plan, artefacts=()), "check") == [Event(kind="note", text=python)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": 10**18}, r"1000000\.0 TB for the environment in .*/envs and 1 kB for wheels in"),
        ({"unpacked": 10**19}, r"100 bytes for the environment in .* and 4000000\.0 TB for wheels"),
        ({"size": 10**18}, "with SDCOREML_ENVS or UV_CACHE_DIR"),
    ],
)
def test_room_is_needed_for_both(plan: BuildPlan, fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(NoSpaceError, match=expected):
        do(replace(plan, **fields), "check")


def test_the_lock_is_sealed_and_installed(plan: BuildPlan) -> None:
    do(plan, "make", "install")
    text = (plan.folder / "sealed/requirements.txt").read_text()
    assert text == f"one==1.0 \\\n    --hash=sha256:{A}\n"
    assert isinstance(plan.installer, StandIn)
    source = PackageSource(index="https://x.invalid")
    python = plan.folder / "bin/python"
    assert plan.installer.asked == [(python, text, source, (7,))]
    assert not (plan.folder / ".lock").exists()
    assert not (plan.folder / "sealed/conda.toml").exists()


@pytest.mark.parametrize(
    ("cached", "artefacts", "offline"),
    [({"one", "two"}, 2, True), ({"one"}, 2, False), ({"one"}, 1, True), (set(), 0, False)],
)
def test_no_network_is_used_with_all_in_the_cache(
    plan: BuildPlan,
    cached: set[str],
    artefacts: int,
    offline: bool,  # noqa: FBT001  a table
) -> None:
    made = replace(
        plan,
        artefacts=plan.artefacts[:artefacts],
        cache=replace(plan.cache, cached=frozenset(cached)),
    )
    do(made, "make", "install")
    assert isinstance(plan.installer, StandIn)
    (asked,) = plan.installer.asked
    assert isinstance(asked, tuple)
    assert asked[2].offline is offline


def test_a_full_disk_is_told_with_its_volume(plan: BuildPlan) -> None:
    full = replace(plan, installer=StandIn(error=NoSpaceError("install: the disk is full")))
    with pytest.raises(NoSpaceError, match=r"^volume /.*: .+ free: install: the disk is full$"):
        do(full, "make", "install")


def test_what_is_installed_is_what_is_locked(plan: BuildPlan) -> None:
    do(plan, "make", "install")
    text = f"lock {plan.lock.digest[:16]}, target {host_target()}"
    assert do(plan, "compare") == [Event(kind="note", text=text)]
    other = replace(plan, folder=plan.folder.with_name("other"), installer=StandIn(version="1.1"))
    do(other, "make", "install")
    with pytest.raises(InstallError, match=r"one is 1\.1, locked is 1\.0; restore the lock"):
        do(other, "compare")


def test_pins_are_imported(plan: BuildPlan) -> None:
    do(plan, "make", "install")
    python = plan.choice.interpreter.path
    python.write_text('#!/bin/sh\nfor last; do :; done\nprintf \'\\n{"%s": "no"}\' "$last"\n')
    with pytest.raises(BrokenError, match="cannot be imported: one: no; ask"):
        do(plan, "import")


def test_the_record_says_all(plan: BuildPlan) -> None:
    do(plan, "make", "install")
    (plan.folder / "bin/activate").chmod(0o666)
    events = do(plan, "hash")
    made = store.read("tiny", plan.folder)
    assert made is not None
    size = sum(path.stat().st_size for path in _files(plan.folder))
    assert made == Environment(
        name="tiny",
        path=plan.folder,
        toolchain="tiny",
        target=host_target(),
        lock_digest=plan.lock.digest,
        seal=made.seal,
        interpreter=plan.choice.interpreter,
        drift=True,
        installer="uv 1.0",
        built=made.built,
        files=len(_files(plan.folder)) + sum(path.is_symlink() for path in plan.folder.rglob("*")),
        size=size,
        defects=(),
        listing=made.listing,
    )
    assert made.built.tzinfo is timezone.utc
    assert timedelta() <= datetime.now(timezone.utc) - made.built < timedelta(hours=1)
    assert verify_full(made).faults == ()
    assert (plan.folder / "bin/activate").stat().st_mode & 0o777 == 0o644
    assert {(event.kind, event.unit, event.total) for event in events} == {("progress", "B", size)}


def _files(folder: Path) -> list[Path]:
    own = {"files.tsv", "python.tsv", "record.json"}
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name not in own
    ]


def test_another_seal_than_expected_is_refused(plan: BuildPlan) -> None:
    do(plan, "make", "install", "hash")
    made = store.read("tiny", plan.folder)
    assert made is not None
    do(replace(plan, expected_seal=made.seal), "hash")
    with pytest.raises(BrokenError) as caught:
        do(replace(plan, expected_seal="0" * 64), "hash")
    assert str(caught.value) == (
        f"tiny: the built environment has the seal {made.seal}, expected {'0' * 64};"
        " export it again (the environment in use is as it was)"
    )


def used(plan: BuildPlan, change: Callable[[Environment], Environment]) -> Environment | None:
    """Put the environment of a plan into use, with a change in its record; return what is ready."""
    do(plan, "make", "install", "hash")
    made = store.read("tiny", plan.folder)
    assert made is not None
    store.write(change(made))
    plan.folder.rename(plan.final)
    store.swap("tiny", plan.final)
    return ready(plan.toolchain, BuildOptions(root=plan.final.parent))


def test_the_environment_in_use_is_ready(plan: BuildPlan) -> None:
    made = used(plan, lambda one: one)
    assert made is not None
    root = plan.final.parent
    assert made.path == plan.final
    python = plan.choice.interpreter.path
    for fits in ({}, {"seal": made.seal}):
        assert ready(plan.toolchain, BuildOptions(root=root, **fits)) == made  # type: ignore[arg-type]
    for options in (
        BuildOptions(root=root, fresh=True),
        BuildOptions(root=root, no_cache=True),
        BuildOptions(root=root, strict=True),  # it is a drift
        BuildOptions(root=root, seal="0" * 64),
        BuildOptions(root=root, python=python.with_name("gone")),
        BuildOptions(root=root.parent),
    ):
        assert ready(plan.toolchain, options) is None


def test_strict_takes_one_without_drift(plan: BuildPlan) -> None:
    assert used(plan, lambda one: replace(one, drift=False)) is not None
    assert ready(plan.toolchain, BuildOptions(root=plan.final.parent, strict=True)) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, lock_digest="other"),
        lambda one: replace(one, conda="c0da"),
    ],
)
def test_one_of_another_lock_is_not(
    plan: BuildPlan, change: Callable[[Environment], Environment]
) -> None:
    assert used(plan, change) is None


def test_a_key_hangs_on_lock_target_and_base(plan: BuildPlan) -> None:
    key = key_of(plan.lock, plan.base)
    assert len(key) == 16
    interpreter = plan.choice.interpreter
    others = [
        key_of(replace(plan.lock, digest="x"), plan.base),
        key_of(replace(plan.lock, target="x"), plan.base),
        *(
            key_of(plan.lock, VenvBase(chosen=replace(plan.choice, interpreter=other)))
            for other in (
                replace(interpreter, version="3.10.11"),
                replace(interpreter, path=Path("/x")),
            )
        ),
    ]
    assert len({key, *others}) == 5
    assert key_of(plan.lock, VenvBase(chosen=replace(plan.choice, drift=False))) == key


def test_a_python_is_named_for_a_venv_only(plan: BuildPlan) -> None:
    options = BuildOptions(backend="conda", python=Path("/python"), root=plan.final.parent)
    with pytest.raises(EnvError) as caught:
        building.build(plan.toolchain, options=options)
    assert str(caught.value) == (
        "/python: --python is for a venv; conda brings its own; leave one of them out"
    )
