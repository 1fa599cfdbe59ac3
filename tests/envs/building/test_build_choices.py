"""What a build decides before it makes anything: whether there is nothing to do, and its base."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.building import build
from sdcoreml.envs.building.base import VenvBase
from sdcoreml.envs.building.build import BuildOptions, _base, _own_cache, _read_options, ready
from sdcoreml.envs.conda.prefix import CondaBase
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.interpreter import Choice
from sdcoreml.ground.errors import EnvError, NoInterpreterError
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.lock import load_lock
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.kept.sealed import python_below, sealed


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "host_target", lambda: "linux-x86_64")
    monkeypatch.delenv("SDCOREML_CHANNEL", raising=False)


@pytest.fixture
def tested() -> Toolchain:
    return load_toolchain("tested")


@pytest.fixture
def made(tmp_path: Path, tested: Toolchain) -> Environment:
    digest = load_lock(f"{tested.folder}/", "linux-x86_64").digest
    return replace(sealed(tmp_path), lock_digest=digest)


def found(
    monkeypatch: pytest.MonkeyPatch, in_use: Environment | None, **asked: Any
) -> Environment | None:
    monkeypatch.setattr("sdcoreml.envs.kept.store.current", lambda *_: in_use)
    root = in_use.path.parent if in_use else Path("/envs")
    return ready(load_toolchain("tested"), BuildOptions(root=root, **asked))


def test_what_was_built_from_the_same_request_is_used(
    made: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(monkeypatch, made) is made
    assert found(monkeypatch, made, strict=True, seal=made.seal) is made
    assert found(monkeypatch, replace(made, drift=True)) is not None
    assert found(monkeypatch, None) is None


@pytest.mark.parametrize(
    "asked", [{"fresh": True}, {"no_cache": True}, {"seal": "5ea1"}, {"backend": "conda"}]
)
def test_who_asks_for_another_gets_it_built(
    made: Environment, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    assert found(monkeypatch, made, **asked) is None


@pytest.mark.parametrize(
    ("changed", "asked"),
    [({"lock_digest": "other"}, {}), ({"conda": "5f"}, {}), ({"drift": True}, {"strict": True})],
)
def test_one_of_another_request_is_not_used(
    made: Environment,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    asked: dict[str, Any],
) -> None:
    assert found(monkeypatch, replace(made, **changed), **asked) is None


def test_the_python_that_is_named_must_be_the_one_in_use(
    made: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = made.interpreter
    monkeypatch.setattr(build, "probe", lambda path: python if path == python.path else None)
    assert found(monkeypatch, made, python=python.path) is made
    assert found(monkeypatch, made, python=tmp_path / "other") is None
    other = replace(python, path=tmp_path / "other")
    monkeypatch.setattr(build, "probe", lambda _: other)
    assert found(monkeypatch, made, python=tmp_path / "other") is None


def test_conda_brings_a_python_of_its_own(tested: Toolchain) -> None:
    with pytest.raises(EnvError) as caught:
        _read_options(tested, BuildOptions(backend="conda", python=Path("/python")))
    assert str(caught.value) == (
        "/python: --python is for a venv; conda brings its own; leave one of them out"
    )


class Pythons:
    """Stand-ins for what looks for a Python, or brings one; they keep what they are asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, choice: Choice) -> None:
        self.choice, self.heard = choice, list[Any]()
        monkeypatch.setattr(build, "obtain", self._obtain)
        monkeypatch.setattr(build, "require", self._require)
        monkeypatch.setattr(build, "find_engine", self._find_engine)

    def _obtain(self, wish: Any, *, strict: bool) -> Choice:
        self.heard.append((wish.root, wish.channel, strict))
        wish.engine()
        return self.choice

    def _require(self, pin: Any, python: Path | None) -> Choice:
        self.heard.append((pin.version, python))
        return self.choice

    def _find_engine(self, root: Path, _: object, **more: object) -> None:
        self.heard.append((root, more))


@pytest.fixture
def pythons(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pythons:
    choice = Choice(interpreter=python_below(tmp_path / "python"), drift=False)
    return Pythons(monkeypatch, choice)


ROOT = Path("/envs")


def base(toolchain: Toolchain, events: list[Event] | None = None, **asked: Any) -> Any:
    options = BuildOptions(**asked)
    emit = silent if events is None else events.append
    return _base(_read_options(toolchain, options), options, (ROOT, 7), emit)


def test_the_exact_python_is_brought_unless_one_is_named_or_none_may_be(
    tested: Toolchain, pythons: Pythons
) -> None:
    channel = tested.conda.channel
    assert base(tested) == VenvBase(chosen=pythons.choice)
    assert pythons.heard == [(ROOT, channel, False), (ROOT, {"keep": (7,), "index": ""})]
    del pythons.heard[:]
    source = PackageSource(index="i", channel="https://c.invalid")
    base(tested, strict=True, source=source)
    assert pythons.heard == [
        *((ROOT, "https://c.invalid", True), (ROOT, {"keep": (7,), "index": "i"}))
    ]
    del pythons.heard[:]
    base(tested, provision=False)
    base(tested, python=Path("/python"))
    version = tested.python.version
    assert pythons.heard == [(version, None), (version, Path("/python"))]


def test_conda_s_python_comes_from_the_channel(tested: Toolchain, pythons: Pythons) -> None:
    made = base(tested, backend="conda")
    assert isinstance(made, CondaBase)
    assert (made.channel, made.root) == (tested.conda.channel, ROOT)
    assert pythons.heard == []
    made.engine()
    assert pythons.heard == [(ROOT, {"keep": (7,), "index": ""})]


def test_another_python_than_the_tested_one_is_told_or_refused(
    tested: Toolchain, pythons: Pythons
) -> None:
    pythons.choice = replace(pythons.choice, drift=True)
    events: list[Event] = []
    base(tested, events)
    version = tested.python.version
    text = f"drift: Python 3.10.10 stands in for the tested {version}"
    assert events == [Event(kind="warning", text=text)]
    with pytest.raises(NoInterpreterError) as caught:
        base(tested, strict=True)
    assert (caught.value.what, caught.value.where) == (
        *(text, str(pythons.choice.interpreter.path)),
    )
    assert caught.value.remedy


def test_a_build_that_trusts_no_cache_has_one_beside_itself() -> None:
    assert _own_cache(Path("/envs/.x")) == Path("/envs/.x-cache")
