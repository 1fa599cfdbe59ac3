"""The environment in use is mended with the least work, and what is done is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.mend import Care, mend
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.kept.sealed import SITE, sealed
from tests.envs.wheels import PYTHON, standard_wheels, toolchain


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Care]:
    folder = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(folder / "cache"))
        tiny = load_toolchain(toolchain(folder / "tiny", standard_wheels(folder / "wheels")))
        source = PackageSource(wheels=folder / "wheels")
        made = build(tiny, options=BuildOptions(python=PYTHON, source=source, root=folder / "envs"))
    return made, Care(toolchain=tiny, source=source)


def told(
    pristine: tuple[Environment, Care], tmp_path: Path, *lost: str
) -> tuple[bool, list[tuple[str, str]]]:
    """Mend a copy without these files; return whether it is sound, and what is told of it."""
    copy = tmp_path / "envs" / "copy"
    shutil.copytree(pristine[0].path, copy, symlinks=True)
    environment = replace(pristine[0], path=copy)
    for name in lost:
        (site_packages(copy) / name).unlink()
    events: list[Event] = []
    mended = mend(environment, pristine[1], events.append)
    texts = [(str(one.kind), one.text.replace(f"{copy}/", "")) for one in events if one.text]
    return mended is not None and not verify_full(mended).faults, texts


def test_the_sound_one_is_left_alone(pristine: tuple[Environment, Care], tmp_path: Path) -> None:
    assert told(pristine, tmp_path) == (True, [])


def test_lost_files_are_restored(
    pristine: tuple[Environment, Care], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    is_sound, texts = told(pristine, tmp_path, "one.py", "two/part.py")
    assert is_sound
    site = site_packages(pristine[0].path).relative_to(pristine[0].path)
    assert texts[:3] == [
        ("warning", f"2 paths are not as sealed, first {site}/one.py: missing (one)"),
        ("step", "compare every byte with the seal"),
        ("step", "restore one, two from the cache or the index"),
    ]


def test_without_its_manifest_it_is_built_anew(
    pristine: tuple[Environment, Care], tmp_path: Path
) -> None:
    lost = "../" * 3 + "sealed/files.tsv"
    assert told(pristine, tmp_path, lost) == (
        False,
        [("warning", "sealed/files.tsv: not a manifest (no such file): it is built anew")],
    )


def test_with_an_altered_record_it_is_built_anew(
    pristine: tuple[Environment, Care], tmp_path: Path
) -> None:
    altered = replace(pristine[0], intact=False), pristine[1]
    fault = "sealed/record.json"
    assert told(altered, tmp_path) == (
        False,
        [
            (
                "warning",
                f"1 path is not as sealed, first {fault}: is not as it was written (generated)",
            ),
            ("step", "compare every byte with the seal"),
            ("warning", f"{fault}: is not as it was written: it is built anew"),
        ],
    )


CARE = Care(toolchain=load_toolchain("tested"), source=PackageSource(wheels=Path("/nowhere")))


def test_what_is_as_it_was_sealed_needs_nothing(tmp_path: Path) -> None:
    made, events = sealed(tmp_path), list[Event]()
    assert mend(made, CARE, events.append) is made
    (made.path / SITE / "one.py").touch()
    assert mend(made, CARE, events.append) is made
    assert events == []


def test_a_stray_is_removed_and_what_was_found_is_said(tmp_path: Path) -> None:
    made, events = sealed(tmp_path), list[Event]()
    (made.path / "stray").touch()
    mended = mend(made, CARE, events.append)
    assert mended is not None
    assert mended.seal == made.seal
    assert not (made.path / "stray").exists()
    said = "1 path is not as sealed, first stray: not part of it (nobody)"
    assert events[0] == Event(kind="warning", text=said)
    for name in ("stray", "a stray"):
        (made.path / name).touch()
    del events[:]
    assert mend(mended, CARE, events.append) is not None
    assert events[0].text == "2 paths are not as sealed, first a stray: not part of it (nobody)"


def test_a_python_of_somebody_else_is_not_mended(tmp_path: Path) -> None:
    made = sealed(tmp_path)
    (made.interpreter.path.parents[1] / "lib/python3.10/os.py").unlink()
    with pytest.raises(BrokenError, match="is not as it was when that was sealed: 1 file differs"):
        mend(made, CARE, silent)


def test_a_repair_gets_all_that_it_may_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, asked = sealed(tmp_path), list[object]()
    monkeypatch.setattr(
        "sdcoreml.envs.care.repair.repair", lambda one, **more: asked.append((one, more))
    )
    (made.path / "stray").touch()
    care = Care(toolchain=CARE.toolchain, source=CARE.source, installer="pip")
    assert mend(made, care, silent) == made
    given = {"toolchain": care.toolchain, "source": care.source, "installer": "pip"}
    assert asked == [(made, {**given, "emit": silent})]


def test_one_without_a_manifest_is_built_anew(tmp_path: Path) -> None:
    made, events = sealed(tmp_path), list[Event]()
    manifest = made.path / "sealed/files.tsv"
    manifest.write_text("what\n")
    assert mend(made, CARE, events.append) is None
    (event,) = events
    assert event == Event(
        kind="warning",
        text=f"{manifest}: not a manifest (['what'] is not an entry): it is built anew",
    )
