from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import explain
from sdcoreml.doctor.core.check import CheckFamily
from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.report.layout import WIDTH
from sdcoreml.doctor.report.reference import document

DSK003 = """\
DSK003  The temporary folder's volume is not nearly full
        Disk; looks at volumes

Core ML compiles models there before it loads them. When it is full, the error
says "could not open weights/weight.bin".
"""


def test_a_check_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "DSK003"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(DSK003)


def test_a_page_names_the_failures_that_the_check_prevents() -> None:
    text = "\n".join(explain.page("pin001"))
    assert text.startswith("PIN001  Every direct pin has its tested version\n")
    assert "\nFinds in time: " in text
    assert "hub-cached-download-removed" in text


def test_a_failure_has_a_page() -> None:
    head, blank, example, *rest = explain.page("hub-cached-download-removed")
    assert (head, blank) == ("hub-cached-download-removed  (cause)", "")
    assert example.startswith("    ImportError: cannot import name 'cached_download'")
    text = "\n".join(rest)
    for label in (
        "cause   huggingface_hub 0.26",
        "do      ",
        "when    ",
        "checks  PIN",
        "seen    ",
    ):
        assert f"\n{label}" in text


def test_what_is_not_known_of_a_failure_is_left_out() -> None:
    plain = next(entry for entry in entries() if not entry.when and not entry.checks)
    labels = [line.split(" ")[0] for line in explain.of_entry(plain)]
    assert "when" not in labels
    assert "checks" not in labels


def test_several_pages_stand_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "DSK003", "dsk005"]) == 0
    pages = capsys.readouterr().out.split("\n\n")
    assert [page.split(" ")[0] for page in pages if page.startswith("DSK")] == ["DSK003", "DSK005"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cached", "; perhaps hub-cached-download-removed"),
        ("PIN999", "; `sdcoreml explain` lists the checks"),
        ("", "; perhaps "),
    ],
)
def test_an_unknown_name_is_wrong_usage_with_a_hint(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", name]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: no check or failure is named {name}{hint}")
    assert err.count("\n") == 1
    assert err.count(",") <= 2, "three are enough"


@pytest.mark.parametrize("name", [check.id for check in CHECKS])
def test_pages_fit_a_terminal(name: str) -> None:
    assert max(len(line) for line in explain.page(name)) <= WIDTH


def test_without_a_name_every_check_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "System"
    assert lines[1] == "  SYS001  The toolchain has a lock for this machine"
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert listed == [check.id for check in CHECKS]
    assert max(map(len, lines)) <= WIDTH


def test_the_document_has_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert "### PIN001: Every direct pin has its tested version\n" in out
    assert "| `disk-full` | The volume of the output" in out


def test_the_page_of_checks_is_in_step_with_the_code() -> None:
    page = Path(__file__).parents[3] / "doctor/CHECKS.md"
    again = "sdcoreml explain --markdown > doctor/CHECKS.md"
    assert page.read_text(encoding="utf-8") == document(CHECKS, entries()), again


@pytest.mark.parametrize("name", ["BUN", "bundle"])
def test_a_family_lists_its_checks(name: str) -> None:
    head, *lines = explain.page(name)
    assert head == "Bundle"
    assert len(lines) == len([check for check in CHECKS if check.family.name == "BUNDLE"])
    assert lines[0].startswith("  BUN001  ")


def test_all_that_a_page_of_a_failure_says() -> None:
    known = replace(
        entries()[0],
        id="a-failure",
        role=Role.CONSEQUENCE,
        example="boom: it broke",
        cause="it was dropped",
        fix="buy another",
        when={"torch": ">=2.5", "numpy": "2.*"},
        cases=(),
        checks=("PIN001", "PIN002"),
        seen=("a log", "another log"),
    )
    assert [*explain.of_entry(known)] == [
        "a-failure  (consequence)",
        "",
        "    boom: it broke",
        "",
        "cause   It was dropped",
        "do      buy another",
        "when    torch >=2.5, numpy 2.*",
        "checks  PIN001, PIN002",
        "seen    a log, another log",
    ]
    bare = replace(known, when={}, checks=(), seen=())
    assert [*explain.of_entry(bare)] == [*explain.of_entry(known)][:6]


def test_all_that_a_page_of_a_check_says() -> None:
    known = replace(
        CHECKS[0],
        id="ABC001",
        title="It is there",
        family=CheckFamily.PINS,
        page="First.\n\nSecond.",
        needs=("lock", "environment"),
    )
    assert [*explain.of_check(known)] == [
        "ABC001  It is there",
        "        Pins; looks at lock, environment",
        "",
        "First.",
        "",
        "Second.",
    ]


def test_a_list_of_checks_is_by_family() -> None:
    one, two, three = (
        replace(CHECKS[0], id=name, title=name.lower(), family=family)
        for name, family in (
            ("A1", CheckFamily.PINS),
            ("A2", CheckFamily.PINS),
            ("B1", CheckFamily.DISK),
        )
    )
    assert [*explain.listing([one, two, three])] == [
        *("Pins", "  A1  a1", "  A2  a2", "Disk", "  B1  b1")
    ]
