from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import EnvironmentFacts, Unknown
from sdcoreml.doctor.gather.environment import look


def wheel(site: Path, name: str, version: str, *, tag: str = "py3-none-any") -> Path:
    """Write the files of an installed package: its folder and its .dist-info."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (site / name).mkdir(exist_ok=True)
    (site / name / "__init__.py").touch()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{info.name}/RECORD,,\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    return info


def built(root: Path) -> tuple[Path, Path]:
    (root / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.10.13\n")
    return root, root / "lib/python3.10/site-packages"


def examine(root: Path, system: str = "Linux") -> EnvironmentFacts:
    facts = look(root, python="", lock_digest="l", seal="s", drift=False, system=system)
    assert isinstance(facts, EnvironmentFacts)
    return facts


def test_versions_come_from_folder_names(tmp_path: Path) -> None:
    root, site = built(tmp_path)
    wheel(site, "scikit_learn", "1.1.2")
    wheel(site, "torch", "2.2.0", tag="cp310-cp310-linux_x86_64")
    facts = examine(root)
    assert facts.installed == {"scikit-learn": "1.1.2", "torch": "2.2.0"}
    assert facts.python == "3.10.13"
    assert facts.wheels == {"torch": ("cp310-cp310-linux_x86_64",)}
    assert (facts.duplicates, facts.headless, facts.hollow) == ((), (), ())


def test_damage_is_seen_from_the_records(tmp_path: Path) -> None:
    root, site = built(tmp_path)
    (wheel(site, "headless", "1.0") / "METADATA").unlink()
    wheel(site, "hollow", "1.0")
    (site / "hollow/__init__.py").unlink()
    (site / "hollow").rmdir()
    wheel(site, "twice", "1.0")
    wheel(site, "twice", "2.0")
    facts = examine(root)
    assert facts.headless == ("headless",)
    assert facts.hollow == ("hollow",)
    assert facts.duplicates == ("twice",)


def test_origin_of_what_did_not_come_from_the_index(tmp_path: Path) -> None:
    root, site = built(tmp_path)
    url = '{"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    (wheel(site, "coremltools", "8.0") / "direct_url.json").write_text(url)
    (wheel(site, "broken", "1.0") / "direct_url.json").write_text("[]")
    assert examine(root).origins == {
        "broken": "unreadable direct_url.json",
        "coremltools": "https://example.org/x.git@abc",
    }


def test_native_parts_and_files_that_run_at_start(tmp_path: Path) -> None:
    root, site = built(tmp_path)
    wheel(site, "coremltools", "7.2", tag="cp310-none-manylinux1_x86_64")
    (site / "coremltools/libmilstoragepython.so").touch()
    (site / "sitecustomize.py").touch()
    (site / "coremltools-nspkg.pth").write_text("import sys\n")
    (site / "evil.pth").write_text("import os\n")
    facts = examine(root)
    assert facts.native == {
        "coremltools/libmilstoragepython.so": True,
        "coremltools/libmodelpackage.so": False,
    }
    wheel(site, "torch", "2.2.0", tag="cp310-cp310-manylinux1_x86_64")
    assert examine(root).native["torch/lib/libtorch_cpu.so"] is False
    assert set(examine(root, "Darwin").native) == {
        *("coremltools/libcoremlpython.so", "coremltools/libmilstoragepython.so"),
        *("coremltools/libmodelpackage.so", "torch/lib/libtorch_cpu.dylib"),
    }
    assert facts.strays == ("evil.pth", "sitecustomize.py")


def test_a_folder_that_is_no_environment_is_unknown(tmp_path: Path) -> None:
    facts = look(tmp_path, python="", lock_digest="", seal="", drift=False, system="Linux")
    assert isinstance(facts, Unknown)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version_info = 3.10.13\nversion = 3.10\n", "3.10.13"),
        ("home = /p\nversion=3.10.10\n", "3.10.10"),
        ("home = /p\n", ""),
        (None, ""),
    ],
)
def test_the_python_of_an_environment_is_what_it_says(
    tmp_path: Path, text: str | None, version: str
) -> None:
    root, site = built(tmp_path)
    wheel(site, "one", "1.0")
    (root / "pyvenv.cfg").unlink()
    if text is not None:
        (root / "pyvenv.cfg").write_text(text)
    assert examine(root).python == version
