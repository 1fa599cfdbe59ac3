from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import EPILOG
from sdcoreml.ground import errors
from sdcoreml.ground.errors import (
    BadInputError,
    Fault,
    NoSpaceError,
    SdcoremlError,
    UnsafePickleError,
    WorkerError,
    raise_first,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SdcoremlError", 1),
        ("BadInputError", 3),
        ("UnsupportedError", 3),
        ("UnsafePickleError", 4),
        ("NoSpaceError", 5),
        ("ParityError", 6),
        ("WorkerError", 7),
        ("UsageError", 2),
        ("EnvError", 1),
        ("NoInterpreterError", 1),
        ("InstallError", 1),
        ("UnreachableError", 1),
        ("BrokenError", 1),
        ("ArchiveError", 3),
        ("LockfileError", 1),
        ("UnableError", 1),
        ("NoRoomError", 5),
    ],
)
def test_each_kind_has_its_exit_code_and_the_help_names_it(name: str, code: int) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, SdcoremlError)
    assert kind("x").exit_code == code
    assert f"\n  {code} " in EPILOG.partition("exit codes:")[2]


def test_a_dead_child_leaves_its_words() -> None:
    assert (str(WorkerError("died", log="words")), WorkerError("died", log="words").log) == (
        "died",
        "words",
    )
    assert WorkerError("died").log == ""


PATH = Path("/models/unet.bin")


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = BadInputError("truncated", where=PATH, remedy="download it again")
    assert str(error) == "/models/unet.bin: truncated; download it again"
    assert error.complaint == "truncated; download it again"
    assert error.fault == Fault(
        where=PATH, what="truncated", remedy="download it again", error=BadInputError
    )
    assert str(error.fault) == str(error)


def test_a_fault_can_be_of_another_place() -> None:
    fault = BadInputError("truncated").fault
    assert str(fault) == "truncated"
    assert str(fault.at(PATH)) == "/models/unet.bin: truncated"


def test_an_error_is_moved_from_a_passing_name_to_the_one_people_know() -> None:
    error = BadInputError("see /tmp/x/a", where="/tmp/x", remedy="remove /tmp/x/b")  # noqa: S108
    error.move("/tmp/x", PATH)  # noqa: S108
    assert str(error) == f"{PATH}: see {PATH}/a; remove {PATH}/b"


def test_a_fault_without_a_remedy_ends_there() -> None:
    assert str(Fault(where=PATH, what="truncated", remedy="")) == "/models/unet.bin: truncated"
    assert str(Fault(where=PATH, what="a", remedy="b")) == "/models/unet.bin: a; b"


def test_no_fault_is_no_error() -> None:
    raise_first([])


def test_a_single_fault_is_raised_as_it_is() -> None:
    with pytest.raises(BadInputError) as caught:
        raise_first([Fault(where=PATH, what="truncated", remedy="download it again")])
    assert str(caught.value) == "/models/unet.bin: truncated; download it again"


def fault(what: str, error: type[SdcoremlError]) -> Fault:
    return Fault(where=PATH, what=what, remedy="do it", error=error)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_gravest_is_raised_wherever_it_stands(at: int) -> None:
    faults = [fault("damaged", BadInputError), fault("damaged too", BadInputError)]
    faults.insert(at, fault("unsafe", UnsafePickleError))
    with pytest.raises(UnsafePickleError) as caught:
        raise_first(faults)
    assert str(caught.value) == (
        "/models/unet.bin: unsafe; do it (and 2 more: `sdcoreml inspect MODEL` lists them)"
    )


def test_of_equals_the_first_is_raised() -> None:
    with pytest.raises(BadInputError, match="first; do it"):
        raise_first([fault("first", BadInputError), fault("second", BadInputError)])


def test_gravity_is_the_exit_code() -> None:
    assert BadInputError.exit_code < UnsafePickleError.exit_code < NoSpaceError.exit_code
