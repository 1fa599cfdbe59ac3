from __future__ import annotations

import pytest

from sdcoreml.doctor.core.subjects import Bundle, PortState, ProgramState


def program(name: str, **inputs: tuple[int, ...]) -> ProgramState:
    features = tuple(PortState(name=key, shape=shape, dtype="") for key, shape in inputs.items())
    return ProgramState(name=name, container=".mlmodelc", inputs=features)


def bundle(*programs: ProgramState) -> Bundle:
    return Bundle(path="/m", programs=programs)


def test_an_input_is_asked_for_by_its_name() -> None:
    unet = program("Unet", sample=(2, 4, 64, 64), timestep=(2,))
    assert unet.shape("sample") == (2, 4, 64, 64)
    assert unet.shape("timestep") == (2,)
    assert unet.shape("time_ids") == ()


def test_the_only_input_may_have_any_name() -> None:
    assert program("VAEDecoder", z=(1, 4, 64, 64)).shape("") == (1, 4, 64, 64)
    assert program("VAEDecoder", z=(1,), y=(2,)).shape("") == ()
    assert program("VAEDecoder").shape("") == ()


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["Unet", "ControlledUnet"], "Unet"),
        (["ControlledUnet", "UnetChunk1", "Unet"], "Unet"),
        (["ControlledUnet", "UnetChunk1"], "UnetChunk1"),
        (["ControlledUnetChunk1", "ControlledUnet"], "ControlledUnet"),
        (["ControlledUnetChunk1"], "ControlledUnetChunk1"),
        (["UnetChunk2", "UnetRefiner", "VAEDecoder"], None),
        ([], None),
    ],
)
def test_apps_look_at_unets_in_their_order(names: list[str], first: str | None) -> None:
    found = bundle(*map(program, names)).unet
    assert (found and found.name) == first


def test_a_program_is_found_by_its_exact_name() -> None:
    found = bundle(program("Unet"), program("VAEDecoder"))
    assert found.program("VAEDecoder") is found.programs[1]
    assert found.program("vaedecoder") is None


def test_extra_inputs_make_it_xl() -> None:
    assert bundle(program("Unet", time_ids=(2, 6))).is_xl
    assert not bundle(program("Unet", sample=(2, 4, 64, 64))).is_xl
    assert not bundle().is_xl
    assert not bundle(program("VAEDecoder", time_ids=(2, 6))).is_xl
