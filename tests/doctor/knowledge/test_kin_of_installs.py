"""What an installation left half done, or looked for in another place, is told by the place."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

LOADED = r"""
ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'D:\\paint\\venv\\Lib\\site-packages\\numpy\\core\\_multiarray_umath.cp310-win_amd64.pyd'
Consider using the `--user` option or check the permissions.
"""  # noqa: E501 - pip writes it in one line
CACHE = """
  \u00d7 Failed to download and build `rumps==0.4.0`
  ├─▶ Failed to deserialize cache entry
  ╰─▶ array had incorrect length, expected 5
"""
FLAT = """
$ uv pip install torch==1.7.1+cu101 --index-url https://download.pytorch.org/whl/torch_stable.html
  ╰─▶ Because there is no version of torch==1.7.1+cu101 and you require torch==1.7.1+cu101, we can
"""
PROXY = """
requests.exceptions.ProxyError: (MaxRetryError("HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: /x (Caused by ProxyError('Cannot connect to proxy.', OSError(0, 'Error')))"))
"""  # noqa: E501 - requests writes it in one line
GONE = """
Downloading runwayml/stable-diffusion-inpainting ...
urllib.error.HTTPError: HTTP Error 401: Unauthorized
"""
SYSTEM = r"""
C:\WINDOWS\system32>.\venv\Scripts\python.exe launch.py
The system cannot find the path specified.
"""
NOTEBOOK = """
!cd stable-diffusion
!python scripts/txt2img.py --prompt "a cat"
python3: can't open file '/content/scripts/txt2img.py': [Errno 2] No such file or directory
"""
TWICE = """
FileNotFoundError: [Errno 2] No such file or directory: '/home/me/paint/models/vae-ft/models/models/config.json'
"""  # noqa: E501 - a path
UNPACKED = """
     ━━━━━━━━━━━━━━╺━━━━━━━ 1.1/2.3 GB 32.7 MB/s eta 0:00:35
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
ANCIENT = """
Collecting torch
  Downloading torch-0.1.2.tar.gz (128 kB)
  ERROR: Command errored out with exit status 1: python setup.py egg_info
"""
VCVARS = """
      building 'pycocotools._mask' extension
      error: Unable to find vcvarsall.bat
  ERROR: Failed building wheel for pycocotools
"""
OLD_MACOS = """
dyld[412]: Symbol not found: (_$s10Foundation10URLRequestV)
  Referenced from: '/Applications/Paint.app/Contents/MacOS/Paint'
  Expected in: '/usr/lib/swift/libswiftFoundation.dylib'
"""
REFUSED = "You can\u2019t use this version of the application with this version of macOS.\n"
TYPE = "validator error: Model did not specify a valid model-parameter type.\n"
VAE = """
    vae = AutoencoderKL.from_single_file("vae/diffusion_pytorch_model.safetensors")
KeyError: 'decoder.conv_in.weight'
"""

MIRROR = """
Looking in indexes: https://mirror.frob.example/pypi/simple
ERROR: Could not find a version that satisfies the requirement brush==9 (from versions: 1.0, 2.0)
ERROR: No matching distribution found for brush==9
"""
TORCHS = """
Looking in indexes: https://download.pytorch.org/whl/cpu
ERROR: Could not find a version that satisfies the requirement accelerate (from versions: none)
ERROR: No matching distribution found for accelerate
"""
LOCALS = """
    File "<string>", line 60, in get_version
  KeyError: '__version__'
  [end of output]
"""
STOPPED = """
Loading weights [cc6cb27103] from /content/models/v1-5-pruned-emaonly.ckpt
^C
"""
QUARANTINE = """
ImportError: dlopen(/x/_C.so, 0x0002): Library not loaded: @rpath/libc10.dylib
  Reason: tried: '/x/libc10.dylib' (code signature in <9A> '/x/c10' not valid for use in process:
    library load disallowed by system policy)
"""
CIRCLE = (
    "partially initialized module '{}' has no attribute '{}' (most likely due to a circular import)"
)
PAIR = f"AttributeError: {CIRCLE.format('torchvision', 'extension')}\n"
ITSELF = f"""
Traceback (most recent call last):
  File "/x/lib/python3.10/site-packages/pandas/__init__.py", line 16, in <module>
    from pandas import core
AttributeError: {CIRCLE.format("pandas", "core")}
"""
INK = "ImportError: cannot import name 'is_path' from 'PIL._util' (/x/site-packages/PIL/_util.py)\n"
STARLETTE = "RuntimeError: Cannot add middleware after an application has started\n"
BYTEORDER = r"""
Exception: bad file inside C:\sd\models\VAE\paint.pt: archive/.format_version

The file may be malicious, so the program is not going to read it.
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (LOADED, "pip-replaces-what-runs", "_multiarray_umath.cp310-win_amd64.pyd"),
        (CACHE, "uv-cache-damaged", "uv cache clean"),
        (FLAT, "resolver-no-release", "--find-links"),
        (PROXY, "family-proxy", "http://"),
        (GONE, "family-access-denied", "stable-diffusion-inpainting is no longer on the hub"),
        (SYSTEM, "started-in-system32", "administrator"),
        (NOTEBOOK, "family-script-missing", "%cd stable-diffusion"),
        (TWICE, "family-file-missing", "folder models twice"),
        (UNPACKED, "disk-full", "TMPDIR"),
        (ANCIENT, "torch-source-of-2017", "no wheel"),
        (VCVARS, "windows-compiler-missing", "pycocotools"),
        (OLD_MACOS, "family-app-symbol-absent", "Update macOS"),
        (REFUSED, "family-app-and-macos", "newer macOS"),
        (TYPE, "family-model-invalid", "newer than this Xcode"),
        (MIRROR, "family-no-such-version", "mirrors lack releases"),
        (TORCHS, "family-no-versions-at-all", "--extra-index-url"),
        (LOCALS, "version-read-from-locals", "Python 3.13"),
        (STOPPED, "stopped-while-loading", "memory (RAM) ran out"),
        (QUARANTINE, "family-library-missing", "com.apple.quarantine"),
        (PAIR, "family-file-shadows-package", "for another torch"),
        (ITSELF, "family-file-shadows-package", "in its own files"),
        (INK, "family-import-name", "Restart the notebook"),
        (STARLETTE, "family-starlette-newer", "'fastapi<0.91'"),
        (BYTEORDER, "family-pickle-refused", "newer torch"),
        (VAE, "family-part-of-a-model", "diffusers' layout"),
    ],
)
def test_what_happened_is_told_by_what_the_log_says_of_the_place(
    log: str, name: str, said: str
) -> None:
    expect_entry(log, name, said)


def test_the_module_of_a_name_is_read_from_the_line_that_imports_it() -> None:
    log = """
Traceback (most recent call last):
  File "train.py", line 12, in <module>
    from diffusers.models.embeddings import PositionNet
ImportError: cannot import name 'PositionNet'
"""
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == "family-import-name"
    assert "diffusers.models.embeddings" in cause.cause
    assert cause.text == "ImportError: cannot import name 'PositionNet'"
