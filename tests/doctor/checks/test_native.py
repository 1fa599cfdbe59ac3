from __future__ import annotations

from dataclasses import replace

import pytest

from tests.doctor.checks.findings import remedies, said
from tests.doctor.healthy import ENVIRONMENT, HEALTHY
from tests.doctor.specimens import environment, sick


def test_wheels_of_another_python_and_of_none() -> None:
    wheels = {"torch": ("cp311-cp311-linux_x86_64",), "coremltools": ("py3-none-any",)}
    assert said("LIB002", environment(wheels=wheels)) == [
        "error: torch is a wheel for another Python (cp311-cp311-linux_x86_64)",
        "error: coremltools was built from source, without native code (py3-none-any)",
    ]


@pytest.mark.parametrize(
    "tag",
    ["cp310-cp310-linux_x86_64", "cp310-none-macosx_11_0_arm64", "cp38-abi3-linux_x86_64"],
)
def test_wheels_that_fit(tag: str) -> None:
    assert said("LIB002", environment(wheels={"safetensors": (tag,)})) == []


def test_native_parts_are_named() -> None:
    native = {"coremltools/libmilstoragepython.so": False, "torch/lib/libtorch_cpu.so": True}
    assert said("LIB001", environment(native=native)) == [
        "error: compiled parts are missing: coremltools/libmilstoragepython.so"
    ]
    assert said("LIB001", HEALTHY) == ["ok: compiled parts of coremltools are there"]
    both = environment(native=dict.fromkeys(reversed(native), True))
    assert said("LIB001", both) == ["ok: compiled parts of coremltools and torch are there"]


def test_origins_are_named() -> None:
    facts = sick(environment=replace(ENVIRONMENT, origins={"x": "file:///src/x"}))
    assert said("LIB003", facts) == ["error: not installed from the index: x (file:///src/x)"]


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("torch", ("cp310-cp310-manylinux1_x86_64",), []),
        ("torch", ("py3-none-any",), []),
        ("torch", ("py2-none-any",), ["error: torch is a wheel for another Python (py2-none-any)"]),
        ("torch", ("cp39-cp39-linux_x86_64", "cp310-cp310-linux_x86_64"), []),
        (
            "torch",
            ("cp31-cp31-linux_x86_64",),
            ["error: torch is a wheel for another Python (cp31-cp31-linux_x86_64)"],
        ),
        ("torch", (), []),
        (
            "coremltools",
            ("cp311-none-macosx_11_0_arm64",),
            ["error: coremltools is a wheel for another Python (cp311-none-macosx_11_0_arm64)"],
        ),
        (
            "coremltools",
            ("py2-none-any", "py3-none-any"),
            [
                (
                    "error: coremltools was built from source, without native code"
                    " (py2-none-any, py3-none-any)"
                )
            ],
        ),
    ],
)
def test_a_tag_that_fits_is_enough(name: str, tags: tuple[str, ...], expected: list[str]) -> None:
    assert said("LIB002", environment(wheels={name: tags})) == expected


def test_the_tags_are_those_of_the_environment_s_own_python() -> None:
    wheels = {"torch": ("cp311-cp311-linux_x86_64",)}
    assert said("LIB002", environment(wheels=wheels, python="3.11.9")) == []
    assert said("LIB002", HEALTHY) == []


def test_native_code_comes_back_with_a_repair() -> None:
    for facts in (
        environment(native={"a.so": False}),
        environment(wheels={"coremltools": ("py3-none-any",)}),
        environment(origins={"x": "file:///src"}),
    ):
        found = [remedies(name, facts) for name in ("LIB001", "LIB002", "LIB003")]
        assert [lines[-1] for lines in found if lines] == ["sdcoreml env repair"]


def test_everything_from_the_index_is_nothing_to_say() -> None:
    assert said("LIB003", HEALTHY) == []


def test_an_environment_whose_python_is_not_known_breaks_nothing() -> None:
    facts = environment(python="", wheels={"numpy": ("py3-none-any",)})
    assert said("LIB002", facts) == []
