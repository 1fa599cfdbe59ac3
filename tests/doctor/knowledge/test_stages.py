from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.reading import read
from sdcoreml.doctor.knowledge.stages import Doing, Stage, find_doing
from sdcoreml.doctor.knowledge.structure import find_structure

SITE = "/venv/lib/python3.10/site-packages"


def trace(*steps: str, raised: str = "KeyError: 'x'") -> str:
    """Return a traceback of steps, each a path, a space, and a function."""
    frames = (step.split(" ") for step in steps)
    lines = [f'  File "{path}", line 3, in {function}\n    f()\n' for path, function in frames]
    return "Traceback (most recent call last):\n" + "".join(lines) + raised + "\n"


@pytest.mark.parametrize(
    ("steps", "doing"),
    [
        (("convert.py <module>",), None),
        (("my.py <module>", f"{SITE}/numpy/core.py add"), None),
        (("my.py <module>", "my.py load_checkpoint"), Doing(stage=Stage.LOADING)),
        (
            ("my.py load_model", f"{SITE}/torch/nn/module.py __getattr__"),
            Doing(stage=Stage.LOADING),
        ),
        (("convert_model.py <module>",), Doing(stage=Stage.LOADING)),
        (
            ("my.py load_model", f"{SITE}/huggingface_hub/file_download.py hf_hub_download"),
            Doing(stage=Stage.DOWNLOADING),
        ),
        (
            ("my.py <module>", f"{SITE}/coremltools/converters/mil/ops.py _add"),
            Doing(stage=Stage.CONVERTING),
        ),
        (
            ("main.py <module>", f"{SITE}/fastapi/__init__.py <module>", f"{SITE}/pydantic/x.py f"),
            Doing(stage=Stage.IMPORTING, name="fastapi"),
        ),
        ((f"{SITE}/accelerate/__main__.py <module>", "my.py f"), None),
        (("/usr/lib/python3.10/runpy.py _run_code", f"{SITE}/x/__main__.py <module>"), None),
        (
            ("/ComfyUI/execution.py f", "/ComfyUI/custom_nodes/ComfyUI-X/nodes.py sample"),
            Doing(stage=Stage.EXTENSION, name="ComfyUI-X"),
        ),
        (
            ("/webui/extensions/sd-y/scripts/a.py f", f"{SITE}/torch/nn/linear.py forward"),
            Doing(stage=Stage.EXTENSION, name="sd-y"),
        ),
        (
            ("setup.py build", "/usr/lib/python3.10/subprocess.py _execute_child"),
            Doing(stage=Stage.CALLING),
        ),
    ],
)
def test_what_was_being_done_is_told_by_the_innermost_step(
    steps: tuple[str, ...], doing: Doing | None
) -> None:
    (chain,) = find_structure(read(trace(*steps))).chains
    assert find_doing(chain, 0) == doing


def test_an_exception_without_steps_is_of_its_chain_s_stage() -> None:
    log = (
        "KeyError: 'x'\n\nThe above exception was the direct cause of the following exception:\n\n"
    )
    (chain,) = find_structure(read(log + trace("my.py load_model", raised="OSError: no"))).chains
    assert find_doing(chain, 0) == Doing(stage=Stage.LOADING)


def test_what_notebooks_and_rich_show_has_steps_too() -> None:
    cell = (
        "File ~/venv/site-packages/x/load.py:12, in load_model(path)\n     11 a\n\nKeyError: 'x'\n"
    )
    ((raised,),) = find_structure(read(cell)).chains
    assert raised.steps == ("~/venv/site-packages/x/load.py load_model",)
    rich = "\u2502 /a/load.py:12 in load_model \u2502\nKeyError: 'x'\n"
    ((raised,),) = find_structure(read(rich)).chains
    assert raised.steps == ("/a/load.py load_model",)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("my.py load_model", "family-loading-failed"),
        ("/ComfyUI/custom_nodes/ComfyUI-X/nodes.py f", "family-extension"),
        (f"{SITE}/huggingface_hub/hf_api.py f", "family-downloading-failed"),
        (f"{SITE}/pydantic/x.py <module>", "family-import-failed"),
    ],
)
def test_what_nothing_explains_is_a_guess_by_its_stage(step: str, name: str) -> None:
    log = trace("main.py <module>", step, raised="ValueError: frobnicated")
    cause = examine(log, entries()).cause
    assert cause is not None
    assert (cause.entry.id, cause.confidence.value) == (name, "a guess")
    assert examine(trace("main.py f", raised="ValueError: frobnicated"), entries()).cause is None


def test_the_extension_is_named() -> None:
    log = trace("main.py <module>", "/ComfyUI/custom_nodes/ComfyUI-X/nodes.py f")
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.cause.startswith("The extension ComfyUI-X failed")
