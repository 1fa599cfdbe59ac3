"""What logs that nobody here had seen were told wrongly or not at all, and their kin."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.cleaning import clean
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

EXPIRED = """\
SSLError: HTTPSConnectionPool(host='files.brushes.example.com', port=443): Max
retries exceeded with url:
/brushes/main/examples/of/the/community/and/the/long_stroke_painting.py (Caused
by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]
certificate verify failed: certificate has expired (_ssl.c:997)')))
"""
ANSWER = (
    r'{"error":{"code":500,"message":"could not load model: err=ValueError(\"Pipeline'
    r" \u003cclass 'diffusers.pipelines.flux.pipeline_flux.FluxPipeline'\u003e expected"
    " {'vae', 'scheduler', 'text_encoder_2'}, but only {'vae', 'scheduler'} were passed."
    r"\")"
)
DYLIB = """\
ImportError: dlopen(/x/PIL/_imaging.cpython-39-darwin.so, 2): Library not loaded: \
@loader_path/libbrush.6.dylib
  Reason: no suitable image found.  Did find:
\t/x/PIL/.dylibs/libbrush.6.dylib: cannot load 'libbrush.6.dylib' \
(load command 0x80000034 is unknown)
"""
TOOLS = """\
dyld: Library not loaded: @rpath/llbuild.framework/Versions/A/llbuild
  Referenced from: /Library/Developer/CommandLineTools/usr/bin/swift-build
  Reason: image not found
"""
INTEL = """\
2025-06-11 16:02:59,094 ERROR Error during installation: Using Python 3.12.9 environment at: venv
  \u00d7 No solution found when resolving dependencies:
  ╰─▶ Because only the following versions of torch are available:
          torch<=2.7.0
          torch==2.7.1
      and torch>=2.7.0 has no wheels with a matching platform tag (e.g.,
      `macosx_14_0_x86_64`), we can conclude that torch>=2.7.0 cannot be used.
"""
FIRST_INDEX = """\
  x No solution found when resolving dependencies:
  `-> Because there is no version of brush==11.1.0 and your project depends on brush==11.1.0, we \
can conclude that your project's requirements are unsatisfiable.

      hint: `brush` was found on https://index.example/whl/cu126, but not at the requested version \
(brush==11.1.0).
"""
APP = """\
  File "/Applications/Paint.app/Contents/Resources/python/lib/python3.12/site-packages/p/b.py", \
line 9, in load
ModuleNotFoundError: No module named 'bristles'
"""
EMBEDDING = r"""
  File "C:\ui\venv\lib\site-packages\torch\serialization.py", line 211, in __init__
    super(_open_file, self).__init__(open(name, mode))
PermissionError: [Errno 13] Permission denied: 'embeddings\\Oil on Linen'
"""
LINUX_FILE = """\
PackagesNotFoundError: The following packages are not available from current channels:

  - zstd==1.5.2=h8a70e8d_0
  - ld_impl_linux-64=2.43*
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (EXPIRED, "certificate-out-of-date", "clock"),
        (ANSWER, "family-pipeline-parts", "text_encoder_2"),
        (DYLIB, "family-library-missing", "built for a newer macOS"),
        (TOOLS, "family-app-library-absent", "xcode-select -s"),
        (INTEL, "family-no-platform-wheel", ""),
        (FIRST_INDEX, "resolver-no-release", "first index"),
        (APP, "family-module-missing", "The app Paint brings a Python of its own"),
        (EMBEDDING, "family-not-writable", "most likely a folder"),
        (LINUX_FILE, "family-conda-no-package", "written on Linux"),
        ("ImportError: libbrush.so.0", "family-library-missing", "libbrush.so.0"),
        ("OSError: dlopen(libbrush.dylib, 6): image not found", "native-library-absent", "brush"),
        ('{"error":"failed: libbrush.dylib not found"}', "family-library-missing", "brush"),
        (
            (
                "Import failed: Cannot import name 'load_model_dict_into_meta'"
                " from 'diffusers.models.modeling_utils'"
            ),
            "family-import-name",
            "0.35.0 removed",
        ),
        (
            "ImportError: cannot import name 'X' from 'diffusers.utils' (unknown location)",
            "family-half-installed",
            "diffusers.utils",
        ),
        ("No module named 'ldm.models.strokes'", "family-app-module", "A folder ldm is found"),
        ("No module named 'ldm'", "family-app-module", "folder of a research repository"),
        ("zsh: 1.2 not found", "typed-version-redirected", "'PACKAGE>=1.2'"),
        (
            (
                "OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already"
                " initialized."
            ),
            "libomp-duplicate",
            "",
        ),
        (
            "ERROR: No matching distribution found for diffusers==0.24.0.dev0",
            "family-no-such-version",
            "between two releases",
        ),
        (
            "Error: Calling bottle :unneeded is disabled! There is no replacement.",
            "family-brew-call-disabled",
            "bottle :unneeded",
        ),
        (
            "mkdir: /usr/bin/paint: Operation not permitted",
            "family-not-writable",
            "System Integrity Protection",
        ),
        (
            "cp: /System/Library/x: Operation not permitted",
            "family-not-writable",
            "System Integrity Protection",
        ),
        (
            "ValueError: buffer is smaller than requested size",
            "family-buffer-cut",
            "did not finish",
        ),
        (
            (
                "RuntimeError: Detected that PyTorch and torchvision were compiled with different\n"
                "CUDA versions. PyTorch has CUDA Version=11.7 and torchvision has CUDA\n"
                "Version=11.8. Please reinstall the torchvision that matches your PyTorch\ninstall."
            ),
            "family-cuda-versions-differ",
            "11.7 and 11.8:",
        ),
        (
            (
                'Unable to create process using \'"C:\\Python310\\python.exe"'
                " -W ignore::DeprecationWarning -c \"'"
            ),
            "family-script-of-moved-environment",
            "",
        ),
        (
            (
                "creating model quickly: OSError\nOSError: None is not a local folder and is not a"
                " valid model identifier listed on 'https://huggingface.co/models'"
            ),
            "family-not-on-hub",
            "newer than this web UI",
        ),
        (
            "OSError: [Errno 95] Operation not supported: 'a' -> 'b'",
            "family-drive-cannot",
            "exFAT",
        ),
        (
            "zsh: killed /Applications/Paint.app/Contents/MacOS/Paint",
            "oom-killed",
            "quarantine",
        ),
        ("zsh: killed     python paint.py", "oom-killed", "memory ran out"),
        (
            (
                "OCI runtime create failed: error running hook #0: error running hook: signal:"
                " segmentation fault, stdout: , stderr:: unknown"
            ),
            "family-docker-start",
            "NVIDIA",
        ),
        (
            'Error loading "E:\\x\\torch\\lib\\shm.dll" or one of its dependencies.',
            "family-dll-missing",
            "MKL",
        ),
        (
            "OSError: libtorch_hip.so: cannot open shared object file: No such file or directory",
            "family-library-missing",
            "AMD",
        ),
        (
            "./Paint.app/Contents/Frameworks: bundle format unrecognized, invalid, or unsuitable",
            "family-signing",
            "one by one",
        ),
        (
            "ModuleNotFoundError: No module named 'node_helpers'",
            "family-node-needs-newer-comfy",
            "Update ComfyUI",
        ),
        (
            (
                "fatal: detected dubious ownership in repository at 'D:/x'\n"
                "'D:/x' is on a file system that does not record ownership"
            ),
            "family-git-owner",
            "exFAT",
        ),
        (
            (
                "Error: ENAMETOOLONG: name too long, copyfile '/p/dist/mac/P.app/core/dist/mac"
                "/P.app/core/dist/mac/P.app/core/x'"
            ),
            "family-name-too-long",
            "copied into itself",
        ),
    ],
)
def test_what_fresh_logs_are_told(log: str, name: str, said: str) -> None:
    expect_entry(f"{log}\n", name, said)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        # Nothing says that the file is of an image model: it may be packed or damaged as well.
        ("_pickle.UnpicklingError: invalid load key, '\\x9e'.", "damaged"),
        ("load x.safetensors\n_pickle.UnpicklingError: invalid load key, '\\x9e'.", "most likely"),
        ("cp: /usr/local/bin/paint: Operation not permitted", "macOS keeps"),
    ],
)
def test_what_is_not_taken_for_it(log: str, said: str) -> None:
    cause = examine(f"{log}\n", entries()).cause
    assert cause is not None
    assert said in cause.cause


def test_that_xformers_goes_on_without_triton_is_no_failure() -> None:
    found = examine(
        "A matching Triton is not available, some optimizations will not be enabled.\n"
        "Error caught was: No module named 'triton'\n",
        entries(),
    )
    assert found.cause is None
    assert any(one.role is Role.HARMLESS for one in found.matches)


def test_signs_of_an_answer_in_json_are_read() -> None:
    assert clean(r'{"error": "\u003cb\u003e said \"no\""}') == '{"error": "<b> said "no""}'
    assert clean(r'print("\"")') == r'print("\"")'
