from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.doctor.commands.jobs_file import JobFile
from sdcoreml.doctor.commands.jobs_left import keep_left, read_left
from sdcoreml.ground.errors import UsageError


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache")


def test_what_a_run_left_is_known_by_its_file(tmp_path: Path, cache: Cache) -> None:
    one, other = (JobFile(path=tmp_path / name, into=tmp_path, requests=()) for name in "ab")
    keep_left(one, ["models/x"], cache)
    assert read_left(one, cache) == ["models/x"]
    with pytest.raises(UsageError, match="no run of it is known; leave --retry-failed out"):
        read_left(other, cache)
    keep_left(one, [], cache)
    with pytest.raises(UsageError, match="its last run left nothing undone"):
        read_left(one, cache)


def test_without_a_cache_no_run_is_known(tmp_path: Path) -> None:
    file = JobFile(path=tmp_path / "a", into=tmp_path, requests=())
    keep_left(file, ["models/x"], None)
    with pytest.raises(UsageError, match="no run of it is known"):
        read_left(file, None)
