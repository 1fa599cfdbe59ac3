from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.consoles import join_rich
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.lines import Line

INDENT = " " * 25
REFINER = f"""\
07:48:14-489028 ERROR    Failed loading refiner:
{INDENT}models/Diffusers/models--stabilityai--paint-refiner/snapshots/93b080bbdc8efbeb862e2
{INDENT}9e15316cff53f9bef86 Pipeline <class
{INDENT}'diffusers.pipelines.stable_diffusion_xl.pipeline_paint_xl.StableDiffusionXLPipelin
{INDENT}e'> expected {{'scheduler', 'text_encoder_2', 'unet', 'tokenizer_2', 'text_encoder',
{INDENT}'vae', 'tokenizer'}}, but only {{'scheduler', 'text_encoder_2', 'unet',
{INDENT}'tokenizer_2', 'vae'}} were passed.
07:48:14-515030 DEBUG    Saving: config.json
"""


def number(text: str) -> tuple[Line, ...]:
    return tuple(Line(number=at, text=one) for at, one in enumerate(text.split("\n"), start=1))


def test_a_message_in_columns_is_one_line_with_its_firsts_number() -> None:
    joined = join_rich(number(REFINER))
    assert [line.number for line in joined] == [1, 8, 9]
    assert "snapshots/93b080bbdc8efbeb862e29e15316cff53f9bef86 Pipeline <class" in joined[0].text
    assert "StableDiffusionXLPipeline'> expected {'scheduler'" in joined[0].text


def test_the_cause_stands_in_such_a_message() -> None:
    cause = examine(REFINER, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.line) == ("family-pipeline-parts", 1)
    assert "as Stable Diffusion XL's refiner" in cause.cause


def test_the_column_of_the_code_is_not_part_of_the_message() -> None:
    log = (
        "2024-05-01 10:00:00 INFO     loading the model from a file            train_util.py:5359\n"
        "                             whose name is long\n"
        "                    INFO     done                                     train_util.py:5360\n"
    )
    joined = join_rich(number(log.rstrip("\n")))
    assert [line.text.split("INFO     ")[1].split("   ")[0] for line in joined] == [
        "loading the model from a file whose name is long",
        "done",
    ]


def test_what_an_exception_is_about_stands_behind_its_colon() -> None:
    log = (
        "FileNotFoundError: [WinError 3] The system cannot find the path specified:\n'paint/xl'\nx"
    )
    assert [line.text for line in join_rich(number(log))] == [
        "FileNotFoundError: [WinError 3] The system cannot find the path specified: 'paint/xl'",
        "x",
    ]


@pytest.mark.parametrize(
    "log",
    [
        "error: this\n                              and that\n",
        "ERROR: this\n          and that\n",
        "INFO     one\nINFO     two\n  three\n",
        "Traceback (most recent call last):\n'quoted'\n",
    ],
)
def test_other_lines_stay_as_they_are(log: str) -> None:
    assert join_rich(number(log)) == number(log)
