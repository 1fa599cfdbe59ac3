"""What ComfyUI tells without the type of its exception is told, and quoted as it stands."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.untyped import find_type

FRAMES = """\
  File "/w/ComfyUI/execution.py", line 151, in recursive_execute
    output_data, output_ui = get_output_data(obj, input_data_all)
  File "/w/ComfyUI/nodes.py", line 516, in paint
    return paint(brush)
"""
REPORT = """\
# ComfyUI Error Report
## Error Details
- **Node ID:** 4
- **Node Type:** Painter
- **Exception Type:** {type}
- **Exception Message:** {message}

## Stack Trace
```
{frames}
```
## System Information
- **OS:** nt
"""
MESSAGES = [
    ("NameError", "name 'brush' is not defined"),
    ("UnboundLocalError", "local variable 'brush' referenced before assignment"),
    ("ModuleNotFoundError", "No module named 'brush'"),
    ("ImportError", "cannot import name 'cached_download' from 'huggingface_hub' (/w/x.py)"),
    ("AttributeError", "module 'numpy' has no attribute 'bool'"),
    ("AttributeError", "'NoneType' object has no attribute 'shape'"),
    ("AttributeError", "'tuple' object has no attribute 'sample'"),
    ("TypeError", "paint() got an unexpected keyword argument 'brush'"),
    ("TypeError", "paint() missing 1 required positional argument: 'brush'"),
    ("TypeError", "expected str, bytes or os.PathLike object, not NoneType"),
    ("TypeError", "unsupported operand type(s) for +: 'int' and 'NoneType'"),
    ("TypeError", "'NoneType' object is not subscriptable"),
    ("TypeError", "only size-1 arrays can be converted to Python scalars"),
    ("TypeError", "cannot unpack non-iterable bool object"),
    ("IndexError", "index out of range in self"),
    ("IndexError", "list index out of range"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: '/w/models/paint.safetensors'"),
    ("PermissionError", "[Errno 13] Permission denied: '/w/out/x.png'"),
    ("OSError", "[Errno 28] No space left on device"),
    (
        "UnicodeDecodeError",
        "'utf-8' codec can't decode byte 0x80 in position 0: invalid start byte",
    ),
    ("ValueError", "too many values to unpack (expected 2)"),
    ("ZeroDivisionError", "integer division or modulo by zero"),
    ("EOFError", "Ran out of input"),
    ("_pickle.UnpicklingError", "invalid load key, '<'."),
    ("AssertionError", "Torch not compiled with CUDA enabled"),
    (
        "safetensors_rust.SafetensorError",
        "Error while deserializing header: HeaderTooLarge",
    ),
    ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB"),
    ("KeyError", "'proj_in.weight'"),
    ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)"),
    ("RuntimeError", "Expected all tensors to be on the same device, but found cuda:0 and cpu!"),
    ("RuntimeError", "\"addmm_impl_cpu_\" not implemented for 'Half'"),
    ("RuntimeError", "CUDA error: an illegal memory access was encountered"),
    ("RuntimeError", "PytorchStreamReader failed finding central directory"),
]


@pytest.mark.parametrize(("type_", "message"), MESSAGES)
def test_a_message_tells_its_type(type_: str, message: str) -> None:
    assert find_type(message) in {type_, "NotImplementedError"}


@pytest.mark.parametrize(("type_", "message"), MESSAGES)
@pytest.mark.parametrize(
    "form",
    [
        "Error occurred when executing Painter:\n\n{message}\n\n{frames}",
        "!!! Exception during processing !!! {message}\n",
        REPORT,
    ],
)
def test_it_is_told_as_with_it_and_quoted_as_it_stands(form: str, type_: str, message: str) -> None:
    typed = examine(f"{type_}: {message}\n", entries()).cause
    log = form.format(message=message, type=type_, frames=FRAMES)
    cause = examine(log, entries()).cause
    assert typed is not None
    assert cause is not None
    assert (cause.entry.id, cause.text in log) == (typed.entry.id, True)


def test_the_frames_below_are_the_exception_s() -> None:
    log = REPORT.format(type="TypeError", message="painted twice", frames=FRAMES)
    (chain,) = examine(log, entries()).structure.chains
    assert [one.type for one in chain] == ["TypeError"]
    assert chain[0].file == "nodes.py"


def test_a_traceback_below_tells_the_type_itself() -> None:
    log = (
        "!!! Exception during processing !!! painted twice\n"
        f"Traceback (most recent call last):\n{FRAMES}TypeError: painted twice\n"
    )
    diagnosed = examine(log, entries())
    assert [one.type for chain in diagnosed.structure.chains for one in chain] == ["TypeError"]


WINDOW = """\
Error occurred when executing CheckpointLoaderSimple:

'model.diffusion_model.input_blocks.0.0.weight'

File "/x/ComfyUI/nodes.py", line 476, in load_checkpoint
out = comfy.sd.load_checkpoint_guess_config(ckpt_path)
File "/x/ComfyUI/comfy/sd.py", line 476, in load_checkpoint_guess_config
model_config = model_detection.model_config_from_unet(sd, "model.diffusion_model.")
"""


def test_code_that_lost_its_indentation_is_of_the_frames() -> None:
    diagnosed = examine(WINDOW, entries())
    ((raised,),) = diagnosed.structure.chains
    assert raised.end == 8
    assert not diagnosed.structure.is_cut
    assert diagnosed.cause is not None
    assert diagnosed.cause.confidence is Confidence.LIKELY
