"""What a package's build lacked is told by the line that says so, not by the build's end."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

END = """\
      error: command '/usr/bin/clang' failed with exit code 1
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for painter
"""
LICENCE = """\
      You have not agreed to the Xcode license agreements. Please run 'sudo xcodebuild -license' \
from within a Terminal window to review and agree to the Xcode and Apple SDKs license.
"""
OTHER = """\
      ld: warning: ignoring file '/opt/homebrew/lib/libpaint.2.dylib': found architecture 'arm64', \
required architecture 'x86_64'
      Undefined symbols for architecture x86_64:
        "_paint", referenced from:
            _painter in context.o
      ld: symbol(s) not found for architecture x86_64
      clang: error: linker command failed with exit code 1 (use -v to see invocation)
"""
OLD_C = """\
      paint/paint.c:252:9: error: call to undeclared function 'lseek'; ISO C99 and later do not \
support implicit function declarations [-Wimplicit-function-declaration]
              LSEEK(state->fd, 0, SEEK_END);
              ^
      2 errors generated.
"""
NEW_PYTHON = """\
      paint.c:1523:25: error: implicit declaration of function '_PyInterpreterState_GetConfig' is \
invalid in C99 [-Werror,-Wimplicit-function-declaration]
      2 errors generated.
"""
SCRIPT = """\
      ./build_bundled.sh: line 19: cmake: command not found
      Traceback (most recent call last):
        File "/x/setup.py", line 89, in run
          subprocess.check_call(['./build_bundled.sh', __version__])
        File "/x/lib/python3.12/subprocess.py", line 413, in check_call
          raise CalledProcessError(retcode, cmd)
      subprocess.CalledProcessError: Command '['./build_bundled.sh', '0.1.99']' returned non-zero \
exit status 127.
"""
MESON = """\
      ..\\meson.build:1:0: ERROR: Unknown compiler(s): [['icl'], ['cl'], ['cc'], ['gcc']]
      The following exception(s) were encountered:
      Running `cl /?` gave "[WinError 2] The system cannot find the file specified"
"""
LOCALS = """\
        File "/x/setup.py", line 81, in get_version
          return locals()['__version__']
                 ~~~~~~~~^^^^^^^^^^^^^^^
      KeyError: '__version__'
"""
RUST = """\
      error: rustc 1.75.0 is not supported by the following packages:
        paint_collections@2.0.0 requires rustc 1.82
"""
NVCC = """\
      /usr/local/cuda/include/crt/host_config.h:132:2: error: #error -- unsupported GNU version! \
gcc versions later than 11 are not supported!
      ninja: build stopped: subcommand failed.
"""
PACKAGES = "      ModuleNotFoundError: No module named 'pkg_resources'\n"
DASHES = (
    "      setuptools.errors.InvalidConfigError: Invalid dash-separated key 'description-file' in "
    "'metadata' (setup.cfg), please use the underscore name 'description_file' instead.\n"
)
PROBE = """\
          Undefined symbols for architecture arm64:
            "_fallocate", referenced from:
                _main in _configtest.o
          ld: symbol(s) not found for architecture arm64
          failure.
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (LICENCE + END, "xcode-license-not-accepted", "licence"),
        (OTHER + END, "family-link-other-processor", "Apple silicon (arm64)"),
        (OLD_C + END, "family-source-for-other-compiler", "painter is older than this compiler"),
        (NEW_PYTHON + END, "family-source-for-other-compiler", "This Python is newer"),
        (SCRIPT + END, "build-tool-missing", "what builds it is missing: cmake"),
        (MESON + END, "source-compiler-not-found", "Microsoft's C++ compiler"),
        (LOCALS + END, "source-locals-of-python-313", "Python 3.13"),
        (RUST + END, "family-rust-too-old", "1.82"),
        (NVCC + END, "source-gcc-too-new-for-cuda", "11 at most"),
        (PACKAGES + END, "family-old-setuptools", "gone with setuptools 82"),
        (DASHES + END, "source-setuptools-too-new", "setuptools 78 and newer"),
        (PROBE + END, "family-build-failed", "painter has no wheel"),
        (
            '../x/meson.build:31:12: ERROR: Dependency "cairo" not found, tried pkgconfig\n' + END,
            "source-library-not-found",
            "the library cairo",
        ),
        ("No package 'libavformat' found\n" + END, "source-library-not-found", "FFmpeg"),
        ("c/_x.c:15:10: fatal error: ffi.h: No such file or directory\n", "", "libffi"),
        ("x.c:3:10: fatal error: 'cuda_runtime.h' file not found\n", "", "NVIDIA"),
        (
            "      x.c:9:7: error: no member named 'tstate_curframe' in '_ts'\n"
            "      x.c:196:12: fatal error: 'longintrepr.h' file not found\n" + END,
            "family-source-for-other-compiler",
            "This Python is newer than the release of painter",
        ),
        (
            "x/x.pyx:13:0: 'int_t' is not a type identifier\n" + END,
            "source-cython-too-new",
            "Cython",
        ),
        (
            '      #error "This header is only meant to be used on x86 and x64 architecture"\n'
            + END,
            "source-for-intel-alone",
            "is for Intel's",
        ),
        ("../meson.build:44:11: ERROR: Python dependency not found\n", "", "headers"),
        (
            "../meson.build:82:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang']]\n",
            "family-no-fortran",
            "Fortran",
        ),
        ("error: linker `link.exe` not found\n", "family-rust-setup", "Microsoft's linker"),
        ("error: linker `cc` not found\n", "family-rust-setup", "no C compiler"),
        ("AttributeError: install_layout\n", "source-debian-setuptools", "Debian"),
        (
            (
                "RuntimeError: Cannot install on Python version 3.11.4; only versions >=3.7,<3.11"
                " are supported.\n"
            ),
            "source-python-refused",
            "Python >=3.7,<3.11 only",
        ),
    ],
)
def test_what_a_build_lacked_is_told(log: str, name: str, said: str) -> None:
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.entry.id == name or not name
    assert cause.confidence is not Confidence.GUESS
    assert said in cause.cause + cause.fix


def test_a_library_that_a_build_did_without_is_no_cause() -> None:
    log = '  Run-time dependency cairo found: NO\n  Dependency "cairo" skipped\nBuild done.\n'
    assert examine(log, entries()).cause is None
