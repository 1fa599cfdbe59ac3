from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from tests.upstreams import make_repository, make_toolchain


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.chdir(tmp_path)


def test_the_commit_is_obtained_found_and_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream = make_repository(tmp_path / "source")
    toolchain = make_toolchain(tmp_path / "tested", upstream)
    words = ["env", "upstream", "--toolchain", str(toolchain)]
    place = f"envs/upstream-{upstream.commit[:12]}"
    assert main([*words, "--from", "source"]) == 0
    said = capsys.readouterr()
    assert said.err == f"- write upstream-{upstream.commit[:12]}\n"
    first, second = said.out.splitlines()
    assert first == f"{place}: obtained, every file proved by its hash"
    assert second == f"commit {upstream.commit}"
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(f"{place}: as the commit has it, ")
    (tmp_path / place / "setup.py").unlink()
    assert main(words) == 0
    assert capsys.readouterr().out.startswith(f"{place}: repaired, ")


def test_another_repository_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_repository(tmp_path / "source", {"a": "b"})
    assert main(["env", "upstream", "--from", "source"]) == 3
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines()[-1].startswith("error: source/.git/objects: has no commit c891f4357b22")
    assert main(["env", "upstream", "--from", "nowhere"]) == 3
    assert "nowhere: is not a git repository; give a clone" in capsys.readouterr().err
