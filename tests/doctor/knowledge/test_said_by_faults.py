"""What a published program or an extension does wrong itself is told as its own fault."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

NODE = '  File "/w/ComfyUI/custom_nodes/paint-nodes/nodes.py", line 4, in load_lora_for_paint\n'
PATH = "expected str, bytes or os.PathLike object, not NoneType"
WHEEL = "ERROR: Could not find a version that satisfies the requirement"
TOLD = {
    "an extension's name": (
        f"{NODE}    return paint(x)\nNameError: name 'paint' is not defined\n",
        "extension-name-undefined",
        "The code of the extension paint-nodes has a fault",
    ),
    "an extension's package": (
        f"Error occurred when executing Painter:\n\nname 'sageattn' is not defined\n\n{NODE}",
        "extension-name-undefined",
        "uses sageattn that it could not import",
    ),
    "a name that ComfyUI moved": (
        (
            f"Error occurred when executing Node:\n\nname 'model_lora_keys_clip' is not defined\n\n"
            f"{NODE.strip()}\nkeys = model_lora_keys_clip(x)\n"
        ),
        "extension-name-undefined",
        "is older than this ComfyUI: model_lora_keys_clip",
    ),
    "an extension's script": (
        (
            "*** Error loading script: paint.py\n"
            '      File "/w/extensions/sd-paint/scripts/paint.py", line 3, in <module>\n'
            "        from .lib import x\n"
            "    ImportError: attempted relative import with no known parent package\n"
        ),
        "extension-relative-import",
        "its paint.py imports with a dot",
    ),
    "a file of an extension alone": (
        (
            '  File "C:\\w\\ComfyUI\\custom_nodes\\paint.py", line 2, in <module>\n'
            "    from .lib import x\n"
            "ImportError: attempted relative import with no known parent package\n"
        ),
        "extension-relative-import",
        "paint.py was copied alone into custom_nodes",
    ),
    "the Manager's helper": (
        (
            "[!] /w/python: can't open file '/w/ComfyUI/custom_nodes/git_helper.py': [Errno 2] No"
            " such file or directory\n"
        ),
        "manager-helper-missing",
        "a fault of this release of comfyui-manager",
    ),
    "a program's set": (
        (
            '  File "/v/site-packages/invokeai/backend/paint.py", line 2, in paint\n'
            "    all.append(one)\nAttributeError: 'set' object has no attribute 'append'\n"
        ),
        "program-code-fault",
        "release of invokeai itself",
    ),
    "an optional package": (
        "Could not import safetensors, safetensors support disabled.\n",
        "optional-package-absent",
        "lists and loads .ckpt and .pt alone",
    ),
    "a kind of numbers": (
        "Error occurred when executing UNETLoader:\n\nDtype not understood: F8_E5M2\n",
        "safetensors-older-than-dtype",
        "numbers of the kind F8_E5M2",
    ),
    "training in little memory": (
        "AssertionError: Training models with lowvram not possible\n",
        "webui-trains-not-so",
        "started with --lowvram",
    ),
    "a file for a folder": (
        "looks like /m/paint.ckpt is\nnot the path to a directory containing a config.json file.\n",
        "file-where-a-folder-is-wanted",
        "(/m/paint.ckpt)",
    ),
    "an answer for a script": (
        "  File /n/paint.py:1\n    Entry not found\n          ^\nSyntaxError: invalid syntax\n",
        "not-python-source",
        "the server's answer (Entry not found)",
    ),
    "a workflow's file": (
        (
            f"- **Node Type:** UnetLoaderPaint\n- **Exception Type:** TypeError\n"
            f"- **Exception Message:** {PATH}\n"
        ),
        "family-none-part",
        "The node UnetLoaderPaint has no file to load",
    ),
    "a library of onnx": (
        (
            "ImportError: DLL load failed while importing onnx_cpp2py_export: A dynamic link"
            " library (DLL) initialization routine failed.\n"
        ),
        "family-dll-missing",
        "onnx==1.16.1",
    ),
    "a Python that torch was not built for": (
        (
            f"Python 3.12.1 (tags/v3.12.1:2305ca5) [MSC v.1937 64 bit (AMD64)]\n"
            f"{WHEEL} torch==2.0.1 (from versions: 2.2.0, 2.2.1, 2.2.2)\n"
        ),
        "torch-not-for-this-python",
        "no builds for Python 3.12.1, which runs here: they are for Python 3.8 to 3.11",
    ),
    "a torchvision of such a torch": (
        (
            f"$ python3.11 -m pip install torchvision\n{WHEEL} torchvision==0.13.1+cu113 (from"
            " versions: none)\n"
        ),
        "torch-not-for-this-python",
        "for Python 3.7 to 3.10",
    ),
    "a Python of 32 bits": (
        (
            f"Python 3.10.6 (tags/v3.10.6:9c7b4bd) [MSC v.1932 32 bit (Intel)]\n{WHEEL}"
            " torch==2.0.1 (from versions: none)\n"
        ),
        "torch-not-for-this-python",
        "32-bit one",
    ),
    "a Python that is gone": (
        (
            "Couldn't launch python\n\nexit code: 1\n\nstderr:\n"
            "'\"C:\\Users\\me\\Python310\\python.exe\"' is not recognized as an internal or"
            " external command,\noperable program or batch file.\n"
        ),
        "windows-launches-no-python",
        "C:\\Users\\me\\Python310\\python.exe",
    ),
}


@pytest.mark.parametrize("told", TOLD)
def test_it_is_told_whose_fault_it_is(told: str) -> None:
    log, entry, words = TOLD[told]
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == entry
    assert words.lower() in (cause.cause + cause.fix).lower()


@pytest.mark.parametrize(
    ("log", "entry"),
    [
        ("NameError: name 'paint' is not defined\n", "extension-name-undefined"),
        (
            (
                f"{NODE}    return torch.paint(x)\n"
                '  File "/v/site-packages/paintlib/core.py", line 2, in paint\n    brush(x)\n'
                "NameError: name 'brush' is not defined\n"
            ),
            "extension-name-undefined",
        ),
        (
            (
                '  File "/home/me/paint.py", line 2, in <module>\n    from .lib import x\n'
                "ImportError: attempted relative import with no known parent package\n"
            ),
            "extension-relative-import",
        ),
        ("python: can't open file '/w/git_helper.py': [Errno 2]\n", "manager-helper-missing"),
        (
            (
                '  File "/home/me/paint.py", line 2, in <module>\n    all.append(one)\n'
                "AttributeError: 'set' object has no attribute 'append'\n"
            ),
            "program-code-fault",
        ),
        (
            (
                '  File "/w/stable-diffusion-webui/extensions/p/scripts/p.py", line 2, in p\n'
                "    all.append(one)\nAttributeError: 'set' object has no attribute 'append'\n"
            ),
            "program-code-fault",
        ),
        ("Could not import the module, which is not available\n", "optional-package-absent"),
        (
            (
                f"Python 3.10.6 (tags/v3.10.6:9c7b4bd) [MSC v.1932 64 bit (AMD64)]\n"
                f"{WHEEL} torch==1.12.1+cu113 (from versions: none)\n"
            ),
            "torch-not-for-this-python",
        ),
        (f"{WHEEL} torch==1.12.1+cu113 (from versions: none)\n", "torch-not-for-this-python"),
    ],
)
def test_a_script_s_own_and_what_is_unknown_is_not(log: str, entry: str) -> None:
    assert all(one.entry.id != entry for one in examine(log, entries()).matches)
