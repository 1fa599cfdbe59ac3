"""What an earlier installation left, or is of another time, is told by what the program found."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine

GIT = (
    '  File "C:\\e\\lib\\site-packages\\pip\\_internal\\vcs\\git.py", line 5, in get_remote_url\n'
    "    found_remote = remotes[0]\nIndexError: list index out of range\n"
)
CRITERION = (
    '  File "C:\\e\\lib\\site-packages\\pip\\_vendor\\resolvelib\\resolvers.py", line 171, in'
    " _merge_into_criterion\n    crit = self.state.criteria[name]\nKeyError: 'paint'\n"
)
ENGINE = (
    " ERR_PNPM_UNSUPPORTED_ENGINE  Unsupported environment (bad pnpm and/or Node.js version)\n\n"
    'Your {} version is incompatible with "/w/{}/web".\n\nExpected version: 22\nGot: v18.1.0\n'
)
TARGET = (
    '  File "/w/ldm/util.py", line 89, in instantiate_from_config\n'
    '    return get_obj_from_str(config["target"])(**config.get("params", dict()))\n'
)
NODE = '  File "/w/ComfyUI/custom_nodes/paint-nodes/nodes.py", line 4, in <module>\n    import x\n'
TOLD = {
    "a source folder": (
        f"Obtaining paint from git+https://h/paint.git\n{CRITERION}{GIT}",
        "pip-source-folder-left",
        "The folder src/paint is left",
    ),
    "a source folder of nobody": (GIT, "pip-source-folder-left", "A folder in src is left"),
    "a source folder of another address": (
        (
            "  git clone in ./src/paint exists with URL https://h/other.git\n"
            "  The plan is to install the git repository https://h/paint.git\n"
            "EOFError: EOF when reading a line\n"
        ),
        "pip-source-folder-asks",
        "The folder ./src/paint is left",
    ),
    "two packages in a line": (
        "ERROR: Invalid requirement: 'paint==1.0 ink>=2' (from line 3 of list.txt)\n",
        "requirements-two-in-a-line",
        "Two packages stand in one line (paint==1.0 ink>=2)",
    ),
    "two packages in a program's own line": (
        (
            "ERROR: Invalid requirement: 'torch==2.1 torchvision==0.16' (from line 1 of"
            " requirements_windows_torch2.txt)\n"
        ),
        "requirements-two-in-a-line",
        "for the program's own setup",
    ),
    "names in a line": (
        "ERROR: Invalid requirement: 'paint ink water'\n",
        "requirements-two-in-a-line",
        "Two packages stand in one line (paint ink water)",
    ),
    "what uv says of it": (
        (
            "error: Couldn't parse requirement in `list.txt` at position 0\n"
            "  Caused by: after parsing `2.0.1`, found `ink==0.15`, which is not part of a valid"
            " version\n"
        ),
        "requirements-two-in-a-line",
        "Two packages stand in one line",
    ),
    "an option in a line": (
        "ERROR: Invalid requirement: 'paint==2.0 --index-url https://h/x' (from line 4 of l.txt)\n",
        "requirement-with-an-option",
        "The option --index-url was read as a part",
    ),
    "an option alone": (
        "ERROR: Invalid requirement: '--index-url https://h/x paint==2.0'\n",
        "requirement-with-an-option",
        "The option --index-url was read as a part",
    ),
    "npm's Node": (
        (
            'npm ERR! notsup Required: {"node":">=18"}\n'
            'npm ERR! notsup Actual:   {"npm":"6.14","node":"v14.1"}\n'
        ),
        "node-of-another-version",
        "it needs >=18",
    ),
    "a merger's page of another time": (
        (
            "Error merging checkpoints: run_modelmerger() missing 1 required positional argument:"
            " 'bake_in_vae'\n"
        ),
        "webui-merger-fault",
        "files are of two times",
    ),
    "Forge's merger": (
        (
            '  File "C:\\webui-forge\\modules\\extras.py", line 135, in run_modelmerger\n'
            "    info = sd_models.checkpoints_list[primary_model_name]\nKeyError: 'p.safetensors'\n"
        ),
        "webui-merger-fault",
        "A fault of this state of Forge",
    ),
    "ldm of another clone": (
        (
            f'{TARGET}  File "/w/ldm/ddpm.py", line 448, in __init__\n'
            "    super().__init__(conditioning_key=conditioning_key, *args, **kwargs)\n"
            "TypeError: __init__() got an unexpected keyword argument 'personalization_config'\n"
        ),
        "config-gives-what-class-lacks",
        "the code ldm that was imported is another project's",
    ),
    "another node's file": (
        (
            f"{NODE}ImportError: cannot import name 'x' from 'utils'"
            " (/w/ComfyUI/custom_nodes/ink-nodes/utils.py)\n"
        ),
        "node-takes-another-nodes-file",
        "gets the file of that name of ink-nodes",
    ),
    "ComfyUI's folder": (
        "ImportError: cannot import name 'x' from 'utils' (/w/ComfyUI/utils/__init__.py)\n",
        "node-own-folder-hidden",
        "ComfyUI has a folder utils itself",
    ),
    "Node": (ENGINE.format("Node", "paint"), "pnpm-other-than-wanted", "Node is of another"),
    "Stability Matrix's pnpm": (
        ENGINE.format("pnpm", "StabilityMatrix"),
        "pnpm-other-than-wanted",
        "Stability Matrix is older than the program",
    ),
    "Stability Matrix's Python": (
        "/w/Data/Assets/Python310/bin/python3.10: No module named virtualenv\n",
        "matrix-python-incomplete",
        "is broken or incomplete",
    ),
    "Stability Matrix's environment": (
        "StabilityMatrix.Core.Exceptions.ProcessException: Venv creation failed with code 3: \n",
        "matrix-venv-failed",
        "could not make the package's environment",
    ),
    "amdsmi": (
        (
            '  File "/e/torch/cuda/__init__.py", line 3, in _raw_device_count_amdsmi\n'
            "    amdsmi.amdsmi_init()\n    ^^^^^^\nNameError: name 'amdsmi' is not defined\n"
        ),
        "torch-amdsmi-unimported",
        "A fault of this torch for ROCm",
    ),
    "a configuration of another project": (
        f"{TARGET}TypeError: __init__() missing 1 required positional argument: 'ink'\n",
        "config-lacks-what-class-wants",
        "does not name ink in its params",
    ),
    "a configuration without a block": (
        (
            "TypeError: LatentDiffusion.__init__() missing 1 required positional argument:"
            " 'personalization_config'\n"
        ),
        "config-lacks-what-class-wants",
        "has no block personalization_config",
    ),
    "a configuration of another time": (
        f"{TARGET}TypeError: Paint.__init__() got an unexpected keyword argument 'ink'\n",
        "config-gives-what-class-lacks",
        "names ink in its params",
    ),
    "the web UI's merger": (
        "Error merging checkpoints: name 'paint' is not defined\n",
        "webui-merger-fault",
        "A fault of this state of the web UI's own code",
    ),
    "a ControlNet unit": (
        (
            "        self.process_unit_before_every_sampling(p, unit, self.current_params[i], x)\n"
            "    KeyError: 1\n"
        ),
        "forge-controlnet-unit-unprepared",
        "ControlNet unit 1",
    ),
    "a node's own folder": (
        f"{NODE}ModuleNotFoundError: No module named 'utils.paint'\n",
        "node-own-folder-hidden",
        "The custom node paint-nodes means a file utils of its own",
    ),
    "an installer of another time": (
        (
            "ERROR: Could not open requirements file: [Errno 2] No such file or directory:"
            " 'environments-and-requirements/requirements-win-colab-cuda.txt'\n"
        ),
        "requirements-file-not-here",
        "the installer of an older InvokeAI",
    ),
    "another conda": (
        (
            "anaconda3/miniconda3 detected in /opt/miniconda3\n"
            "EnvironmentNameNotFound: Could not find conda environment: ldm\n"
        ),
        "conda-no-such-environment",
        "took the conda in /opt/miniconda3",
    ),
    "a relauncher": (
        "ModuleNotFoundError: No module named 'cv2'\nRelauncher: Process is ending. Relaunching\n",
        "family-module-missing",
        "is not its conda environment",
    ),
    "an AMD card": (
        "Device: AMD Radeon RX 6800\nRuntimeError: Found no NVIDIA driver on your system.\n",
        "family-cuda",
        "in place of the one for ROCm",
    ),
}


@pytest.mark.parametrize("what", sorted(TOLD))
def test_what_was_left_is_told(what: str) -> None:
    log, entry, said = TOLD[what]
    found = examine(log, entries())
    assert found.cause is not None
    assert found.cause.entry.id == entry
    assert said.lower() in found.cause.cause.lower()


@pytest.mark.parametrize(
    ("log", "entry"),
    [
        ("found_remote = remotes[0]\nIndexError: list index out of range\n", "pip-source-folder"),
        ("The file paint.txt already exists, and is not a git repository\n", "pip-source-folder"),
        ("ERROR: Invalid requirement: '<!DOCTYPE html>'\n", "requirements-two-in-a-line"),
        ("ERROR: Invalid requirement: 'paint==1.0 and'\n", "requirements-two-in-a-line"),
        (
            "ERROR: Invalid requirement: 'paint==1.0 --index-url=x'\n",
            "requirements-two-in-a-line",
        ),
        ("ERROR: Invalid requirement: 'paint'\n", "requirements-two-in-a-line"),
        (
            f"{NODE}ImportError: cannot import name 'x' from 'u' (/custom_nodes/paint-nodes/u)\n",
            "node-takes-another-nodes-file",
        ),
        ("    x = checkpoints_list[name]\nKeyError: 'p'\n", "webui-merger"),
        ("ProcessException: pip failed with code 1\n", "matrix-"),
        ("/usr/bin/python3: No module named virtualenv\n", "matrix-"),
        (
            "  File \"/w/p.py\", line 2, in p\nNameError: name 'amdsmi' is not defined\n",
            "torch-amdsmi-unimported",
        ),
        ("Error merging checkpoints: 'NoneType' object has no attribute 'x'\n", "webui-merger"),
        ("Error merging checkpoints: [Errno 28] No space left on device\n", "webui-merger"),
        ("    x[i]\nKeyError: 0\n", "forge-controlnet"),
        (
            f"{NODE}ImportError: cannot import name 'x' from 'utils' (/w/custom_nodes/u.py)\n",
            "node-own-folder-hidden",
        ),
        (f"{NODE}ModuleNotFoundError: No module named 'models.paint'\n", "node-own-folder-hidden"),
        ("TypeError: __init__() missing 1 required positional argument: 'ink'\n", "config-lacks"),
    ],
)
def test_what_another_program_says_is_not(log: str, entry: str) -> None:
    assert not any(one.entry.id.startswith(entry) for one in examine(log, entries()).matches)
