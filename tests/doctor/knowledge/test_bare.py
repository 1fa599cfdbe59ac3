"""An error of Python's own is said in words by the code that raised it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.bare import read_bare
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.structure import find_structure
from tests.doctor.kin import expect_entry

FRAME = '  File "/x/paint/brush.py", line 7, in load'
WHERE = "load (paint/brush.py)"


def said(*lines: str) -> str:
    log = read("\n".join(("Traceback (most recent call last):", *lines, "")))
    return read_bare(find_structure(log).chains[0][0], log)


@pytest.mark.parametrize(
    ("code", "error", "expected"),
    [
        ('ink = config["ink"]', "KeyError: 'ink'", f"config has no entry 'ink' in {WHERE}"),
        ("ink = inks[name]", "KeyError: 'sepia'", f"inks has no entry 'sepia' in {WHERE}"),
        ("ink = self.inks.pop(name)", "KeyError: 'red'", f"inks has no entry 'red' in {WHERE}"),
        (
            "self.second.name = first.name",
            "AttributeError: 'NoneType' object has no attribute 'name'",
            "",
        ),
        (
            "out = self.text_encoder(ids.to(device))",
            "TypeError: 'NoneType' object is not callable",
            f"text_encoder is empty (None) in {WHERE}",
        ),
        (
            'for key in weights["state"]:',
            "TypeError: 'NoneType' object is not subscriptable",
            f"weights is empty (None) in {WHERE}",
        ),
        (
            "for key in weights:",
            "TypeError: 'NoneType' object is not iterable",
            f"weights is empty (None) in {WHERE}",
        ),
        (
            "file = os.path.join(args.folder, 'x')",
            "TypeError: expected str, bytes or os.PathLike object, not NoneType",
            f"The path args.folder is empty (None) in {WHERE}",
        ),
        ("file = files[0]", "IndexError: list index out of range", f"files is empty in {WHERE}"),
        (
            "last = files[at + 1]",
            "IndexError: list index out of range",
            f"files has fewer entries than this code takes from it in {WHERE}",
        ),
        (
            "assert len(files) > 0, 'none'",
            "AssertionError",
            f"A check of the program, len(files) > 0, does not hold in {WHERE}",
        ),
        ("raise KeyError(name)", "KeyError: 'red'", ""),
        ("a[0]", "IndexError: list index out of range", f"Here a is empty in {WHERE}"),
        ("x = a[0] + b[1]", "IndexError: list index out of range", ""),
        (
            'print("no b[0]", a[0])  # c[0]',
            "IndexError: list index out of range",
            f"Here a is empty in {WHERE}",
        ),
        ('a["k"] = b["k"]', "KeyError: 'k'", f"b has no entry 'k' in {WHERE}"),
        ('say(f"{inks[0]}")', "IndexError: list index out of range", f"inks is empty in {WHERE}"),
        ("out = mix(stir(x))", "TypeError: 'NoneType' object is not callable", ""),
        ("assert (a :=", "AssertionError", ""),
        (
            "assert is_wet(ink, 3), 'dry'",
            "AssertionError",
            f"A check of the program, is_wet(ink, 3), does not hold in {WHERE}",
        ),
        ("ink = inks[name]", "ValueError: no ink", ""),
    ],
)
def test_the_code_says_what_lacks_what(code: str, error: str, expected: str) -> None:
    assert said(FRAME, f"    {code}", error) == expected


def test_what_python_marks_is_what_failed() -> None:
    code = '    a, b = first["ink"], second["ink"]'
    marks = "                         ~~~~~~^^^^^^^"
    assert said(FRAME, code, marks, "KeyError: 'ink'") == f"second has no entry 'ink' in {WHERE}"


def test_the_line_that_an_arrow_shows_is_the_one_that_ran() -> None:
    frame = "/x/paint/brush.py in load(path)"
    shown = ("      6 a = inks['ink']", "----> 7 b = config['ink']", "      8 c = pens['ink']")
    assert said(frame, *shown, "KeyError: 'ink'").startswith("config has no entry 'ink'")


def test_the_last_frame_counts_and_without_code_nothing_is_said() -> None:
    outer = ('  File "/x/run.py", line 2, in <module>', "    ink = first['ink']")
    assert said(*outer, FRAME, "    b = pens['ink']", "KeyError: 'ink'").startswith("pens has no")
    assert not said(FRAME, "KeyError: 'ink'")
    assert said(*outer, "KeyError: 'ink'") == "first has no entry 'ink' (x/run.py)"


@pytest.mark.parametrize(
    ("code", "error", "name", "words"),
    [
        ('ink = config["ink"]', "KeyError: 'ink'", "family-key-missing", "config has no entry"),
        (
            "second.name",
            "AttributeError: 'NoneType' object has no attribute 'name'",
            "family-none-part",
            "second is empty",
        ),
        (
            "self.vae(x)",
            "TypeError: 'NoneType' object is not callable",
            "family-none-part",
            "vae is empty",
        ),
        (
            "files[0]",
            "IndexError: list index out of range",
            "family-list-empty",
            "files is empty",
        ),
        ("assert files", "AssertionError", "family-own-check", "A check of the program, files,"),
    ],
)
def test_where_nothing_else_is_known_it_is_told(
    code: str, error: str, name: str, words: str
) -> None:
    log = f"Traceback (most recent call last):\n{FRAME}\n    {code}\n{error}\n"
    expect_entry(log, name, words)


REPORT = """\
Error occurred when executing {node}:

{message}

  File "/x/ComfyUI/execution.py", line 151, in recursive_execute
    output_data, output_ui = get_output_data(obj, input_data_all)
  File "/x/ComfyUI/comfy/brush.py", line 10, in load
    {code}

Prompt executed in 0.52 seconds
"""


@pytest.mark.parametrize(
    ("message", "code", "name", "words"),
    [
        ("'ink'", 'a = config["ink"]', "family-key-missing", "config has no entry 'ink' in load"),
        ("list index out of range", "a = inks[0]", "family-list-empty", "inks is empty in load"),
        (
            "'NoneType' object has no attribute 'shape'",
            "a = ink.shape",
            "family-none-part",
            "ink is empty (None) in load (comfy/brush.py)",
        ),
    ],
)
def test_comfyui_reports_a_message_and_then_the_code(
    message: str, code: str, name: str, words: str
) -> None:
    log = REPORT.format(node="Brush Loader", message=message, code=code)
    found = examine(log, entries())
    assert found.cause is not None
    assert found.cause.entry.id == name
    assert words in found.cause.cause
    assert found.cause.text == message


def test_what_stands_behind_a_report_is_none_of_it() -> None:
    log = read(REPORT.format(node="A (B)", message="no ink", code="raise Dry(ink)") + "Done.\n")
    (chain,) = find_structure(log).chains
    assert (chain[0].line.text, chain[0].type, chain[0].start) == ("no ink", "", 1)
    assert chain[0].steps[-1] == "/x/ComfyUI/comfy/brush.py load"
    assert log[chain[0].end - 1].text.strip() == "raise Dry(ink)"


def test_of_what_stands_inside_of_a_function_the_function_is_told() -> None:
    frame = '  File "/x/paint/brush.py", line 7, in load.<locals>.<genexpr>'
    error = "IndexError: list index out of range"
    assert said(frame, "    inks[0]", error) == f"inks is empty in {WHERE}"
