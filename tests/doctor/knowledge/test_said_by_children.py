"""What a program says of another that it called, or pip of what it builds, is told as its cause."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

LIKELY, GUESS = Confidence.LIKELY, Confidence.GUESS
CALLED = "subprocess.CalledProcessError: Command '{}' returned non-zero exit status {}.\n"
SDIST = """\
Collecting {name}
  Preparing metadata (setup.py) ... error
  error: subprocess-exited-with-error

  \u00d7 python setup.py egg_info did not run successfully.
  │ exit code: 1
  ╰─> [6 lines of output]
      Traceback (most recent call last):
        File "<string>", line 2, in <module>
        File "/tmp/pip-install-1u/{name}_17/setup.py", line 4, in <module>
          with open('{file}') as f:
      FileNotFoundError: [Errno 2] No such file or directory: '{file}'
      [end of output]
error: metadata-generation-failed
"""
RENAMED = """\
Collecting skimage
  error: subprocess-exited-with-error

  \u00d7 python setup.py bdist_wheel did not run successfully.
  │ exit code: 1
  ╰─> [6 lines of output]
      *** Please install the `scikit-image` package (instead of `skimage`) ***
      [end of output]
  ERROR: Failed building wheel for skimage
"""
ESCAPED = (
    "copying a.py -> build\\lib\\r\\n  running build_ext\\r\\n  error: Microsoft Visual C++ 14.0 "
    "or greater is required.\\r\\n  [end of output]\\r\\n  ERROR: Failed building wheel "
    "for paint\\r\\n"
)
BYTES = (
    'ERROR:root:b"Traceback (most recent call last):\\n  File \\"a.py\\", line 3, in <module>\\n'
    "    import cv2\\nModuleNotFoundError: No module named 'cv2'\\n\"\n"
)
BACKEND = """\
        File "/tmp/pip-build-env-q1/overlay/lib/python3.11/site-packages/mesonpy/api.py", line 4
          self._metadata.dynamic.remove('version')
          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      ValueError: list.remove(x): x not in list
      [end of output]
"""
HEADERS = """\
/opt/homebrew/include/absl/strings/cord.h:719:9: error: no template named 'optional'
fatal error: too many errors emitted, stopping now [-ferror-limit=]
make: *** [all] Error 2
"""
PYENV = """\
BUILD FAILED (OS X 11.6 using python-build 20180424)
checking MACHDEP... "darwin"
configure: error: in `/var/folders/_3/python-build/Python-3.9.0':
configure: error: C compiler cannot create executables
"""
SOURCE = """\
Traceback (most recent call last):
  File "<stdin>", line 1, in <module>
  File "torch/__init__.py", line 48, in <module>
    import torch._dl as _dl_flags
ImportError: No module named _dl
"""
MESON = "meson-python: error: Could not find meson version 0.63.3 or newer, found {}.\n"
FLAT = "ImportError: dlopen(/x/_ext.so, 0x0002): symbol not found in flat namespace '_{}'\n"
OPT = "ImportError: dlopen(/x/_C.so, 9): Library not loaded: /usr/local/opt/{}\n"
PARTS = """\
ImportError: dlopen(/x/torch/_C.so, 2): Library not loaded: /usr/local/lib/libopenb.dylib
  Referenced from: /usr/local/lib/libmagma.dylib
  Reason: image not found
"""
PROXY = """\
Retrying (Retry(total=4)) after connection broken by 'ProxyError('Cannot connect to proxy.', \
OSError('Tunnel connection failed: 407 Proxy Authentication Required',))': /simple/paint/
Retrying (Retry(total=4)) after connection broken by 'SSLError(SSLError(1, \
'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:777)'),)': /packages/paint.whl
"""
TAG = "Error: would build wheel with unsupported tag ('cp38', 'cp38', 'macosx_11_0_x86_64')\n"
APP = """\
ImportError: dlopen(/x/torch/_C.so, 2): Library not loaded: @rpath/libc++.1.dylib
  Referenced from: /Library/Frameworks/Python.framework/Versions/3.8/_C.so
  Reason: image not found
"""
LOCAL = """\
fatal: unable to access 'https://github.com/me/paint/': Failed to connect to 127.0.0.1 port 7890: \
Connection refused
"""
HUB = """\
    hf_hub_download(endpoint="http://huggingface.co", repo_id="me/paint", filename="README.md")
huggingface_hub.errors.FileMetadataError: Distant resource does not seem to be on huggingface.co.
"""


GITLINK = "ERROR: Command errored out with exit status 128: git clone -q git://github.com/a/b /t\n"
NO_CL = """\
      running build_ext
      UserWarning: Error checking compiler version for cl: [WinError 2] not found
        warnings.warn(f'Error checking compiler version for {compiler}: {error}')
      error: [WinError 2] The system cannot find the file specified
      [end of output]
  ERROR: Failed building wheel for paint
"""
TRIED = """\
dyld[39151]: Library not loaded: /opt/homebrew/opt/mbedtls/lib/libmbedcrypto.14.dylib
  Referenced from: <8C2E2CF9> /opt/homebrew/Cellar/librist/0.2.7_3/lib/librist.4.dylib
  Reason: tried: '/opt/homebrew/opt/mbedtls/lib/libmbedcrypto.14.dylib' (no such file){}
"""
CELLAR = ", '/opt/homebrew/Cellar/mbedtls/3.5.0/lib/libmbedcrypto.14.dylib' (no such file)"
GIF = """\
ImportError: dlopen(/x/_dlib.cpython-39-darwin.so, 2): Symbol not found: _DGifCloseFile
  Expected in: flat namespace
"""
FETCH = (
    "Could not fetch URL https://pypi.org/simple/pip/: There was a problem confirming the ssl "
    "certificate: HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded with url: "
    "/simple/pip/ (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]"
    " certificate verify failed: unable to get local issuer certificate (_ssl.c:1007)'))) - "
    "skipping\n"
)
SDK = """\
In file included from /Library/Developer/CommandLineTools/SDKs/MacOSX.sdk/usr/include/limits.h:63:
/Library/Developer/CommandLineTools/SDKs/MacOSX.sdk/usr/include/sys/cdefs.h:807:2: error: \
Unsupported architecture
"""
CONDA = """\
  arm64-apple-darwin20.0.0-clang  -I. -O3 -c ggml.c -o ggml.o
  ggml.c:198:10: fatal error: 'Accelerate/Accelerate.h' file not found
"""
OTHERS = """\
/opt/conda/bin/../include/c++/v1/stdio.h:107:15: fatal error: 'stdio.h' file not found
1 error generated.
"""
SMUDGE = "Error downloading object: a.bin (ba81f69): Smudge error: batch request: {}\n"
UV = """\
  \u00d7 No solution found when resolving dependencies:
      hint: `torch` was found on https://index.example/whl/, but not
      at the requested version (torch==1.12.0+cu113). A compatible version

      hint: You require CPython 3.11 (`cp311`), but we only found wheels for
      `torch` (v1.12.0+cu113) with the following Python ABI tags: `cp310`
"""

LAUNCHED = """\
Traceback (most recent call last):
  File "/Users/me/webui/launch.py", line 48, in <module>
    main()
  File "/Users/me/webui/modules/launch_utils.py", line 116, in run
    raise RuntimeError("\\n".join(error_bits))
RuntimeError: Couldn't install torch.
Command: "/Users/me/webui/venv/bin/python" -m pip install torch=={}
Error code: 1
"""
CAPPED = (
    "ERROR: Could not find a version that satisfies the requirement torch==2.3.1 (from versions: "
    "1.11.0, 2.2.0, 2.2.1, 2.2.2)\nERROR: No matching distribution found for torch==2.3.1\n"
) + LAUNCHED.format("2.3.1")
CUDA = LAUNCHED.format("1.12.1+cu113")
SETUP = """\
        File "<string>", line 111, in finalize_options
      AttributeError: 'dict' object has no attribute '__NUMPY_SETUP__'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed
"""
MAMBA = """\
LibMambaUnsatisfiableError: Encountered problems while solving:
  - nothing provides requested pytorch-sparse 0.6.17**
  - nothing provides requested libgcc-ng 11.2.0**
"""
SUBDIR = """\
CONDA_SUBDIR=osx-x86_64 conda env create -f environment-mac.yaml
ResolvePackageNotFound:
  - sympy==1.10.1
"""


@pytest.mark.parametrize(
    ("log", "name", "sure", "said"),
    [
        (CALLED.format("['git', '-C', '/t', 'lfs', 'pull']", 1), "child-git-lfs", LIKELY, "not in"),
        (CALLED.format("git lfs pull", 2), "child-git-fetch", LIKELY, "its pull"),
        (CALLED.format("['git', 'clone', 'x']", 128), "child-git-fetch", LIKELY, "its clone"),
        (CALLED.format("['git', 'rev-parse', 'HEAD']", 128), "child-git-no-clone", LIKELY, "archi"),
        (CALLED.format("['where', 'cl']", 1), "child-not-in-path", LIKELY, "Microsoft's C++"),
        (CALLED.format("['which', 'g++']", 1), "child-not-in-path", LIKELY, "(g++)"),
        (CALLED.format("['which', 'ffmpeg']", 1), "child-not-in-path", LIKELY, "ffmpeg is not"),
        (CALLED.format("['xcrun', 'metal', 'a']", 72), "child-xcrun", LIKELY, "whole Xcode"),
        (SDIST.format(name="paint", file="README.md"), "sdist-lacks-a-file", LIKELY, "README.md"),
        (
            SDIST.format(name="mesonpy", file="requirements.txt"),
            "sdist-lacks-a-file",
            LIKELY,
            "installed as meson-python",
        ),
        (RENAMED, "name-of-another-package", LIKELY, "scikit-image"),
        (ESCAPED, "msvc-missing", LIKELY, "paint has no wheel"),
        (BYTES, "family-module-missing", GUESS, "opencv-python"),
        (BACKEND, "build-backend-broken", LIKELY, "(mesonpy)"),
        (HEADERS, "header-of-another-copy", LIKELY, "Homebrew's copy"),
        (PYENV, "compiler-makes-nothing", LIKELY, "command line tools"),
        (SOURCE, "source-folder-imported", LIKELY, "folder torch"),
        (MESON.format(""), "meson-of-the-build", LIKELY, "submodules"),
        (MESON.format("0.61.2"), "meson-of-the-build", LIKELY, "0.61.2"),
        (FLAT.format("CFRelease"), "family-symbol-missing", LIKELY, "CoreFoundation"),
        (FLAT.format("SSL_CTX_new"), "family-symbol-missing", LIKELY, "OpenSSL's"),
        (FLAT.format("__kmpc_fork_call"), "family-symbol-missing", LIKELY, "OpenMP"),
        (FLAT.format("cblas_sgemm"), "family-symbol-missing", LIKELY, "not linked with this"),
        (
            OPT.format("libomp/lib/libomp.dylib"),
            "homebrew-library-not-installed",
            LIKELY,
            "libomp, which is not installed here",
        ),
        (PARTS, "family-library-missing", LIKELY, "libmagma.dylib was copied"),
        (PROXY, "proxy-refuses", LIKELY, "a company's own certificate"),
        (HUB, "family-not-the-hub", LIKELY, "only leads on to https"),
        (GITLINK, "child-git-fetch", LIKELY, "does not answer any more"),
        (NO_CL, "build-program-absent", LIKELY, "paint needs Microsoft's"),
        (TRIED.format(CELLAR), "homebrew-library-upgraded", LIKELY, "to 3.5.0"),
        (TRIED.format(""), "homebrew-library-not-installed", LIKELY, "brew install mbedtls"),
        (GIF, "family-symbol-missing", LIKELY, "library that has DGifCloseFile"),
        (FETCH, "ssl-certificate-verify", LIKELY, "pip brings a list of roots"),
        (SDK, "universal-build-with-an-old-sdk", LIKELY, "ARCHFLAGS"),
        (CONDA, "family-no-c-headers", LIKELY, "conda's own compiler"),
        (OTHERS, "cxx-headers-of-another-compiler", LIKELY, "/opt/conda"),
        (
            SMUDGE.format("Repository not found.: exit status 1"),
            "lfs-server-answers-otherwise",
            LIKELY,
            "is private",
        ),
        (
            SMUDGE.format("invalid character '<' looking for beginning of value"),
            "lfs-server-answers-otherwise",
            LIKELY,
            "a login page",
        ),
        (CAPPED, "torch-x86-mac-capped", Confidence.CERTAIN, "Intel Python"),
        (CUDA, "webui-cuda-build-on-a-mac", LIKELY, "no Mac can install"),
        (SETUP, "setup-py-raised", LIKELY, "(AttributeError)"),
        (MAMBA, "family-conda-no-package", LIKELY, "was written on Linux"),
        (SUBDIR, "family-conda-no-package", LIKELY, "osx-64"),
        (
            "C:\\paint\\venv\\Scripts\\python.exe: No module named pip\n",
            "family-pip-broken",
            LIKELY,
            "environment C:\\paint\\venv has no pip",
        ),
        (
            "OSError: sndfile library not found using ctypes.util.find_library\n",
            "native-library-absent",
            LIKELY,
            "libsndfile1",
        ),
        (
            "OSError: ctypes.util.find_library() did not manage to locate a library called `aa`\n",
            "native-library-absent",
            LIKELY,
            "it calls, aa,",
        ),
        ("ld: library not found for -lgomp\n", "linker-lacks-library", LIKELY, "OpenMP"),
        (
            CALLED.format("['/home/me/venv/bin/python3.11', '-m', 'ensurepip']", 1),
            "family-venv-not-made",
            LIKELY,
            "apt install python3.11-venv",
        ),
        (
            "C:\\msys64\\ucrt64\\bin\\python.exe: No module named pip\n",
            "family-pip-broken",
            LIKELY,
            "MSYS2",
        ),
        (UV, "family-uv-first-index", LIKELY, "no wheel for Python 3.11"),
        (
            "OSError: dlopen(libaa.so.1, 6): image not found\n",
            "native-library-absent",
            LIKELY,
            "libaa.so.1",
        ),
        (
            TAG,
            "wheel-of-no-tag",
            LIKELY,
            "macOS 11 or newer",
        ),
    ],
)
def test_what_such_a_log_says_is_told_first(
    log: str, name: str, sure: Confidence, said: str
) -> None:
    found = examine(log, entries())
    first = found.matches[0]
    assert (first.entry.id, first.confidence) == (name, sure)
    assert said in " ".join(f"{first.cause} {first.fix}".split())


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (APP, "family-app-library-absent"),
        (CALLED.format("['git', 'lfs', 'pull']", 2), "child-git-lfs"),
        (LOCAL, "this network refuses"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'README.md'\n", "sdist-lacks"),
        (OPT.format("icu4c/lib/libicui18n.58.dylib"), "homebrew-library-not-installed"),
    ],
)
def test_another_failure_is_not_told_as_such(log: str, name: str) -> None:
    first = examine(log, entries()).matches[0]
    assert name not in f"{first.entry.id} {first.cause}".lower()
