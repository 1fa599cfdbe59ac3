"""What packages beside the toolchain's ask each other for is dated: too old, or too new."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

FRAME = (
    'Traceback (most recent call last):\n  File "/e/site-packages/{}.py", line 3, in {}\n    {}\n'
)
MODULE = "<module>"
TOLD = {
    "a part that went": (
        FRAME.format("controlnet_aux/util", MODULE, "mp.solutions.drawing_utils"),
        "AttributeError: module 'mediapipe' has no attribute 'solutions'",
        "mediapipe is too new: a release after 0.10.21 removed solutions",
    ),
    "a module that came": (
        FRAME.format("gradio_client/client", MODULE, "from websockets.asyncio import client"),
        "ModuleNotFoundError: No module named 'websockets.asyncio'",
        "websockets is too old: it has asyncio since 13.0",
    ),
    "a module that went": (
        FRAME.format("librosa/util", MODULE, "from torchaudio.backend import common"),
        "ModuleNotFoundError: No module named 'torchaudio.backend'",
        "torchaudio is too new: 2.9.0 removed backend",
    ),
    "a name that is called like an exception": (
        FRAME.format("huggingface_hub/utils/_errors", MODULE, "from requests.exceptions import x"),
        "ImportError: cannot import name 'JSONDecodeError' from 'requests.exceptions' (/e/x.py)",
        "requests is too old: it has JSONDecodeError since 2.27.0",
    ),
    "a package in another's folder": (
        FRAME.format("paint/quantize", MODULE, "from optimum.quanto import x"),
        "ImportError: cannot import name 'QuantizedDiffusersModel' from 'optimum.quanto'",
        "optimum-quanto is too old: it has QuantizedDiffusersModel since 0.2.3",
    ),
    "a part of an object": (
        '  File "/w/paint.py", line 3, in <module>\n    df = df.append(row)\n',
        "AttributeError: 'DataFrame' object has no attribute 'append'",
        "pandas is too new: 2.0.0 removed DataFrame.append",
    ),
    "an argument, as old Pythons name it": (
        '  File "/w/paint.py", line 3, in <module>\n    app = typer.Typer(rich_markup_mode=None)\n',
        "TypeError: __init__() got an unexpected keyword argument 'rich_markup_mode'",
        "typer is too old: it has Typer.__init__(rich_markup_mode=…) since 0.6.0",
    ),
    "an argument of a package's function": (
        '  File "/w/paint.py", line 3, in <module>\n    @hydra.main(version_base=None)\n',
        "TypeError: main() got an unexpected keyword argument 'version_base'",
        "hydra-core is too old: it has main(version_base=…) since 1.2.0",
    ),
    "an argument of a class that torch has too": (
        FRAME.format("uvicorn/main", "run", "config = Config("),
        "TypeError: Config.__init__() got an unexpected keyword argument 'debug'",
        "uvicorn is too new: 0.19.0 removed Config.__init__(debug=…)",
    ),
    "a class of a saved model": (
        FRAME.format("ultralytics/nn/tasks", "torch_safe_load", "torch.load(file)"),
        (
            "AttributeError: Can't get attribute 'C3k2' on <module 'ultralytics.nn.modules.block'"
            " from '/e/site-packages/ultralytics/nn/modules/block.py'>"
        ),
        "ultralytics is too old: it has C3k2 since 8.3.0",
    ),
    "a package that asks itself": (
        FRAME.format("requests/compat", MODULE, "import charset_normalizer")
        + '  File "/e/site-packages/charset_normalizer/md.py", line 3, in <module>\n    from x\n',
        (
            "ImportError: cannot import name 'COMMON_SAFE_ASCII_CHARACTERS' from"
            " 'charset_normalizer.constant' (/e/site-packages/charset_normalizer/constant.py)"
        ),
        "charset-normalizer asks itself for COMMON_SAFE_ASCII_CHARACTERS",
    ),
    "what only its code knew": (
        '  File "/w/nsfw.py", line 3, in <module>\n    sess = tf.Session()\n',
        "AttributeError: module 'tensorflow' has no attribute 'Session'",
        "tensorflow is too new: 2.0 removed Session",
    ),
    "a module that moved": (
        FRAME.format("streamdiffusion/utilities", MODULE, "from cuda import cudart"),
        "ImportError: cannot import name 'cudart' from 'cuda' (unknown location)",
        "cuda-python is too new",
    ),
    "an argument that another function was handed": (
        FRAME.format("websockets/asyncio/client", "create_connection", "loop.create_connection()"),
        (
            "TypeError: BaseEventLoop.create_connection() got an unexpected keyword argument"
            " 'extra_headers'"
        ),
        "websockets is too new",
    ),
}


@pytest.mark.parametrize("kind", TOLD)
def test_a_name_of_another_package_is_dated(kind: str) -> None:
    frames, line, words = TOLD[kind]
    cause = examine(f"{frames}{line}\n", entries()).cause
    assert cause
    assert words in cause.cause


UNSURE = {
    "a submodule that may not be imported": (
        FRAME.format("paint/client", MODULE, "websockets.legacy.connect()"),
        "AttributeError: module 'websockets' has no attribute 'legacy'",
    ),
    "a program's own file of that name": (
        '  File "/w/rich.py", line 3, in <module>\n    from rich import paint\n',
        "ImportError: cannot import name 'paint' from 'rich' (/w/rich.py)",
    ),
    "a script's own class": (
        '  File "/w/paint.py", line 3, in <module>\n    app = Config(debug=True)\n',
        "TypeError: Config.__init__() got an unexpected keyword argument 'debug'",
    ),
    "a module that nobody knows, asked by one of the field": (
        FRAME.format("peft/tuners/lora", MODULE, "import inklib"),
        "AttributeError: module 'inklib.nn' has no attribute 'Linear4bit'",
    ),
}


@pytest.mark.parametrize("kind", UNSURE)
def test_what_may_be_another_s_is_a_guess(kind: str) -> None:
    frames, line = UNSURE[kind]
    cause = examine(f"{frames}{line}\n", entries()).cause
    assert cause
    assert cause.confidence is Confidence.GUESS
    assert "asks itself" not in cause.cause
