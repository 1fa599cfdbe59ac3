"""The tests of a module come first, then those of what imports it."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.noticing import Round, mirrors, read_imports, rounds_of

FILES = {
    "ground/a.py": "",
    "convert/room/b.py": "from sdcoreml.ground.a import name",
    "convert/room/c.py": "from sdcoreml.convert.room import b",
    "doctor/d.py": "import sdcoreml.convert.room.c",
    "tests/ground/test_a.py": "",
    "tests/convert/room/test_b.py": "",
    "tests/inside/convert/room/test_b.py": "",
    "tests/convert/room/test_c.py": "",
    "tests/doctor/test_d.py": "",
    "tests/test_all.py": "from sdcoreml.ground import a",
    "tests/stand_in.py": "from sdcoreml.ground import a",
    "doctor/e.py": "launch('sdcoreml.doctor.d')",
    "tests/doctor/test_e.py": "",
    "tests/test_more.py": "from tests.stand_in import x",
}


def rounds(tmp_path: Path, path: str) -> list[tuple[str, ...]]:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return [group.tests for group in rounds_of(path, read_imports(tmp_path))]


def test_the_nearest_come_first(tmp_path: Path) -> None:
    assert rounds(tmp_path, "ground/a.py") == [
        ("tests/ground/test_a.py",),
        (
            "tests/convert/room/test_b.py",
            "tests/test_all.py",
            "tests/convert/room/test_c.py",
            "tests/test_more.py",
        ),
        ("tests/inside/convert/room/test_b.py",),
    ]


def test_the_environment_s_tests_are_apart(tmp_path: Path) -> None:
    assert rounds(tmp_path, "convert/room/b.py") == [
        ("tests/convert/room/test_b.py",),
        ("tests/inside/convert/room/test_b.py",),
        ("tests/convert/room/test_c.py", "tests/doctor/test_d.py"),
    ]
    found = rounds_of("convert/room/b.py", read_imports(tmp_path))
    assert [group.inside for group in found] == [False, True, False]
    assert isinstance(found[0], Round)


def test_where_tests_are() -> None:
    assert mirrors("doctor/checks/__init__.py") == (
        "tests/doctor/test_checks.py",
        "tests/inside/doctor/test_checks.py",
    )


def test_a_module_that_is_started_by_its_name_is_used(tmp_path: Path) -> None:
    assert rounds(tmp_path, "doctor/d.py") == [
        ("tests/doctor/test_d.py",),
        ("tests/doctor/test_e.py",),
    ]
