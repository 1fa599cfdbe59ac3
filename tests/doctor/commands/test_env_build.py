"""`sdcoreml env build` hands on all that it is asked for, and builds only what it must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.care.mend import Care
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.kept.sealed import sealed

ALL = BuildOptions(
    backend="conda",
    python=Path("/python"),
    provision=False,
    fresh=True,
    no_cache=True,
    strict=True,
    installer="pip",
    source=PackageSource(index="https://i.invalid", wheels=Path("/wheels"), channel="c"),
)
USUAL = BuildOptions(backend="venv")


class Asked:
    """What the parts of a build were asked; an environment is `found`, and `mended` or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, made: Environment) -> None:
        self.found: Environment | None = made
        self.mended: Environment | None = made
        self.made, self.heard = made, list[Any]()
        for name in ("TOOLCHAIN", "BACKEND", "SDCOREML_CHANNEL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("sdcoreml.envs.building.variants.fit", lambda toolchain, _: toolchain)
        monkeypatch.setattr("sdcoreml.envs.building.build.ready", self.ready)
        monkeypatch.setattr("sdcoreml.envs.care.mend.mend", self.mend)
        monkeypatch.setattr("sdcoreml.doctor.commands.preflight.environment_for", self.build)

    def ready(self, *given: object) -> Environment | None:
        self.heard += given
        return self.found

    def mend(self, *given: object) -> Environment | None:
        self.heard += given[:2]
        return self.mended

    def build(self, toolchain: object, _emit: object, *, options: object) -> Environment:
        self.heard += ("built", toolchain, options)
        return self.made


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch, sealed(tmp_path))


def test_nothing_is_built_where_all_is_well(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    tested = load_toolchain("tested")
    assert main(["env"]) == 0
    care = Care(toolchain=tested, source=PackageSource())
    assert asked.heard == [tested, USUAL, asked.made, care]
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith(f"{asked.made.title}: {asked.made.path}, Python 3.10.10, ")
    assert second == f"seal {asked.made.seal}"


def test_all_options_are_handed_on(asked: Asked) -> None:
    words = (
        *("--backend", "conda", "--python", "/python", "--no-provision", "--fresh", "--no-cache"),
        *("--strict", "--installer", "pip", "--index", "https://i.invalid"),
        *("--find-links", "/wheels", "--channel", "c"),
    )
    asked.found = None
    assert main(["env", "build", *words]) == 0
    tested = load_toolchain("tested")
    assert asked.heard == [tested, ALL, "built", tested, ALL]


@pytest.mark.parametrize(
    ("word", "provision", "strict"),
    [("--provision", True, True), ("--no-provision", False, False), ("--strict", True, True)],
)
def test_who_insists_on_the_exact_python_gets_no_other(
    asked: Asked, word: str, *, provision: bool, strict: bool
) -> None:
    assert main(["env", word]) == 0
    assert asked.heard[1] == replace(USUAL, provision=provision, strict=strict)


def test_what_cannot_be_mended_is_built_anew(asked: Asked) -> None:
    asked.mended = None
    assert main(["env"]) == 0
    assert asked.heard[-3:] == ["built", load_toolchain("tested"), replace(USUAL, fresh=True)]
    asked.found = None
    assert main(["env"]) == 0
    assert asked.heard[-1] == USUAL
