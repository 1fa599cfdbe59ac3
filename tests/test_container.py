"""The image: what is copied into it is enough, and it is made as the documents say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.stand_ins import write_model

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")
COPIED = [
    line.removeprefix("!")
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if line.startswith("!")
]


def test_what_is_copied_can_read_a_model(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    without = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, image / name, symlinks=True, ignore=without)
        else:
            shutil.copy(ROOT / name, image)
    write_model(tmp_path / "model")
    code = f"import sys; sys.path.insert(0, {str(image)!r}); from sdcoreml.doctor.cli import main; "
    code += "import sdcoreml; print(sdcoreml.__file__); "
    code += f"sys.exit(main(['inspect', {str(tmp_path / 'model')!r}]))"
    command = [sys.executable, "-I", "-B", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(image))


def test_what_makes_the_host_environment_is_copied() -> None:
    """`envs/bootstrap.sh` reads them; hatchling, what pyproject.toml names."""
    needed = {"pyproject.toml", "README.md", "LICENSE", "envs", "lockfiles", "sdcoreml"}
    assert needed <= {*COPIED}
    assert all((ROOT / name).exists() for name in COPIED)


def test_it_has_the_tested_python() -> None:
    version = load_toolchain("light").python.version
    assert re.findall(r"^FROM (.*)$", TEXT, re.MULTILINE) == [
        f"docker.io/library/python:{version}-slim-bullseye"
    ]


def test_it_converts_with_light_and_ends_with_a_conversion() -> None:
    assert "ENV TOOLCHAIN=light " in TEXT
    assert "bin/sdcoreml convert --sample --output /tmp/made" in TEXT
    assert TEXT.rstrip().endswith('ENTRYPOINT ["sdcoreml"]\nCMD ["--help"]')
