from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.jobs.compiler import is_known, require_compiler
from sdcoreml.convert.programs.options import Target
from sdcoreml.ground.errors import UnsupportedError


def test_a_target_that_only_xcode_knows_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no xcrun
    assert [is_known(target) for target in Target] == [True, True, True, False]
    require_compiler(Target.MACOS15)
    with pytest.raises(UnsupportedError, match="only Xcode can compile for it") as caught:
        require_compiler(Target.MACOS26)
    assert caught.value.remedy.startswith("choose macOS15")
