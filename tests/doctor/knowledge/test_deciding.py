from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.deciding import Deciding, Telling
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.lockfiles.table import TomlTable, read_table

SHAPES = read_table(Path(__file__).with_name("deciding.toml")).tables("log")


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.get("name", str))
def test_of_a_log_of_any_shape_the_lines_that_say_why_are_quoted(shape: TomlTable) -> None:
    found = examine(shape.get("text", str).lstrip("\n"), entries()).deciding
    assert found is not None
    quoted = [line.text for line in (found.line, *found.others)]
    wanted = shape.strings("decides")
    assert [said for said in wanted if not any(said in text for text in quoted)] == []


@pytest.mark.parametrize(
    ("log", "line", "telling"),
    [
        ("all went well\n", 1, Telling.LAST),
        ("one\nnothing to do\nbye\n 10%|#  | 1/10 [00:01<00:01, 1.0it/s]\n$ \n", 2, Telling.LAST),
        ("it is unsupported\n", 1, Telling.PERHAPS),
        ("error: strange\n", 1, Telling.ERROR),
        ("StrangeError: x\n", 1, Telling.EXCEPTION),
        ("OSError: [Errno 28] No space left on device\n", 1, Telling.CAUSE),
    ],
)
def test_a_line_says_what_it_is(log: str, line: int, telling: Telling) -> None:
    found = examine(log, entries()).deciding
    assert found is not None
    assert (found.line.number, found.telling) == (line, telling)


def test_of_an_empty_log_no_line_is_quoted() -> None:
    assert examine("", entries()).deciding is None
    assert examine("\n \n", entries()).deciding is None


def test_what_is_said_twice_is_quoted_once() -> None:
    found = examine("error: no oven at 1\nerror: no oven at 2\nerror: no coal\n", []).deciding
    assert found == Deciding(
        line=Line(number=1, text="error: no oven at 1"),
        telling=Telling.ERROR,
        others=(Line(number=3, text="error: no coal"),),
    )


def test_a_sentence_is_quoted_whole() -> None:
    found = examine("error: this needs a kernel that\nnobody has\n", []).deciding
    assert found is not None
    assert [line.number for line in found.others] == [2]


def test_an_error_before_the_first_of_two_chained_exceptions_is_quoted_too() -> None:
    steps = '  File "my.py", line 3, in f\n    f()\n' * 6
    raised = "Traceback (most recent call last):\n{}{}: no {}\n"
    log = (
        "error: long ago\n"
        + "bread is baked\n" * 50
        + "error: no coal\n"
        + raised.format(steps, "OSError", "oven")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + raised.format(steps, "KeyError", "bread")
    )
    found = examine(log, []).deciding
    assert found is not None
    assert "error: no coal" in [line.text for line in found.others]


LISTED = """\
Solving environment: failed
ResolvePackageNotFound:
  - pip=20.3
  - python=3.8.5
  - cudatoolkit=11.3

(base) $
"""
CHOICES = """\
Prompt outputs failed validation
VAELoader:
- Value not in list: vae_name: 'ae.sft' not in ['a.safetensors']
UNETLoader:
- Value not in list: unet_name: 'flux1-schnell.sft' not in []
"""


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        (LISTED, ["- pip=20.3", "- python=3.8.5", "- cudatoolkit=11.3"]),
        (
            CHOICES,
            [
                "- Value not in list: vae_name: 'ae.sft' not in ['a.safetensors']",
                "- Value not in list: unet_name: 'flux1-schnell.sft' not in []",
            ],
        ),
    ],
)
def test_with_an_item_of_a_list_the_others_are_quoted(log: str, wanted: list[str]) -> None:
    found = examine(log, entries()).deciding
    assert found is not None
    quoted = {line.number: line.text.strip() for line in (found.line, *found.others)}
    assert [quoted[at] for at in sorted(quoted) if quoted[at].startswith("- ")] == wanted


def test_of_a_long_list_a_few_items_are_quoted() -> None:
    items = "\n".join(f"  - package{chr(97 + at)}=1.{at}" for at in range(20))
    found = examine(f"ResolvePackageNotFound:\n{items}\n", entries()).deciding
    assert found is not None
    assert len(found.others) == 6


def test_of_a_cut_traceback_the_calls_into_other_packages_are_quoted() -> None:
    log = (
        "W tensorflow/compiler/utils.cc:38] TF-TRT Warning: Could not find TensorRT\n"
        "Traceback (most recent call last):\n"
        '  File "/me/convert.py", line 9, in <module>\n'
        "    convert(args)\n"
        '  File "/me/convert.py", line 5, in convert\n'
        "    checkpoint = torch.load(checkpoint_path)\n"
        '  File "/me/venv/lib/python3.10/site-packages/torch/serialization.py", line 795, in load\n'
        "    return _legacy_load(opened_file)\n"
        '  File "/me/venv/lib/python3.10/site-packages/torch/serialization.py", line 1002, in f\n'
    )
    found = examine(log, entries()).deciding
    assert found is not None
    assert found.telling is Telling.CUT
    assert "    checkpoint = torch.load(checkpoint_path)" in [line.text for line in found.others]
