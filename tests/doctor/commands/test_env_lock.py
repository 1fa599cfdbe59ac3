from __future__ import annotations

import pytest

from sdcoreml.doctor.cli import main


def test_all_toolchains_are_meant_when_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    assert main(["env", "lock", "--offline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(":")[0] for line in lines if line.endswith("--offline")]
    assert names == [
        *("current", "tested", "light"),
        *(f"light for Python 3.{minor}" for minor in (11, 12, 13)),
    ], "what is cut out of another comes after it"
    assert any(line.startswith("tested on linux-aarch64: refused: coremltools") for line in lines)
