from __future__ import annotations

import pytest

from sdcoreml.doctor.studio.refusals import AbsentError, StrangerError, as_data, status_of
from sdcoreml.ground.errors import (
    BadInputError,
    BusyError,
    FetchError,
    NoRoomError,
    NoSpaceError,
    SdcoremlError,
    UnsafePickleError,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (UsageError, 400),
        (BadInputError, 400),
        (UnsafePickleError, 400),
        (FetchError, 404),
        (AbsentError, 404),
        (StrangerError, 403),
        (BusyError, 409),
        (NoSpaceError, 507),
        (NoRoomError, 507),
        (SdcoremlError, 400),
    ],
)
def test_every_error_has_a_status_and_none_is_a_fault_of_the_server(
    kind: type[SdcoremlError], status: int
) -> None:
    assert status_of(kind("x")) == status


def test_an_error_is_told_in_its_parts_with_nothing_secret_or_hostile_in_it() -> None:
    error = BadInputError(
        "https://me:secret@host/x is\x1b[31m odd",
        where="/a/\u202e<b>",
        remedy="run `sdcoreml env repair`",
    )
    error.code = "MOD001"
    told = as_data(error)["error"]
    assert isinstance(told, dict)
    assert told["what"] == "https://****@host/x is\\x1b[31m odd"
    assert told["where"] == "/a/\\u202e<b>"
    assert told["remedy"].endswith("env repair`")
    assert told["code"] == "MOD001"
