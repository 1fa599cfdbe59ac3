from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sdcoreml.ground.errors import BrokenError, EnvError, NoSpaceError
from sdcoreml.ground.refusals import translate_os_errors, translate_store_errors

PLACE = Path("/envs/tested")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_by_its_path_and_the_way_out(number: int) -> None:
    with pytest.raises(NoSpaceError) as caught, translate_store_errors(PLACE):
        raise OSError(number, os.strerror(number), "/envs/tested/lib/x")
    text = str(caught.value)
    assert text.startswith(f"/envs/tested/lib/x: {os.strerror(number)}; free space there")
    assert "SDCOREML_ENVS" in text
    assert "\n" not in text


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_any_other_refusal_is_told_too(number: int) -> None:
    with pytest.raises(EnvError) as caught, translate_store_errors(PLACE):
        raise OSError(number, os.strerror(number), "/x")
    assert type(caught.value) is EnvError
    assert str(caught.value).startswith(f"/x: {os.strerror(number)}; make it writable")


def test_without_a_path_of_its_own_the_place_is_named() -> None:
    with pytest.raises(EnvError, match=r"^/envs/tested: gone; "), translate_store_errors(PLACE):
        raise OSError("gone")


def test_what_is_no_refusal_of_the_system_passes() -> None:
    with pytest.raises(ZeroDivisionError), translate_store_errors(PLACE):
        raise ZeroDivisionError
    with pytest.raises(BrokenError, match="as it was"), translate_store_errors(PLACE):
        raise BrokenError("as it was")


def test_the_cause_is_kept() -> None:
    with pytest.raises(EnvError) as caught, translate_store_errors(PLACE):
        raise PermissionError(errno.EACCES, "no", "/x")
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EDQUOT, "your quota was used up while writing; free space or choose another disk"),
        (
            errno.EFBIG,
            (
                "a limit on the size of files was reached while writing; raise it (ulimit -f) or"
                " choose another disk"
            ),
        ),
    ],
)
def test_a_limit_is_no_full_disk(number: int, said: str) -> None:
    with pytest.raises(NoSpaceError) as caught, translate_os_errors("/x"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == f"/x: {said} (the partial output was removed)"
