"""What web UIs and their launchers say of their code, settings, extensions and devices is told."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

MODULES = '  File "/w/stable-diffusion-webui/modules/'
ENOENT = "[Errno 2] No such file or directory"
TOLD = {
    "a line that a notebook put in": (
        (
            '  File "/kaggle/w/stable-diffusion-webui/launch.py", line 40, in main\n'
            "    os.system(\"sed -i s/a/b/ util.py\")\nNameError: name 'os' is not defined\n"
        ),
        "webui-launch-patched",
        "launch.py no longer imports os",
    ),
    "a commit for a newer Python": (
        (
            '  File "/w/stable-diffusion-webui/launch.py", line 61\n'
            "    return run(f'\"{python}\"{f' --u {url}' if url!='' else ''}')\n"
            "                             ^\nSyntaxError: f-string: expecting '}'\n"
        ),
        "webui-commit-fstring",
        "git pull",
    ),
    "a commit with a slip": (
        (
            f'{MODULES}ui.py", line 2078, in versions_html\n    <li>{{paint_commit}}</li>\n'
            "NameError: name 'paint_commit' is not defined\n"
        ),
        "webui-commit-undefined-name",
        "defines it nowhere",
    ),
    "pip's command for uv": (
        (
            "RuntimeError: Couldn't install paint.\n"
            'Command: "/usr/bin/python3" -m pip install paint==1.2 --prefer-binary\nError code: 2\n'
            "stderr: An extremely fast Python package manager.\n\nUsage: uv [OPTIONS] <COMMAND>\n"
        ),
        "pip-given-to-uv",
        "without --uv",
    ),
    "settings that broke off": (
        (
            f'{MODULES}options.py", line 198, in load\n    self.data = json.load(file)\n'
            "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"
        ),
        "webui-settings-damaged",
        "Rename config.json",
    ),
    "styles of another program": (
        (
            f'{MODULES}styles.py", line 75, in load_from_csv\n'
            '    prompt = row["prompt"] if "prompt" in row else row["text"]\nKeyError: \'text\'\n'
        ),
        "webui-styles-file",
        "styles.csv",
    ),
    "a share link": (
        (
            "Could not create share link. Missing file: /e/gradio/frpc_linux_amd64_v0.2. \n\n"
            "Please check your internet connection. This can happen if your antivirus software"
            " blocks the download of this file. You can install manually by these steps: \n"
        ),
        "gradio-share-program",
        "the virus scanner removed it",
    ),
    "an end without a word": (
        (
            "StateDict Keys: {'transformer': 1722, 'vae': 244, 'ignore': 0}\n"
            "Using Detected T5 Data Type: torch.float8_e4m3fn\nPress any key to continue . . .\n"
        ),
        "forge-ended-while-loading",
        "make the page file larger",
    ),
    "a killed process on Colab": (
        "model_type EPS\nUNet ADM Dimension 2816\nWorking with z of shape (1, 4, 32, 32)\n^C\n",
        "forge-ended-while-loading",
        "killed since the computer's memory",
    ),
    "a login without a password": (
        (
            f'{MODULES}initialize_util.py", line 120, in process_credential_line\n'
            "    user, password = s.split(':', maxsplit=1)\n"
            "ValueError: not enough values to unpack (expected 2, got 1)\n"
        ),
        "webui-login-option",
        "NAME:PASSWORD",
    ),
    "a tab without a picture": (
        (
            f'{MODULES}img2img.py", line 112, in img2img\n    image = init_img.convert("RGB")\n'
            "AttributeError: 'NoneType' object has no attribute 'convert'\n"
        ),
        "webui-no-picture",
        "no picture in the field",
    ),
    "packed weights on a Mac": (
        (
            '  File "/Users/me/v/invokeai/backend/quantization/bnb_nf4.py", line 1, in <module>\n'
            "    import bitsandbytes as bnb\nModuleNotFoundError: No module named 'bitsandbytes'\n"
        ),
        "invoke-eight-bit-encoder-on-a-mac",
        "Do not install bitsandbytes",
    ),
    "a tag that is not there": (
        "  ERROR: HTTP error 404 while getting https://github.com/me/paint/archive/v2.zip\n",
        "nothing-at-that-address",
        "no release of the tag v2 in me/paint",
    ),
    "the home folder": (
        f"python: can't open file '/Users/me/entry_with_update.py': {ENOENT}\n",
        "family-script-missing",
        "the step cd FOLDER was left out",
    ),
    "the HIP SDK's library": (
        (
            "rocBLAS error: Cannot read C:\\AMD\\5.7\\bin\\/rocblas/library/TensileLibrary.dat:"
            " No such file or directory for GPU arch : gfx1031\n"
        ),
        "family-rocblas-library",
        "does nothing on Windows",
    ),
    "a file with the model alone": (
        (
            "StateDict Keys: {'transformer': 780, 'vae': 0, 'ignore': 0}\n"
            "AssertionError: You do not have CLIP state dict!\n"
        ),
        "family-part-not-chosen",
        "the diffusion model alone (780 tensors",
    ),
    "why the model was not loaded": (
        (
            "creating model quickly: OSError\nOSError: Can't load tokenizer for"
            " 'openai/clip-vit-large-patch14'. If you were trying to load it from\n"
            "Failed to create model quickly; will retry using slow method.\n"
        ),
        "family-tokenizer-missing",
        "openai/clip-vit-large-patch14",
    ),
    "another number of channels": (
        (
            "RuntimeError: Error(s) in loading state_dict for LatentDiffusion:\n"
            "\tsize mismatch for model.diffusion_model.input_blocks.0.0.weight: copyi\n"
        ),
        "family-state-dict",
        "inpainting.ckpt",
    ),
    "memory of a web UI": (
        (
            f'{MODULES}sd_models.py", line 9, in load\n    x()\nRuntimeError: [enforce fail at'
            " alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate"
            " 26214400 bytes.\n"
        ),
        "family-no-memory",
        "page file larger",
    ),
    "a command line with an open quote": (
        (
            ">> Initialization file C:\\w\\invokeai.init found. Loading...\n"
            "An exception has occurred: No closing quotation\n"
        ),
        "command-line-quote-open",
        "C:\\w\\invokeai.init) has a quote",
    ),
    "a library of another HIP SDK": (
        "Failed to load ZLUDA: Could not find module 'C:\\AMD\\ROCm\\6.2\\bin\\hiprtc0507.dll'\n",
        "zluda-not-loaded",
        "that of release 5.7",
    ),
    "a video without ffmpeg": (
        "Exception: Error stitching video. FFmpeg not found at ffmpeg\n",
        "ffmpeg-not-there",
        "no Python package",
    ),
    "an extension of another web UI": (
        (
            '  File "C:\\forge\\extensions\\paint\\method.py", line 72, in __init__\n'
            "    x = sampler.model_wrap_cfg\nAttributeError: 'KDiffusionSampler' object has no"
            " attribute 'model_wrap_cfg'\n"
        ),
        "extension-and-samplers-apart",
        "The extension paint reaches into",
    ),
    "an extension with too few values": (
        (
            "*** Error running process_batch: D:\\sdw\\extensions\\paint\\scripts\\rp.py\n"
            "    TypeError: Script.process_batch() missing 1 required positional argument: 'a'\n"
        ),
        "extension-got-too-few",
        "alwayson_scripts",
    ),
    "a merger of two families": (
        (
            f'{MODULES}extras.py", line 72, in run_modelmerger\n    theta_0[key] = f(a, b)\n'
            "RuntimeError: The size of tensor a (1280) must match the size of tensor b (768) at"
            " non-singleton dimension 1\n"
        ),
        "merger-of-two-families",
        "of different families",
    ),
    "a batch file of Linux": (
        "The system cannot find the batch label specified - start_venv\n",
        "batch-file-line-ends",
        "start_venv",
    ),
    "an option that is not there": (
        (
            '  File "/w/sdw/extensions/paint/scripts/p.py", line 2, in f\n    if opts.paint_more:\n'
            "AttributeError: 'Options' object has no attribute 'paint_more'\n"
        ),
        "webui-option-unknown",
        "The extension paint asks for the option paint_more",
    ),
    "many frames in xformers": (
        (
            '  File "/v/xformers/ops/fmha/cutlass.py", line 202, in apply\n    out = f(\n'
            "RuntimeError: CUDA error: invalid configuration argument\n"
        ),
        "family-cuda-refused",
        "--opt-sdp-attention",
    ),
    "a wheel of a release": (
        (
            "  ERROR: HTTP error 404 while getting https://github.com/me/paint/releases/download/"
            "v1/paint-1+torch2.6-cp310-cp310-win_amd64.whl\n"
        ),
        "nothing-at-that-address",
        "The release v1 of me/paint has no wheel",
    ),
    "a package of DirectML": (
        (
            "DirectML initialization failed: No module named 'torch_directml'\nRuntimeError: Found"
            " no NVIDIA driver on your system.\n"
        ),
        "family-cuda",
        "torch-directml is not installed",
    ),
    "a packing that is not known": (
        (
            "Loading svdq-fp4_r128-paint.safetensors\n"
            "NextDiT Missing: ['layers.0.attention.q_norm.weight']\n"
        ),
        "forge-nunchaku-keys",
        "packed for Nunchaku",
    ),
    "an index without new builds": (
        (
            "  ╰─▶ Because only torch<=2.6.0+cu124 is available and paint==5.12.0 depends on"
            " torch>=2.7.0,<2.8.dev0, we can conclude that paint==5.12.0 cannot be used.\n"
        ),
        "resolver-no-release",
        "(cu124) ends at torch 2.6.0",
    ),
    "an environment that uv does not find": (
        (
            "error: Failed to inspect Python interpreter from virtual environment at `bin/python`\n"
            "  Caused by: Python interpreter not found at `/w/paint/bin/python`\n"
        ),
        "uv-venv-not-there",
        "/w/paint/bin/python",
    ),
    "a picture's name": (
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'outputs\\\\txt2img\\\\1-"
            + "a small red house, " * 9
            + "sky.png.tmp'\n"
        ),
        "picture-name-too-long",
        "pattern for file names",
    ),
    "a picture described by BLIP": (
        (
            '  File "/w/repositories/BLIP/models/med.py", line 178, in forward\n'
            "    torch.matmul(query, key)\nRuntimeError: The size of tensor a (3) must match"
            " the size of tensor b (9) at non-singleton dimension 0\n"
        ),
        "blip-and-transformers",
        "num_beams to 1",
    ),
    "a clone that was cut": (
        (
            "fatal: unable to access 'https://github.com/crowsonkb/k-diffusion.git/': Failed to"
            " connect to github.com port 443\nRuntimeError: Couldn't clone k-diffusion.\n"
        ),
        "family-webui-repository",
        "git did not reach GitHub",
    ),
    "settings of InvokeAI": (
        (
            "pydantic_core.ValidationError: 1 validation error for InvokeAIAppConfig\npaint_path\n"
            "  Extra inputs are not permitted [type=extra_forbidden, input_value='a']\n"
        ),
        "invoke-settings-file",
        "delete the line paint_path",
    ),
}
NOT_TOLD = {
    "a browser that left": (
        (
            "Exception in callback _ProactorBasePipeTransport._call_connection_lost(None)\n"
            '  File "C:\\lib\\asyncio\\proactor_events.py", line 165, in _call_connection_lost\n'
            "    self._sock.shutdown(socket.SHUT_RDWR)\n"
            "ConnectionResetError: [WinError 10054] An existing connection was forcibly closed\n"
        ),
        "family-download-cut",
    ),
    "a module that was not imported": (
        (
            f'{MODULES}sd_hijack_optimizations.py", line 357, in forward\n    xformers.ops(q)\n'
            "NameError: name 'xformers' is not defined\n"
        ),
        "webui-commit-undefined-name",
    ),
    "a model's own file": (
        (
            '  File "/w/convert.py", line 9, in load\n    json.load(file)\n'
            "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"
        ),
        "webui-settings-damaged",
    ),
    "an end after a failure": (
        (
            "StateDict Keys: {'transformer': 1722, 'vae': 244, 'ignore': 0}\n"
            "ValueError: a\nb\nc\nPress any key to continue . . .\n"
        ),
        "forge-ended-while-loading",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_it_is_told(name: str) -> None:
    log, entry, said = TOLD[name]
    expect_entry(log, entry, said)


@pytest.mark.parametrize("name", NOT_TOLD)
def test_another_is_not_taken_for_it(name: str) -> None:
    log, entry = NOT_TOLD[name]
    assert entry not in {match.entry.id for match in examine(log, entries()).matches}
