"""What goes wrong where a program is started is told by what the log says of folder and Python."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

TRACE = "Traceback (most recent call last):\n"
SYSTEM32 = r"""C:\Windows\System32>.\python_embeded\python.exe -s Frob\start.py
The system cannot find the specified path.
"""
GERMAN = r"""C:\WINDOWS\system32>.\python_embeded\python.exe -s Frob\start.py
Das System kann den angegebenen Pfad nicht finden.
"""
PORTABLE = r"""D:\Frob_win64>.\python_embeded\python.exe -s Frob\start.py
The system cannot find the path specified.
"""
NODE = (
    TRACE
    + r"""  File "D:\ComfyUI\custom_nodes\ComfyUI-Frob\nodes.py", line 3, in <module>
    import gguf
ModuleNotFoundError: No module named 'gguf'
"""
)
NODE_SAYS = (
    "Cannot import /w/ComfyUI/custom_nodes/ComfyUI-Frob module for custom nodes:"
    " No module named 'gguf'\n"
)
EXTENSION = (
    TRACE
    + """  File "/w/webui/extensions/sd-frob/scripts/frob.py", line 3, in <module>
    import ezdxf
ModuleNotFoundError: No module named 'pandas'
"""
)
LIBRARY = (
    TRACE
    + """  File "/w/webui/extensions/trimesh/scripts/convert.py", line 3, in <module>
    from trimesh import Frob
ModuleNotFoundError: No module named 'trimesh'
"""
)
SKIPPED = (
    "Launching Web UI with arguments: --xformers --skip-install\n"
    + TRACE
    + """  File "/w/webui/modules/frob.py", line 3, in <module>
    import psutil
ModuleNotFoundError: No module named 'psutil'
"""
)
VENV = (
    'venv "C:\\paint\\venv\\Scripts\\Python.exe"\n'
    + TRACE
    + r"""  File "C:\paint\launch.py", line 12, in <module>
    import numpy as np
ModuleNotFoundError: No module named 'numpy'
"""
)
DRIVE = (
    TRACE
    + """  File "/content/gdrive/MyDrive/sd/stable-diffusion-webui/webui.py", line 11, in <module>
    from modules.frob_queue import wrap
ModuleNotFoundError: No module named 'modules.frob_queue'
"""
)
MIXED = (
    TRACE
    + """  File "/w/webui/modules/shared.py", line 390, in <module>
    "color": ui_components.FrobPicker,
AttributeError: module 'modules.ui_components' has no attribute 'FrobPicker'
"""
)
COMFY = (
    TRACE
    + """  File "/w/ComfyUI/main.py", line 10, in <module>
    from app.frobber import setup
ModuleNotFoundError: No module named 'app.frobber'
"""
)
SPACE = (
    r'Command: "C:\My Art\webui\venv\Scripts\python.exe" -m pip install -r C:\My Art\webui\ext\frob'
    "\n"
)
WRAPPER = (
    "/home/me/My Art/Data/bin/pip3: line 2: /home/me/My: No such file or directory\n"
    "Art/Data/bin/python3.10: command ended\n"
)
EMBEDDED = (
    ">cd python_embeded\n>python.exe -m pip install -r requirements.txt\n"
    "ERROR: Could not open requirements file: [Errno 2] No such file or directory:"
    " 'requirements.txt'\n"
)
AT_HOME = EMBEDDED.replace(">cd python_embeded\n>", "C:\\Users\\me>")
FORGE = (
    TRACE
    + r"""  File "I:\SD WebUI Forge\extensions\sd-frob\scripts\frob.py", line 5, in <module>
    import ldm.modules.attention as atm
ModuleNotFoundError: No module named 'ldm'
"""
)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (SYSTEM32, "started-in-system32", "administrator"),
        (GERMAN, "started-in-system32", "administrator"),
        (PORTABLE, "portable-python-not-there", "python_embeded below the folder"),
        (
            "'.' is not recognized as an internal or external command,\n",
            "slash-in-windows-command",
            "forward slashes",
        ),
        (NODE, "extension-requirement-missing", "gguf that ComfyUI-Frob needs is not installed"),
        (NODE_SAYS, "extension-says-it-lacks", "The custom node ComfyUI-Frob needs the package"),
        (EXTENSION, "extension-requirement-missing", "pandas that sd-frob needs is not installed"),
        (LIBRARY, "library-among-extensions", "put into the folder of extensions, and is none"),
        (SKIPPED, "requirements-were-skipped", "started with --skip-install"),
        (VENV, "own-venv-lacks-package", "own environment, whose Python ran (C:\\paint\\venv"),
        (DRIVE, "family-app-module", "The copy of the web UI on the Drive"),
        (MIXED, "app-copy-is-mixed", "of two revisions"),
        (COMFY, "app-copy-is-mixed", "app.frobber, which is not in this copy (/w/ComfyUI)"),
        (SPACE, "command-cut-at-a-space", "without quotes"),
        (WRAPPER, "command-cut-at-a-space", "without quotes"),
        (EMBEDDED, "requirements-file-not-here", "in the folder python_embeded"),
        (AT_HOME, "requirements-file-not-here", "ran in C:\\Users\\me"),
        (FORGE, "family-app-module", "written for AUTOMATIC1111's web UI"),
    ],
)
def test_what_the_log_says_of_the_start_decides(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        (
            (
                "C:\\Windows\\System32>git clone https://brush.example/x/y\n"
                "'git' is not recognized as an internal or external command,\n"
            ),
            "started-in-system32",
        ),
        (
            (
                "ERROR: Could not open requirements file: [Errno 2] No such file or directory:"
                " 'C:\\\\sd\\\\requirements.txt'\n"
            ),
            "command-cut-at-a-space",
        ),
        (
            "/home/me/my art/run.sh: line 3: /home/me/my art/bin/frob: No such file or directory\n",
            "command-cut-at-a-space",
        ),
        (
            (
                'Command: "C:\\sd\\venv\\Scripts\\python.exe" -m pip install -r C:\\sd\\needs.txt'
                " --prefer-binary\n"
            ),
            "command-cut-at-a-space",
        ),
        (SKIPPED.replace("psutil", "modules.frob"), "requirements-were-skipped"),
        (
            MIXED.replace("/w/webui/modules/shared.py", "/w/webui/extensions/x/modules/a.py"),
            "app-copy-is-mixed",
        ),
    ],
)
def test_what_only_looks_like_it_is_told_otherwise(log: str, stranger: str) -> None:
    assert stranger not in {match.entry.id for match in examine(log, entries()).matches}


PROGRAM = (
    TRACE
    + r"""  File "D:\AI\stable-diffusion-webui-forge\webui.py", line 19, in <module>
    initialize_forge()
  File "D:\AI\stable-diffusion-webui-forge\backend\utils.py", line 1, in <module>
    import gguf
ModuleNotFoundError: No module named 'gguf'
"""
)
RENAMED = r"""No module named 'ComfyUI-FROB'

  File "C:\ComfyUI\custom_nodes\ComfyUI-FROB-main\nodes.py", line 180, in process
"""
NO_PIP = r"""Error: System.IO.FileNotFoundException: pip not found
File name: 'G:\StabilityMatrix\Data\Assets\Python310\Scripts\pip.exe'
"""
NO_LIST = (
    "FileNotFoundError: [Errno 2] No such file or directory:"
    " 'H:\\\\webui\\\\extensions\\\\sd-frob\\\\requirements.txt'\n"
)
LAUNCH = r"""*** Command: "D:\f\system\python\python.exe" "D:\f\webui\extensions\x\install.py"
*** stderr: Traceback (most recent call last):
***   File "D:\f\webui\extensions\x\install.py", line 1, in <module>
***     import launch
*** ModuleNotFoundError: No module named 'launch'
"""
HALF = (
    TRACE
    + """  File "/w/webui/webui.py", line 86, in initialize
    shared.opts.onchange("temp_dir", ui_frob.on_changed)
AttributeError: module 'modules.ui_frob' has no attribute 'on_changed'
"""
)
FOR_FORGE = (
    TRACE
    + r"""  File "C:\w\webui\modules\script_loading.py", line 13, in load_module
    module_spec.loader.exec_module(module)
  File "C:\w\webui\extensions\sd-forge-frob\scripts\frob.py", line 7, in <module>
    from backend import memory_management
ModuleNotFoundError: No module named 'backend'
"""
)


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (PROGRAM, "program-lacks-requirement", "stable-diffusion-webui-forge itself needs gguf"),
        (RENAMED, "node-folder-renamed", "(ComfyUI-FROB-main), as a ZIP"),
        (NO_PIP, "launcher-python-without-pip", "has no pip (G:\\StabilityMatrix"),
        (NO_LIST, "extension-without-requirements-file", "sd-frob has no requirements.txt"),
        (LAUNCH, "own-launch-file-not-found", "in which the portable Python does not look"),
        (HALF, "app-copy-is-mixed", "of two revisions"),
        (FOR_FORGE, "family-app-module", "was written for Forge"),
        (
            "ERROR: Invalid requirement: 'Art\\\\stable-diffusion-webui\\\\extensions\\\\x.txt'\n",
            "command-cut-at-a-space",
            "without quotes",
        ),
        (
            "- Value not in list: scheduler: 'frob' not in ['normal', 'karras']\n",
            "family-choice-not-there",
            "none of its choices",
        ),
        (
            (
                "subprocess.CalledProcessError: Command '['a.exe']' returned non-zero exit status"
                " 3221225477.\n"
            ),
            "family-windows-crash",
            "crashed",
        ),
    ],
)
def test_whose_code_asks_for_what_is_missing_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)
