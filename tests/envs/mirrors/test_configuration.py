"""The user's configuration file is read; writing changes only its sources."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdcoreml.envs.mirrors.configuration import (
    Configuration,
    configuration_file,
    find_toolchain,
    read_configuration,
    record_toolchain,
    write_sources,
)
from sdcoreml.ground.errors import LockfileError

TEXT = """\
# mine
[index]
url = "https://a.invalid/simple"  # from the office

[sources]
comfy = ["/ComfyUI"]
"""


def test_it_says_addresses_and_sources(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    assert read_configuration(path) == Configuration(
        path=path,
        addresses={"index": "https://a.invalid/simple"},
        sources={"comfy": ("/ComfyUI",)},
    )


def test_the_toolchain_of_the_nearest_folder_is_found(tmp_path: Path) -> None:
    path, project = tmp_path / "config.toml", tmp_path / "project"
    (project / "part").mkdir(parents=True)
    path.write_text(TEXT)
    assert find_toolchain(project, path) == ("", "")
    assert record_toolchain(project, "light", path) == path
    assert path.read_text().startswith(TEXT)
    record_toolchain(project / "part", "/a/toolchains/mine", path)
    assert find_toolchain(project, path) == ("light", str(project))
    assert find_toolchain(project / "part" / "of it", path) == (
        "/a/toolchains/mine",
        str(project / "part"),
    )
    assert find_toolchain(tmp_path, path) == ("", "")
    record_toolchain(project, "tested", path)
    assert find_toolchain(project, path) == ("tested", str(project))


def test_without_such_a_table_a_damaged_file_stops_no_command(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[index\n")
    assert find_toolchain(tmp_path, path) == ("", "")
    path.write_text("[toolchains]\nx = 3\n")
    with pytest.raises(LockfileError, match=r"toolchains\.x"):
        find_toolchain(tmp_path, path)


def test_where_there_is_none_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert read_configuration(path) == Configuration(path=path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[indx]\nurl = 'https://a.invalid'\n", r"\[indx\] is not known; there are channel,"),
        ("[index]\naddress = 'https://a.invalid'\n", "index.url"),
        ("[hub]\nurl = 3\n", "hub.url"),
        ("[sources]\ncomfy = 'one'\n", "sources.comfy"),
        ("[index\n", "config.toml"),
    ],
)
def test_what_does_not_belong_there_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(LockfileError, match=said):
        read_configuration(path)


def test_it_lies_in_the_user_s_folder_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("config.toml", "sdcoreml.toml"):
        (clone / name).write_text(TEXT)
    monkeypatch.chdir(clone)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert configuration_file() == tmp_path / "settings" / "sdcoreml" / "config.toml"
    assert read_configuration().addresses == {}


def test_sources_are_written_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    assert write_sources({"folder": ("/models",)}, path) == path
    assert path.read_text() == '[sources]\nfolder = ["/models"]\n'
    path.write_text(TEXT)
    write_sources({"comfy": ("/ComfyUI", "/Other")}, path)
    assert path.read_text() == TEXT.replace('["/ComfyUI"]', '["/ComfyUI", "/Other"]')
    write_sources({"comfy": ()}, path)
    assert "sources" not in path.read_text()
    assert (
        '# mine\n[index]\nurl = "https://a.invalid/simple"  # from the office' in path.read_text()
    )


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[index\n")
    with pytest.raises(LockfileError, match="is not TOML"):
        write_sources({"folder": ("/models",)}, path)
    assert path.read_text() == "[index\n"


def test_without_the_package_that_knows_the_folder_there_is_no_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert configuration_file() is None
    with pytest.raises(LockfileError, match="configuration folder is unknown; run `make boot"):
        write_sources({})
