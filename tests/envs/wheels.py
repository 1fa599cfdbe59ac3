"""Makes tiny wheels and toolchains, for tests that need no network."""

from __future__ import annotations

import base64
import hashlib
import platform
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.lockfiles.target import host_target

PYTHON = Path(sys._base_executable)  # type: ignore[attr-defined]
VERSION = platform.python_version()


def wheel(
    folder: Path,
    project: str,
    version: str,
    files: Mapping[str, str],
    *,
    script: str = "",
    requires: Sequence[str] = (),
) -> str:
    """Write a pure-Python wheel; `script` names a command that runs `main` of its module."""
    info = f"{project}-{version}.dist-info"
    contents = dict(files)
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    contents[f"{info}/METADATA"] = metadata + needs
    contents[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if script:
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script} = {project}:main\n"
    rows = [f"{name},{_record(text)},{len(text.encode())}" for name, text in contents.items()]
    contents.setdefault(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    path = folder / f"{project}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def standard_wheels(folder: Path) -> dict[str, str]:
    """Write two wheels: `one` with a command, `two` with a package; return the hash of each."""
    folder.mkdir(exist_ok=True)
    one = {
        "one.py": "import sys\ndef main():\n    print('one runs in', sys.prefix)\n",
        "one_data/table.txt": "1 2 3\n",
    }
    two = {
        "two/__init__.py": "VALUE = 2\n",
        "two/part.py": "KINDS = 'a' in {'a', 'b', 'c'}\n",
        "two/odd.py": "STRANGE = None in {None, 'x', 3}\n",
        "two/native.so": "\x7fELF pretended\n" * 20,
        "two/template.py": "this is {{ no python }}\n",
    }
    return {
        "one==1.0": wheel(folder, "one", "1.0", one, script="one"),
        "two==2.1": wheel(folder, "two", "2.1", two),
    }


def install(folder: Path, name: str, version: str, rows: str = "") -> Path:
    """Write an installed package's .dist-info with these rows in RECORD; return its folder."""
    info = site_packages(folder) / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(rows)
    return info


def toolchain(
    folder: Path,
    locked: Mapping[str, str],
    *,
    version: str = VERSION,
    name: str = "tiny",
    environment: int = 1000,
) -> str:
    """Write a toolchain for this machine with these pins (`name==version` to hash)."""
    folder.mkdir(exist_ok=True)
    pins = "".join('{} = "{}"\n'.format(*entry.split("==")) for entry in locked)
    (folder / "toolchain.toml").write_text(
        f'name = "{name}"\n[python]\nversion = "{version}"\naccepted = ">=3.10"\n'
        f"[pins]\n{pins}[factors]\nenvironment = {environment}\n"
        f'[targets]\nsupported = ["{host_target()}"]\n'
    )
    lines = (f"{entry} --hash=sha256:{digest}\n" for entry, digest in locked.items())
    (folder / f"requirements.{host_target()}.txt").write_text("".join(lines))
    return f"{folder}/"


def _record(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
