from __future__ import annotations

from pathlib import Path

import pytest

from convert.errors import BadInputError, ConvertError, NoSpaceError, UnsafePickleError
from convert.weights.fault import Fault, raise_first

PATH = Path("/models/unet.bin")


@pytest.mark.parametrize(
    ("message", "what", "remedy"),
    [
        ("/models/unet.bin: truncated; download it again", "truncated", "download it again"),
        ("/models/unet.bin: a; b; c", "a; b", "c"),
        ("/models/unet.bin: truncated", "truncated", ""),
        ("/other: truncated; look there", "/other: truncated", "look there"),
    ],
)
def test_a_message_is_taken_apart_and_put_together(message: str, what: str, remedy: str) -> None:
    fault = Fault.of(BadInputError(message), PATH)
    assert (fault.what, fault.next, fault.error) == (what, remedy, BadInputError)
    assert str(fault).endswith(message.removeprefix(f"{PATH}: "))


def test_a_fault_remembers_its_kind() -> None:
    assert Fault.of(UnsafePickleError(f"{PATH}: x; y"), PATH).error is UnsafePickleError


def test_a_fault_without_a_remedy_ends_there() -> None:
    assert str(Fault(path=PATH, what="truncated", next="")) == "/models/unet.bin: truncated"
    assert str(Fault(path=PATH, what="a", next="b")) == "/models/unet.bin: a; b"


def test_no_fault_is_no_error() -> None:
    raise_first([])


def test_a_single_fault_is_raised_as_it_is() -> None:
    with pytest.raises(BadInputError) as caught:
        raise_first([Fault(path=PATH, what="truncated", next="download it again")])
    assert str(caught.value) == "/models/unet.bin: truncated; download it again"


def fault(what: str, error: type[ConvertError]) -> Fault:
    return Fault(path=PATH, what=what, next="do it", error=error)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_gravest_is_raised_wherever_it_stands(at: int) -> None:
    faults = [fault("damaged", BadInputError), fault("damaged too", BadInputError)]
    faults.insert(at, fault("unsafe", UnsafePickleError))
    with pytest.raises(UnsafePickleError) as caught:
        raise_first(faults)
    assert str(caught.value) == (
        "/models/unet.bin: unsafe; do it (and 2 more: sdcoreml inspect lists them)"
    )


def test_of_equals_the_first_is_raised() -> None:
    with pytest.raises(BadInputError, match="first; do it"):
        raise_first([fault("first", BadInputError), fault("second", BadInputError)])


def test_gravity_is_the_exit_code() -> None:
    assert BadInputError.exit_code < UnsafePickleError.exit_code < NoSpaceError.exit_code
